"""What changes between two plays, with intervals.

Where both are played on the same seeds, episodes are resampled as pairs, so that what the worlds
have in common cancels out. Otherwise the episodes of both are resampled together; whatever is
compared is a quotient of sums, so that it does not matter how many of each are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cagexplain.audit.play.main_numbers import measure_of
from cagexplain.audit.results import Change, Effect
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.policies import evaluation
from cagexplain.stats.estimates import Estimate, Statistic, estimate
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.simultaneous import independent, widened


def as_change(estimated: Estimate) -> Change | None:
    """An interval as a result; None if the value is undefined."""
    if not np.isfinite(estimated.value):
        return None
    if not (np.isfinite(estimated.low) and np.isfinite(estimated.high)):
        return Change(estimated.value, None, None)
    return Change(estimated.value, estimated.low, estimated.high)


def mean(values: FloatArray | Int64Array, confidence: float = CONFIDENCE) -> Change:
    """The mean of ``[episode]`` returns, or of their paired differences, with the interval that a
    return has everywhere, at a level."""
    (estimated,) = evaluation.estimate(values[:, None], confidence=confidence)
    return Change(estimated.mean, estimated.low, estimated.high)


def together(differences: FloatArray) -> tuple[Change, ...]:
    """The means of several paired differences of the same episodes, whose intervals hold all
    together (`cagexplain.stats.simultaneous`).

    Args:
        differences: ``float64[episode, quantity]``.
    """
    level = widened(independent(differences))
    return tuple(mean(column, level) for column in differences.T)


def effect(
    key: str, before: FloatArray, after: FloatArray, *, pairs: bool = True, compared: bool = True
) -> Effect:
    """How a number changes.

    Args:
        key: of the number.
        before, after: ``float64[episode, column]`` its sums.
        pairs: whether their episodes are pairs.
        compared: False leaves the change out, where it would mean nothing.
    """
    measure = measure_of(key)
    change = None
    if compared:
        statistic = _Difference(measure.statistic, measure.statistic.smooth)
        change = as_change(estimate(statistic, side_by_side(before, after, pairs=pairs)))
    values = [float(measure.statistic.value(sums.sum(axis=0))) for sums in (before, after)]
    known = [value if np.isfinite(value) else None for value in values]
    return Effect(key, measure.name, measure.unit, measure.better, known[0], known[1], change)


def side_by_side(*sums: FloatArray, pairs: bool) -> FloatArray:
    """Sums of several plays in one table: in the same rows if the episodes are pairs, else each
    in rows of its own."""
    if pairs:
        return np.hstack(sums)
    widths = np.cumsum([0, *(part.shape[1] for part in sums)])
    rows = np.cumsum([0, *map(len, sums)])
    table = np.zeros((rows[-1], widths[-1]))
    for i, part in enumerate(sums):
        table[rows[i] : rows[i + 1], widths[i] : widths[i + 1]] = part
    return table


@dataclass(frozen=True)
class _Difference(Statistic):
    """A statistic after minus before, on sums that lie side by side."""

    of: Statistic
    smooth: bool

    def value(self, totals: FloatArray) -> FloatArray:
        """NaN where either is undefined or not reached."""
        before, after = (self.of.value(part) for part in np.split(totals, 2, axis=-1))
        known = np.isfinite(before) & np.isfinite(after)
        return np.where(known, np.where(known, after, 0) - np.where(known, before, 0), np.nan)

    def n(self, totals: FloatArray) -> FloatArray:
        """Triggers of both."""
        before, after = np.split(totals, 2, axis=-1)
        return self.of.n(before) + self.of.n(after)
