"""Surrogate trees: the rules that a policy follows, and how far they can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cagexplain.analysis.trees.results import (
    AgentTree,
    Recall,
    Size,
    Surrogate,
    TreeNode,
    Worth,
)
from cagexplain.cc4 import actions
from reports.kit.charts import Chart, Frame, Line, Tick
from reports.kit.numbers import percent
from reports.kit.pages import source
from reports.kit.sections import Section, gap, render
from reports.shared import trees_words as words

_RULES: Final = 10
"""Rules of an agent that are shown at once; the others are one click away."""

_BALANCED: Final = (
    "balanced",
    "Balanced fidelity",
    "same likeliest action, hosts that look alike as one; mean over the types of action",
)
_LIKELIEST: Final = (
    ("likeliest", "Same likeliest action", "the one that it takes, if it does not draw"),
    ("likeliest_alike", "… hosts that look alike as one", "any of them will do"),
)
_DRAWN: Final = (
    ("taken", "Same action as both play", "who draws draws by itself"),
    ("taken_alike", "… hosts that look alike as one", "any of them will do"),
    ("overlap", "Overlap of the probabilities", "the same action if both drew with the same dice"),
)
_ALERTED: Final = (
    "alerted",
    "With an alert",
    "same likeliest action, hosts that look alike as one, with an alert somewhere in its subnets",
)
"""Fields of `Fidelity`, with their names and what they are about."""

_RARE: Final = 0.0005
"""Share of decisions below which a rule is not listed with the others."""
_TITLE: Final = "Rules it follows"


@dataclass(frozen=True)
class OutlineRow:
    """A line of a tree as text.

    Attributes:
        depth: how far it is indented.
        text: a question, "otherwise", or either with the weight of a leaf behind it.
        weight: of the leaf; None for questions.
        support: share of decisions that are taken below.
    """

    depth: int
    text: str
    weight: float | None
    support: float


def section(result: Surrogate | None, why_not: str = "") -> Section:
    """The section; a marked gap without trees, with the reason if there is one."""
    if result is None:
        html = gap(
            why_not or "No decision trees were extracted from this policy.",
            "Extract them, here or on a page of their own; it takes some minutes.",
            "cagexplain fsm-report TRACE --rules",
        )
        return Section("surrogate", _TITLE, html)
    drawn = _DRAWN if result.draws or result.stochastic else ()
    html = render(
        "shared/trees.html.j2",
        asks="Which rules does each agent follow, and are they really its rules?",
        says=words.overall(result),
        doubts=words.doubts(result),
        caveats=list(words.caveats(result)),
        result=result,
        agents=[_agent(tree) for tree in result.agents],
        measures=(_BALANCED, *_LIKELIEST, *drawn, _ALERTED),
        types=_types(result),
        charts=_charts(result),
        key=[(f"look{i}", tree.agent) for i, tree in enumerate(result.agents)],
        options=list(words.options(result)),
        shown=_RULES,
        words=words,
    )
    return Section("surrogate", _TITLE, html, source("shared/trees.css"))


def _types(result: Surrogate) -> list[tuple[str, list[Recall | None]]]:
    """By type of action: how often each agent's tree meets it."""
    met = [{each.action_type: each for each in tree.fidelity.recalls} for tree in result.agents]
    names = [name for name in actions.KIND_NAMES if any(name in recalls for recalls in met)]
    return [(name, [recalls.get(name) for recalls in met]) for name in names]


def _agent(tree: AgentTree) -> dict[str, Any]:
    return {
        "tree": tree,
        "rules": [rule for rule in tree.rules if rule.support >= _RARE],
        "never": [rule for rule in tree.rules if rule.support < _RARE],
        "heaviest": max((rule.support for rule in tree.rules), default=0.0) or 1.0,
        "outline": list(_outline(tree.nodes)),
    }


def _outline(nodes: Sequence[TreeNode]) -> Iterator[OutlineRow]:
    """The tree as nested questions; what holds if the answer is yes comes first."""
    waiting = [(0, 0, "")]
    while waiting:
        number, depth, lead = waiting.pop()
        node = nodes[number]
        if node.left is None or node.right is None:
            yield OutlineRow(depth, lead or "always", node.weight, node.support)
            continue
        if lead:
            yield OutlineRow(depth, lead, None, node.support)
            depth += 1
        waiting.append((node.left, depth, "otherwise"))
        waiting.append((node.right, depth, f"if {node.text}"))


def _charts(result: Surrogate) -> list[Chart]:
    """Fidelity and loss against the number of leaves, on a logarithmic axis."""
    sizes = sorted(result.sizes, key=lambda size: size.leaves)
    if len(sizes) < 2:
        return []
    frame = Frame(math.log2(sizes[-1].leaves), 1.0, x_least=math.log2(sizes[0].leaves))
    agents = [tree.agent for tree in result.agents]
    fidelity = [
        _line(frame, name, f"look{i}", [(s.leaves, s.fidelity[i]) for s in sizes])
        for i, name in enumerate(agents)
    ]
    lost = _line(frame, "all agents", "look0", [(s.leaves, _cut(s.worth)) for s in sizes])
    return [
        _chart(frame, sizes, "Balanced fidelity", fidelity),
        *(
            [_chart(frame, sizes, "Loss beyond the policy’s, cut at 100 %", [lost])]
            * bool(lost.path)
        ),
    ]


def _cut(worth: Worth) -> float | None:
    """Part of the policy's loss that is lost beyond it, between 0 and 1."""
    if worth.relative is None or worth.relative.value is None:
        return None
    return min(max(worth.relative.value, 0.0), 1.0)


def _chart(frame: Frame, sizes: Sequence[Size], title: str, lines: Sequence[Line]) -> Chart:
    return Chart(
        title=title,
        summary="against the number of leaves; the table below has the numbers",
        frame=frame,
        x_ticks=[Tick(frame.x(math.log2(size.leaves)), str(size.leaves)) for size in sizes],
        y_ticks=[Tick(frame.y(share), percent(share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)],
        x_title="leaves per agent",
        lines=lines,
    )


def _line(frame: Frame, name: str, look: str, points: Sequence[tuple[int, float | None]]) -> Line:
    known = [(math.log2(leaves), share) for leaves, share in points if share is not None]
    return Line(name, look, frame.line(known))
