"""From cases to sums over episodes, from sums to a value, from resampled sums to an interval.

Whatever is measured is a function of sums over episodes: a share is a quotient of two sums, a
Kaplan-Meier median a function of the numbers of ended and censored durations of each length. So one
cluster bootstrap (`cagexplain.stats.bootstrap`) gives the interval of all of them, and
`cagexplain.stats.spreads` tells how its distribution becomes limits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np

from cagexplain.common.arrays import Array, BoolArray, FloatArray, Int32Array, IntArray, RealArray
from cagexplain.stats import bootstrap, durations
from cagexplain.stats.bootstrap import RESAMPLES, resampled
from cagexplain.stats.interval import Interval, finite
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.spreads import Never, Ranked, Skewed, Spread, skewed

MIN_EPISODES: Final = bootstrap.MIN_EPISODES
"""Episodes with triggers below which there are no limits, and no verdict."""
_CERTAIN: Final = 1e-12


class Cases(Protocol):
    """What is counted, an entry each."""

    @property
    def row(self) -> IntArray:
        """``int[case]`` number of the episode."""

    @property
    def hit(self) -> BoolArray:
        """``bool[case]`` whether it has the property that is counted."""

    @property
    def group(self) -> IntArray:
        """``int[case]`` which of several groups it belongs to."""

    @property
    def duration(self) -> IntArray:
        """``int[case]`` steps until the hit, or, without one, as long as it was followed."""

    @property
    def other(self) -> BoolArray:
        """``bool[case]`` whether, without a hit, another event came first."""

    def where(self, keep: Array) -> Self:
        """Some of the cases, by a mask ``bool[case]``."""


class Statistic(ABC):
    """How a value follows from sums over episodes.

    Attributes:
        bounded: whether it is a share, which lies from 0 to 1 and may be seen never or always.
        counted: whether it is a mean number of events, of which none may be seen; the second sum is
            then what it is a mean over.
        smooth: whether small changes of the sums change it little, and it always is finite.
    """

    bounded: bool = False
    counted: bool = False
    smooth: bool = True

    @abstractmethod
    def value(self, totals: FloatArray) -> FloatArray:
        """Values ``[...]`` of totals ``[..., k]``; NaN where undefined, infinity where a duration's
        quantile is not reached."""

    @abstractmethod
    def n(self, totals: Array) -> FloatArray:
        """How many triggers ``[...]`` the totals ``[..., k]`` rest on."""

    def as_far_as_followed(
        self, totals: FloatArray, low: float, high: float
    ) -> tuple[float, float]:
        """Limits that claim nothing about times that no case was followed to.

        Args:
            totals: ``float64[k]``.
            low, high: limits as resampling gives them.
        """
        return low, high


class OfCases(Statistic):
    """A statistic whose sums are numbers of cases."""

    @abstractmethod
    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Columns ``[n, k]`` of `n` episodes of `steps` steps."""

    def shown(self, cases: Cases) -> BoolArray:
        """``bool[case]`` which cases tell where the value comes from."""
        return np.ones(len(cases.row), dtype=np.bool_)


def _count(cases: Cases, keep: BoolArray, n: int) -> FloatArray:
    return np.bincount(cases.row[keep], minlength=n).astype(np.float64)


def _every(cases: Cases, n: int) -> FloatArray:
    return np.bincount(cases.row, minlength=n).astype(np.float64)


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    quotient: FloatArray = np.divide(
        above, below, out=np.full(np.shape(above), np.nan), where=below > 0
    )
    return quotient


@dataclass(frozen=True)
class SumsRatio(Statistic):
    """A quotient of two sums that is neither a share nor a number of events."""

    def value(self, totals: FloatArray) -> FloatArray:
        """The first sum per unit of the second."""
        return _quotient(totals[..., 0], totals[..., 1])

    def n(self, totals: Array) -> FloatArray:
        """The second sum."""
        return totals[..., 1]


