"""Decision trees that imitate a policy, made up."""

from typing import Any

from cagexplain.analysis.trees.results import (
    AgentTree,
    Agreement,
    Fidelity,
    Recall,
    Rule,
    RuleCondition,
    Size,
    Surrogate,
    TreeNode,
    Worth,
)
from cagexplain.cc4 import agents
from cagexplain.policies.evaluation import MeanReturn
from cagexplain.stats.shares import Ratio


def share(value: float | None, total: float = 4000) -> Ratio:
    if value is None:
        return Ratio(None, None, None, total, 0)
    return Ratio(value, value - 0.02, value + 0.01, total, 20)


def leaf(weight: float, support: float) -> TreeNode:
    return TreeNode(None, None, f"weight {weight:g}", None, None, weight, support)


def question(text: str, left: int, right: int, support: float) -> TreeNode:
    return TreeNode(text, 0.5, text, left, right, None, support)


NODES = (
    question("process alert now", 1, 2, 1.0),
    question("action is Sleep", 3, 4, 0.7),
    leaf(40.0, 0.3),
    leaf(0.0, 0.0),
    leaf(12.0, 0.7),
)
ALERT = RuleCondition("process alert now", 0.5, None, "a process alert now")
STEP = RuleCondition("step", 99.5, None, "step ≥ 100")


def rule(
    action_type: str, sentence: str, *, main: int = 0, covered: float = 1.0, **numbers: Any
) -> Rule:
    """A rule with the conditions `ALERT` and `STEP`, of which it prints the first ones."""
    conditions = (ALERT, STEP)
    return Rule(
        (action_type,), conditions, conditions[:main], covered, sentence=sentence, **numbers
    )


RULES = (
    rule(
        "Sleep",
        "Sleep if there is no alert",
        main=2,
        **{"weight": 12.0, "priority": 2, "support": 0.7, "precision": 0.95, "decisions": 3000},
    ),
    rule(
        "Restore",
        "Restore a host with a process alert now",
        main=1,
        covered=0.8,
        **{"weight": 40.0, "priority": 1, "support": 0.3, "precision": 0.9, "decisions": 900},
    ),
    rule(
        "Analyse",
        "Analyse otherwise",
        **{"weight": 0.0, "priority": 3, "support": 0.0, "precision": None, "decisions": 0},
    ),
)


def agreement(value: float | None, *, itself: float | None = 1.0, blind: float = 0.2) -> Agreement:
    return Agreement(share(value), None if itself is None else share(itself), share(blind))


def tree(agent: str, balanced: float | None = 0.94, itself: float = 0.08) -> AgentTree:
    return AgentTree(
        agent=agent,
        leaves=3,
        depth=2,
        features=("process alert now", "action is Sleep"),
        decisions=4000,
        fidelity=Fidelity(
            balanced=agreement(balanced),
            recalls=(
                Recall("Restore", 900, share(0.8), share(0.9), share(0.95)),
                Recall("Sleep", 3100, share(0.97), share(0.97), share(0.98)),
            ),
            likeliest=agreement(0.91, blind=0.7),
            likeliest_alike=agreement(0.93, blind=0.7),
            taken=agreement(0.07, itself=itself, blind=0.02),
            taken_alike=agreement(0.09, itself=0.1, blind=0.02),
            overlap=agreement(0.8, blind=0.7),
            alerted=agreement(0.85),
        ),
        rules=RULES,
        nodes=NODES,
        stability=(0.93, 0.6),
    )


def mean(value: float, error: float = 15.0) -> MeanReturn:
    return MeanReturn(value, 40.0, value - error, value + error)


def worth(lost: float, seats: tuple[str, ...] = agents.BLUE) -> Worth:
    """Of trees for a policy that returns -330, where restore_cycle returns -590."""
    return Worth(
        seats, mean(-330 - lost), mean(lost, 5.0), share(lost / 330, 33_000), share(lost / 260)
    )


def surrogate(balanced: float | None = 0.94, lost: float = 16.5) -> Surrogate:
    return Surrogate(
        teacher={"name": "ippo_tuned", "kind": "checkpoint"},
        source="roll-outs",
        draws=True,
        stochastic=False,
        importance="range of the log-probabilities",
        options={"episodes": 100, "seeds": [1, 2], "red": "finite_state"},
        teacher_return=mean(-330.0),
        cycle_return=mean(-590.0),
        sleep_return=mean(-5600.0),
        team=worth(lost),
        seats=tuple(worth(3.3, (name,)) for name in agents.BLUE),
        sizes=(
            Size(4, (0.7,) * 5, worth(2670.0)),
            Size(16, (0.85,) * 5, worth(165.0)),
            Size(64, (0.94,) * 5, worth(16.5)),
        ),
        agents=tuple(tree(name, balanced) for name in agents.BLUE),
        decision_time=12.5,
        seconds=140.0,
    )
