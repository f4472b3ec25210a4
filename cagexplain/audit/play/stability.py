"""How far policies are apart that were trained with other seeds; for ROB-01."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cagexplain.audit.play.main_numbers import MIX
from cagexplain.audit.play.team import PlayCounts
from cagexplain.cc4 import actions, red_fsm
from cagexplain.common.arrays import FloatArray
from cagexplain.stats.estimates import Estimate, Function, estimate
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.permutation import jensen_shannon
from cagexplain.stats.spreads import Skewed


def stability(plays: Sequence[PlayCounts]) -> list[Estimate] | str:
    """How far training seeds are apart in what they do.

    In every state of the attacker (the most advanced one among the agent's hosts) the mixes of
    action kinds of two policies are compared, each counted in another half of the episodes; from
    that the distance of the two halves of one policy is taken off, which chance alone makes.

    The interval is about training seeds in general: to the variance over episodes it adds that
    over the policies, found by leaving out one after the other (Efron and Tibshirani 1993, chapter
    11). Two policies are one distance, which has no interval.
    """
    if len(plays) < 2:
        return "No policies of the same method, trained with other seeds, were given."
    sums = np.hstack([_halved(play.sums[MIX]) for play in plays])
    shape = (len(plays), 2, red_fsm.N_STATES, actions.N_KINDS)

    def mixes(totals: FloatArray) -> FloatArray:
        return totals.reshape(*totals.shape[:-1], *shape)

    # Triggers are the policies; every episode has them all.
    count = Function(
        of=lambda totals: _excess(mixes(totals)),
        triggers=lambda totals: np.full(totals.shape[:-1], float(len(plays))),
    )
    pooled = estimate(count, sums)
    n, whole = len(plays), mixes(sums.sum(axis=0))
    if n == 2 or not isinstance(pooled.spread, Skewed):
        return [replace(pooled, low=np.nan, high=np.nan, spread=None)]
    without = np.array([_excess(np.delete(whole, i, axis=0)) for i in range(n)])
    episode_spread = pooled.spread
    error = float(np.hypot(episode_spread.error, np.sqrt((n - 1) * without.var())))
    # Third moments add up, and that over so few policies is not known.
    skewness = episode_spread.skewness * (episode_spread.error / error) ** 3 if error else 0.0
    spread = replace(episode_spread, error=error, skewness=skewness, freedom=n - 1)
    low, high = spread.limits((1 - CONFIDENCE) / 2)
    return [replace(pooled, low=low, high=high, spread=spread)]


def _excess(mixes: FloatArray) -> FloatArray:
    """By how much different policies are further apart than the halves of one, from counts
    ``[..., policy, half, state, kind]``."""
    first, second = mixes[..., 0, :, :], mixes[..., 1, :, :]
    every = range(mixes.shape[-4])
    apart = {
        (a, b): _apart(first[..., a, :, :], second[..., b, :, :]) for a in every for b in every
    }
    other = [apart[a, b] for a, b in apart if a != b]
    same = [apart[a, a] for a in every]
    excess: FloatArray = np.mean(other, axis=0) - np.mean(same, axis=0)
    return excess


def _halved(sums: FloatArray) -> FloatArray:
    """Counts of even episodes, then those of odd ones: ``float64[episode, 2 * column]``."""
    even = (np.arange(len(sums)) % 2 == 0)[:, None]
    return np.hstack([sums * even, sums * ~even])


def _apart(a: FloatArray, b: FloatArray) -> FloatArray:
    """Jensen-Shannon distance, 0 to 1, of counts ``[..., state, kind]``: the mean over states,
    weighted by how often they occur."""
    both = a.sum(axis=-1) + b.sum(axis=-1)
    in_both = (a.sum(axis=-1) > 0) & (b.sum(axis=-1) > 0)
    distance = np.sqrt(np.maximum(np.where(in_both, jensen_shannon(a, b), 0.0), 0.0) / np.log(2))
    weight = both * in_both
    mean: FloatArray = (distance * weight).sum(axis=-1) / np.maximum(weight.sum(axis=-1), 1)
    return mean
