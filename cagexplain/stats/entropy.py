"""How much a choice varies: the Shannon entropy of distributions counted in episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from cagexplain.common.arrays import FloatArray, IntArray
from cagexplain.stats import exact, means
from cagexplain.stats.bootstrap import RESAMPLES, resampled
from cagexplain.stats.interval import Interval
from cagexplain.stats.means import CONFIDENCE

MIN_EPISODES: Final = 50
"""Episodes with counts below which no interval is given: rare choices weigh much in an entropy."""
_TAIL: Final = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Entropy(Interval):
    """Entropy in nats, corrected for the bias of small samples.

    Attributes:
        value: corrected; None without counts.
        low, high: confidence limits; None where fewer than `MIN_EPISODES` have counts.
        bias: what was added to the observed shares' entropy, which is too small on average: how
            much smaller the entropies of resamples are than that of the sample. It does for whole
            episodes what the correction of Miller (1955) and Madow does for independent counts;
            None where fewer than two episodes have counts, and `value` is uncorrected.
        most: entropy of equal shares, the largest possible.
    """

    bias: float | None
    most: float


def entropies(counts: IntArray, resamples: int = RESAMPLES) -> tuple[Entropy, ...]:
    """Estimate the entropy of each group.

    To a first approximation an entropy is a mean over episodes: of what the surprise of an
    episode's choices is off from the entropy times their number. Its interval is that of this mean,
    about the corrected value. Where all counts fall into one category, nothing varies: then the
    upper limit is the entropy of the distribution whose largest share is the exact lower limit of
    that category's (one trial an episode, Clopper and Pearson 1934), the rest spread evenly.

    Args:
        counts: ``[episode, group, category]``.
        resamples: number of bootstrap samples, which tell the bias.
    """
    _, n_groups, n_categories = counts.shape
    most = float(np.log(n_categories))
    observed = _entropy(counts.sum(axis=0, dtype=np.float64))
    episodes = (counts.sum(axis=2) > 0).sum(axis=0)
    total, used = np.zeros(n_groups), np.zeros(n_groups)
    for drawn in resampled(counts, resamples):
        entropy = _entropy(drawn)
        known = ~np.isnan(entropy)
        total += np.where(known, entropy - observed, 0.0).sum(axis=0)
        used += known.sum(axis=0)
    enough = episodes >= MIN_EPISODES
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = -total / used
        value = np.clip(np.where(episodes > 1, observed + bias, observed), 0, most)
        low = high = np.full(n_groups, np.nan)
        if enough.any():
            below, above = means.limits(_off(counts, observed))  # of a mean of 0, but for rounding
            low = np.clip(value + np.minimum(below, 0), 0, most)
            high = np.clip(value + np.maximum(above, 0), 0, most)
        largest = exact.least_share(episodes, 2 * _TAIL)
        rest = np.maximum((1 - largest) / (n_categories - 1), 1e-300)
        surprise = -xlogy(largest, largest) - (n_categories - 1) * xlogy(rest, rest)
    high = np.where(observed == 0, np.where(largest < 1 / n_categories, most, surprise), high)
    return tuple(
        Entropy(
            value=None if episodes[g] == 0 else float(value[g]),
            low=float(low[g]) if enough[g] else None,
            high=float(high[g]) if enough[g] else None,
            bias=None if episodes[g] < 2 else float(bias[g]),
            most=most,
        )
        for g in range(n_groups)
    )


def _off(counts: IntArray, entropy: FloatArray) -> FloatArray:
    """What each episode adds to the error of the entropies: ``[episode, group]``."""
    in_group = counts.sum(axis=2)
    summed = counts.sum(axis=0)
    surprise = -np.log(np.where(summed > 0, summed / summed.sum(axis=1, keepdims=True), 1.0))
    of_episode = np.einsum("egc,gc->eg", counts, surprise)
    return np.asarray((of_episode - entropy * in_group) / in_group.mean(axis=0))


def _entropy(counts: npt.NDArray[Any]) -> FloatArray:
    """Entropy over the last axis in nats; NaN without counts."""
    total = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        nats: FloatArray = np.log(total) - xlogy(counts, counts).sum(axis=-1) / total
    return np.where(total > 0, np.maximum(nats, 0.0), np.nan)
