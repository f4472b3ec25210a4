import math

import numpy as np
import pytest
from scipy import stats

from cagexplain.common.errors import UsageError
from cagexplain.stats.equivalence import (
    POWER,
    Equivalence,
    Summary,
    Verdict,
    episodes_needed,
    independent,
    judge,
    paired,
    partial_conjunction,
)

NAN = np.nan


ROUNDS = 700


def normal(seed: int, n: int, mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, n)


def compared(p_equivalent: float = 1.0, p_different: float = 1.0, n: int = 9) -> Equivalence:
    side = Summary(n, 0.0 if n else None, 1.0 if n else None)
    return Equivalence(
        side, side, 1.0, p_equivalent=p_equivalent, p_different=p_different, needed=20
    )


def test_independent_samples_by_hand() -> None:
    found = independent(np.array([1.0, 2, 3]), np.array([2.0, 3, 4]), margin=3.0)
    error = math.sqrt(2 / 3)  # both variances are 1, so Welch has 4 degrees of freedom
    assert found.difference == -1.0
    half = 2.131846786 * error  # 95 % quantile of Student's t with 4
    assert (found.low, found.high) == pytest.approx((-1 - half, -1 + half))
    assert found.p_equivalent == pytest.approx(stats.t.sf(2 / error, 4))
    outside = stats.t.sf(-2 / error, 4) + stats.t.sf(4 / error, 4)
    assert found.p_different == pytest.approx(outside)


@pytest.mark.parametrize("margin", [0.2, 0.6, 2.0])
def test_independent_samples_are_two_one_sided_welch_tests(margin: float) -> None:
    a, b = normal(1, 40, 0.3, 1.0), normal(2, 25, 0.0, 2.0)
    found = independent(a, b, margin, alpha=0.1)
    lower = stats.ttest_ind(a + margin, b, equal_var=False, alternative="greater").pvalue
    upper = stats.ttest_ind(a - margin, b, equal_var=False, alternative="less").pvalue
    assert found.p_equivalent == pytest.approx(max(lower, upper))
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.8)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_paired_samples_are_two_one_sided_tests_of_the_differences() -> None:
    a = normal(3, 30)
    b = a + normal(4, 30, 0.1, 0.2)
    found = paired(a, b, 0.3)
    lower = stats.ttest_1samp(a - b, -0.3, alternative="greater").pvalue
    upper = stats.ttest_1samp(a - b, 0.3, alternative="less").pvalue
    assert found.p_equivalent == pytest.approx(max(lower, upper))
    interval = stats.ttest_rel(a, b).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p_equivalent < independent(a, b, 0.3).p_equivalent  # pairing pays here


