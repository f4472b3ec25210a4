"""The picture of red's state machine: where everything stands.

The layout is fixed, so that the pictures of two policies can be laid side by side: the kill chain
from left to right, states whose subnet red has swept below, F aside. Graphviz and our own drawer
both draw this picture; neither decides where anything goes.

Coordinates are in pixels, x to the right and y down.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import networkx as nx

from cagexplain.stats.distribution import Distribution
from reports.kit import estimates, numbers, terms

Point = tuple[float, float]

WIDTH: Final = 1370
HEIGHT: Final = 755
FONT_SIZE: Final = 13
LINE: Final = 1.2 * FONT_SIZE
LETTER: Final = 0.51 * FONT_SIZE
"""About the width of a letter."""
RARE: Final = 30
"""Edges with fewer counts are dotted and grey."""
RING: Final = 12
"""Width of the donut of blue's actions around a node."""
MAX_LOOP_LINES: Final = 4

_UPPER, _LOWER, _MIDDLE = 245.0, 515.0, 380.0
_COLUMNS: Final = {"K": 290.0, "S": 575.0, "U": 860.0, "R": 1145.0}
POSITIONS: Final[dict[str, Point]] = {
    **{state: (x, _UPPER) for state, x in _COLUMNS.items()},
    **{f"{state}D": (x, _LOWER) for state, x in _COLUMNS.items()},
    "F": (_COLUMNS["S"], 48.0),
    "unknown": (78.0, _UPPER),
}

_CAPTIONS: Final[dict[str, Point]] = {
    "K": (-34, -20),
    "U": (-34, -20),
    "R": (-34, -20),
    "F": (-56, 0),
    "unknown": (0, 32),
}
"""Middle of a caption, from the node's upper or lower end (from its left end where dy is 0)."""

_SHADES: Final = (0.0, 0.01, 0.05, 0.2)
"""Shares of host-time at which a node's shade gets darker."""
_EDGE_KINDS: Final = {"red": "red", "blue": "lost", "seen": "seen", "own": "own session"}
_VERBS: Final = tuple(terms.RED_VERBS.values())
_ENDINGS: Final = {
    "success": "succeeded",
    "handed over": "succeeded; the session went to another red agent",
    "failure": "failed",
    "dropped": "came to nothing, as red’s session had gone",
}
"""How red's action ends that makes a transition."""


@dataclass(frozen=True)
class Label:
    """Lines of text centred on a point; a line is a bold head and the rest."""

    at: Point
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class StateNode:
    """A state.

    Attributes:
        state: its name.
        at, radius: of the donut's outer edge.
        slices: action types and their shares, for the donut; empty without decisions.
        shade: 0 to 4, by time spent.
        text: in the middle.
        caption: beside it.
        title: for the pointer and for screen readers.
    """

    state: str
    at: Point
    radius: float
    slices: tuple[tuple[str, float], ...]
    shade: int
    text: Label
    caption: Label
    title: str


@dataclass(frozen=True)
class Edge:
    """A line with an arrow head.

    Attributes:
        source, target: states.
        curve: start, two control points and end of a cubic Bézier curve; the tip lies at the end.
        style: "red", "blue", "seen" or "own".
        rare: fewer than `RARE` counts.
        loop: the state stayed.
        width: of the line.
        label: beside it.
        title: for the pointer and for screen readers.
    """

    source: str
    target: str
    curve: tuple[Point, Point, Point, Point]
    style: str
    rare: bool
    loop: bool
    width: float
    label: Label
    title: str


@dataclass(frozen=True)
class Picture:
    """Nodes and edges, in drawing order: edges first."""

    nodes: tuple[StateNode, ...]
    edges: tuple[Edge, ...]


def picture(graph: nx.MultiDiGraph, mix: Iterable[Distribution]) -> Picture:
    """Lay the state machine out.

    Args:
        graph: from `FsmGraph.networkx`.
        mix: blue's actions by state, for the donuts.
    """
    by_state = {distribution.group: distribution for distribution in mix}
    nodes = {
        state: _node(data, by_state[state])
        for state, data in graph.nodes(data=True)
        if state in POSITIONS
    }
    moves, loops = [], defaultdict(list)
    for source, target, data in graph.edges(data=True):
        if source == target:
            loops[source].append(data)
        else:
            moves.append(data)
    edges = [_move(nodes, data) for data in moves]
    edges += [_loop(nodes[state], data) for state, data in loops.items() if _total(data)]
    return Picture(tuple(nodes.values()), tuple(edges))


