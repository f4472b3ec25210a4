"""What a report of extracted trees holds: their rules in words, how alike they choose to their
teacher, and what the team earns when they play. `extract` fills it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
        weight: in per cent of an average decision's total, so that an action of weight 5 is chosen
            in about 5 of 100 decisions.
        support: share of decisions that the tree takes by this rule.
        precision: of those, the share in which the teacher's choice agrees (overlap of the two
            distributions); None if the rule is never used.
        decisions: held-out decisions in which any valid action met the conditions.
        sentence: the rule in words.
    """

    actions: tuple[str, ...]
    conditions: tuple[RuleCondition, ...]
    weight: float
    support: float
    precision: float | None
    decisions: int
    sentence: str


@dataclass(frozen=True)
class Fidelity(Result):
    """How far two policies choose alike on held-out episodes.

    The measure is the overlap of the two distributions over exact actions, sum_a min(p(a), q(a)),
    averaged over decisions: the probability that both take the same action if their dice are
    coupled as well as possible. Of deterministic policies it is the share of equal actions.

    Attributes:
        plain: over all decisions.
        weighted: decisions weighted by how much the choice matters to the teacher.
        types: overlap over action types, whatever the target.
        alerted: over decisions with an alert in the agent's subnets.
        baseline: `plain` of the best policy that looks at nothing: fixed weights per action.
        skill: (plain - baseline) / (1 - baseline); None where the baseline is perfect.
    """

    plain: Ratio
    weighted: Ratio
    types: Ratio
    alerted: Ratio
    baseline: Ratio
    skill: float | None


@dataclass(frozen=True)
class Size(Result):
    """One point of the trade-off between size and fidelity.

    Attributes:
        leaves: at most, per agent.
        fidelity: `Fidelity.plain` per agent.
        gain: share of the teacher's gain over Sleep that the trees of this size keep in all seats;
            None if the teacher gains nothing.
        mean_return: of those trees, on the first held-out episodes.
    """

    leaves: int
    fidelity: tuple[float | None, ...]
    gain: float | None
    mean_return: float


@dataclass(frozen=True)
class Gain(Result):
    """How much of the teacher's return a team with trees keeps.

    Attributes:
        seats: names of the agents that the trees play; the teacher plays the others.
        returns: of the team; same seeds as teacher and Sleep.
        gain: (team - Sleep) / (teacher - Sleep) of the mean returns; None if the teacher gains
            nothing, or was not played.
        low, high: confidence limits of the gain; None with too few episodes.
    """

    seats: tuple[str, ...]
    returns: MeanReturn
    gain: float | None
    low: float | None
    high: float | None


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
        stochastic: whether the teacher's probabilities were imitated rather than its choices.
        importance: what the decisions were weighted by, in words.
        options: of the extraction: seeds, episodes, rounds, red variant, steps.
        teacher_return, sleep_return: on the held-out seeds; None without them.
        team: trees in all seats.
        seats: trees in one seat at a time; empty if the teacher was not played.
        sizes: trade-off curve.
        agents: the trees.
        decision_time: microseconds per decision of an agent, in a batch of 64 episodes.
        seconds: that the extraction took.
    """

    teacher: dict[str, Any]
    source: str
    stochastic: bool
    importance: str
    options: dict[str, Any]
    teacher_return: MeanReturn | None
    sleep_return: MeanReturn | None
    team: Gain
    seats: tuple[Gain, ...]
    sizes: tuple[Size, ...]
    agents: tuple[AgentTree, ...]
    decision_time: float
    seconds: float

    @property
    def believable(self) -> bool:
        """Whether the rules may be taken for the policy's: high overlap of every agent, and a team
        that keeps nearly all of the gain."""
        overlaps = [tree.fidelity.plain.value or 0.0 for tree in self.agents]
        kept = self.team.gain is None or self.team.gain >= BELIEVABLE_GAIN
        return min(overlaps) >= BELIEVABLE_FIDELITY and kept


BELIEVABLE_FIDELITY = 0.9
BELIEVABLE_GAIN = 0.95