@pytest.mark.parametrize("test", [independent, paired])
@pytest.mark.parametrize("seed", range(40))
def test_the_interval_and_the_verdict_agree(test: type[Equivalence], seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(rng.uniform(-1, 1), 1, 20), rng.normal(0, 1, 20)
    found = test(a, b, 0.7)
    assert found.low is not None and found.high is not None
    within = found.low > -0.7 and found.high < 0.7
    beyond = found.low > 0.7 or found.high < -0.7
    assert (found.p_equivalent <= 0.05) == within
    if found.p_different <= 0.05:
        assert beyond


def rejections(
    difference: float, margin: float, *, n: int = 40, rounds: int = ROUNDS, relative: float = 0.0
) -> tuple[float, float]:
    """How often "equivalent" and "different" are said at 5 %."""
    rng = np.random.default_rng(7)
    equivalent = different = 0
    for _ in range(rounds):
        a, b = rng.normal(10 + difference, 2, n), rng.normal(10, 1, n)
        found = independent(a, b, relative * b.mean() if relative else margin)
        equivalent += found.p_equivalent <= 0.05
        different += found.p_different <= 0.05
    return equivalent / rounds, different / rounds


@pytest.mark.parametrize("side", [-1, 1])
def test_on_the_margin_both_errors_have_their_level(side: int) -> None:
    equivalent, different = rejections(side * 1.2, 1.2)
    three_errors = 3 * math.sqrt(0.05 * 0.95 / ROUNDS)
    assert abs(equivalent - 0.05) < three_errors
    assert abs(different - 0.05) < three_errors


def test_beyond_the_margin_equivalence_is_hardly_ever_said() -> None:
    assert rejections(1.8, 1.2)[0] < 0.005


def test_within_the_margin_a_difference_is_hardly_ever_said() -> None:
    assert rejections(0.6, 1.2)[1] < 0.005


@pytest.mark.parametrize("side", [-1, 1])
def test_a_margin_that_rests_on_the_reference_hardly_raises_the_level(side: int) -> None:
    assert rejections(side * 1.0, 0.0, relative=0.1)[0] < 0.075


def test_the_number_of_episodes_needed_gives_the_power() -> None:
    margin = 0.9
    n = episodes_needed(2**2 + 1**2, margin, 0.05, sides=2)
    assert n is not None
    assert rejections(0.0, margin, n=n)[0] == pytest.approx(POWER, abs=0.045)
    n = episodes_needed(2**2 + 1**2, 0.5, 0.05, sides=1)  # 0.5 away from the margin
    assert n is not None
    assert rejections(0.4, margin, n=n)[0] == pytest.approx(POWER, abs=0.045)
    assert rejections(1.4, margin, n=n)[1] == pytest.approx(POWER, abs=0.045)
    assert episodes_needed(1.0, 0.0, 0.05, sides=1) is None
    assert episodes_needed(0.0, 1.0, 0.05, sides=2) == 2


def test_what_is_needed_is_more_than_was_played() -> None:
    few = independent(normal(5, 10), normal(6, 10), 0.3)
    assert few.needed is not None and few.needed > 100
    # Metrics that only half of the episodes show take twice as many.
    rare = independent(
        np.concatenate([normal(5, 10), np.full(10, NAN)]),
        np.concatenate([normal(6, 10), np.full(10, NAN)]),
        0.3,
    )
    assert rare.needed == pytest.approx(2 * few.needed, rel=0.02)


def test_undefined_episodes_are_left_out() -> None:
    a, b = normal(1, 20), normal(2, 20)
    holes = np.insert(a, [0, 3, 20], NAN)
    assert independent(holes, b, 1.0).p_equivalent == independent(a, b, 1.0).p_equivalent
    a[3], b[5] = NAN, NAN
    kept = [i for i in range(20) if i not in (3, 5)]
    found, expected = paired(a, b, 1.0), paired(a[kept], b[kept], 1.0)
    assert found.p_equivalent == expected.p_equivalent
    assert found.a.n == found.b.n == 18


@pytest.mark.parametrize(
    ("a", "b"), [([1.0], [1.0, 2.0]), ([1.0], [1.0]), ([], [1.0, 2.0]), ([NAN, NAN], [1.0, 2.0])]
)
def test_fewer_than_two_episodes_show_nothing(a: list[float], b: list[float]) -> None:
    found = independent(np.array(a), np.array(b), 1.0)
    assert found.p_equivalent == found.p_different == 1.0
    assert found.low is None and found.high is None and found.needed is None
    assert found.observed
    assert judge([found], [compared(0.001)]).returns == (Verdict.INCONCLUSIVE,)


def test_one_pair_shows_nothing_and_one_sided_metrics_are_observed() -> None:
    assert paired(np.array([1.0]), np.array([1.0]), 1.0).p_equivalent == 1.0
    lonely = paired(np.array([1.0, 2, 3]), np.full(3, NAN), 1.0)
    assert lonely.observed and lonely.a.n == 3 and lonely.p_equivalent == 1.0
    assert not paired(np.full(3, NAN), np.full(3, NAN), 1.0).observed


@pytest.mark.parametrize("test", [independent, paired])
@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (0.0, Verdict.EQUIVALENT),
        (0.5, Verdict.EQUIVALENT),
        (1.0, Verdict.INCONCLUSIVE),  # exactly the margin
        (1.5, Verdict.DIFFERENT),
        (-1.5, Verdict.DIFFERENT),
    ],
)
def test_constants_are_compared_as_they_are(
    test: type[Equivalence], difference: float, verdict: Verdict
) -> None:
    found = test(np.full(5, 2.0 + difference), np.full(5, 2.0), 1.0)
    assert judge([found], [compared(0.001)]).returns == (verdict,)
    assert (found.low, found.high) == (difference, difference)


def test_equal_pairs_are_equivalent_however_they_vary() -> None:
    values = normal(8, 5, sd=100.0)
    assert paired(values, values, 1e-9).p_equivalent == 0.0


def test_a_constant_against_a_sample_that_varies() -> None:
    found = independent(np.zeros(50), normal(9, 50, sd=0.1), 1.0)
    assert found.p_equivalent < 1e-6


