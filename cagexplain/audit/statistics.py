"""From cases to sums over episodes, from sums to a value, from resampled sums to an interval.

Whatever a check measures is a function of sums over episodes: a share is a quotient of two sums, a
Kaplan-Meier median a function of the numbers of ended and censored durations of each length. So one
cluster bootstrap, which draws whole episodes (and policies, if there are several trained with other
seeds), gives the interval of all of them (Davison and Hinkley 1997, section 3.8; Field and Welsh
2007).

`cagexplain.stats.spreads` tells how its distribution becomes limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import FloatArray, IntArray
from cagexplain.facts.cases import Cases
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.shares import RESAMPLES, weights
from cagexplain.stats.spreads import Never, Ranked, Spread, skewed

HORIZON: Final = 300
"""Steps after which durations are no longer followed: beyond every border of the catalogue."""
MIN_EPISODES: Final = 10
"""Episodes with triggers below which there are no limits, and no verdict: fewer show too little of
how much episodes differ (of five, some limits cover the truth in 80 % of cases)."""
_CERTAIN: Final = 1e-12


class Statistic(Protocol):
    """How a value follows from sums over episodes."""

    @property
    def bounded(self) -> bool:
        """Whether it is a share, which lies from 0 to 1 and may be seen never or always."""

    @property
    def counted(self) -> bool:
        """Whether it is a mean number of events, of which none may be seen."""

    @property
    def smooth(self) -> bool:
        """Whether small changes of the sums change it little, and it always is finite."""

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Columns ``[n, k]`` of `n` episodes of `steps` steps."""

    def value(self, totals: FloatArray) -> FloatArray:
        """Values ``[...]`` of totals ``[..., k]``; NaN where undefined, infinity where a duration's
        quantile is not reached."""

    def n(self, totals: FloatArray) -> FloatArray:
        """How many triggers the totals ``[..., k]`` rest on."""


def _count(cases: Cases, keep: npt.NDArray[Any], n: int) -> FloatArray:
    return np.bincount(cases.row[keep], minlength=n).astype(np.float64)


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    quotient: FloatArray = np.divide(
        above, below, out=np.full(np.shape(above), np.nan), where=below > 0
    )
    return quotient


@dataclass(frozen=True)
class Share:
    """Hits among the cases."""

    bounded: bool = True
    counted: bool = False
    smooth: bool = True

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Hits, cases."""
        return np.stack(
            [_count(cases, cases.hit, n), _count(cases, np.ones(len(cases), bool), n)], axis=1
        )

    def value(self, totals: FloatArray) -> FloatArray:
        """Hits per case."""
        return _quotient(totals[..., 0], totals[..., 1])

    def n(self, totals: FloatArray) -> FloatArray:
        """Cases."""
        return totals[..., 1]


@dataclass(frozen=True)
class PerEpisode:
    """Mean number of hits per episode, or per so many steps of it.

    Attributes:
        per: number of steps; None for whole episodes.
    """

    per: int | None = None
    bounded: bool = False
    counted: bool = True
    smooth: bool = True

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Hits, what they are divided by, episodes."""
        below = np.full(n, 1.0 if self.per is None else steps / self.per)
        return np.stack([_count(cases, cases.hit, n), below, np.ones(n)], axis=1)

    def value(self, totals: FloatArray) -> FloatArray:
        """Hits per unit."""
        return _quotient(totals[..., 0], totals[..., 1])

    def n(self, totals: FloatArray) -> FloatArray:
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
        every = _count(cases, np.ones(len(cases), bool), n)
        return np.stack([_count(cases, cases.hit, n), every / self.per, every], axis=1)


@dataclass(frozen=True)
class Difference:
    """Share of hits in group 1 minus that in group 0. Its triggers are the cases of group 1."""

    bounded: bool = False
    counted: bool = False
    smooth: bool = True

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

    def n(self, totals: FloatArray) -> FloatArray:
        """Cases under the condition."""
        return totals[..., 1]


@dataclass(frozen=True)
class Relative(Difference):
    """Share of hits in group 1 divided by that in group 0."""

    smooth: bool = False

    def value(self, totals: FloatArray) -> FloatArray:
        """Ratio of the shares."""
        return _quotient(
            _quotient(totals[..., 0], totals[..., 1]), _quotient(totals[..., 2], totals[..., 3])
        )


