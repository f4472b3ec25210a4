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
    return estimates.estimate(UNDONE, sums).interval


def averted_sums(red: JudgedRed, aim: Aim) -> FloatArray:
    """``float64[episode, 2]``: what the policy averts, and what Sleep loses."""
    n = min(len(red.policy), len(red.sleep))
    policy, sleep = red.policy.of(aim)[:n], red.sleep.of(aim)[:n]
    return np.stack([policy - sleep, -sleep], axis=1)


def _undone(totals: FloatArray) -> FloatArray:
    averted, lost, usually_averted, usually_lost = np.moveaxis(totals, -1, 0)
    usual = np.divide(
        usually_averted, usually_lost, out=np.full_like(averted, np.nan), where=usually_lost > 0
    )
    share = np.divide(averted, lost, out=np.full_like(averted, np.nan), where=lost > 0)
    return 1 - np.divide(share, usual, out=np.full_like(share, np.nan), where=usual > 0)


UNDONE: Final = Function(of=_undone, triggers=lambda totals: totals[..., 3])
"""`undone` of the sums that a red's `averted_sums` and the standard's make side by side."""
