"""How far shares and ratios may be off: the episode is the unit of sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from cagexplain.common.arrays import FloatArray, Int64Array, IntArray
from cagexplain.stats import exact, means
from cagexplain.stats.bootstrap import RESAMPLES, resampled
from cagexplain.stats.interval import Interval, finite
from cagexplain.stats.means import CONFIDENCE, MIN_EPISODES


@dataclass(frozen=True)
class Shares:
    """How the counts of some groups are split over the categories, with confidence limits.

    Attributes:
        counts: ``int64[group, category]`` over all episodes.
        share: ``float64[group, category]``; NaN where a group has no counts.
        low, high: simultaneous confidence limits; NaN where fewer than two episodes have counts.
        total: ``int64[group]`` counts.
        episodes: ``int64[group]`` episodes that have any.
    """

    counts: Int64Array
    share: FloatArray
    low: FloatArray
    high: FloatArray
    total: Int64Array
    episodes: Int64Array


def shares(
    counts: IntArray, *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> Shares:
    """Estimate the shares of the categories in each group.

    The intervals of one group hold together with the given confidence. Each is a Wilson score
    interval for the effective sample size, which is the count divided by the design effect that
    the bootstrap finds (Kish 1965), at least 1; a rare category, whose own design effect the data
    hardly show, gets no less than its group's mean (Rao and Scott 1984). The critical value is
    Student's with one degree of freedom less than there are episodes, at a level divided by the
    number of categories (Bonferroni). So categories that were never seen get an interval too, and
    few episodes give wide ones. Where all counts fall into one category, nothing shows how much
    they depend on each other: then an episode counts as one, and the limits are the exact ones of
    Clopper and Pearson (1934).

    Args:
        counts: ``[episode, group, category]``.
        confidence: level at which all intervals of one group hold together.
        resamples: number of bootstrap samples; their generator is fixed.
    """
    n_categories = counts.shape[2]
    summed = counts.sum(axis=0, dtype=np.int64)
    total = summed.sum(axis=1)
    episodes = (counts.sum(axis=2) > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = summed / total[:, None]
        variance = _bootstrap_variance(counts, share, resamples)
        variance *= (episodes / (episodes - 1))[:, None]
        binomial = share * (1 - share) / total[:, None]
        mean_effect = variance.sum(axis=1) / binomial.sum(axis=1)
        effect = np.fmax(variance / binomial, np.fmax(mean_effect, 1.0)[:, None])
        tail = (1 - confidence) / (2 * n_categories)
        critical = stdtrit(episodes - 1.0, 1 - tail)[:, None]
        low, high = _wilson(share, total[:, None] / effect, critical)
        least = exact.least_share(episodes, tail)[:, None]
    constant = (share == 1).any(axis=1)
    low[constant] = (share * least)[constant]
    high[constant] = np.where(share == 1, 1.0, 1 - least)[constant]
    unknown = episodes < 2
    low[unknown] = high[unknown] = np.nan
    return Shares(summed, share, low, high, total, episodes)


def _bootstrap_variance(counts: IntArray, share: FloatArray, resamples: int) -> FloatArray:
    """Mean squared deviation of the resampled shares; resamples without counts are left out."""
    _, n_groups, n_categories = counts.shape
    squares = np.zeros((n_groups, n_categories))
    used = np.zeros((n_groups, 1))
    for drawn in resampled(counts, resamples):
        in_group = drawn.sum(axis=2, keepdims=True)
        deviation = np.where(in_group > 0, drawn / in_group - share, 0.0)
        squares += (deviation**2).sum(axis=0)
        used += (in_group > 0).sum(axis=0)
    return squares / used


@dataclass(frozen=True)
class Ratio(Interval):
    """A quotient of two quantities summed over episodes, such as a mean over decisions.

    Attributes:
        value: None where there is nothing to divide by.
        low, high: confidence limits; None with fewer than `MIN_EPISODES` of them.
        total: the divisor, such as the number of decisions.
        episodes: episodes that have any of the divisor.
    """

    total: float
    episodes: int


def ratios(
    numerator: npt.NDArray[Any],
    denominator: npt.NDArray[Any],
    *,
    bounds: tuple[float, float] = (0.0, np.inf),
    confidence: float = CONFIDENCE,
) -> tuple[Ratio, ...]:
    """Pooled ratios with intervals.

    To a first approximation a ratio is a mean over episodes: of what an episode's numerator is off
    from the ratio times its denominator. Its interval is that of this mean.

    Args:
        numerator, denominator: ``[episode, quantity]``.
        bounds: least and largest value that a ratio can have, such as 0 and 1 for a share.
        confidence: level of each interval.
    """
    above, below = (side.sum(axis=0, dtype=np.float64) for side in (numerator, denominator))
    episodes = np.count_nonzero(denominator, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = above / below
        off = (numerator - value * denominator) / denominator.mean(axis=0)
    enough = episodes >= MIN_EPISODES
    limits = np.full((2, len(value)), np.nan)
    if enough.any():
        limits[:, enough] = np.clip(value + means.limits(off, confidence), *bounds)[:, enough]
    return tuple(
        Ratio(finite(ratio), finite(low), finite(high), float(size), int(n))
        for ratio, low, high, size, n in zip(value, *limits, below, episodes, strict=True)
    )


def _wilson(share: FloatArray, size: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Score interval of a proportion (Wilson 1927)."""
    centre = share + z**2 / (2 * size)
    half = z * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    scale = 1 + z**2 / size
    # At the ends the limit is exact, which rounding would hide.
    low = np.where(share == 0, 0.0, (centre - half) / scale)
    high = np.where(share == 1, 1.0, (centre + half) / scale)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)