@dataclass(frozen=True)
class Quantile:
    """Steps by which a share of the cases have had their hit (Kaplan and Meier 1958).

    Attributes:
        share: 0.5 for the median, 0.9 for the 90th percentile.
    """

    share: float
    bounded: bool = False
    counted: bool = False
    smooth: bool = False

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Ended durations by length, then censored ones."""
        ended = cases.hit & (cases.duration <= HORIZON)
        return np.hstack([_lengths(cases, kind, n) for kind in (ended, ~ended)])

    def value(self, totals: FloatArray) -> FloatArray:
        """First duration by which the share is reached, or infinity."""
        ended, censored = np.split(totals, 2, axis=-1)
        at_risk = np.cumsum((ended + censored)[..., ::-1], axis=-1)[..., ::-1]
        ending = np.divide(ended, at_risk, out=np.zeros_like(ended), where=at_risk > 0)
        reached = np.cumprod(1 - ending, axis=-1) <= 1 - self.share + 1e-9
        first = np.where(reached.any(axis=-1), reached.argmax(axis=-1), np.inf)
        return np.where(self.n(totals) > 0, first, np.nan)

    def n(self, totals: FloatArray) -> FloatArray:
        """Durations."""
        return np.asarray(totals.sum(axis=-1))


@dataclass(frozen=True)
class Incidence:
    """Share of the cases that have had their hit after some steps, where another event may come
    first (Aalen and Johansen 1978); without `other` events it is one minus Kaplan-Meier.

    Attributes:
        at: in steps.
    """

    at: int
    bounded: bool = True
    counted: bool = False
    smooth: bool = True

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Hits by duration, then competing events, then censored cases."""
        other = cases.other & ~cases.hit
        kinds = (cases.hit, other, ~cases.hit & ~other)
        return np.hstack([_lengths(cases, kind, n) for kind in kinds])

    def value(self, totals: FloatArray) -> FloatArray:
        """Cumulative incidence."""
        hits, others, censored = np.split(totals, 3, axis=-1)
        at_risk = np.cumsum((hits + others + censored)[..., ::-1], axis=-1)[..., ::-1]

        def hazard(events: FloatArray) -> FloatArray:
            return np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)

        free = np.cumprod(1 - hazard(hits + others), axis=-1)
        before = np.concatenate([np.ones((*free.shape[:-1], 1)), free[..., :-1]], axis=-1)
        share: FloatArray = (before * hazard(hits))[..., : self.at + 1].sum(axis=-1)
        return np.where(self.n(totals) > 0, share, np.nan)

    def n(self, totals: FloatArray) -> FloatArray:
        """Cases."""
        return np.asarray(totals.sum(axis=-1))


@dataclass(frozen=True)
class Function:
    """Any function of a check's own sums.

    Attributes:
        of: values ``[...]`` of totals ``[..., k]``.
        triggers: numbers ``[...]`` of triggers of the same totals.
    """

    of: Callable[[FloatArray], FloatArray]
    triggers: Callable[[FloatArray], FloatArray]
    bounded: bool = False
    counted: bool = False
    smooth: bool = True

    def sums(self, cases: Cases, n: int, steps: int) -> FloatArray:
        """Its check counts by itself."""
        raise NotImplementedError

    def value(self, totals: FloatArray) -> FloatArray:
        """The function's values."""
        return self.of(totals)

    def n(self, totals: FloatArray) -> FloatArray:
        """Its triggers."""
        return self.triggers(totals)


def _lengths(cases: Cases, kind: npt.NDArray[np.bool_], n: int) -> FloatArray:
    width = HORIZON + 1
    cell = cases.row[kind] * width + np.minimum(cases.duration[kind], HORIZON)
    return np.bincount(cell, minlength=n * width).reshape(n, width).astype(np.float64)


@dataclass(frozen=True)
class Interval:
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