@pytest.mark.parametrize(
    ("margin", "alpha", "field"),
    [(0.0, 0.05, "margin"), (-1.0, 0.05, "margin"), (NAN, 0.05, "margin"), (1.0, 0.5, "alpha")],
)
def test_senseless_settings_are_refused(margin: float, alpha: float, field: str) -> None:
    for test in (independent, paired):
        with pytest.raises(UsageError, match=field):
            test(np.zeros(3), np.zeros(3), margin, alpha)


def test_pairs_need_partners() -> None:
    with pytest.raises(UsageError, match="3 and 2 episodes"):
        paired(np.zeros(3), np.zeros(2), 1.0)


def test_partial_conjunction_by_hand() -> None:
    p = [0.5, 0.001, 0.02, 0.01]
    assert partial_conjunction(p, 4) == 0.5  # all: the largest, as in an intersection-union test
    assert partial_conjunction(p, 3) == pytest.approx(2 * 0.02)
    assert partial_conjunction(p, 1) == pytest.approx(4 * 0.001)  # any: Bonferroni
    assert partial_conjunction([0.9, 0.9], 1) == 1.0


def test_partial_conjunction_keeps_its_level() -> None:
    # 95 of 100 are claimed, 94 are truly so, the other six lie on their margins.
    rng = np.random.default_rng(0)
    said = sum(
        partial_conjunction([*np.zeros(94), *rng.random(6)], 95) <= 0.05 for _ in range(4000)
    )
    assert said / 4000 < 0.055


def test_equivalent_takes_all_returns_and_nearly_all_metrics() -> None:
    good, bad = compared(0.0001), compared(0.3)
    found = judge([good] * 3, [good] * 40)
    assert (found.verdict, found.p_returns) == (Verdict.EQUIVALENT, 0.0001)
    assert (found.equivalent, found.observed, found.required) == (40, 40, 38)
    assert found.needed is None
    assert judge([good] * 3, [good] * 38 + [bad] * 2).verdict == Verdict.EQUIVALENT
    assert judge([good] * 3, [good] * 37 + [bad] * 3).verdict == Verdict.INCONCLUSIVE
    undecided = judge([good, good, bad], [good] * 40)
    assert (undecided.verdict, undecided.needed) == (Verdict.INCONCLUSIVE, 20)


def test_the_share_of_metrics_is_itself_corrected() -> None:
    near = [compared(0.001)] * 37 + [compared(0.04)] + [compared(0.3)] * 2
    found = judge([compared(0.001)], near)
    assert found.equivalent == found.required == 38
    assert found.p_metrics == pytest.approx(3 * 0.04)
    assert found.verdict == Verdict.INCONCLUSIVE


def test_one_different_metric_decides_and_is_corrected_for_the_others() -> None:
    good = compared(0.0001)
    found = judge([good], [good] * 39 + [compared(0.99, 0.0001)])
    assert found.verdict == Verdict.DIFFERENT
    assert found.metrics[-1] == Verdict.DIFFERENT
    assert found.p_different_holm[-1] == pytest.approx(41 * 0.0001)
    # 0.01 by itself is no news among 41 tests.
    weak = judge([good], [good] * 39 + [compared(0.99, 0.01)])
    assert weak.metrics[-1] == Verdict.INCONCLUSIVE
    assert weak.verdict == Verdict.EQUIVALENT


def test_what_was_never_observed_does_not_count() -> None:
    good, unseen = compared(0.0001), compared(n=0)
    found = judge([good], [good] * 20 + [unseen] * 10)
    assert (found.observed, found.required) == (20, 19)
    assert found.metrics.count(Verdict.NOT_OBSERVED) == 10
    assert found.verdict == Verdict.EQUIVALENT
    one_different = judge([good], [compared(0.9, 0.02), *[unseen] * 30])
    assert one_different.p_different_holm[1] == pytest.approx(2 * 0.02)


def test_what_is_needed_in_all_leaves_out_the_worst_that_may_fail() -> None:
    good = compared(0.001)

    def open_end(needed: int | None) -> Equivalence:
        side = Summary(9, 0.0, 1.0)
        return Equivalence(side, side, 1.0, p_equivalent=0.4, needed=needed)

    metrics = [good] * 16 + [open_end(n) for n in (100, 200, 300, None)]
    assert judge([good], metrics).needed == 300  # 19 of 20 are required
    assert judge([open_end(None)], metrics).needed is None
    assert judge([good], [*metrics, open_end(None)]).needed is None
    # All that is missing is what the correction takes: nothing can be said.
    assert judge([open_end(9)], metrics[:16]).needed == 20
    assert judge([open_end(9)], [open_end(5)] * 3).needed is None