def _node(data: dict[str, Any], mix: Distribution) -> StateNode:
    state, time = data["state"], data["time"]
    radius = 31 + 28 * math.sqrt(time)  # absolute, so that reports can be compared
    x, y = POSITIONS[state]
    top = mix.top
    if top is None:
        lines: tuple[tuple[str, str], ...] = (("", "no decisions"),)
    else:
        lines = (
            ("", f"{top.name} {numbers.percent(top.share)}"),
            ("", f"n = {numbers.number(mix.total)}"),
        )
    name = "?" if state == "unknown" else state
    if state == "unknown":
        lines = (("", "not known to red"), *lines)
    dx, dy = _CAPTIONS.get(state, (-58, -14))
    at = (x + dx, y + math.copysign(radius, dy) + dy) if dy else (x + dx - radius, y)
    return StateNode(
        state=state,
        at=(x, y),
        radius=radius,
        slices=tuple((s.name, s.share) for s in mix.shares if s.share),
        shade=sum(time > limit for limit in _SHADES),
        text=Label((x, y), ((name, ""), ("", numbers.percent(time)))),
        caption=Label(at, lines),
        title=f"{state}: {terms.STATES[state]} {numbers.percent(time)} of host-time. "
        + estimates.top_action(mix),
    )


@dataclass(frozen=True)
class _Route:
    """Control points of a curve; its label stands `shift` away from the point at `t` in 0..1."""

    controls: tuple[Point, Point]
    t: float = 0.5
    shift: Point = (0, -13)


def _arc(source: str, target: str, bend: float = 0.0, **label: Any) -> _Route:
    """A line, or an even arc that rises `bend` to the left of its direction."""
    (x0, y0), (x1, y1) = POSITIONS[source], POSITIONS[target]
    length = math.hypot(x1 - x0, y1 - y0)
    lift_x, lift_y = (y1 - y0) / length * bend * 4 / 3, (x0 - x1) / length * bend * 4 / 3
    first, second = (
        (x0 + (x1 - x0) * part + lift_x, y0 + (y1 - y0) * part + lift_y) for part in (1 / 3, 2 / 3)
    )
    return _Route((first, second), **label)


_K, _S, _U, _R = _COLUMNS.values()
_ROUTES: Final[dict[tuple[str, str, int | str], _Route]] = {
    ("K", "S", 1): _arc("K", "S", 26, shift=(0, -16)),
    ("K", "S", 2): _arc("K", "S", -26, shift=(0, 17)),
    ("KD", "SD", 1): _arc("KD", "SD", 26, shift=(0, -16)),
    ("KD", "SD", 2): _arc("KD", "SD", -26, shift=(0, 17)),
    **{(x, f"{x}D", 0): _arc(x, f"{x}D", t=0.22, shift=(68, 0)) for x in _COLUMNS},
    ("S", "F", 4): _arc("S", "F", shift=(-64, -18)),
    ("U", "S", 8): _arc("U", "S", 60),
    ("UD", "SD", 8): _arc("UD", "SD", 60),
    ("R", "S", 8): _Route(((_R - 60, 60), (_S + 60, 60))),
    ("RD", "SD", 8): _Route(((_R - 60, 400), (_S + 60, 400))),
    ("K", "U", "own"): _arc("K", "U", 105, t=0.62, shift=(12, -13)),
    ("KD", "UD", "own"): _arc("KD", "UD", -55, shift=(0, 16)),
    **{(f"S{d}", f"U{d}", "own"): _arc(f"S{d}", f"U{d}", 40) for d in ("", "D")},
    ("unknown", "U", "seen"): _Route(((210, 395), (_U - 170, 395)), 0.45),
    ("U", "KD", "blue"): _Route(((_U - 80, 420), (_K + 190, 390)), 0.65),
    ("R", "KD", "blue"): _Route(((_R - 120, 480), (_K + 190, 425)), 0.27, (16, 13)),
    ("UD", "KD", "blue"): _Route(((_U - 50, 720), (_K + 110, 720)), 0.5),
    ("RD", "KD", "blue"): _Route(((_R - 110, 815), (_K + 60, 815)), 0.42),
}
"""Edges that would run into something on a plain straight line, by source, target and action."""


def _move(nodes: dict[str, StateNode], data: dict[str, Any]) -> Edge:
    source, target = nodes[data["source"]], nodes[data["target"]]
    key = data["kind"] if data["action"] is None else data["action"]
    route = _ROUTES.get((source.state, target.state, key)) or _arc(source.state, target.state)
    first, second = route.controls
    x, y = _bezier((source.at, first, second, target.at), route.t)
    return Edge(
        source=source.state,
        target=target.state,
        curve=(
            _toward(source.at, first, source.radius),
            first,
            second,
            _toward(target.at, second, target.radius + 2),
        ),
        style=data["kind"],
        rare=data["count"] < RARE,
        loop=False,
        width=_width(data["count"]),
        label=Label((x + route.shift[0], y + route.shift[1]), (_edge_text(data),)),
        title=_edge_title(data),
    )


