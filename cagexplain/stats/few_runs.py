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
from typing import Final

import numpy as np
from scipy import stats

from cagexplain.common.arrays import FloatArray
from cagexplain.stats import means
from cagexplain.stats.bootstrap import RESAMPLES, redrawn
from cagexplain.stats.means import CONFIDENCE

MIN_RUNS: Final = 5
"""Runs of a sample below which there is no bootstrap interval."""
TRIM: Final = 0.25


@dataclass(frozen=True)
class RunsDifference:
    """An estimate from runs: mostly the mean of A minus the mean of B.

    Attributes:
        value: the estimate.
        error: its standard error; None where there are too few runs to tell.
        freedom: degrees of freedom (of a difference Welch's); None likewise.
    """

    value: float
    error: float | None
    freedom: float | None

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
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


def iqm(values: FloatArray) -> FloatArray:
    """Interquartile mean over the first axis of values ``[run, ...]``: a quarter of the runs,
    rounded down, cut off each end."""
    trimmed: FloatArray = stats.trim_mean(values, TRIM, axis=0)
    return trimmed


def bootstrap(
    samples: Sequence[FloatArray],
    statistic: Callable[..., FloatArray],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[FloatArray, FloatArray] | None:
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
    tail = means.moved_out((1 - confidence) / 2, fewest)
    low, high = np.quantile(statistic(*redrawn(samples, resamples)), [tail, 1 - tail], axis=0)
    return low, high


def mean_estimate(values: FloatArray) -> RunsDifference:
    """The mean of a sample of runs, with Student's error; without for fewer than two.

    Args:
        values: ``[runs]``, not empty.
    """
    value = float(values.mean())
    if len(values) < 2:
        return RunsDifference(value, None, None)
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return RunsDifference(value, error, len(values) - 1.0)


def mean_difference(a: FloatArray, b: FloatArray) -> RunsDifference:
    """Compare two samples of runs (Welch 1947).

    Args:
        a, b: ``[runs]``, not empty.
    """
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return RunsDifference(value, None, None)
    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    total = float(parts.sum())
    if total == 0:  # all runs alike
        return RunsDifference(value, 0.0, float(len(a) + len(b) - 2))
    freedom = total**2 / float((parts**2 / (np.array([len(a), len(b)]) - 1)).sum())
    return RunsDifference(value, float(np.sqrt(total)), freedom)


def energy_distance(distances: FloatArray, first: int) -> RunsDifference:
    """How much further runs of two samples are from each other than runs of one sample.

    The mean distance between runs of different samples, less half the sum of the means within
    either (Székely and Rizzo 2013): 0 on average if both are alike. Its error is that of a
    delete-one jackknife over runs (Arvesen 1969).

    Args:
        distances: ``[run, run]`` of all runs, symmetric.
        first: number of runs of the first sample; they come first. Both have two at least.

    Returns:
        Without error for fewer than three runs of either: of two, one left out leaves a single
        one, and nothing tells how far runs are apart.
    """
    sizes = (first, len(distances) - first)
    value = _energy(distances, first)
    if min(sizes) < 3:
        return RunsDifference(value, None, None)
    variance = 0.0
    for start, size in zip((0, first), sizes, strict=True):
        without = []
        for run in range(start, start + size):
            others = np.delete(np.delete(distances, run, axis=0), run, axis=1)
            without.append(_energy(others, first - (run < first)))
        variance += (size - 1) ** 2 / size * float(np.var(without, ddof=1))
    return RunsDifference(value, float(np.sqrt(variance)), float(sum(sizes) - 2))


def _energy(distances: FloatArray, first: int) -> float:
    within = [_mean_within(distances[:first, :first]), _mean_within(distances[first:, first:])]
    return float(distances[:first, first:].mean()) - sum(within) / 2


def _mean_within(distances: FloatArray) -> float:
    return float(distances[np.triu_indices(len(distances), 1)].mean())


def improvement(a: FloatArray, b: FloatArray) -> FloatArray:
    """How often a run of A beats a run of B, ties counted half.

    Args:
        a, b: ``[runs, ...]``.
    """
    pairs = np.sign(a[:, None] - b[None])
    return np.asarray((1 + pairs).mean(axis=(0, 1)) / 2, dtype=np.float64)