def estimate(
    statistic: Statistic,
    sums: FloatArray,
    *,
    policies: IntArray | None = None,
    usual_deff: float | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval:
    """A value with its bootstrap interval; the module and `spreads` tell how it comes about.

    Args:
        statistic: of the measure.
        sums: ``float64[episode, column]``.
        policies: ``int[episode]`` which of several policies trained with other seeds played it;
            then policies are drawn first, and episodes within them.
        usual_deff: design effect that other policies show, for shares of which none or all cases
            are hits; without it an episode counts as one case.
        confidence: level of the interval.
        resamples: number of bootstrap samples; their generator is fixed.
    """
    totals = sums.sum(axis=0)
    value, n = float(statistic.value(totals)), float(statistic.n(totals))
    episodes = int(np.count_nonzero(statistic.n(sums) > 0))
    if np.isnan(value) or episodes < MIN_EPISODES:
        return Interval(value, np.nan, np.nan, n, episodes, np.nan, None)
    spread: Spread
    deff = np.nan
    if statistic.bounded and min(value, 1 - value) <= _CERTAIN:
        worth = n / max(usual_deff, 1.0) if usual_deff is not None else 0.0
        spread = Never(min(max(worth, float(episodes)), n), value > 0.5, bounded=True)
    elif statistic.counted and value == 0:
        spread = Never(float(totals[1]), always=False, bounded=False)
    else:
        drawn = _resampled(statistic, sums, policies, resamples)
        units = _effective(statistic.n(_by_policy(sums, policies)))
        if statistic.smooth:
            spread = skewed(value, drawn, units)
            if statistic.bounded:
                deff = spread.error**2 * n / (value * (1 - value))
        else:
            spread = Ranked(drawn, units - 1)
    low, high = spread.limits((1 - confidence) / 2)
    if statistic.bounded:
        low, high = max(low, 0.0), min(high, 1.0)
    elif statistic.counted:
        low = max(low, 0.0)
    low, high = _as_far_as_followed(statistic, totals, low, high)
    return Interval(value, low, high, n, episodes, deff, spread)


def _as_far_as_followed(
    statistic: Statistic, totals: FloatArray, low: float, high: float
) -> tuple[float, float]:
    """Limits that claim nothing about times that no case was followed to, as in short episodes.

    A quantile that is not reached is only known to lie beyond, and an incidence may still rise by
    those who are left.
    """
    if isinstance(statistic, Quantile | Incidence):
        lengths = totals.reshape(-1, HORIZON + 1)
        followed = int(np.flatnonzero(lengths.any(axis=0))[-1])
        if isinstance(statistic, Quantile):
            low = float(followed) if np.isinf(low) else low
        elif followed < statistic.at:
            at_risk = np.cumsum(lengths.sum(axis=0)[::-1])[::-1]
            left = np.prod(1 - _quotient(lengths[:-1].sum(axis=0), at_risk)[: followed + 1])
            high = min(high + float(left), 1.0)
    return low, high


def _effective(triggers: FloatArray) -> float:
    """Number of equal episodes that are worth as much as these; at least two (Kish 1965)."""
    return max(float(triggers.sum() ** 2 / np.sum(triggers**2)), 2.0)


def _by_policy(sums: FloatArray, policies: IntArray | None) -> FloatArray:
    if policies is None:
        return sums
    return np.stack([sums[policies == policy].sum(axis=0) for policy in np.unique(policies)])


def _resampled(
    statistic: Statistic, sums: FloatArray, policies: IntArray | None, resamples: int
) -> FloatArray:
    live = sums.any(axis=0)  # most lengths of durations occur nowhere
    dense = sums[:, live]
    chunks = (
        weights(len(sums), resamples)
        if policies is None
        else _two_levels(tuple(policies.tolist()), resamples)
    )
    found = []
    for times in chunks:
        totals = np.zeros((len(times), sums.shape[1]))
        totals[:, live] = times.astype(np.float64) @ dense
        found.append(statistic.value(totals))
    values = np.concatenate(found)
    return values[~np.isnan(values)]


@lru_cache(maxsize=2)
def _two_levels(policies: tuple[int, ...], resamples: int) -> tuple[npt.NDArray[np.float32], ...]:
    """How often each resample draws each episode: policies first, then episodes within them."""
    rng = np.random.default_rng(0)
    played = np.asarray(policies)
    groups = [np.flatnonzero(played == policy) for policy in np.unique(played)]
    often = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=resamples)
    times = np.zeros((resamples, len(played)), dtype=np.float32)
    for group, drawn in zip(groups, often.T, strict=True):
        even = np.full(len(group), 1 / len(group))
        times[:, group] = rng.multinomial(len(group) * drawn, even)
    return (times,)