@dataclass(frozen=True)
class HitShare(OfCases):
    """Hits among the cases."""

    bounded = True

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Hits, cases."""
        return np.stack([_count(cases, cases.hit, n), _every(cases, n)], axis=1)

    def value(self, totals: FloatArray) -> FloatArray:
        """Hits per case."""
        return _quotient(totals[..., 0], totals[..., 1])

    def n(self, totals: Array) -> FloatArray:
        """Cases."""
        return totals[..., 1]


@dataclass(frozen=True)
class PerEpisode(OfCases):
    """Mean number of hits per episode, or per so many steps of it.

    Attributes:
        per: number of steps; None for whole episodes.
    """

    per: int | None = None
    counted = True

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Hits, what they are divided by, episodes."""
        return self.of(_count(cases, cases.hit, n), steps)

    def of(self, hits: RealArray, steps: int) -> FloatArray:
        """The same of numbers, which need not be of cases: ``float64[n, 3]`` of ``[n]``."""
        below = np.full(len(hits), 1.0 if self.per is None else steps / self.per)
        return np.stack([hits.astype(np.float64), below, np.ones(len(hits))], axis=1)

    def value(self, totals: FloatArray) -> FloatArray:
        """Hits per unit."""
        return _quotient(totals[..., 0], totals[..., 1])

    def n(self, totals: Array) -> FloatArray:
        """Episodes."""
        return totals[..., 2]


@dataclass(frozen=True)
class PerCases(PerEpisode):
    """Mean number of hits per so many cases.

    Attributes:
        per: number of cases.
    """

    per: int = 100

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Hits, what they are divided by, cases."""
        every = _every(cases, n)
        return np.stack([_count(cases, cases.hit, n), every / self.per, every], axis=1)


@dataclass(frozen=True)
class Difference(OfCases):
    """Share of hits in group 1 minus that in group 0. Its triggers are the cases of group 1."""

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Hits and cases of group 1, then of group 0."""
        columns = [
            _count(cases, keep, n)
            for group in (1, 0)
            for keep in (cases.hit & (cases.group == group), cases.group == group)
        ]
        return np.stack(columns, axis=1)

    def value(self, totals: FloatArray) -> FloatArray:
        """Difference of the shares."""
        return _quotient(totals[..., 0], totals[..., 1]) - _quotient(totals[..., 2], totals[..., 3])

    def n(self, totals: Array) -> FloatArray:
        """Cases under the condition."""
        return totals[..., 1]

    def shown(self, cases: Cases) -> BoolArray:
        """Those of group 1; the others are only compared with."""
        return np.equal(cases.group, 1)


@dataclass(frozen=True)
class Relative(Difference):
    """Share of hits in group 1 divided by that in group 0."""

    smooth = False

    def value(self, totals: FloatArray) -> FloatArray:
        """Ratio of the shares."""
        return _quotient(
            _quotient(totals[..., 0], totals[..., 1]), _quotient(totals[..., 2], totals[..., 3])
        )


class OfDurations(OfCases):
    """A statistic of durations: its sums are numbers of durations of each length, those that the
    hit ended first, those that the end of what was followed cut off last."""

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """The same as `lengths`, as other statistics have their sums."""
        return self.lengths(cases, n, steps).astype(np.float64)

    def lengths(self, cases: Cases, n: int, steps: int) -> Int32Array:
        """Ended durations by length, then censored ones: ``int32[n, 2 * (steps + 1)]``."""
        return np.hstack([_lengths(cases, kind, n, steps) for kind in (cases.hit, ~cases.hit)])

    def n(self, totals: Array) -> FloatArray:
        """Durations."""
        return np.asarray(totals.sum(axis=-1))

    def known(self, totals: FloatArray, value: FloatArray) -> FloatArray:
        """The value ``[...]``; NaN where there are no durations among the totals ``[..., k]``."""
        return np.where(self.n(totals) > 0, value, np.nan)


@dataclass(frozen=True)
class Quantile(OfDurations):
    """Steps by which a share of the cases have had their hit (Kaplan and Meier 1958).

    Attributes:
        share: 0.5 for the median, 0.9 for the 90th percentile.
    """

    share: float
    smooth = False

    def value(self, totals: FloatArray) -> FloatArray:
        """First duration by which the share is reached, or infinity."""
        longer = durations.product_limit(*np.split(totals, 2, axis=-1))
        return self.known(totals, durations.quantile(longer, self.share))

    def as_far_as_followed(
        self, totals: FloatArray, low: float, high: float
    ) -> tuple[float, float]:
        """One that is not reached is only known to lie beyond the longest duration."""
        return (float(_longest(totals, 2)) if np.isinf(low) else low), high


