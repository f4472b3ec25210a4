"""What the numbers of an attack come to, with intervals: the same for terminal, page and audit."""

from __future__ import annotations

from typing import Final

import numpy as np

from cagexplain.attack.results import Aim, Episodes, JudgedRed
from cagexplain.common.arrays import FloatArray
from cagexplain.policies.evaluation import MeanReturn, estimate
from cagexplain.stats import estimates
from cagexplain.stats.estimates import Function, SumsRatio
from cagexplain.stats.interval import Interval

_AVERTED: Final = SumsRatio()


def mean(episodes: Episodes, aim: Aim = "return") -> MeanReturn:
    """Mean of the returns, or of those without the contractor's Impacts."""
    return estimate(episodes.of(aim)[:, None])[0]


def change(red: Episodes, standard: Episodes, aim: Aim = "return") -> MeanReturn:
    """By how much the return changes under a red, against another one on the same seeds."""
    n = min(len(red), len(standard))
    return estimate((red.of(aim)[:n] - standard.of(aim)[:n])[:, None])[0]


def averted(red: JudgedRed, aim: Aim = "return") -> Interval:
    """Share of what Sleep loses under a red that the policy averts; below 0 if it loses more."""
    return estimates.estimate(_AVERTED, averted_sums(red, aim)).interval


def undone(red: JudgedRed, standard: JudgedRed, aim: Aim = "return") -> Interval:
    """Share of what the policy averts under the standard red that it does not under another: 1 less
    the quotient of the shares averted. Above 1 if it does worse than Sleep."""
    n = min(len(red.policy), len(standard.policy), len(red.sleep), len(standard.sleep))
    sums = np.hstack([averted_sums(red, aim)[:n], averted_sums(standard, aim)[:n]])
    return estimates.estimate(_UNDONE, sums).interval


def averted_sums(red: JudgedRed, aim: Aim) -> FloatArray:
    """``float64[episode, 2]``: what the policy averts, and what Sleep loses."""
    n = min(len(red.policy), len(red.sleep))
    policy, sleep = red.policy.of(aim)[:n], red.sleep.of(aim)[:n]
    return np.stack([policy - sleep, -sleep], axis=1)


def share_undone(red: FloatArray, standard: FloatArray) -> FloatArray:
    """`undone` of totals of `averted_sums` under both; NaN where it is undefined.

    Args:
        red, standard: ``float64[..., 2]``.
    """
    under, usual = (_ratio(totals[..., 0], totals[..., 1]) for totals in (red, standard))
    undone: FloatArray = 1 - _ratio(under, usual)
    return undone


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """NaN where the whole is not above zero."""
    ratio: FloatArray = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return ratio


_UNDONE: Final = Function(
    of=lambda totals: share_undone(totals[..., :2], totals[..., 2:]),
    triggers=lambda totals: totals[..., 3],
)
