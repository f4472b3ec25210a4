"""How long something takes, when it may not have happened before the episode ended.

Durations are whole steps. One that was still running at the end of its episode is *censored*: all
that is known is that it is longer. The product-limit estimator (Kaplan and Meier 1958) uses both
kinds; averaging the finished ones alone would make slow reactions look quick. Durations of one
episode depend on each other, so intervals come from a bootstrap that draws whole episodes; its
percentiles are moved out for few episodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import FloatArray, IntArray
from cagexplain.common.results import Result
from cagexplain.stats import bootstrap, means
from cagexplain.stats.bootstrap import RESAMPLES, weights
from cagexplain.stats.interval import Interval, finite
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.spreads import Ranked

HORIZON: Final = 100
"""Steps over which the restricted mean is taken."""
MIN_DURATIONS: Final = 20
MIN_EPISODES: Final = bootstrap.MIN_EPISODES
_SAME: Final = 1e-9  # rounding must not keep a share from being reached


@dataclass(frozen=True)
class CurvePoint(Result):
    """A step of a survival curve.

    Attributes:
        duration: in steps.
        share: estimated share of durations that are longer.
        low, high: pointwise confidence limits of `share`.
        at_risk: durations known to be at least this long.
    """

    duration: int
    share: float
    low: float
    high: float
    at_risk: int


@dataclass(frozen=True)
class Survival(Result):
    """How long something takes.

    Attributes:
        n: durations, censored ones included.
        ended: of those, the ones that were seen to end.
        episodes: that have any.
        enough: whether there are `MIN_DURATIONS` in `MIN_EPISODES`; otherwise all estimates are
            None and the curve is empty.
        median: steps after which half have ended.
        p90: steps after which nine tenths have.
        restricted_mean: mean of the durations, those above `horizon` counted as `horizon`.
        horizon: in steps.
        curve: where the share of longer durations changes, from duration 0 on.
    """

    n: int
    ended: int
    episodes: int
    enough: bool
    median: Interval
    p90: Interval
    restricted_mean: Interval
    horizon: int
    curve: tuple[CurvePoint, ...]

    @property
    def ended_share(self) -> float | None:
        """Raw share that was seen to end; None without durations."""
        return self.ended / self.n if self.n else None

    def at(self, duration: int) -> float | None:
        """Estimated share of durations longer than this; None without enough data.

        Beyond the longest duration that was followed the last known share is given.
        """
        shares = [point.share for point in self.curve if point.duration <= duration]
        return shares[-1] if shares else (1.0 if self.enough else None)


def survival(
    durations: IntArray,
    observed: npt.NDArray[np.bool_],
    clusters: IntArray,
    *,
    horizon: int = HORIZON,
    confidence: float = CONFIDENCE,
) -> Survival:
    """Estimate from single durations.

    Args:
        durations: ``int[n]`` steps until the end, or until the episode ended.
        observed: ``bool[n]`` whether the end was seen; False is censored.
        clusters: ``int[n]`` which episode, numbered from 0.
        horizon: of the restricted mean, in steps.
        confidence: level of the intervals.

    Raises:
        ValueError: a duration is negative.
    """
    if np.any(np.asarray(durations) < 0):
        raise ValueError("durations must not be negative")
    ended, censored = tally(durations, observed, clusters)
    return estimate(ended, censored, horizon=horizon, confidence=confidence)


def tally(
    durations: IntArray,
    observed: npt.NDArray[np.bool_],
    clusters: IntArray,
    *,
    n_clusters: int | None = None,
    longest: int | None = None,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Numbers of ended and of censored durations by episode and length.

    Args:
        durations: ``int[k]``, in steps.
        observed: ``bool[k]`` whether the duration was seen to end; else it is censored.
        clusters: ``int[k]`` episode of each.
        n_clusters: episodes, also those without a duration; the last one's number plus 1 without.
        longest: no duration is longer; the longest of them without.

    Returns:
        Two ``int32[episode, longest + 1]``; concatenate them over episodes for `estimate`.
    """
    n = (int(clusters.max(initial=-1)) + 1) if n_clusters is None else n_clusters
    width = (int(durations.max(initial=0)) if longest is None else longest) + 1
    cell = clusters.astype(np.int64) * width + durations
    ended, censored = (
        np.bincount(cell[kind], minlength=n * width).reshape(n, width).astype(np.int32)
        for kind in (observed, ~observed)
    )
    return ended, censored


