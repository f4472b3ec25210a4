"""Whether two sets of episodes differ, and by how much.

The test permutes whole episodes' labels, so it holds whatever the dependence of the steps within
an episode (Good 2005, chapter 3). Where both sets were played on the same seeds, the labels of the
two episodes of a seed are swapped instead: what the worlds have in common then cancels out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

from cagexplain.common.arrays import FloatArray
from cagexplain.stats import durations
from cagexplain.stats.bootstrap import RESAMPLES, resampled

PERMUTATIONS: Final = 4_999
MIN_EPISODES: Final = 6
"""Fewer episodes on a side can hardly be significant, whatever they show: six pairs have 64
labellings, the most extreme two of which are 3 % of them."""
MIN_COUNTS: Final = 20
_CHUNK: Final = 100
_SAME: Final = 1e-9  # rounding must not make equal statistics differ

Statistic = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Differences:
    """Comparison of several quantities.

    Attributes:
        value: ``float64[quantity]`` the statistic; NaN where it is undefined.
        error: ``float64[quantity]`` its bootstrap standard error.
        bias: ``float64[quantity]`` how much larger it is in resamples, on average.
        relabelled: ``float64[permutation, quantity]`` under other labels; NaN likewise.
    """

    value: FloatArray
    error: FloatArray
    bias: FloatArray
    relabelled: FloatArray

    @property
    def p(self) -> FloatArray:
        """``float64[quantity]`` permutation p-value of no difference: the share of labellings, the
        observed one among them, whose statistic is at least as far from zero."""
        return _share_as_extreme(np.abs(self.relabelled), np.abs(self.value))

    def family_p(self, tested: npt.NDArray[np.bool_]) -> FloatArray:
        """p-values adjusted for looking at all the tested quantities, which may depend on each
        other (Westfall and Young 1993, single-step maxT): the share of labellings that have any
        quantity as far from what labellings show on average, in their standard deviations.

        Args:
            tested: ``bool[quantity]``; the others get NaN.
        """
        every = np.vstack([self.value, self.relabelled])[:, tested]
        centre, spread = np.nanmean(every, axis=0), np.nanstd(every, axis=0)
        far = np.abs(every - centre) / np.where(spread > _SAME, spread, np.inf)
        adjusted = np.full(len(tested), np.nan)
        if tested.any():
            largest = np.nan_to_num(far[1:], nan=np.inf).max(axis=1)
            adjusted[tested] = _share_as_extreme(largest[:, None], far[0])
        return adjusted


def joined(parts: Sequence[Differences]) -> Differences:
    """Comparisons of the same episodes as one; the labels are drawn alike in all of them."""
    return Differences(
        *(
            np.concatenate([getattr(part, field.name) for part in parts], axis=-1)
            for field in fields(Differences)
        )
    )


def compare(
    a: npt.NDArray[Any],
    b: npt.NDArray[Any],
    statistic: Statistic,
    *,
    paired: bool,
    smooth: Statistic | None = None,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
) -> Differences:
    """Compare two sets of episodes by a statistic of their sums.

    Args:
        a, b: ``[episode, ...]``.
        statistic: of sums ``[..., *a.shape[1:]]`` of both sides; gives ``[..., quantity]``.
        paired: whether episode ``i`` of both belongs together.
        smooth: what the standard error is taken of, by default the statistic itself. A distance
            cannot fall below 0, so near 0 its own would look too certain.
        permutations, resamples: how many; their generators are fixed.
    """
    observed = statistic(*(side.sum(axis=0, dtype=np.float64) for side in (a, b)))
    relabelled = np.concatenate(
        [statistic(*sides) for sides in _relabelled(a, b, paired, permutations)]
    )
    streams = (resampled(a, resamples), resampled(b, resamples, stream=0 if paired else 1))
    drawn, smoothly = [], []
    for sides in zip(*streams, strict=True):
        drawn.append(statistic(*sides))
        smoothly.append(drawn[-1] if smooth is None else smooth(*sides))
    fewest = min(len(a), len(b))
    shrinkage = np.sqrt(fewest / max(fewest - 1, 1))  # resamples vary less than samples
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # quantities that are never defined
        bias = np.nanmean(np.concatenate(drawn), axis=0) - observed
        error = np.nanstd(np.concatenate(smoothly), axis=0) * shrinkage
    return Differences(observed, error, bias, relabelled)


def _share_as_extreme(relabelled: FloatArray, observed: FloatArray) -> FloatArray:
    # A labelling that leaves a side empty counts as extreme.
    extreme = (~(relabelled < observed - _SAME)).sum(axis=0)
    return np.asarray((1 + extreme) / (1 + len(relabelled)), dtype=np.float64)


def _relabelled(
    a: npt.NDArray[Any], b: npt.NDArray[Any], paired: bool, permutations: int
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Sums of both sides with labels drawn anew, in chunks ``float64[chunk, ...]``."""
    rng = np.random.default_rng(2)
    shape = a.shape[1:]
    flat_a, flat_b = (side.reshape(len(side), -1).astype(np.float64) for side in (a, b))
    live = flat_a.any(axis=0) | flat_b.any(axis=0)
    # Sums of the first side under a labelling: what stays plus what comes over from the second.
    pool = flat_b[:, live] - flat_a[:, live] if paired else np.vstack([flat_a, flat_b])[:, live]
    start = flat_a[:, live].sum(axis=0) if paired else 0.0
    whole = (flat_a.sum(axis=0) + flat_b.sum(axis=0))[live]
    for n_drawn in range(0, permutations, _CHUNK):
        size = min(_CHUNK, permutations - n_drawn)
        if paired:
            chosen = rng.integers(0, 2, size=(size, len(a)))
        else:
            labels = np.broadcast_to(np.arange(len(pool)) < len(a), (size, len(pool)))
            chosen = rng.permuted(labels, axis=1)
        first = np.zeros((size, flat_a.shape[1]))
        second = np.zeros_like(first)
        first[:, live] = start + chosen.astype(np.float64) @ pool
        second[:, live] = whole - first[:, live]
        yield first.reshape(size, *shape), second.reshape(size, *shape)


