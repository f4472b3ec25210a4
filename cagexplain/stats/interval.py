"""A number and how far it may be off: what results of all analyses carry."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from cagexplain.common.results import Result


@dataclass(frozen=True)
class Interval(Result):
    """A value with its confidence limits.

    Attributes:
        value: the estimate; None where it is undefined or not reached.
        low, high: confidence limits; None where they are unknown or not reached.
    """

    value: float | None
    low: float | None
    high: float | None


def finite(number: float) -> float | None:
    """A number, or None for one that is undefined (NaN) or not reached (infinite)."""
    return float(number) if isfinite(number) else None
