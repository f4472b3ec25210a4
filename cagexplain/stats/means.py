"""The interval of a mean over episodes: one rule for every command and page.

Episodes are independent of each other, but few, and often skewed: a rare disaster brings much of
what a good policy loses. Percentiles of a bootstrap ignore that the spread of few episodes is
itself uncertain (of two episodes, they cover the true mean in half of the cases, not 95 %). So the
limits are Student's, and on the side to which the episodes' skewness points those of Hall (1992),
who transforms Student's statistic to take its skewness off, where these lie further out.

No rule can know what the episodes have not shown. `MIN_EPISODES` and `MIN_EPISODES_OF_PARTS` say
from how many on the limits of a return, and of a part of it, cover the truth in at least 92 % of
cases for every policy that was tried (`tests/stats/test_interval_coverage.py`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

from cagexplain.common.arrays import FloatArray

CONFIDENCE: Final = 0.95
MIN_EPISODES: Final = 5
"""Episodes, or other independent values, below which no interval is given."""
MIN_EPISODES_OF_PARTS: Final = 300
"""The same for what rare episodes dominate, such as the loss in one phase: its skewness can be -10,
so that fewer episodes often show none of those that matter."""
_STRAIGHT: Final = 1e-6  # below such a skewness the transformation is the identity


def limits(
    values: npt.NDArray[Any], confidence: float = CONFIDENCE
) -> tuple[FloatArray, FloatArray]:
    """Confidence limits of the means over the first axis.

    Args:
        values: ``[episode, ...]``, at least two episodes.
        confidence: level of each interval.

    Returns:
        Lower and upper limits ``float64[...]``; both are the mean where all values are equal.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    mean = values.mean(axis=0)
    off = values - mean
    variance = np.mean(off**2, axis=0)
    third = np.divide(
        np.mean(off**3, axis=0), variance**1.5, out=np.zeros_like(mean), where=variance > 0
    )
    error = np.sqrt(variance / (n - 1))
    far = float(stdtrit(n - 1, (1 + confidence) / 2))
    low, high = (skewed(t, third / np.sqrt(n)) for t in (far, -far))
    return mean - error * np.maximum(low, far), mean - error * np.minimum(high, -far)


def skewed(straight: float, skewness: npt.ArrayLike) -> FloatArray:
    """Student's statistic of a mean, from its value freed of skewness (Hall 1992, formula 4.3).

    Args:
        straight: quantile of Student's distribution.
        skewness: ``[...]`` of the mean's distribution.
    """
    skew = np.asarray(skewness, dtype=np.float64)
    plain = np.abs(skew) < _STRAIGHT
    skew = np.where(plain, 1.0, skew)
    bent = 3 / skew * (np.cbrt(1 + skew * (straight - skew / 6)) - 1)
    return np.where(plain, straight, bent)


def moved_out(tail: float, n: float) -> float:
    """The level of a percentile of a bootstrap, moved out so that a normal mean of few episodes
    gets Student's interval (Hesterberg 2015, section 5.5).

    Args:
        tail: the level, such as 0.025.
        n: number of independent episodes, above 1.
    """
    return float(ndtr(np.sqrt(n / (n - 1)) * stdtrit(n - 1, tail)))


def too_few(n: int, least: int = MIN_EPISODES, units: str = "episodes") -> str | None:
    """Why there is no interval; None if there are enough."""
    if n >= least:
        return None
    return f"not enough {units} for an interval: n = {n}, at least {least} are needed"
