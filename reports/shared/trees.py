"""Surrogate trees: the rules that a policy follows, and how far they can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cagexplain.analysis.trees.results import AgentTree, Gain, Size, Surrogate, TreeNode
from reports.kit.charts import Chart, Frame, Line, Tick
from reports.kit.numbers import percent
from reports.kit.pages import source
from reports.kit.sections import Section, gap, render
from reports.shared import trees_words as words

_RULES: Final = 12
"""Rules of an agent that are shown at once; the others are one click away."""

_MEASURES: Final = (
    ("plain", "Decisions alike", "all decisions"),
    ("weighted", "Weighted by importance", "decisions that matter count more"),
    ("types", "Types of action alike", "whatever the target"),
    ("alerted", "With an alert", "somewhere in the agent’s subnets"),
    ("baseline", "A policy that looks at nothing", "the best with fixed weights per action"),
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
    alone = {gain.seats[0]: gain for gain in result.seats if len(gain.seats) == 1}
    html = render(
        "shared/trees.html.j2",
        asks="Which rules does each agent follow, and are they really its rules?",
        says=words.overall(result),
        doubts=words.doubts(result),
        caveats=list(words.caveats(result)),
        result=result,
        agents=[_agent(tree, alone.get(tree.agent)) for tree in result.agents],
        measures=_MEASURES,
        charts=_charts(result),
        key=[(f"look{i}", tree.agent) for i, tree in enumerate(result.agents)],
        options=list(words.options(result)),
        shown=_RULES,
        ratio=words.ratio,
        kept=words.kept,
    )
    return Section("surrogate", _TITLE, html, source("shared/trees.css"))


def _agent(tree: AgentTree, alone: Gain | None) -> dict[str, Any]:
    return {
        "tree": tree,
        "alone": alone,
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
    """Fidelity and kept gain against the number of leaves, on a logarithmic axis."""
    sizes = sorted(result.sizes, key=lambda size: size.leaves)
    if len(sizes) < 2:
        return []
    frame = Frame(math.log2(sizes[-1].leaves), 1.0, x_least=math.log2(sizes[0].leaves))
    agents = [tree.agent for tree in result.agents]
    fidelity = [
        _line(frame, name, f"look{i}", [(s.leaves, s.fidelity[i]) for s in sizes])
        for i, name in enumerate(agents)
    ]
    gain = _line(frame, "all agents", "look0", [(s.leaves, s.gain) for s in sizes])
    return [
        _chart(frame, sizes, "Decisions alike", fidelity),
        *([_chart(frame, sizes, "Gain kept, trees for all agents", [gain])] if gain.path else []),
    ]


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
