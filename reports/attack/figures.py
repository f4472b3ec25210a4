"""Figures of an attack as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cagexplain.analysis.fsm.analyse import MeanReturn
from cagexplain.stats.interval import Interval
from reports.kit.numbers import fixed, number, percent, signed


@dataclass(frozen=True)
class Figure:
    """A value, and its 95 % interval, which is empty where there is none."""

    value: str
    limits: str


def points(estimate: MeanReturn) -> Figure:
    """A mean of returns."""
    return _figure(Interval(estimate.mean, estimate.low, estimate.high), number)


def change(estimate: MeanReturn) -> Figure:
    """A difference of returns, with its sign."""
    return _figure(Interval(estimate.mean, estimate.low, estimate.high), lambda x: signed(x, 0))


def share(interval: Interval) -> Figure:
    """A share, which may be below 0 or above 1."""
    return _figure(interval, _percent)


def _percent(value: float) -> str:
    return percent(value) if value >= 0 else f"{fixed(100 * value)}\u00a0%"


def _figure(interval: Interval, text: Callable[[float], str]) -> Figure:
    if interval.value is None:
        return Figure("–", "")
    limits = ""
    if interval.low is not None and interval.high is not None:
        limits = f"{text(interval.low)} to {text(interval.high)}"
    return Figure(text(interval.value), limits)