@dataclass(frozen=True)
class RestrictedMean(OfDurations):
    """Mean of the durations, those above the horizon counted as the horizon (Royston and Parmar
    2013).

    Attributes:
        horizon: in steps.
    """

    horizon: int = durations.HORIZON
    smooth = False

    def value(self, totals: FloatArray) -> FloatArray:
        """Steps; infinity where nobody was followed to the horizon."""
        mean = durations.restricted_mean(*np.split(totals, 2, axis=-1), horizon=self.horizon)
        return self.known(totals, mean)


@dataclass(frozen=True)
class Incidence(OfDurations):
    """Share of the cases that have had their hit after some steps, where another event may come
    first (Aalen and Johansen 1978); without `other` events it is one minus Kaplan-Meier.

    Attributes:
        at: in steps.
    """

    at: int
    bounded = True

    def lengths(self, cases: Cases, n: int, steps: int) -> Int32Array:
        """Hits by duration, then competing events, then censored cases."""
        other = cases.other & ~cases.hit
        kinds = (cases.hit, other, ~cases.hit & ~other)
        # Whatever lasts longer tells the same: few columns are quickly resampled.
        longest = min(steps, self.at + 1)
        return np.hstack([_lengths(cases, kind, n, longest) for kind in kinds])

    def value(self, totals: FloatArray) -> FloatArray:
        """Cumulative incidence."""
        hits, others, censored = np.split(totals, 3, axis=-1)
        return self.known(totals, durations.incidence(hits, others, censored, self.at))

    def shown(self, cases: Cases) -> BoolArray:
        """All but those whose end came before anything could be told."""
        lost: BoolArray = ~cases.hit & ~cases.other & (cases.duration <= self.at)
        return ~lost

    def as_far_as_followed(
        self, totals: FloatArray, low: float, high: float
    ) -> tuple[float, float]:
        """It may still rise by those who are left where nobody was followed so long."""
        if _longest(totals, 3) < self.at:
            hits, others, censored = np.split(totals, 3)
            remaining = durations.product_limit(hits + others, censored)[-1]
            high = min(high + float(remaining), 1.0)
        return low, high


@dataclass(frozen=True)
class Function(Statistic):
    """Any function of sums that its user counts.

    Attributes:
        of: values ``[...]`` of totals ``[..., k]``.
        triggers: numbers ``[...]`` of triggers of the same totals.
        smooth: see `Statistic`.
    """

    of: Callable[[FloatArray], FloatArray]
    triggers: Callable[[FloatArray], FloatArray]
    smooth: bool = True

    def value(self, totals: FloatArray) -> FloatArray:
        """The function's values."""
        return self.of(totals)

    def n(self, totals: Array) -> FloatArray:
        """Its triggers."""
        return self.triggers(totals)


def _lengths(cases: Cases, kind: BoolArray, n: int, steps: int) -> Int32Array:
    width = steps + 1
    # Nothing is followed beyond the end of its episode.
    cell = cases.row[kind].astype(np.int64) * width + np.minimum(cases.duration[kind], steps)
    return np.bincount(cell, minlength=n * width).reshape(n, width).astype(np.int32)


def _longest(totals: FloatArray, kinds: int) -> int:
    """Longest duration among the totals ``[kinds * length]``."""
    return int(np.flatnonzero(totals.reshape(kinds, -1).any(axis=0))[-1])


@dataclass(frozen=True)
class Estimate:
    """A value and how far it may be off.

    Attributes:
        value: NaN if undefined, infinity if a quantile is not reached.
        low, high: limits at 95 %; NaN with fewer than `MIN_EPISODES` that have triggers. The upper
            one of a quantile may be infinite.
        n: triggers.
        episodes: that have any.
        deff: design effect of a share: by how much its variance exceeds that of as many
            independent cases; NaN where it cannot be told.
        spread: what the limits come from; None if there are none.
    """

    value: float
    low: float
    high: float
    n: float
    episodes: int
    deff: float
    spread: Spread | None

    @property
    def interval(self) -> Interval:
        """As results carry it: None for what is undefined or not reached."""
        return Interval(*(finite(number) for number in (self.value, self.low, self.high)))


