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
from cagexplain.common.arrays import FloatArray
from cagexplain.stats.estimates import Estimate, Function, Statistic, estimate


def per_episode(values: FloatArray) -> Estimate:
    """The mean of ``float64[episode]``, such as returns or their paired differences."""
    return estimate(_MEAN, np.stack([values, np.ones(len(values))], axis=1))


def as_change(found: Estimate) -> Change | None:
    """An interval as a result; None if the value is undefined."""
    if not np.isfinite(found.value):
        return None
    if not (np.isfinite(found.low) and np.isfinite(found.high)):
        return Change(found.value, None, None)
    return Change(found.value, found.low, found.high)


def mean(values: FloatArray) -> Change:
    """`per_episode` as a result."""
    found = as_change(per_episode(values))
    assert found is not None
    return found


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


_MEAN = Function(
    of=lambda totals: totals[..., 0] / np.maximum(totals[..., 1], 1.0),
    triggers=lambda totals: totals[..., 1],
)


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