class Gaps:
    """Differences of the shares of groups whose cells lie side by side.

    Args:
        sizes: ``int[group]`` numbers of cells.
    """

    def __init__(self, sizes: npt.NDArray[np.int64]) -> None:
        self._sizes = sizes
        self._starts = np.cumsum(sizes) - sizes

    def __call__(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """``[..., cell]`` shares of b minus shares of a; NaN where a group has no counts."""
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (x / np.repeat(self.sums(x), self._sizes, axis=-1) for x in (a, b))
        return np.asarray(second - first, dtype=np.float64)

    def sums(self, cells: FloatArray) -> FloatArray:
        """``[..., group]`` sums over the cells of a group."""
        return np.asarray(np.add.reduceat(cells, self._starts, axis=-1), dtype=np.float64)


def total_variation(a: FloatArray, b: FloatArray) -> FloatArray:
    """Half the sum of the absolute differences of the shares: the largest difference in the
    probability of any set of categories, 0 to 1.

    Args:
        a, b: counts ``[..., group, category]``.

    Returns:
        ``[..., group]``; NaN where a side has no counts.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = a / a.sum(axis=-1, keepdims=True) - b / b.sum(axis=-1, keepdims=True)
    distance: FloatArray = np.abs(gap).sum(axis=-1) / 2
    return distance


def jensen_shannon(a: FloatArray, b: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence of the shares in nats, 0 to ln 2 (Lin 1991); NaN without counts.

    Args:
        a, b: counts ``[..., group, category]``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = (side / side.sum(axis=-1, keepdims=True) for side in (a, b))
    middle = (p + q) / 2
    divergence: FloatArray = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / 2
    return divergence


def restricted_mean_difference(a: FloatArray, b: FloatArray) -> FloatArray:
    """How much longer b's times are than a's: difference of the Kaplan-Meier means, where times
    beyond the horizon count as the horizon (Royston and Parmar 2013).

    Args:
        a, b: ``[..., quantity, 2, horizon + 1]``: numbers of times that ended after so many steps,
            and of times followed so long without an end; the last entry holds all longer ones.

    Returns:
        ``[..., quantity]`` in steps; NaN where nobody was followed to the horizon.
    """
    return restricted_mean(b) - restricted_mean(a)


def restricted_mean(times: FloatArray) -> FloatArray:
    """Kaplan-Meier mean, see `restricted_mean_difference`: ``[...]`` of
    ``[..., 2, horizon + 1]``."""
    ended, censored = times[..., 0, :], times[..., 1, :]
    mean = durations.restricted_mean(ended, censored, horizon=times.shape[-1] - 1)
    return np.where(np.isfinite(mean), mean, np.nan)


def ratio_difference(a: FloatArray, b: FloatArray) -> FloatArray:
    """How much larger b's ratios are than a's.

    Args:
        a, b: ``[..., quantity, 2]``: numerators and denominators.

    Returns:
        ``[..., quantity]``; NaN where a denominator is 0.
    """
    first, second = (
        np.divide(
            side[..., 0],
            side[..., 1],
            out=np.full(side.shape[:-1], np.nan),
            where=side[..., 1] > 0,
        )
        for side in (a, b)
    )
    return np.asarray(second - first)
