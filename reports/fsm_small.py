"""The state machine at a glance: per state the blue action that is chosen most.

After figure 8 of Rigoni et al. (2025), at the places of the large picture, so that the pictures of
several policies can stand side by side. The most chosen action is no more than that: "≈" marks
where another may be as frequent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.distributions import Distribution
from cagexplain.analysis.fsm_graph import Transition
from reports import palette, words
from reports.fsm_picture import RARE

WIDTH: Final = 560
HEIGHT: Final = 300
RADIUS: Final = 21

Point = tuple[float, float]

_UPPER, _LOWER = 115.0, 215.0
_COLUMNS: Final = {"K": 125.0, "S": 250.0, "U": 375.0, "R": 500.0}
_PLACES: Final[dict[str, Point]] = {
    **{state: (x, _UPPER) for state, x in _COLUMNS.items()},
    **{f"{state}D": (x, _LOWER) for state, x in _COLUMNS.items()},
    "F": (_COLUMNS["S"], 26.0),
    "unknown": (28.0, _UPPER),
}
_BENDS: Final = {
    ("UD", "KD"): 42.0,
    ("RD", "KD"): 62.0,
    ("U", "S"): 30.0,
    ("R", "S"): 45.0,
    ("RD", "SD"): 45.0,
    ("UD", "SD"): 30.0,
    ("unknown", "U"): 36.0,
    ("unknown", "S"): 36.0,
}
"""How far an arrow that would run over a circle rises to the right of its direction."""


@dataclass(frozen=True)
class SmallNode:
    """A state: its name in a circle of the colour of the action, and two lines beside it."""

    state: str
    at: Point
    colour: str
    ink: str
    lines: tuple[str, str]
    labels: tuple[Point, Point]
    title: str


@dataclass(frozen=True)
class SmallEdge:
    """All transitions between two states: a quadratic curve and its arrow head."""

    path: str
    head: str
    style: str
    width: float
    title: str


@dataclass(frozen=True)
class SmallPicture:
    """What the template draws."""

    nodes: Sequence[SmallNode]
    edges: Sequence[SmallEdge]


def small_picture(
    transitions: Sequence[Transition], targeted: Sequence[Distribution]
) -> SmallPicture:
    """Lay the small picture out.

    Args:
        transitions: of the policy's FSM graph.
        targeted: blue's actions by state, targeted view.
    """
    nodes = [_node(mix) for mix in targeted if mix.group in _PLACES]
    return SmallPicture(nodes, list(_edges(transitions)))


def _node(mix: Distribution) -> SmallNode:
    x, y = _PLACES[mix.group]
    top = mix.top
    if top is None:
        lines = ("no decisions", "n = 0")
        colour = palette.EMPTY
    else:
        tie = "" if mix.clear else "≈ "
        lines = (f"{tie}{top.name}", f"{words.percent(top.share)}, n = {words.compact(mix.total)}")
        colour = palette.ACTIONS[top.name]
    if mix.group == "F":
        labels = ((x - RADIUS - 48, y - 3.0), (x - RADIUS - 48, y + 10.0))
    elif y == _UPPER:
        labels = ((x, y - RADIUS - 18), (x, y - RADIUS - 5))
    else:
        labels = ((x, y + RADIUS + 13), (x, y + RADIUS + 26))
    if mix.group == "unknown":  # at the left edge there is room below only
        labels = ((x + 14, y + RADIUS + 14), (x + 14, y + RADIUS + 27))
    return SmallNode(
        state="?" if mix.group == "unknown" else mix.group,
        at=(x, y),
        colour=colour,
        ink=palette.contrast(colour),
        lines=lines,
        labels=labels,
        title=f"{mix.group}: {words.top_action(mix)}",
    )


def _edges(transitions: Sequence[Transition]) -> Iterator[SmallEdge]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for edge in transitions:
        if edge.source != edge.target and {edge.source, edge.target} <= set(_PLACES):
            counts[edge.source, edge.target, edge.kind] += edge.count
    for (source, target, kind), count in counts.items():
        if count:
            yield _edge(source, target, kind, count)


def _edge(source: str, target: str, kind: str, count: int) -> SmallEdge:
    start, end = _PLACES[source], _PLACES[target]
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    bend = 2 * _BENDS.get((source, target), 0.0)
    control = (
        (x0 + x1) / 2 - (y1 - y0) / length * bend,
        (y0 + y1) / 2 + (x1 - x0) / length * bend,
    )
    ux, uy = _direction(control, end)
    tip = (x1 - ux * (RADIUS + 1), y1 - uy * (RADIUS + 1))
    base = (tip[0] - ux * 7, tip[1] - uy * 7)
    corners = (
        (base[0] - uy * 3.2, base[1] + ux * 3.2),
        tip,
        (base[0] + uy * 3.2, base[1] - ux * 3.2),
    )
    return SmallEdge(
        path=f"M{_at(start)} Q{_at(control)} {_at(base)}",
        head=" ".join(map(_at, corners)),
        style=kind + " rare" * (count < RARE),
        width=1.0 if count < RARE else 0.5 + 0.5 * math.log10(count),
        title=f"{source} → {target}: {words.number(count)} hosts",
    )


def _direction(a: Point, b: Point) -> Point:
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    return (b[0] - a[0]) / length, (b[1] - a[1]) / length


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
