"""What a report of extracted trees holds: their rules in words, how alike they choose to their
teacher, and what the team earns when they play. `extract` fills it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cagexplain.common.results import Result
from cagexplain.policies.evaluation import MeanReturn
from cagexplain.stats.shares import Ratio


@dataclass(frozen=True)
class RuleCondition(Result):
    """What a rule asks of one feature of an action: low < value <= high.

    Attributes:
        feature: name, as in ``policies.named_features``.
        low, high: None where there is no such limit.
        text: the condition in words, such as "process alert now" or "at most 3 steps since ...".
    """

    feature: str
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class Rule(Result):
    """A leaf of a tree: actions that meet all conditions get its weight.

    Attributes:
        actions: names of the action types that can meet them.
        conditions: from the root to the leaf, merged by feature.
        main: those of them that tell its actions from others best, at most `MAIN_CONDITIONS`.
        covered: of the actions of these types that meet the main conditions in held-out decisions,
            the share that meets all; None if no action meets them.
        weight: in per cent of an average decision's total, so that an action of weight 5 is chosen
            in about 5 of 100 decisions by a tree that draws.
        priority: place of the weight among the tree's, from 1 for the highest: of all valid
            actions a tree that does not draw takes one of the least number.
        support: share of decisions that the tree takes by this rule.
        precision: of those, the share in which the teacher's choice agrees: its likeliest action if
            the tree does not draw, else the overlap of the two distributions; None if the rule is
            never used.
        decisions: held-out decisions in which any valid action met the conditions.
        sentence: the rule in words, with its main conditions.
    """

    actions: tuple[str, ...]
    conditions: tuple[RuleCondition, ...]
    main: tuple[RuleCondition, ...]
    covered: float | None
    weight: float
    priority: int
    support: float
    precision: float | None
    decisions: int
    sentence: str


MAIN_CONDITIONS: Final = 3


@dataclass(frozen=True)
class Agreement(Result):
    """How often two agree on held-out decisions, and what to hold that against.

    Attributes:
        trees: the tree with the policy.
        policy: the policy with itself, asked twice; 1 where nothing is drawn, None if only its
            recorded choices are known.
        blind: the best tree that looks at nothing (fixed weights per action) with the policy.
    """

    trees: Ratio
    policy: Ratio | None
    blind: Ratio


@dataclass(frozen=True)
class Recall(Result):
    """Decisions in which the policy's likeliest action is of one type.

    Attributes:
        action_type: its name.
        decisions: held-out ones.
        exact: share of them in which the tree's likeliest action is the same.
        alike: the same up to hosts that the agent cannot tell apart.
        type: of the same type.
    """

    action_type: str
    decisions: int
    exact: Ratio
    alike: Ratio
    type: Ratio


@dataclass(frozen=True)
class Fidelity(Result):
    """How far a tree and its teacher choose alike on held-out episodes that the teacher plays.

    The likeliest action of a policy that does not draw is the one that it takes. Hosts that an
    agent cannot tell apart are those of one kind and subnet of which it remembers all the same at
    that decision; where they count as one, any of them will do.

    Attributes:
        balanced: the headline: share of decisions in which both have the same likeliest action, up
            to hosts that cannot be told apart, taken for each type of the policy's likeliest action
            by itself and averaged over the types, which count the same however rare they are;
            but types of fewer than `LEAST_DECISIONS` held-out decisions are left out.
        recalls: what it is the mean of.
        likeliest: the same likeliest action.
        likeliest_alike: up to hosts that cannot be told apart.
        taken: the same action as both play: each draws by itself, if it draws.
        taken_alike: up to hosts that cannot be told apart.
        overlap: sum over actions of the smaller of the two probabilities: how often both would take
            the same action if they drew with the same dice.
        alerted: `likeliest_alike` of decisions with an alert in the agent's subnets.
    """

    balanced: Agreement
    recalls: tuple[Recall, ...]
    likeliest: Agreement
    likeliest_alike: Agreement
    taken: Agreement
    taken_alike: Agreement
    overlap: Agreement
    alerted: Agreement


LEAST_DECISIONS: Final = 10


@dataclass(frozen=True)
class Worth(Result):
    """What a team with trees earns, on the same seeds as the teacher.

    Attributes:
        seats: names of the agents that the trees play; the teacher plays the others.
        returns: of the team.
        lost: points that it loses against the teacher, per episode.
        relative: those points as a part of the teacher's own loss: 0.1 is a tenth more; None if
            the teacher loses nothing.
        to_cycle: those points as a part of what `restore_cycle`, which looks at nothing, loses
            against the teacher: 0 is as good as the teacher, 1 as bad as that; None if the teacher
            is no better itself.
    """

    seats: tuple[str, ...]
    returns: MeanReturn
    lost: MeanReturn
    relative: Ratio | None
    to_cycle: Ratio | None


@dataclass(frozen=True)
class Size(Result):
    """One point of the trade-off between size and fidelity.

    Attributes:
        leaves: at most, per agent.
        fidelity: `Fidelity.balanced` of the trees, per agent.
        worth: of these trees in all seats, on the first held-out episodes.
    """

    leaves: int
    fidelity: tuple[float | None, ...]
    worth: Worth


@dataclass(frozen=True)
class TreeNode(Result):
    """A node of a tree, for drawing.

    Attributes:
        feature, threshold: question: to the left if the feature is at most this; None for leaves.
        text: the question in words (of the way to the right), or the leaf's weight.
        left, right: numbers of the children; None for leaves.
        weight: of a leaf.
        support: share of decisions that the tree takes below this node.
    """

    feature: str | None
    threshold: float | None
    text: str
    left: int | None
    right: int | None
    weight: float | None
    support: float


@dataclass(frozen=True)
class AgentTree(Result):
    """An agent's tree.

    Attributes:
        agent: its name.
        leaves, depth: of the tree.
        features: names that it asks about, most important first.
        decisions: held-out decisions that it was judged on.
        fidelity: against the teacher.
        rules: its leaves, those that decide most often first.
        nodes: the tree, root first.
        stability: mean overlap of the choices of trees refitted on resampled episodes, and mean
            Jaccard index of the features that they ask about; None if not refitted.
    """

    agent: str
    leaves: int
    depth: int
    features: tuple[str, ...]
    decisions: int
    fidelity: Fidelity
    rules: tuple[Rule, ...]
    nodes: tuple[TreeNode, ...]
    stability: tuple[float, float] | None


@dataclass(frozen=True)
class Surrogate(Result):
    """Decision trees that imitate a policy, and how far they can be believed.

    Attributes:
        teacher: what the policy says about itself.
        source: "roll-outs" with the teacher at hand, or "trace": only recorded decisions.
        draws: whether the teacher draws its actions.
        stochastic: whether the trees do: then they imitate its probabilities, else its likeliest
            actions.
        importance: what the decisions were weighted by, in words.
        options: of the extraction: seeds, episodes, rounds, red variant, steps.
        teacher_return, cycle_return, sleep_return: of the teacher, `restore_cycle` and Sleep on the
            held-out seeds.
        team: trees in all seats.
        seats: trees in one seat at a time; empty if the teacher was not played.
        sizes: trade-off curve.
        agents: the trees.
        decision_time: microseconds per decision of an agent, in a batch of 64 episodes.
        seconds: that the extraction took.
    """

    teacher: dict[str, Any]
    source: str
    draws: bool
    stochastic: bool
    importance: str
    options: dict[str, Any]
    teacher_return: MeanReturn
    cycle_return: MeanReturn
    sleep_return: MeanReturn
    team: Worth
    seats: tuple[Worth, ...]
    sizes: tuple[Size, ...]
    agents: tuple[AgentTree, ...]
    decision_time: float
    seconds: float

    @property
    def least(self) -> AgentTree:
        """The tree of the lowest balanced fidelity."""
        return min(self.agents, key=lambda tree: tree.fidelity.balanced.trees.value or 0.0)

    @property
    def believable(self) -> bool:
        """Whether the rules may be taken for the policy's: a high balanced fidelity of every agent,
        and a team that loses hardly more than the policy."""
        faithful = (self.least.fidelity.balanced.trees.value or 0.0) >= BELIEVABLE_FIDELITY
        relative = None if self.team.relative is None else self.team.relative.value
        return faithful and (relative is None or relative <= BELIEVABLE_LOSS)


BELIEVABLE_FIDELITY: Final = 0.9
"""Balanced fidelity of every agent from which on rules are believed."""
BELIEVABLE_LOSS: Final = 0.1
"""Part of the teacher's loss that trees may lose beyond it."""
