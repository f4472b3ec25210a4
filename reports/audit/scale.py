"""Where numbers lie on a bar: thresholds, an interval, and other policies beside it.

Places are in per cent of the width of the drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.audit.results import Change, Measured

_MARGIN: Final = 0.06
"""Room beyond the outermost number, as a share of what lies between the outermost ones."""
_STRETCH: Final = 12.0
"""A number this many times beyond the thresholds squeezes them too much on an even scale."""
_TINY: Final = 1e-6
"""Thresholds below this share of the largest number are no measure of it."""
_EDGE: Final = 98.5
"""Where durations that are not reached are drawn."""
_SIGNED: Final = ("difference of shares", "points")
"""Units of numbers that may be negative."""


@dataclass(frozen=True)
class Span:
    """A stretch of the bar."""

    start: float
    width: float


@dataclass(frozen=True)
class Dot:
    """Another policy on the bar.

    Attributes:
        place: of its value.
        name: of the policy.
        reached: False for a duration that is not reached.
    """

    place: float
    name: str
    reached: bool


@dataclass(frozen=True)
class Bar:
    """What the template draws.

    Attributes:
        good, bad: where values are good and bad; None without thresholds.
        value: place of the value; None if it is undefined.
        reached: False for a duration that is not reached, drawn as an arrow at the edge.
        interval: None without one.
        dots: other policies.
        ends: the numbers at both ends of the scale.
        even: False if the scale is squeezed towards its upper end.
    """

    good: Span | None
    bad: Span | None
    value: float | None
    reached: bool
    interval: Span | None
    dots: tuple[Dot, ...]
    ends: tuple[float, float]
    even: bool


@dataclass(frozen=True)
class Scale:
    """From numbers to places.

    Attributes:
        low, high: numbers at the ends.
        unit: number above which the scale is logarithmic; None for an even one.
    """

    low: float
    high: float
    unit: float | None = None

    def at(self, number: float) -> float:
        """Place of a number, no further than the ends."""
        low, high, x = (self._bent(v) for v in (self.low, self.high, number))
        return min(max(100 * (x - low) / (high - low), 0.0), 100.0)

    def span(self, start: float, stop: float) -> Span:
        """The stretch between two numbers."""
        a, b = self.at(start), self.at(stop)
        return Span(a, max(b - a, 0.0))  # numbers that round differently may be out of order

    def _bent(self, number: float) -> float:
        return number if self.unit is None else math.log1p(max(number, 0.0) / self.unit)


def bar(measured: Measured, *, others: bool = False) -> Bar:
    """Draw a measured number.

    Args:
        measured: with its thresholds and its interval.
        others: show the reference policies as well.
    """
    standing = measured.standing if others else {}
    values = [measured.value, measured.low, measured.high, measured.good, measured.bad]
    scale = scale_of([x for x in [*values, *standing.values()] if x is not None], measured)
    good, bad = _zones(measured, scale)
    dots = tuple(
        Dot(_EDGE if x is None else scale.at(x), name, x is not None)
        for name, x in standing.items()
    )
    value = None if measured.value is None else scale.at(measured.value)
    return Bar(
        good=good,
        bad=bad,
        value=_EDGE if not measured.reached else value,
        reached=measured.reached,
        interval=_interval(measured, scale),
        dots=dots,
        ends=(scale.low, scale.high),
        even=scale.unit is None,
    )


def scale_of(numbers: Sequence[float], measured: Measured) -> Scale:
    """A scale that holds all numbers, and no impossible ones."""
    if not numbers:
        return Scale(0.0, 1.0)
    low, high = min(numbers), max(numbers)
    room = _MARGIN * (high - low) or 0.5 * abs(high) or 1.0
    low, high = low - room, high + room
    if measured.unit not in _SIGNED:
        low = max(low, 0.0)
    if measured.unit == "points" and max(numbers) <= 0:
        high = min(high, 0.0)
    if measured.unit == "share":
        high = min(high, 1.0)
    sizes = [abs(x) for x in (measured.good, measured.bad) if x is not None]
    threshold = max(sizes, default=0.0)
    if low >= 0 and _TINY * high < threshold < high / _STRETCH:
        return Scale(0.0, high, threshold)
    return Scale(low, high)


def _zones(measured: Measured, scale: Scale) -> tuple[Span | None, Span | None]:
    if measured.good is None or measured.bad is None:
        return None, None
    below, above = (scale.low, scale.high)
    if measured.better == "higher":
        return scale.span(measured.good, above), scale.span(below, measured.bad)
    return scale.span(below, measured.good), scale.span(measured.bad, above)


def _interval(measured: Measured, scale: Scale) -> Span | None:
    if measured.low is None:
        return None
    return scale.span(measured.low, scale.high if measured.high is None else measured.high)


@dataclass(frozen=True)
class ChangeBar:
    """A change to the left or right of no change; zero, start and width of the bar, its limits."""

    zero: float
    start: float
    width: float
    low: float | None
    high: float | None


def change_bars(changes: Sequence[Change | None]) -> list[ChangeBar | None]:
    """Changes on one scale; None where there is none."""
    known = [change for change in changes if change is not None]
    numbers = [x for c in known for x in (c.mean, c.low, c.high) if x is not None]
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    room = _MARGIN * (high - low) or 1.0
    scale = Scale(low - room, high + room)

    def draw(change: Change) -> ChangeBar:
        zero, end = scale.at(0.0), scale.at(change.mean)
        limits = (None if x is None else scale.at(x) for x in (change.low, change.high))
        return ChangeBar(zero, min(zero, end), abs(end - zero), *limits)

    return [None if change is None else draw(change) for change in changes]