def estimate(
    statistic: Statistic,
    sums: RealArray | IntArray,
    *,
    policies: IntArray | None = None,
    usual_deff: float | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Estimate:
    """A value with its bootstrap interval; the module and `spreads` tell how it comes about.

    Args:
        statistic: of the measure.
        sums: ``[episode, column]``.
        policies: ``int[episode]`` which of several policies trained with other seeds played it;
            then policies are drawn first, and episodes within them.
        usual_deff: design effect that other policies show, for shares of which none or all cases
            are hits; without it an episode counts as one case.
        confidence: level of the interval.
        resamples: number of bootstrap samples; their generator is fixed.
    """
    (result,) = estimates(
        [statistic],
        sums,
        policies=policies,
        usual_deff=usual_deff,
        confidence=confidence,
        resamples=resamples,
    )
    return result


def estimates(
    statistics: Sequence[Statistic],
    sums: RealArray | IntArray,
    *,
    policies: IntArray | None = None,
    usual_deff: float | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> list[Estimate]:
    """`estimate` of several statistics of the same sums, resampled once.

    Args:
        statistics: with the same triggers.
        sums: ``[episode, column]``.
        policies, usual_deff, confidence, resamples: see `estimate`.
    """
    totals, first = sums.sum(axis=0, dtype=np.float64), statistics[0]
    n, episodes = float(first.n(totals)), int(np.count_nonzero(first.n(sums) > 0))
    values = [float(statistic.value(totals)) for statistic in statistics]
    results = [Estimate(value, np.nan, np.nan, n, episodes, np.nan, None) for value in values]
    if episodes < MIN_EPISODES:
        return results
    units = _effective(first.n(_by_policy(sums, policies)))
    spreads: dict[int, Spread] = {}
    drawn: dict[int, list[FloatArray]] = {}
    for i, (statistic, value) in enumerate(zip(statistics, values, strict=True)):
        if never := _never(statistic, totals, value, n, episodes, usual_deff):
            spreads[i] = never
        elif not np.isnan(value):
            drawn[i] = []
    for sample in resampled(sums, resamples, policies=policies) if drawn else ():
        for i, parts in drawn.items():
            parts.append(statistics[i].value(sample))
    for i, parts in drawn.items():
        spreads[i] = _spread(statistics[i], values[i], np.concatenate(parts), units)
    for i, spread in spreads.items():
        limits = _limits(statistics[i], totals, spread, (1 - confidence) / 2)
        deff = np.nan
        if statistics[i].bounded and isinstance(spread, Skewed):
            deff = spread.error**2 * n / (values[i] * (1 - values[i]))
        results[i] = Estimate(values[i], *limits, n, episodes, deff, spread)
    return results


def _spread(statistic: Statistic, value: float, drawn: FloatArray, units: float) -> Spread:
    """How far a value may be off that varies between resamples."""
    defined = drawn[~np.isnan(drawn)]
    return skewed(value, defined, units) if statistic.smooth else Ranked(defined, units - 1)


def _limits(
    statistic: Statistic, totals: FloatArray, spread: Spread, tail: float
) -> tuple[float, float]:
    low, high = spread.limits(tail)
    if statistic.bounded or statistic.counted:
        low = max(low, 0.0)
    if statistic.bounded:
        high = min(high, 1.0)
    return statistic.as_far_as_followed(totals, low, high)


def _never(
    statistic: Statistic,
    totals: FloatArray,
    value: float,
    n: float,
    episodes: int,
    usual_deff: float | None,
) -> Never | None:
    """The spread of what was never, or always, seen; None for what varies."""
    if statistic.bounded and min(value, 1 - value) <= _CERTAIN:
        worth = n / max(usual_deff, 1.0) if usual_deff is not None else 0.0
        return Never(min(max(worth, float(episodes)), n), value > 0.5, bounded=True)
    if statistic.counted and value == 0:
        return Never(float(totals[1]), always=False, bounded=False)
    return None


def _effective(triggers: RealArray | IntArray) -> float:
    """Number of equal episodes that are worth as much as these; at least two (Kish 1965)."""
    triggers = triggers.astype(np.float64)
    return max(float(triggers.sum() ** 2 / np.sum(triggers**2)), 2.0)


def _by_policy(sums: Array, policies: IntArray | None) -> Array:
    if policies is None:
        return sums
    return np.stack([sums[policies == policy].sum(axis=0) for policy in np.unique(policies)])
