"""Small diagrams as SVG: lines with bands, and step curves.

All coordinates are in pixels of the drawing, x to the right and y down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.stats.durations import Survival

Points = Sequence[tuple[float, float]]

_SLACK: Final = 1e-4
"""Steps by which rounding errors may put a tick out of its range."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    place: float
    text: str


@dataclass(frozen=True)
class Line:
    """A line in a diagram.

    Attributes:
        name: for the legend and the pointer.
        look: CSS classes.
        path: SVG path data.
        band: SVG path data of its confidence band; may be empty.
    """

    name: str
    look: str
    path: str
    band: str = ""


@dataclass(frozen=True)
class Chart:
    """A diagram.

    Attributes:
        title: above it; also what screen readers get, with `summary`.
        summary: what it shows, in words.
        frame: where its axes lie.
        x_ticks, y_ticks: marks of the axes.
        x_title: what the x axis counts.
        lines: in drawing order.
        start: place on the x axis before which nothing can be an answer; None if there is none.
    """

    title: str
    summary: str
    frame: Frame
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    x_title: str
    lines: Sequence[Line]
    start: float | None = None


@dataclass(frozen=True)
class Frame:
    """A box with axes: x from `x_least` to `x_most`, y from 0 to `y_most`."""

    x_most: float
    y_most: float
    x_least: float = 0
    width: int = 300
    height: int = 170
    left: int = 40
    right: int = 10
    top: int = 10
    bottom: int = 34

    def x(self, value: float) -> float:
        """Where a value of the x axis lies."""
        share = (value - self.x_least) / (self.x_most - self.x_least)
        return self.left + (self.width - self.left - self.right) * share

    def y(self, value: float) -> float:
        """Where a value of the y axis lies."""
        return self.top + (self.height - self.top - self.bottom) * (1 - value / self.y_most)

    def line(self, points: Points) -> str:
        """Path through the points."""
        return f"M{'L'.join(self._at(x, y) for x, y in points)}" if points else ""

    def band(self, low: Points, high: Points) -> str:
        """Path around the area between two lines."""
        return f"{self.line([*high, *reversed(low)])}Z" if low else ""

    def _at(self, x: float, y: float) -> str:
        return f"{self.x(x):.1f},{self.y(min(max(y, 0.0), self.y_most)):.1f}"


def stairs(points: Points, end: float) -> list[tuple[float, float]]:
    """The corners of a curve that keeps each value until the next point, up to `end`."""
    corners: list[tuple[float, float]] = []
    for x, y in points:
        if x > end:
            break
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    if corners:
        corners.append((end, corners[-1][1]))
    return corners


def ticks(
    low: float,
    high: float,
    wanted: int = 4,
    factors: Sequence[float] = (1, 2, 2.5, 5, 10),
) -> list[float]:
    """Round numbers from `low` to `high`, about as many as wanted; at least one.

    ``factors``: what their distance may be, in powers of ten; the last is 10.
    """
    rough = (high - low) / wanted
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in factors if unit * factor >= rough * 0.999)
    first, last = math.ceil(low / step - _SLACK), math.floor(high / step + _SLACK)
    return [number * step for number in range(first, last + 1)]


def survival_chart(
    title: str, summary: str, curves: Sequence[tuple[str, str, Survival]], x_title: str
) -> Chart:
    """Survival curves with their confidence bands, up to the longest horizon.

    Args:
        title, summary: of the chart.
        curves: name, look and estimate of each line; those without enough data are left out.
        x_title: what the durations are.
    """
    end = max(survival.horizon for _, _, survival in curves)
    frame = Frame(end, 1.0)
    return Chart(
        title,
        summary,
        frame,
        [Tick(frame.x(value), f"{value:g}") for value in ticks(0, end)],
        [Tick(frame.y(value), f"{100 * value:g} %") for value in ticks(0, 1)],
        x_title,
        [_survival_line(frame, *curve) for curve in curves if curve[2].enough],
    )


def _survival_line(frame: Frame, name: str, look: str, survival: Survival) -> Line:
    levels = [(1.0, 1.0, 1.0), *((p.share, p.low, p.high) for p in survival.curve)]
    times = [0, *(p.duration for p in survival.curve)]
    middle, low, high = (
        stairs(list(zip(times, level, strict=True)), frame.x_most)
        for level in zip(*levels, strict=True)
    )
    return Line(name, look, frame.line(middle), frame.band(low, high))
