"""Learning curves as SVG: in a page, and as files of their own."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from markupsafe import Markup

from cagexplain.analysis.studies.learning import Curve, FigureResult
from reports.kit import numbers
from reports.kit.charts import Line, Tick, ticks
from reports.kit.pages import environment, source

WIDTH: Final = 520
HEIGHT: Final = 320
LEFT: Final = 62
RIGHT: Final = 14
TOP: Final = 30
BOTTOM: Final = 42
COLOURS: Final = 8
"""Colours of lines; further methods repeat them dashed."""
BOX: Final = {
    "width": WIDTH,
    "height": HEIGHT,
    "left": LEFT,
    "right": WIDTH - RIGHT,
    "top": TOP,
    "bottom": HEIGHT - BOTTOM,
}
"""Where the diagram lies in a panel, for templates."""

_KEY_COLUMNS: Final = 4
_KEY_HEIGHT: Final = 20
_ticks = functools.partial(ticks, wanted=5, factors=(1, 2, 5, 10))
"""Without quarters, as the labels of returns have no decimals."""


@dataclass(frozen=True)
class Panel:
    """One diagram: lines in a box of WIDTH by HEIGHT."""

    title: str
    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


@dataclass(frozen=True)
class Picture:
    """The diagrams of a figure: the paper's view, and the robust one."""

    panels: Sequence[Panel]


def looks(methods: Sequence[str]) -> dict[str, str]:
    """How each method of a figure looks, in all that shows it."""
    return {
        method: f"line{place % COLOURS}" + " dashed" * (place >= COLOURS)
        for place, method in enumerate(methods)
    }


def picture(figure: FigureResult, titles: Mapping[str, str]) -> Picture:
    """Draw the learning curves of a figure.

    Args:
        figure: with a curve at least.
        titles: of methods, by id.
    """
    curves = figure.curves
    views = {
        "Mean ± standard deviation": [Level(c, c.mean, *_around(c)) for c in curves],
        "Interquartile mean, 95 % interval": [Level(c, c.iqm, c.low, c.high) for c in curves],
    }
    scale = _scale([level for levels in views.values() for level in levels])
    known = looks(figure.methods)
    return Picture(
        [
            Panel(
                title,
                [
                    Line(titles[level.curve.method], known[level.curve.method], *scale.draw(level))
                    for level in levels
                ],
                [Tick(scale.x(v), numbers.short(v)) for v in _ticks(0, scale.steps)],
                [Tick(scale.y(v), numbers.number(v)) for v in scale.values],
            )
            for title, levels in views.items()
        ]
    )


class Level(NamedTuple):
    """What is drawn of a curve: its middle, and the limits of a band around it."""

    curve: Curve
    middle: list[float]
    low: list[float] | None
    high: list[float] | None


@dataclass(frozen=True)
class _Scale:
    """From steps and returns to places in a panel; `values` are the marks of the returns."""

    steps: int
    bottom: float
    top: float
    values: Sequence[float]

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / self.steps

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.top - value) / (self.top - self.bottom)

    def draw(self, level: Level) -> tuple[str, str]:
        """SVG path data of the line and of its band, which may be empty."""
        line = f"M{'L'.join(self._points(level.curve, level.middle))}"
        if len(level.middle) == 1:
            line += "h0.1"  # a single point shows by its round ends
        if level.low is None or level.high is None:
            return line, ""
        there = self._points(level.curve, level.high)
        back = self._points(level.curve, level.low)[::-1]
        return line, f"M{'L'.join(there + back)}Z"

    def _points(self, curve: Curve, values: Sequence[float]) -> list[str]:
        pairs = zip(curve.steps, values, strict=True)
        return [f"{self.x(step):.1f},{self.y(value):.1f}" for step, value in pairs]


def _scale(levels: Sequence[Level]) -> _Scale:
    values = [
        value
        for level in levels
        for line in (level.middle, level.low, level.high)
        for value in line or ()
    ]
    bottom, top = min(values), max(values)
    if top - bottom < 1:  # a flat line in the middle
        bottom, top = bottom - 1, top + 1
    steps = max(level.curve.steps[-1] for level in levels)
    return _Scale(steps, bottom, top, _ticks(bottom, top))


def svg_file(figure: FigureResult, titles: Mapping[str, str]) -> str:
    """The picture of a figure as a file: both diagrams, the key and the style."""
    known = looks(figure.methods)
    shown = [curve.method for curve in figure.curves]
    return (
        environment()
        .get_template("drawings/curves.svg.j2")
        .render(
            picture=picture(figure, titles),
            title=figure.title,
            key=[
                (known[method], titles[method], place % _KEY_COLUMNS, place // _KEY_COLUMNS)
                for place, method in enumerate(shown)
            ],
            key_width=2 * WIDTH / _KEY_COLUMNS,
            key_height=_KEY_HEIGHT,
            height=HEIGHT + _KEY_HEIGHT * -(-len(shown) // _KEY_COLUMNS) + 10,
            box=BOX,
            style=Markup(source("drawings/curves.css")),
        )
    )


def _around(curve: Curve) -> Iterator[list[float] | None]:
    """The limits of a curve's standard deviation."""
    for sign in (-1, 1):
        yield (
            None
            if curve.sd is None
            else [mean + sign * sd for mean, sd in zip(curve.mean, curve.sd, strict=True)]
        )
