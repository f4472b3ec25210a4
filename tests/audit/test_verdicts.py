"""From intervals to verdicts."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.audit.check import Better
from cagexplain.audit.results import Verdict
from cagexplain.audit.verdicts import least, more_episodes, p_value, together, verdict
from cagexplain.stats.estimates import MIN_EPISODES, Estimate, HitShare, estimate
from cagexplain.stats.spreads import Never, Skewed


def interval(low: float, high: float, n: float = 100, episodes: int = 20) -> Estimate:
    value = (low + high) / 2
    spread = Skewed(value, 0.0, (high - low) / 4, 0.0, episodes - 1.0)
    return Estimate(value, low, high, n, episodes, np.nan, spread)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.2, "PASS"),
        (0.1, 0.3, "PASS"),  # a threshold belongs to its side
        (0.7, 0.9, "FAIL"),
        (0.6, 0.9, "FAIL"),
        (0.4, 0.5, "WARN"),
        (0.2, 0.5, "INCONCLUSIVE"),
        (0.4, 0.7, "INCONCLUSIVE"),
        (0.0, 1.0, "INCONCLUSIVE"),
    ],
)
def test_where_the_interval_lies_decides(low: float, high: float, expected: Verdict) -> None:
    assert verdict(interval(low, high), "lower", 0.3, 0.6, 10) == expected
    mirrored = interval(1 - high, 1 - low)
    assert verdict(mirrored, "higher", 0.7, 0.4, 10) == expected


def test_too_little_is_inconclusive() -> None:
    assert verdict(interval(0.1, 0.2, n=9), "lower", 0.3, 0.6, 10) == "INCONCLUSIVE"
    few = interval(0.1, 0.2, episodes=MIN_EPISODES - 1)
    assert verdict(few, "lower", 0.3, 0.6, 10) == "INCONCLUSIVE"
    unknown = Estimate(0.1, np.nan, np.nan, 100, 20, np.nan, None)
    assert verdict(unknown, "lower", 0.3, 0.6, 10) == "INCONCLUSIVE"


def test_durations_that_are_not_reached() -> None:
    never = interval(np.inf, np.inf)
    assert verdict(never, "lower", 10, 50, 10) == "FAIL"
    assert verdict(interval(60, np.inf), "lower", 10, 50, 10) == "FAIL"
    assert verdict(interval(40, np.inf), "lower", 10, 50, 10) == "INCONCLUSIVE"
    assert verdict(never, "higher", 50, 10, 10) == "PASS"


@given(
    st.floats(-5, 5),
    st.floats(0, 3),
    st.floats(-5, 5),
    st.floats(0.01, 3),
    st.sampled_from(["lower", "higher"]),
)
def test_a_better_interval_is_never_judged_worse(
    low: float, width: float, good: float, gap: float, better: Better
) -> None:
    sign = 1 if better == "lower" else -1
    bad = good + sign * gap
    order = {"PASS": 0, "WARN": 1, "INCONCLUSIVE": 1, "FAIL": 2}
    here = verdict(interval(low, low + width), better, good, bad, 1)
    there = verdict(interval(low - sign, low + width - sign), better, good, bad, 1)
    assert order[there] <= order[here]


def test_the_verdict_of_several_numbers() -> None:
    assert together(["PASS", "PASS"]) == "PASS"
    assert together(["PASS", "WARN"]) == "WARN"
    assert together(["WARN", "INCONCLUSIVE", "PASS"]) == "INCONCLUSIVE"
    assert together(["INCONCLUSIVE", "FAIL", "PASS"]) == "FAIL"
    assert together(["ERROR", "FAIL"]) == "ERROR"


@given(st.floats(0.5, 0.9), st.integers(5, 40), st.integers(10, 200))
def test_a_fail_has_a_small_p(share: float, episodes: int, n: int) -> None:
    rng = np.random.default_rng(0)
    sums = np.stack([rng.binomial(n, share, episodes), np.full(episodes, n)], axis=1) * 1.0
    found = estimate(HitShare(), sums, resamples=200)
    failed = verdict(found, "lower", 0.1, 0.5, 1) == "FAIL"
    # A limit at 97.5 % lies at the threshold where the one-sided probability is 2.5 %.
    assert failed == (p_value(found, "lower", 0.5) <= 0.025 + 1e-9)


def test_p_of_what_never_happened() -> None:
    never = estimate(HitShare(), np.tile([0.0, 5.0], (20, 1)))
    assert verdict(never, "higher", 0.8, 0.4, 20) == "FAIL"
    assert p_value(never, "higher", 0.4) == pytest.approx(0.6**20)
    assert p_value(Estimate(0.5, np.nan, np.nan, 3, 1, np.nan, None), "lower", 0.4) == 1


def test_an_episode_with_triggers_is_an_episode() -> None:
    assert least(5, "episodes") == MIN_EPISODES < least(12, "episodes") == 12
    assert least(5, "executed Restores") == 5


def test_more_episodes_for_too_few_triggers() -> None:
    assert more_episodes(interval(0.8, 0.9, n=4), "higher", 0.5, 0.2, 12, 10) == 20
    seldom = interval(0.8, 0.9, n=40, episodes=4)
    assert more_episodes(seldom, "higher", 0.5, 0.2, 12, 50) == 50 * MIN_EPISODES // 4 - 50
    none = Estimate(np.nan, np.nan, np.nan, 0, 0, np.nan, None)
    assert more_episodes(none, "higher", 0.5, 0.2, 12, 50) is None


def test_more_episodes_until_the_interval_leaves_the_border() -> None:
    # Half the width is 0.2 and must shrink to 0.1, which takes four times the episodes.
    assert more_episodes(interval(0.2, 0.6), "lower", 0.3, 0.9, 10, 20) == 60
    assert more_episodes(interval(0.2, 0.6), "higher", 0.9, 0.5, 10, 20) == 60
    assert more_episodes(interval(0.2, 0.4), "lower", 0.3, 0.9, 10, 20) is None
    far = interval(0.0, 0.3001 * 2)
    assert more_episodes(far, "lower", 0.3, 0.9, 10, 20) is None  # nobody plays that many


def test_what_never_happened_needs_episodes_in_proportion() -> None:
    # The limit of the rule of three is 0.15; to fall to 0.05 it takes three times the episodes.
    never = estimate(HitShare(), np.tile([0.0, 5.0], (20, 1)))
    assert verdict(never, "lower", 0.05, 0.5, 20) == "INCONCLUSIVE"
    assert more_episodes(never, "lower", 0.05, 0.5, 20, 20) == 40
    enough = estimate(HitShare(), np.tile([0.0, 5.0], (60, 1)))
    assert verdict(enough, "lower", 0.05, 0.5, 20) == "PASS"


def test_one_more_at_least() -> None:
    found = interval(0.1, 0.2999)
    assert more_episodes(found, "lower", 0.3, 0.9, 10, 20) == 1
    spread = Never(10.0, always=False, bounded=True)
    assert (
        more_episodes(dataclasses.replace(found, spread=spread), "lower", 0.3, 0.9, 200, 20) == 20
    )
