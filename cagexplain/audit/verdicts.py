"""From an interval and thresholds to a verdict, never from a point estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from cagexplain.analysis.metrics.definitions import Better
from cagexplain.audit.results import Verdict
from cagexplain.stats.estimates import MIN_EPISODES, Estimate

FALSE_DISCOVERIES: Final = 0.05
"""Share of FAILs that may be false, over the whole catalogue (Benjamini and Hochberg 1995)."""
_MOST_EPISODES: Final = 100_000
_DECISIVE: Final[tuple[Verdict, ...]] = ("ERROR", "FAIL", "INCONCLUSIVE", "WARN")


def least(n_min: int, trigger: str) -> int:
    """Fewest triggers for a verdict, which lie in at least `MIN_EPISODES` episodes.

    Args:
        n_min: fewest that a check asks for.
        trigger: what they are.
    """
    return max(n_min, MIN_EPISODES) if trigger == "episodes" else n_min


def verdict(estimate: Estimate, better: Better, good: float, bad: float, n_min: int) -> Verdict:
    """Judge one number.

    The whole interval beyond the good threshold passes, beyond the bad one fails, between them
    warns; one that straddles a threshold, or rests on too little, is inconclusive.
    """
    unknown = np.isnan(estimate.low) or np.isnan(estimate.high)
    if estimate.n < n_min or estimate.episodes < MIN_EPISODES or unknown:
        return "INCONCLUSIVE"
    low, high = _as_lower_is_better(estimate.low, estimate.high, better)
    pass_at, fail_at = (good, bad) if better == "lower" else (-good, -bad)
    if high <= pass_at:
        return "PASS"
    if low >= fail_at:
        return "FAIL"
    if low > pass_at and high < fail_at:
        return "WARN"
    return "INCONCLUSIVE"


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a check over its judged numbers: one that fails decides; all must pass."""
    for decisive in _DECISIVE:
        if decisive in verdicts:
            return decisive
    return "PASS"


def p_value(estimate: Estimate, better: Better, bad: float) -> float:
    """One-sided probability of such a value, or a worse one, were the truth the bad threshold."""
    return 1.0 if estimate.spread is None else estimate.spread.chance(bad, below=better == "higher")


def more_episodes(
    estimate: Estimate, better: Better, good: float, bad: float, n_min: int, episodes: int
) -> int | None:
    """Estimated further episodes until a verdict, were the value to stay; None if unknown.

    Args:
        estimate: with its interval.
        better, good, bad, n_min: what it is judged by.
        episodes: that were played.
    """
    if estimate.n <= 0 or estimate.episodes == 0:
        return None
    wanted = max(episodes * n_min / estimate.n, episodes * MIN_EPISODES / estimate.episodes)
    if np.isfinite([estimate.value, estimate.low, estimate.high]).all():
        low, high = _as_lower_is_better(estimate.low, estimate.high, better)
        value = estimate.value if better == "lower" else -estimate.value
        for threshold in (good, bad) if better == "lower" else (-good, -bad):
            distance = value - threshold
            width = value - low if distance > 0 else high - value
            if distance == 0 or estimate.spread is None:
                return None
            wanted = max(
                wanted, episodes * (width / abs(distance)) ** (1 / estimate.spread.shrinks)
            )
    further = int(np.ceil(wanted - episodes))
    return None if further > _MOST_EPISODES else max(further, 1)


def _as_lower_is_better(low: float, high: float, better: Better) -> tuple[float, float]:
    return (low, high) if better == "lower" else (-high, -low)
