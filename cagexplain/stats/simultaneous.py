"""Intervals that hold all together: how far each of many correlated ones must be widened.

Of twenty intervals at 95 %, one misses the truth by chance. Bonferroni's remedy, twenty times the
confidence, is too strict for estimates from the same episodes, which err together. Here the joint
distribution of the errors is drawn by multipliers (max-T; Chernozhukov, Chetverikov and Kato 2013):
every episode's contribution to all estimates is multiplied by the same normal number. The quantile
of the largest error tells how many independent intervals the correlated ones are worth.

Episodes must be independent of each other; within one of them anything may depend on anything. That
errors are normal is assumed for their dependence only: the limits themselves are those that each
estimate has elsewhere, freed of skewness, at the level that this number asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from cagexplain.common.arrays import FloatArray
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.spreads import Spread

_DRAWS: Final = 10_000
_CONSTANT: Final = 1e-12


def independent(contributions: FloatArray, confidence: float = CONFIDENCE) -> float:
    """How many independent intervals are as hard to get right together as these.

    Args:
        contributions: ``float64[episode, estimate]`` what each episode adds to each estimate, such
            as its value for a mean; only differences between episodes matter.
        confidence: that all intervals shall hold with.

    Returns:
        From 1 to about the number of estimates; those without any variance do not count.
    """
    off = contributions - contributions.mean(axis=0)
    size = np.sqrt((off**2).sum(axis=0))
    varies = size > _CONSTANT * np.maximum(np.abs(contributions).max(axis=0), 1.0)
    if not varies.any():
        return 1.0
    multipliers = np.random.default_rng(0).standard_normal((_DRAWS, len(off)))
    largest = np.abs(multipliers @ (off[:, varies] / size[varies])).max(axis=1)
    outside = 2 * float(ndtr(-np.quantile(largest, confidence)))
    return max((1 - confidence) / outside, 1.0)


def widened(tests: float, confidence: float = CONFIDENCE) -> float:
    """Confidence of each interval with which as many independent ones hold all together.

    Args:
        tests: as `independent` tells.
        confidence: that all shall hold with.
    """
    return 1 - (1 - confidence) / tests


@dataclass(frozen=True)
class Largest:
    """The spread of the largest of several quantities: where the limits of all of them hold, the
    largest truth lies between the largest lower and the largest upper limit.

    Attributes:
        spreads: of the quantities.
        tests: independent ones that they are worth; see `independent`.
    """

    spreads: Sequence[Spread]
    tests: float

    @property
    def shrinks(self) -> float:
        """As the one that shrinks least."""
        return min(spread.shrinks for spread in self.spreads)

    def limits(self, tail: float) -> tuple[float, float]:
        """The largest lower and the largest upper limit."""
        low, high = zip(*(s.limits(tail / self.tests) for s in self.spreads), strict=True)
        return max(low), max(high)

    def chance(self, threshold: float, below: bool) -> float:
        """That all are so far below, or any so far above, were all truths the threshold."""
        chances = [spread.chance(threshold, below) for spread in self.spreads]
        return max(chances) if below else min(self.tests * min(chances), 1.0)