def estimate(
    ended: IntArray,
    censored: IntArray,
    *,
    horizon: int = HORIZON,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    with_curve: bool = True,
) -> Survival:
    """Estimate from numbers of durations.

    Args:
        ended: ``int[episode, duration]`` durations that ended after so many steps.
        censored: ``int[episode, duration]`` those that were followed so many steps without an end.
        horizon: of the restricted mean, in steps.
        confidence: level of the intervals.
        resamples: bootstrap samples of episodes; their generator is fixed.
        with_curve: whether the curve is wanted.
    """
    n, n_ended = int(ended.sum() + censored.sum()), int(ended.sum())
    episodes = int(np.count_nonzero(ended.any(axis=1) | censored.any(axis=1)))
    if n < MIN_DURATIONS or episodes < MIN_EPISODES:
        unknown = Interval(None, None, None)
        return Survival(n, n_ended, episodes, False, unknown, unknown, unknown, horizon, ())
    counts = np.hstack([ended, censored], dtype=np.float32, casting="unsafe")
    resampled = (times @ counts for times in weights(len(ended), resamples))
    drawn = np.vstack([counts.sum(axis=0, dtype=np.float64), *resampled])
    samples = np.hsplit(drawn, 2)
    longer = product_limit(*samples)
    tail = means.moved_out((1 - confidence) / 2, episodes)

    def limits(values: FloatArray) -> Interval:
        # Resamples that do not reach a value hold infinity, which orders them rightly.
        low, high = Ranked(values[1:], episodes - 1).limits((1 - confidence) / 2)
        return Interval(finite(values[0]), finite(low), finite(high))

    return Survival(
        n=n,
        ended=n_ended,
        episodes=episodes,
        enough=True,
        median=limits(quantile(longer, 0.5)),
        p90=limits(quantile(longer, 0.9)),
        restricted_mean=limits(restricted_mean(*samples, horizon=horizon)),
        horizon=horizon,
        curve=_curve(longer, at_risk(samples[0][0], samples[1][0]), tail) if with_curve else (),
    )


def at_risk(*kinds: FloatArray) -> FloatArray:
    """Durations known to be at least this long: ``[..., duration]``.

    Args:
        kinds: ``[..., duration]`` numbers of durations that ended, or were followed, so long.
    """
    total = sum(kinds[1:], kinds[0])
    return np.asarray(np.cumsum(total[..., ::-1], axis=-1)[..., ::-1], dtype=np.float64)


def product_limit(ended: FloatArray, censored: FloatArray) -> FloatArray:
    """Share longer than each duration: ``[..., duration]`` (Kaplan and Meier 1958).

    A duration censored at the same step as others end was at risk then.

    Args:
        ended, censored: ``[..., duration]`` numbers of durations.
    """
    return np.asarray(np.cumprod(1 - _hazard(ended, at_risk(ended, censored)), axis=-1))


def quantile(longer: FloatArray, share: float) -> FloatArray:
    """First duration by which `share` have ended; infinite if that is not reached.

    Args:
        longer: ``[..., duration]`` share longer than each.
        share: 0.5 for the median.

    Returns:
        ``[...]``.
    """
    reached = longer <= 1 - share + _SAME
    return np.where(reached.any(axis=-1), reached.argmax(axis=-1), np.inf)


def restricted_mean(ended: FloatArray, censored: FloatArray, *, horizon: int) -> FloatArray:
    """Mean of the durations, those above the horizon counted as the horizon: the sum of the curve
    below it (Royston and Parmar 2013).

    Args:
        ended, censored: ``[..., duration]`` numbers of durations.
        horizon: in steps.

    Returns:
        ``[...]``, infinite where nobody was followed so far.
    """
    # All that is as long as the horizon, or longer, counts alike.
    beyond = ended[..., horizon:].sum(axis=-1) + censored[..., horizon:].sum(axis=-1)
    ended, censored = ended[..., :horizon], censored[..., :horizon]
    followed = at_risk(ended, censored) + beyond[..., None]
    longer = np.cumprod(1 - _hazard(ended, followed), axis=-1)
    known = (longer[..., -1] <= _SAME) | (followed[..., horizon - 1 :].any(axis=-1))
    return np.where(known, longer.sum(axis=-1), np.inf)


def incidence(ended: FloatArray, others: FloatArray, censored: FloatArray, at: int) -> FloatArray:
    """Share that has ended after `at` steps where another event may come first (Aalen and Johansen
    1978); without other events it is one minus Kaplan-Meier.

    Args:
        ended, others, censored: ``[..., duration]`` numbers of durations that ended, that the other
            event cut off, and that were followed so long without either.
        at: in steps.

    Returns:
        ``[...]``.
    """
    followed = at_risk(ended, others, censored)
    free = np.cumprod(1 - _hazard(ended + others, followed), axis=-1)
    before = np.concatenate([np.ones((*free.shape[:-1], 1)), free[..., :-1]], axis=-1)
    share: FloatArray = (before * _hazard(ended, followed))[..., : at + 1].sum(axis=-1)
    return share


def _hazard(ended: FloatArray, followed: FloatArray) -> FloatArray:
    """Share of those at risk that end at each duration."""
    ending: FloatArray = np.divide(ended, followed, out=np.zeros_like(ended), where=followed > 0)
    return ending


def _curve(longer: FloatArray, followed: FloatArray, tail: float) -> tuple[CurvePoint, ...]:
    changes = np.flatnonzero(np.diff(longer[0], prepend=1.0) != 0)
    limits = np.quantile(longer[1:, changes], [tail, 1 - tail], axis=0)
    return tuple(
        CurvePoint(int(t), float(longer[0, t]), float(low), float(high), int(followed[t]))
        for t, low, high in zip(changes, *limits, strict=True)
    )
