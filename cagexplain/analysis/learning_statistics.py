"""Statistics of few training runs.

The run is the unit of sampling: the episodes that judge it share its weights. Means and
interquartile means get bootstrap intervals over runs, as Agarwal et al. (2021) propose; all runs
play the same task, so there is a single stratum. Percentiles of so few runs are too narrow, so they
are moved out as a normal mean would need it, and fewer than `MIN_RUNS` have none. Whatever is
*judged* rests on Welch's t for the difference of two means, which keeps its level with two runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from cagexplain.common import means

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 2_000
MIN_RUNS: Final = 5
"""Runs of a sample below which there is no bootstrap interval."""
TRIM: Final = 0.25

Values = npt.NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """Mean of A minus mean of B.

    Attributes:
        value: the difference.
        error: its standard error; None where a sample has fewer than two runs.
        freedom: Welch's degrees of freedom; None likewise.
    """

    value: float
    error: float | None
    freedom: float | None

    def interval(self, confidence: float = CONFIDENCE) -> Interval | None:
        """Confidence interval; None with fewer than two runs of either."""
        if self.error is None:
            return None
        half = float(stats.t.ppf((1 + confidence) / 2, self.freedom)) * self.error
        return self.value - half, self.value + half

    @property
    def p_value(self) -> float | None:
        """Two-sided, of no difference; None with fewer than two runs of either."""
        if self.error is None:
            return None
        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))


def iqm(values: Values) -> Values:
    """Interquartile mean over the first axis: a quarter of the runs, rounded down, cut off each
    end."""
    trimmed: Values = stats.trim_mean(values, TRIM, axis=0)
    return trimmed


def bootstrap(
    samples: Sequence[Values],
    statistic: Callable[..., Values],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[Values, Values] | None:
    """Interval of a statistic, by percentiles that are moved out for few runs; None where a sample
    has fewer than `MIN_RUNS`.

    Args:
        samples: ``[runs, ...]`` each; runs are drawn with replacement within each, and whole,
            so that the points of a curve keep together.
        statistic: of resamples ``[runs, resamples, ...]`` of each, over the first axis.
        confidence: level.
        resamples: how many; their generator is fixed.

    Returns:
        Lower and upper limits, of the statistic's shape.
    """
    fewest = min(map(len, samples))
    if fewest < MIN_RUNS:
        return None
    rng = np.random.default_rng(0)
    drawn = [sample[rng.integers(len(sample), size=(len(sample), resamples))] for sample in samples]
    tail = means.moved_out((1 - confidence) / 2, fewest)
    low, high = np.quantile(statistic(*drawn), [tail, 1 - tail], axis=0)
    return low, high


def mean_difference(a: Values, b: Values) -> Difference:
    """Compare two samples of runs (Welch 1947).

    Args:
        a, b: ``[runs]``, not empty.
    """
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Difference(value, None, None)
    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    total = float(parts.sum())
    if total == 0:  # all runs alike
        return Difference(value, 0.0, float(len(a) + len(b) - 2))
    freedom = total**2 / float((parts**2 / (np.array([len(a), len(b)]) - 1)).sum())
    return Difference(value, float(np.sqrt(total)), freedom)


def improvement(a: Values, b: Values) -> Values:
    """How often a run of A beats a run of B, ties counted half.

    Args:
        a, b: ``[runs, ...]``.
    """
    pairs = np.sign(a[:, None] - b[None])
    return np.asarray((1 + pairs).mean(axis=(0, 1)) / 2, dtype=np.float64)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for looking at all of them (Holm 1979); None stays None."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[Any] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = largest
    return adjusted