def _edge_text(data: dict[str, Any]) -> tuple[str, str]:
    count = numbers.compact(data["count"])
    if data["kind"] == "red":
        rate = "" if data["rate"] is None else f" · {numbers.percent(data['rate'])}"
        return _VERBS[data["action"]], f"{count}{rate}"
    return "", f"{_EDGE_KINDS[data['kind']]} {count}"


def _loop(node: StateNode, data: Sequence[dict[str, Any]]) -> Edge:
    x, y = node.at
    upper = y < _MIDDLE
    side = -1 if node.state == "KD" else 1
    direction = math.atan2(-1 if upper else 1, side)
    spread = math.radians(24)
    start, end = (
        (x + node.radius * math.cos(angle), y + node.radius * math.sin(angle))
        for angle in (direction - spread, direction + spread)
    )
    first, second = (
        (x + (node.radius + 62) * math.cos(angle), y + (node.radius + 62) * math.sin(angle))
        for angle in (direction - 1.1 * spread, direction + 1.1 * spread)
    )
    lines = _loop_lines(data)
    # The label stands beside the loop's far end, clear of the edges along the row and, above the
    # upper one, of the next state's caption.
    away = -1 if upper else 1
    reach = (node.radius + 46) * math.sqrt(0.5)
    half = max(len(head) + 1 + len(rest) for head, rest in lines) * LETTER / 2
    rise = reach + (LINE / 2 if upper else 0) + LINE / 2 * (len(lines) - 1)
    label = (x + side * (reach + half), y + away * rise)
    total = _total(data)
    return Edge(
        source=node.state,
        target=node.state,
        curve=(start, first, second, end),
        style="red",
        rare=total < RARE,
        loop=True,
        width=_width(total),
        label=Label(label, lines),
        title=f"{node.state} stays {node.state}: "
        + "; ".join(_edge_title(edge) for edge in data if edge["count"]),
    )


def _loop_lines(data: Sequence[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """A line per action, the most frequent first: successes, then what failed or was dropped."""
    by_action = defaultdict(list)
    for edge in data:
        if edge["count"]:
            by_action[edge["action"]].append(edge)
    ranked = sorted(by_action.items(), key=lambda item: -_total(item[1]))
    lines = [(_VERBS[action], _loop_text(edges)) for action, edges in ranked[:MAX_LOOP_LINES]]
    if len(ranked) > MAX_LOOP_LINES:
        lines.append(("", f"+ {len(ranked) - MAX_LOOP_LINES} more in the table"))
    return tuple(lines)


def _loop_text(edges: Sequence[dict[str, Any]]) -> str:
    good = sum(edge["count"] for edge in edges if edge["ending"] == "success")
    signs = (("✓", good), ("✗", _total(edges) - good))
    return " ".join(f"{sign} {numbers.compact(count)}" for sign, count in signs if count)


def _total(edges: Iterable[dict[str, Any]]) -> int:
    return sum(edge["count"] for edge in edges)


def _width(count: int) -> float:
    return 1.2 if count < RARE else 0.6 + 0.8 * math.log10(count)


def _toward(centre: Point, aim: Point, distance: float) -> Point:
    """The point at `distance` from `centre` in the direction of `aim`."""
    dx, dy = aim[0] - centre[0], aim[1] - centre[1]
    length = math.hypot(dx, dy)
    return centre[0] + dx / length * distance, centre[1] + dy / length * distance


def _bezier(curve: Sequence[Point], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    x, y = (sum(w * p[axis] for w, p in zip(weights, curve, strict=True)) for axis in (0, 1))
    return x, y


def _edge_title(edge: dict[str, Any]) -> str:
    """What an edge of the state machine shows."""
    source, target, count = edge["source"], edge["target"], numbers.number(edge["count"])
    if edge["kind"] == "blue":
        return f"{source} → {target}: red lost its last session on {count} hosts"
    if edge["kind"] == "seen":
        return f"{target}: {count} hosts seen for the first time"
    if edge["kind"] == "own":
        return f"{source} → {target}: red noticed a session of its own on {count} hosts"
    share = (
        f" ({numbers.percent(edge['rate'])} of {numbers.number(edge['attempts'])})"
        if edge["attempts"]
        else ""
    )
    ending = _ENDINGS[edge["ending"]]
    return f"{source} → {target}: {_VERBS[edge['action']]} {ending} on {count} hosts{share}"
