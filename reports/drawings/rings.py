"""Rings around the states of red's machine: what blue does there, in the colours of its actions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reports.kit import palette


class Wedge(NamedTuple):
    """A slice of a ring: the action, its colour, and an SVG path from the middle."""

    name: str
    colour: str
    path: str


def wedges(
    at: tuple[float, float], radius: float, slices: Sequence[tuple[str, float]]
) -> Iterator[Wedge]:
    """Cut a circle as Graphviz does: from the right, against the clock.

    Args:
        at: middle of the circle.
        radius: of it.
        slices: actions and their shares.
    """
    (x, y), angle = at, 0.0
    for name, share in slices:
        # There is no arc from a point to itself: a whole circle stops just short of it.
        sweep = min(share * 2 * math.pi, 2 * math.pi - 0.004)
        (x0, y0), (x1, y1) = (
            (x + radius * math.cos(turn), y - radius * math.sin(turn))
            for turn in (angle, angle + sweep)
        )
        arc = f"A{radius:.2f},{radius:.2f} 0 {int(sweep > math.pi)} 0 {x1:.2f},{y1:.2f}"
        yield Wedge(name, palette.ACTIONS[name], f"M{x:.2f},{y:.2f} L{x0:.2f},{y0:.2f} {arc} Z")
        angle += sweep
