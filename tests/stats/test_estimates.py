"""Values with known answers, and intervals that cover the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.facts.cases import cases
from cagexplain.stats import durations
from cagexplain.stats.estimates import (
    MIN_EPISODES,
    Difference,
    Function,
    HitShare,
    Incidence,
    PerEpisode,
    Quantile,
    Relative,
    RestrictedMean,
    Statistic,
    estimate,
    estimates,
)
from cagexplain.stats.spreads import Never, Ranked, Skewed, skewed


def value(statistic: Statistic, sums: np.ndarray) -> float:
    return float(statistic.value(sums.sum(axis=0)))


def test_share_pools_the_episodes() -> None:
    found = cases([0, 0, 0, 2], [1, 2, 3, 4], [True, False, False, True])
    sums = HitShare().sums(found, 3, 500)
    assert sums.tolist() == [[1, 3], [0, 0], [1, 1]]
    assert value(HitShare(), sums) == 0.5
    assert HitShare().n(sums).tolist() == [3, 0, 1]


def test_per_episode_counts_quiet_episodes_too() -> None:
    found = cases([0, 0, 2], [1, 2, 3])
    assert value(PerEpisode(), PerEpisode().sums(found, 4, 499)) == 0.75
    assert value(PerEpisode(100), PerEpisode(100).sums(found, 4, 500)) == pytest.approx(3 / 20)


def test_difference_and_quotient_of_groups() -> None:
    found = cases([0] * 7, 1, [1, 1, 0, 1, 0, 0, 0], group=[1, 1, 1, 0, 0, 0, 0])
    assert value(Difference(), Difference().sums(found, 1, 9)) == pytest.approx(2 / 3 - 1 / 4)
    assert value(Relative(), Relative().sums(found, 1, 9)) == pytest.approx((2 / 3) / (1 / 4))


def test_undefined_without_cases() -> None:
    none = cases(np.empty(0, int), np.empty(0, int))
    for statistic in (HitShare(), Difference(), Relative(), Quantile(0.5), Incidence(10)):
        found = estimate(statistic, statistic.sums(none, 4, 500))
        assert np.isnan([found.value, found.low, found.high]).all()
        assert (found.n, found.episodes) == (0, 0)


def test_quotient_by_a_share_of_zero_is_undefined() -> None:
    found = cases([0, 0, 1, 1], 1, [1, 0, 1, 0], group=[1, 0, 1, 0])
    assert np.isnan(estimate(Relative(), Relative().sums(found, 2, 9)).value)


def test_median_by_hand() -> None:
    # At risk 5: one ends at 2; one is censored at 3; of three left, one ends at 4 and one at 6.
    found = cases([0] * 5, 0, [1, 0, 1, 1, 0], duration=[2, 3, 4, 6, 9])
    sums = Quantile(0.5).sums(found, 1, 500)
    # Survival: 4/5 after 2, 4/5 * 2/3 = 0.53 after 4, 0.53 / 2 = 0.27 after 6.
    assert value(Quantile(0.5), sums) == 6
    assert value(Quantile(0.45), sums) == 4
    assert value(Quantile(0.9), sums) == np.inf


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 60), st.booleans()), min_size=20, max_size=80
    )
)
def test_quantiles_agree_with_survival(drawn: list[tuple[int, int, bool]]) -> None:
    row, duration, hit = map(np.asarray, zip(*drawn, strict=True))
    row[:10] = np.arange(10)  # fewer episodes give no median
    ended, censored = durations.tally(duration, hit, row)
    expected = durations.estimate(ended, censored, with_curve=False)
    assert expected.enough
    for share, limits in ((0.5, expected.median), (0.9, expected.p90)):
        found = cases(row, 0, hit, duration=duration)
        its = value(Quantile(share), Quantile(share).sums(found, 10, 500))
        assert its == (np.inf if limits.value is None else limits.value)


def test_durations_are_followed_to_the_end_of_the_episode() -> None:
    found = cases([0, 1], 0, True, duration=[3, 500])
    sums = Quantile(0.5).sums(found, 2, 500)
    assert sums.shape == (2, 2 * 501)
    assert (value(Quantile(0.5), sums), value(Quantile(0.9), sums)) == (3, 500)
    assert Quantile(0.5).n(sums).tolist() == [1, 1]


def test_restricted_mean_by_hand() -> None:
    found = cases([0, 0], 0, [True, False], duration=[3, 20])
    assert value(RestrictedMean(10), RestrictedMean(10).sums(found, 1, 20)) == (3 + 10) / 2
    assert value(RestrictedMean(20), RestrictedMean(20).sums(found, 1, 20)) == (3 + 20) / 2
    short = cases([0, 0], 0, [True, False], duration=[3, 5])
    assert value(RestrictedMean(10), RestrictedMean(10).sums(short, 1, 20)) == np.inf


def test_several_statistics_of_the_same_sums_are_those_apart() -> None:
    rng = np.random.default_rng(9)
    found = cases(np.arange(600) % 30, 0, rng.random(600) < 0.7, duration=rng.integers(0, 60, 600))
    sums = Quantile(0.5).sums(found, 30, 60)
    both: list[Statistic] = [Quantile(0.5), RestrictedMean(40)]
    for statistic, together in zip(both, estimates(both, sums), strict=True):
        alone = estimate(statistic, sums)
        assert (alone.value, alone.low, alone.high) == (together.value, together.low, together.high)


def test_incidence_with_a_competing_event_by_hand() -> None:
    # At risk 4: a hit at 1; of 3 the other event at 2; of 2 a censored one at 2; of 1 a hit at 5.
    found = cases(
        [0] * 4, 0, [1, 0, 0, 1], duration=[1, 2, 2, 5], other=[False, True, False, False]
    )
    for at, expected in ((0, 0.0), (1, 0.25), (4, 0.25), (5, 0.25 + 0.75 * 2 / 3)):
        sums = Incidence(at).sums(found, 1, 500)
        assert value(Incidence(at), sums) == pytest.approx(expected)


def test_incidence_without_competition_is_one_minus_survival() -> None:
    rng = np.random.default_rng(0)
    duration, hit, row = rng.integers(0, 90, 200), rng.random(200) < 0.6, rng.integers(0, 12, 200)
    found = durations.survival(duration, hit, row)
    sums = Incidence(40).sums(cases(row, 0, hit, duration=duration), 12, 500)
    longer = found.at(40)
    assert longer is not None
    assert value(Incidence(40), sums) == pytest.approx(1 - longer)


def test_a_function_has_its_own_triggers() -> None:
    def entropy(totals: np.ndarray) -> np.ndarray:
        share = totals / totals.sum(axis=-1, keepdims=True)
        return -np.sum(share * np.log2(np.fmax(share, 1e-12)), axis=-1)

    statistic = Function(entropy, lambda totals: totals.sum(axis=-1))
    found = estimate(statistic, np.tile([1.0, 1.0, 2.0], (20, 1)))
    assert (found.value, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))
    assert found.n == 80


# --- intervals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("usual", "worth"), [(None, 20), (4.0, 250), (1000.0, 20), (0.5, 1000)])
def test_never_seen_is_the_rule_of_three(usual: float | None, worth: float) -> None:
    sums = np.tile([0.0, 50.0], (20, 1))
    found = estimate(HitShare(), sums, usual_deff=usual)
    assert (found.low, found.high) == (0, pytest.approx(3 / worth))
    always = estimate(HitShare(), np.tile([50.0, 50.0], (20, 1)), usual_deff=usual)
    assert (always.low, always.high) == (pytest.approx(1 - 3 / worth), 1)


def test_no_event_in_some_episodes() -> None:
    found = estimate(PerEpisode(), PerEpisode().sums(cases([], []), 30, 499))
    assert (found.value, found.low, found.high) == (0, 0, pytest.approx(0.1))


def test_one_episode_gives_no_limits() -> None:
    sums = np.array([[3.0, 9.0], [0.0, 0.0], [0.0, 0.0]])
    found = estimate(HitShare(), sums)
    assert found.value == pytest.approx(1 / 3)
    assert found.episodes == 1
    assert np.isnan([found.low, found.high]).all()
    assert found.spread is None


def test_design_effect_of_episodes_that_are_all_alike_within() -> None:
    # Ten cases of an episode are hits together or not at all: they are worth one.
    sums = np.array([[10.0, 10.0]] * 50 + [[0.0, 10.0]] * 150)
    assert estimate(HitShare(), sums).deff == pytest.approx(10, rel=0.1)
    independent = np.random.default_rng(1).binomial(10, 0.25, 2000)
    sums = np.stack([independent, np.full(2000, 10)], axis=1).astype(float)
    assert estimate(HitShare(), sums).deff == pytest.approx(1, rel=0.15)


def test_several_policies_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    policies = np.repeat([7, 8, 9], 40)
    share = np.repeat([0.2, 0.5, 0.8], 40)
    sums = np.stack([rng.binomial(30, share), np.full(120, 30)], axis=1).astype(float)
    pooled = estimate(HitShare(), sums)
    among = estimate(HitShare(), sums, policies=policies)
    assert among.value == pooled.value
    assert among.high - among.low > 3 * (pooled.high - pooled.low)
    # Three policies of standard deviation 0.3: Student's limit is beyond every share.
    assert (among.low, among.high) == (0, 1)


def test_policies_that_are_alike_matter_less_than_policies_that_differ() -> None:
    rng = np.random.default_rng(4)
    sums = np.stack([rng.binomial(30, 0.5, 200), np.full(200, 30)], axis=1).astype(float)
    policies = np.arange(200) % 5
    alike = estimate(HitShare(), sums, policies=policies)
    apart = estimate(HitShare(), sums, policies=np.argsort(np.argsort(sums[:, 0])) // 40)
    assert alike.high - alike.low < 0.5 * (apart.high - apart.low)


def test_the_same_sums_give_the_same_interval() -> None:
    sums = np.random.default_rng(5).poisson(4, (30, 2)).astype(float) @ [[1, 1], [0, 1]]
    once, again = (estimate(HitShare(), sums) for _ in range(2))
    assert (once.low, once.high) == (again.low, again.high)
    policies = np.arange(30) % 3
    once, again = (estimate(HitShare(), sums, policies=policies) for _ in range(2))
    assert (once.low, once.high) == (again.low, again.high)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=MIN_EPISODES, max_size=20),
    st.sampled_from([HitShare(), PerEpisode(), Difference(), Relative()]),
)
def test_limits_hold_the_value_between_them(
    counts: list[tuple[int, int]], statistic: Statistic
) -> None:
    row = np.repeat(np.arange(len(counts)), [a + b for a, b in counts])
    hit = np.concatenate([[True] * a + [False] * b for a, b in counts]).astype(bool)
    found = cases(row, 0, hit, group=np.arange(len(row)) % 2)
    its = estimate(statistic, statistic.sums(found, len(counts), 500), resamples=200)
    if not np.isnan(its.low):
        assert its.low <= its.value <= its.high
        if statistic.bounded:
            assert its.low >= 0
            assert its.high <= 1


def test_unreached_quantiles_have_infinite_limits() -> None:
    rng = np.random.default_rng(6)
    row = np.repeat(np.arange(30), 20)
    hit = rng.random(600) < 0.5
    found = cases(row, 0, hit, duration=rng.integers(1, 50, 600) + np.where(hit, 0, 250))
    its = estimate(Quantile(0.5), Quantile(0.5).sums(found, 30, 500))
    assert its.low < 50
    assert its.high == np.inf
    never = cases(row, 0, False, duration=400)
    its = estimate(Quantile(0.5), Quantile(0.5).sums(never, 30, 500))
    assert (its.value, its.low, its.high) == (np.inf, 400, np.inf)


def test_short_episodes_leave_open_what_comes_after_them() -> None:
    row = np.repeat(np.arange(10), 20)
    duration = np.tile(np.arange(20) + 40, 10)  # to 59 at most
    never = cases(row, 0, False, duration=duration)
    its = estimate(Quantile(0.5), Quantile(0.5).sums(never, 10, 60))
    assert (its.value, its.low, its.high) == (np.inf, 59, np.inf)
    few = cases(row, 0, np.arange(200) % 20 == 0, duration=duration)
    for at, rises in ((59, False), (100, True)):
        its = estimate(Incidence(at), Incidence(at).sums(few, 10, 60))
        assert its.low <= 0.05 + 1e-9
        assert (its.high == 1) == rises


# --- spreads -----------------------------------------------------------------------------------


def test_without_skewness_it_is_students_interval() -> None:
    spread = Skewed(10.0, 0.0, 2.0, 0.0, 9.0)
    assert spread.limits(0.025) == pytest.approx((10 - 2 * 2.262157, 10 + 2 * 2.262157))
    assert spread.chance(10 + 2 * 2.262157, below=True) == pytest.approx(0.025, rel=1e-5)


@given(
    st.floats(0.01, 5),
    st.floats(-1.2, 1.2),
    st.integers(3, 200),
    st.sampled_from([0.005, 0.025, 0.1]),
)
def test_chances_at_the_limits_are_the_tails(
    error: float, skewness: float, freedom: int, tail: float
) -> None:
    spread = Skewed(1.0, 0.0, error, skewness, float(freedom))
    low, high = spread.limits(tail)
    assert spread.chance(high, below=True) == pytest.approx(tail, rel=1e-4)
    assert spread.chance(low, below=False) == pytest.approx(tail, rel=1e-4)


def test_skewness_moves_both_limits_to_its_side() -> None:
    straight, skew = Skewed(0.0, 0.0, 1.0, 0.0, 30.0), Skewed(0.0, 0.0, 1.0, 0.5, 30.0)
    assert all(a < b for a, b in zip(straight.limits(0.025), skew.limits(0.025), strict=True))


def test_skewness_is_that_of_the_distribution() -> None:
    drawn = np.random.default_rng(0).gamma(4.0, size=200_000)
    spread = skewed(3.5, drawn, 10.0)
    assert spread.bias == pytest.approx(0.5, abs=0.02)
    assert spread.error == pytest.approx(2 * np.sqrt(10 / 9), rel=0.01)
    assert spread.skewness == pytest.approx(1.0, rel=0.05)


def test_percentiles_are_moved_out() -> None:
    drawn = np.arange(10_001.0)
    few, many = Ranked(drawn, 9.0), Ranked(drawn, 1e6)
    assert many.limits(0.025) == pytest.approx((250, 9750), abs=2)
    # Normal distribution function at sqrt(10 / 9) times Student's quantile of nine degrees.
    assert few.limits(0.025)[0] == pytest.approx(10_000 * 0.008547, abs=2)
    assert many.chance(9000, below=True) == pytest.approx(0.1, abs=1e-3)


def test_chance_that_none_of_some_cases_hits() -> None:
    assert Never(10, always=False, bounded=True).chance(0.2, below=True) == pytest.approx(0.8**10)
    assert Never(10, always=True, bounded=True).chance(0.7, below=False) == pytest.approx(0.7**10)
    assert Never(10, always=False, bounded=False).chance(0.3, below=True) == pytest.approx(
        np.exp(-3)
    )
    assert Never(2, always=True, bounded=True).limits(0.025) == (0, 1)


# --- coverage ----------------------------------------------------------------------------------


def coverage(statistic: Statistic, audits: list[np.ndarray], truth: float) -> float:
    found = [estimate(statistic, sums, resamples=400) for sums in audits]
    return float(np.mean([each.low <= truth <= each.high for each in found]))


@pytest.mark.parametrize("episodes", [10, 20, 50])
@pytest.mark.parametrize(("share", "correlation"), [(0.1, 0.02), (0.1, 0.1), (0.5, 0.1)])
def test_intervals_of_shares_cover_the_truth(
    episodes: int, share: float, correlation: float
) -> None:
    """Beta-binomial hits among numbers of cases that differ between episodes."""
    rng = np.random.default_rng(episodes)
    strength = 1 / correlation - 1
    audits = []
    for _ in range(300):
        n = rng.negative_binomial(5, 5 / (5 + 60), episodes) + 1
        its = rng.beta(share * strength, (1 - share) * strength, episodes)
        audits.append(np.stack([rng.binomial(n, its), n], axis=1).astype(float))
    # 300 audits tell a coverage of 95 % to 2.5 points at three standard errors of 1.26.
    assert 0.90 <= coverage(HitShare(), audits, share) <= 0.99


@pytest.mark.parametrize("episodes", [20, 50])
def test_intervals_of_skewed_counts_cover_the_truth(episodes: int) -> None:
    """Few episodes bring most of the events: percentiles would cover some 84 %."""
    rng = np.random.default_rng(1)
    counts = rng.negative_binomial(0.3, 0.3 / (0.3 + 5), (300, episodes))
    audits = [np.stack([c, np.ones(episodes), np.ones(episodes)], axis=1) * 1.0 for c in counts]
    assert 0.90 <= coverage(PerEpisode(), audits, 5.0) <= 0.99


def test_intervals_of_biased_values_cover_the_truth() -> None:
    """The entropy of few counts is mostly too small."""

    def entropy(totals: np.ndarray) -> np.ndarray:
        share = totals / totals.sum(axis=-1, keepdims=True)
        return -np.sum(share * np.log2(np.fmax(share, 1e-12)), axis=-1)

    shares = np.arange(1, 13) / 78
    truth = float(entropy(shares))
    audits = list(np.random.default_rng(3).multinomial(10, shares, (300, 20)).astype(float))
    statistic = Function(entropy, lambda totals: totals.sum(axis=-1))
    assert np.mean([entropy(sums.sum(axis=0)) < truth for sums in audits]) > 0.7
    assert 0.90 <= coverage(statistic, audits, truth) <= 0.99


def test_intervals_of_medians_cover_the_truth() -> None:
    """Geometric durations whose rate differs between episodes, censored at 30 steps."""
    rng = np.random.default_rng(2)

    def durations(episodes: int) -> tuple[np.ndarray, np.ndarray]:
        rate = rng.beta(6, 54, episodes).repeat(15)
        return np.arange(episodes).repeat(15), rng.geometric(rate)

    truth = float(np.median(durations(40_000)[1]))
    statistic = Quantile(0.5)
    audits = []
    for _ in range(200):
        row, length = durations(20)
        found = cases(row, 0, length <= 30, duration=np.minimum(length, 30))
        audits.append(statistic.sums(found, 20, 500))
    assert 0.90 <= coverage(statistic, audits, truth) <= 1.0
