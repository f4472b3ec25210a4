"""How far a value may be off: from a bootstrap distribution, or from never, to limits.

* Most values are smooth functions of sums over episodes. Their limits follow from the standard
  deviation and the skewness of the bootstrap distribution by Hall's (1992) transformation, which
  removes the skewness from Student's statistic, after the bias that the bootstrap finds is taken
  off, which the largest of several shares has, or an entropy (Efron and Tibshirani 1993, chapter
  10). Percentiles are too short where few episodes bring most of the hits.
* Quantiles of durations jump, and quotients of shares have no variance. Theirs are expanded
  percentiles (Hesterberg 2015, section 5.5): at levels moved out so that a normal mean of few
  episodes would get Student's interval.
* Where none or all of the cases of a share are hits, resampling shows no spread. Then the limit is
  that of the rule of three for as many independent cases as the triggers are worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from scipy.special import stdtr, stdtrit

from cagexplain.common.arrays import FloatArray
from cagexplain.stats import means

RULE_OF_THREE: Final = 3.0
"""Upper limit at 95 % of the expected number of events of which none was seen."""


class Spread(Protocol):
    """How far a value may be off."""

    @property
    def shrinks(self) -> float:
        """The distance of the limits is divided by this power of the number of episodes."""

    def limits(self, tail: float) -> tuple[float, float]:
        """Two limits, each with this probability to lie on the wrong side of the truth."""

    def chance(self, threshold: float, below: bool) -> float:
        """One-sided probability of such a value, or one further off, were the truth a threshold
        that the value lies below (or above)."""


@dataclass(frozen=True)
class Skewed:
    """Student's statistic, freed of its skewness (Hall 1992).

    Attributes:
        value: the estimate.
        bias: its expectation minus the truth.
        error: its standard error.
        skewness: of its distribution.
        freedom: degrees of freedom.
    """

    value: float
    bias: float
    error: float
    skewness: float
    freedom: float
    shrinks: float = 0.5

    def limits(self, tail: float) -> tuple[float, float]:
        """Where the transformed statistic has Student's quantiles."""
        far = -float(stdtrit(self.freedom, tail))
        centre = self.value - self.bias
        low, high = (
            centre - self.error * float(means.skewed(t, self.skewness)) for t in (far, -far)
        )
        return min(low, self.value), max(high, self.value)

    def chance(self, threshold: float, below: bool) -> float:
        """Tail of the transformed statistic."""
        if self.error == 0:
            beyond = self.value < threshold if below else self.value > threshold
            return 0.0 if beyond else 1.0
        skew, t = self.skewness, (self.value - self.bias - threshold) / self.error
        straight = t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6
        return float(stdtr(self.freedom, straight if below else -straight))


def skewed(value: float, drawn: FloatArray, units: float) -> Skewed:
    """The spread of a smooth value.

    Args:
        value: the estimate.
        drawn: ``float64[resample]`` its bootstrap distribution.
        units: number of independent episodes.
    """
    mean = float(drawn.mean())
    off = drawn - mean
    deviation = float(np.sqrt(np.mean(off**2)))
    skewness = float(np.mean((off / deviation) ** 3)) if deviation > 1e-12 else 0.0
    return Skewed(
        value, mean - value, deviation * float(np.sqrt(units / (units - 1))), skewness, units - 1
    )


def excess(sums: FloatArray, share: float) -> Skewed:
    """The mean over episodes of the hits in excess of a share of the cases.

    It is a mean of independent numbers, so its chance to be as far from 0 as it is tests a share
    far out in the tails, where that of the share itself, a quotient, is too cautious.

    Args:
        sums: ``float64[episode, 2]`` hits and cases; episodes without cases are left out.
        share: of the cases.
    """
    hits, cases = sums[sums[:, 1] > 0].T
    off = hits - share * cases
    n, mean, deviation = len(off), float(off.mean()), float(off.std(ddof=1))
    skewness = float(np.mean((off - mean) ** 3)) / float(off.std()) ** 3 if deviation > 0 else 0.0
    return Skewed(mean, 0.0, deviation / n**0.5, skewness / n**0.5, n - 1)


@dataclass(frozen=True)
class Outer:
    """Student's limits, and those freed of skewness where they lie further out, as a mean has them
    (`cagexplain.stats.means`): for quotients of losses that rare disasters dominate.

    Attributes:
        freed: Student's statistic, freed of its skewness.
    """

    freed: Skewed
    shrinks: float = 0.5

    @property
    def _both(self) -> tuple[Skewed, Skewed]:
        return self.freed, replace(self.freed, skewness=0.0)

    def limits(self, tail: float) -> tuple[float, float]:
        """The outer ones."""
        low, high = zip(*(spread.limits(tail) for spread in self._both), strict=True)
        return min(low), max(high)

    def chance(self, threshold: float, below: bool) -> float:
        """The larger one."""
        return max(spread.chance(threshold, below) for spread in self._both)


@dataclass(frozen=True)
class Ranked:
    """Expanded percentiles (Hesterberg 2015).

    Attributes:
        drawn: ``float64[resample]`` values; infinite ones are ordered rightly.
        freedom: degrees of freedom.
    """

    drawn: FloatArray
    freedom: float
    shrinks: float = 0.5

    def limits(self, tail: float) -> tuple[float, float]:
        """Percentiles at levels moved out."""
        level = means.moved_out(tail, self.freedom + 1)
        low, high = np.quantile(self.drawn, [level, 1 - level], method="inverted_cdf")
        return float(low), float(high)

    def chance(self, threshold: float, below: bool) -> float:
        """Share of the resamples on the other side."""
        other = self.drawn >= threshold if below else self.drawn <= threshold
        return float((1 + np.count_nonzero(other)) / (1 + len(self.drawn)))


@dataclass(frozen=True)
class Never:
    """None, or all, of some independent cases are hits; or no event was seen (rule of three).

    Attributes:
        worth: number of independent cases, or of what the mean number of events is per.
        always: whether all are hits.
        bounded: whether it is a share.
    """

    worth: float
    always: bool
    bounded: bool
    shrinks: float = 1.0

    def limits(self, tail: float) -> tuple[float, float]:
        """One is exact; the other holds at 95 % whatever the tail."""
        far = RULE_OF_THREE / self.worth
        if not self.bounded:
            return 0.0, far
        return (max(1 - far, 0.0), 1.0) if self.always else (0.0, min(far, 1.0))

    def chance(self, threshold: float, below: bool) -> float:
        """Probability that all cases miss what would be rare at the threshold."""
        if not self.bounded:
            return float(np.exp(-threshold * self.worth))
        return float((threshold if self.always else 1 - threshold) ** self.worth)
