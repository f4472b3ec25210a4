"""Decision trees that imitate a policy, made up."""

from cagexplain.analysis.trees.results import (
    AgentTree,
    Fidelity,
    Gain,
    Rule,
    RuleCondition,
    Size,
    Surrogate,
    TreeNode,
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
RULES = (
    Rule(
        ("Sleep",),
        (RuleCondition("action is Sleep", 0.5, None, "the action is Sleep"),),
        12.0,
        0.7,
        0.95,
        3000,
        "Sleep if there is no alert",
    ),
    Rule(("Restore",), (), 40.0, 0.3, 0.9, 900, "Restore a host with a process alert now"),
    Rule(("Analyse",), (), 0.0, 0.0, None, 0, "Analyse otherwise"),
)


def tree(agent: str, plain: float | None = 0.94) -> AgentTree:
    return AgentTree(
        agent=agent,
        leaves=3,
        depth=2,
        features=("process alert now", "action is Sleep"),
        decisions=4000,
        fidelity=Fidelity(share(plain), share(0.96), share(0.97), share(0.9), share(0.6), 0.85),
        rules=RULES,
        nodes=NODES,
        stability=(0.93, 0.6),
    )


def surrogate(plain: float | None = 0.94, gain: float | None = 0.97) -> Surrogate:
    def mean(value: float) -> MeanReturn:
        return MeanReturn(value, 40.0, value - 15, value + 15)

    limits = (None, None) if gain is None else (gain - 0.02, gain + 0.02)
    return Surrogate(
        teacher={"name": "ippo_tuned", "kind": "trained"},
        source="roll-outs",
        stochastic=True,
        importance="range of the log-probabilities",
        options={"episodes": 100, "seeds": [1, 2], "red": "finite_state"},
        teacher_return=mean(-330.0),
        sleep_return=mean(-5600.0),
        team=Gain(agents.BLUE, mean(-480.0), gain, *limits),
        seats=tuple(Gain((name,), mean(-350.0), 0.99, 0.98, 1.0) for name in agents.BLUE),
        sizes=(
            Size(4, (0.7,) * 5, 0.5, -3000.0),
            Size(16, (0.85,) * 5, 0.8, -1400.0),
            Size(64, (0.94,) * 5, 0.97, -480.0),
        ),
        agents=tuple(tree(name, plain) for name in agents.BLUE),
        decision_time=12.5,
        seconds=140.0,
    )
