"""The state machine at a glance: per state the blue action that is chosen most, and perhaps all.

After figure 8 of Rigoni et al. (2025), at the places of the large picture, so that the pictures of
several policies can stand side by side. The arrows are what can happen in CC4, not what did. The
most chosen action is no more than that: "≈" marks where another may be as frequent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.compare.comparison import Favourite
from cagexplain.stats.distribution import Distribution
from reports.drawings.rings import Wedge, wedges
from reports.kit import estimates, numbers, palette, terms

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
_RED: Final = {
    **{(f"K{d}", f"S{d}"): "AggressiveServiceDiscovery" for d in ("", "D")},
    **{(f"S{d}", f"U{d}"): "ExploitRemoteService" for d in ("", "D")},
    **{(f"U{d}", f"R{d}"): "PrivilegeEscalate" for d in ("", "D")},
    **{(state, f"{state}D"): "DiscoverRemoteSystems" for state in _COLUMNS},
    ("S", "F"): "ExploitRemoteService",
}
"""By source and target, red's action; of the two that scan the usual one."""
_ARROWS: Final = {
    **{(source, target, "red"): 0.0 for source, target in _RED},
    ("unknown", "K", "seen"): 0.0,
    ("unknown", "U", "seen"): 36.0,
    ("U", "KD", "blue"): 0.0,
    ("R", "KD", "blue"): 0.0,
    ("UD", "KD", "blue"): 42.0,
    ("RD", "KD", "blue"): 62.0,
}
"""Source, target and kind of the arrows; how far each rises to the right of its direction, so that
none runs over a circle."""


@dataclass(frozen=True)
class SmallNode:
    """A state: its name and perhaps a note in a circle of the colour of the action, or in a ring of
    all actions; two lines beside it; another ring around it if it is marked."""

    state: str
    at: Point
    colour: str
    ink: str
    lines: tuple[str, str]
    labels: tuple[Point, Point]
    title: str
    note: str
    marked: bool
    ring: tuple[Wedge, ...]


@dataclass(frozen=True)
class SmallEdge:
    """An arrow: a quadratic curve and its head; what red does, beside it, and where that stands."""

    path: str
    head: str
    style: str
    verb: str
    label: Point


@dataclass(frozen=True)
class SmallPicture:
    """What the template draws."""

    nodes: Sequence[SmallNode]
    edges: Sequence[SmallEdge]


def small_picture(
    favourites: Sequence[Favourite],
    notes: Mapping[str, str] | None = None,
    marked: Collection[str] = (),
    mixes: Sequence[Distribution] = (),
) -> SmallPicture:
    """Lay the small picture out.

    Args:
        favourites: by state.
        notes: a few characters to stand under a state's name.
        marked: states that get a ring.
        mixes: all actions by state, for states that show them as a ring.
    """
    by_state = {
        mix.group: [(share.name, share.share) for share in mix.shares if share.share]
        for mix in mixes
    }
    nodes = [
        _node(
            favourite,
            (notes or {}).get(favourite.state, ""),
            favourite.state in marked,
            by_state.get(favourite.state, ()),
        )
        for favourite in favourites
        if favourite.state in _PLACES
    ]
    edges = [_edge(source, target, kind, rise) for (source, target, kind), rise in _ARROWS.items()]
    return SmallPicture(nodes, edges)


def _node(
    choice: Favourite, note: str, marked: bool, slices: Sequence[tuple[str, float]]
) -> SmallNode:
    x, y = _PLACES[choice.state]
    n = f"n = {numbers.compact(choice.total)}"
    if choice.action is None:
        lines = ("no decisions" if not choice.total else "too few", n)
        colour, title = palette.EMPTY, f"{choice.state}: {estimates.too_few(choice.total)}"
    else:
        tie = "" if choice.clear else "≈ "
        lines = (f"{tie}{choice.action}", f"{numbers.percent(choice.share)}, {n}")
        colour, title = palette.ACTIONS[choice.action], f"{choice.state}: {favourite(choice)}"
    if choice.state == "F":
        labels = ((x - RADIUS - 48, y - 3.0), (x - RADIUS - 48, y + 10.0))
    elif y == _UPPER:
        labels = ((x, y - RADIUS - 18), (x, y - RADIUS - 5))
    else:
        labels = ((x, y + RADIUS + 13), (x, y + RADIUS + 26))
    if choice.state == "unknown":  # at the left edge there is room below only
        labels = ((x + 14, y + RADIUS + 14), (x + 14, y + RADIUS + 27))
    return SmallNode(
        state="?" if choice.state == "unknown" else choice.state,
        at=(x, y),
        colour=colour,
        ink=palette.contrast(colour),
        lines=lines,
        labels=labels,
        title=title,
        note=note,
        marked=marked,
        ring=tuple(wedges((x, y), RADIUS, slices)),
    )


def favourite(choice: Favourite) -> str:
    """The most chosen action of a state, and what it is not clearly ahead of."""
    if choice.action is None or choice.low is None or choice.high is None:
        return estimates.too_few(choice.total)
    tied = f"; not clearly ahead of {', '.join(choice.tied)}" if choice.tied else ""
    return (
        f"{choice.action} {numbers.percent(choice.share)} "
        f"({numbers.percent(choice.low)} to {numbers.percent(choice.high)}) of "
        f"{numbers.number(choice.total)} decisions{tied}"
    )


def _edge(source: str, target: str, kind: str, rise: float) -> SmallEdge:
    start, end = _PLACES[source], _PLACES[target]
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    bend = 2 * rise
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
        style=kind,
        verb=terms.RED_VERBS[_RED[source, target]] if kind == "red" else "",
        label=_beside(start, end),
    )


def _beside(start: Point, end: Point) -> Point:
    """Where a word stands: above a level arrow, to the right of an upright one, clear of the
    caption at the upper end of its source."""
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    if start[1] == end[1]:
        return x, y - 5
    return x + 20, y + (4 if start[1] < end[1] else -8)


def _direction(a: Point, b: Point) -> Point:
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    return (b[0] - a[0]) / length, (b[1] - a[1]) / length


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
