"""Statistics of runs against hand calculation, other implementations and their own claims."""

import numpy as np
import pytest
from scipy import stats

from cagexplain.analysis.studies.learning import Verdict, judge
from cagexplain.stats.few_runs import (
    RunsDifference,
    bootstrap,
    energy_distance,
    improvement,
    iqm,
    mean_difference,
    mean_estimate,
)


def test_iqm_leaves_out_a_quarter_at_each_end() -> None:
    assert iqm(np.array([100.0, 1, 2, 3, -50])) == 2  # of five, one at each end
    assert iqm(np.array([8.0, 1, 2, 3, 4, 5, 6, 7])) == 4.5
    assert iqm(np.array([1.0, 5, 9])) == 5  # of three, none
    two = iqm(np.array([[0.0, 1], [1, 2], [2, 3], [30, 40]]))
    assert two.tolist() == [1.5, 2.5]


def test_welch_against_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 5), rng.normal(1, 3, 4)
    known = stats.ttest_ind(a, b, equal_var=False)
    found = mean_difference(a, b)
    interval = found.interval()
    assert found.p_value == pytest.approx(known.pvalue)
    assert interval == pytest.approx(tuple(known.confidence_interval(0.95)))


def test_difference_by_hand() -> None:
    """Means 2 and 5, variances of the means 1/3 each: error sqrt(2/3), 4 degrees of freedom."""
    found = mean_difference(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]))
    assert (found.value, found.freedom) == pytest.approx((-3, 4))
    interval = found.interval()
    assert interval is not None
    half = 2.7764451 * np.sqrt(2 / 3)  # t of a table
    assert interval == pytest.approx((-3 - half, -3 + half))


def test_single_runs_have_a_difference_but_no_interval() -> None:
    found = mean_difference(np.array([3.0]), np.array([1.0, 2.0]))
    assert (found.value, found.interval(), found.p_value) == (1.5, None, None)
    assert bootstrap([np.array([3.0])], iqm) is None


def test_runs_that_are_all_alike() -> None:
    same = np.array([2.0, 2.0])
    assert mean_difference(same, same).p_value == 1
    assert mean_difference(same, same + 1).p_value == 0
    assert mean_difference(same, same + 1).interval() == (-1, -1)


def test_bootstrap_of_a_mean_against_theory() -> None:
    """Of many values the interval is the normal one."""
    values = np.random.default_rng(1).normal(10, 2, 400)
    limits = bootstrap([values], lambda x: np.asarray(x.mean(axis=0)))
    assert limits is not None
    error = values.std() / 20
    assert limits[0] == pytest.approx(values.mean() - 1.96 * error, abs=0.03)
    assert limits[1] == pytest.approx(values.mean() + 1.96 * error, abs=0.03)


def test_bootstrap_keeps_the_points_of_a_run_together() -> None:
    """Where all runs have the same slope, so has every resample."""
    runs = np.random.default_rng(2).normal(0, 1, (6, 1)) + np.array([[0.0, 10.0]])
    limits = bootstrap([runs], lambda x: np.asarray(np.diff(x.mean(axis=0))))
    assert limits is not None
    assert limits[0] == pytest.approx([10]) and limits[1] == pytest.approx([10])


def test_bootstrap_draws_within_each_sample() -> None:
    a, b = np.full(5, 1.0), np.full(5, 5.0)
    limits = bootstrap([a, b], lambda x, y: np.asarray(x.mean(axis=0) - y.mean(axis=0)))
    assert limits == (-4, -4)


def test_probability_of_improvement() -> None:
    assert improvement(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == pytest.approx(1.5 / 4)
    values = np.random.default_rng(3).normal(size=(2, 7))
    u = stats.mannwhitneyu(values[0], values[1]).statistic
    assert improvement(values[0], values[1]) == pytest.approx(u / 49)


# The 95 % interval of 0 ± 1 with many degrees of freedom is -1.96 to 1.96.
@pytest.mark.parametrize(
    ("value", "least", "most", "verdict"),
    [
        (3, 0, None, Verdict.SUPPORTED),
        (1, 0, None, Verdict.INCONCLUSIVE),
        (-1, 0, None, Verdict.INCONCLUSIVE),
        (-3, 0, None, Verdict.CONTRADICTED),
        (0, -2.5, 2.5, Verdict.SUPPORTED),
        (0, -1.5, 1.5, Verdict.INCONCLUSIVE),
        (5, -2.5, 2.5, Verdict.CONTRADICTED),
        (-3, None, 0, Verdict.SUPPORTED),
        (12, 10, None, Verdict.SUPPORTED),
        (11, 10, None, Verdict.INCONCLUSIVE),
    ],
)
def test_verdict_rests_on_the_interval(
    value: float, least: float | None, most: float | None, verdict: Verdict
) -> None:
    assert judge(RunsDifference(value, 1.0, 1e9), least, most) is verdict


def test_contradiction_is_corrected_for_the_number_of_claims() -> None:
    difference = RunsDifference(-2.2, 1.0, 1e9)  # 2.2 is beyond 1.96, not beyond 2.58
    assert judge(difference, 0, None) is Verdict.CONTRADICTED
    assert judge(difference, 0, None, of=5) is Verdict.INCONCLUSIVE
    assert judge(RunsDifference(2.2, 1.0, 1e9), 0, None, of=5) is Verdict.SUPPORTED


def test_nothing_is_judged_without_an_interval() -> None:
    assert judge(None, 0, None) is Verdict.INCONCLUSIVE
    assert judge(RunsDifference(9.0, None, None), 0, None) is Verdict.INCONCLUSIVE


def test_mean_against_scipy() -> None:
    values = np.array([1.0, 4.0, 7.0, 2.0])
    interval = mean_estimate(values).interval()
    known = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert interval == pytest.approx((known.low, known.high))
    assert mean_estimate(values[:1]).interval() is None


def on_a_line(*points: float) -> np.ndarray:
    return np.abs(np.subtract.outer(points, points))


def test_energy_distance_by_hand() -> None:
    """Runs at 0, 1, 2 and at 5, 6, 9."""
    found = energy_distance(on_a_line(0, 1, 2, 5, 6, 9), 3)
    between = (5 + 6 + 9 + 4 + 5 + 8 + 3 + 4 + 7) / 9
    within = ((1 + 2 + 1) / 3 + (1 + 4 + 3) / 3) / 2
    assert found.value == pytest.approx(between - within)
    # Without one run each: between and within of what is left.
    left = [
        *((4 + 5 + 8 + 3 + 4 + 7) / 6 - (1 + 8 / 3) / 2,),
        *((5 + 6 + 9 + 3 + 4 + 7) / 6 - (2 + 8 / 3) / 2,),
        *((5 + 6 + 9 + 4 + 5 + 8) / 6 - (1 + 8 / 3) / 2,),
        *((6 + 9 + 5 + 8 + 4 + 7) / 6 - (4 / 3 + 3) / 2,),
        *((5 + 9 + 4 + 8 + 3 + 7) / 6 - (4 / 3 + 4) / 2,),
        *((5 + 6 + 4 + 5 + 3 + 4) / 6 - (4 / 3 + 1) / 2,),
    ]
    variance = sum(2 / 3 * ((np.array(g) - np.mean(g)) ** 2).sum() for g in (left[:3], left[3:]))
    assert found.error == pytest.approx(np.sqrt(variance))
    assert found.freedom == 4


def test_energy_distance_of_few_runs() -> None:
    assert energy_distance(on_a_line(0, 1, 2, 5, 6), 3).interval() is None
    assert energy_distance(on_a_line(0, 1, 5, 6), 2).value == pytest.approx(4)


def studies_of_patterns(shift: float, n: int = 400) -> np.ndarray:
    """Distances ``[study, run, run]`` of three runs each of two methods, whose choices in eight
    states are Dirichlet; a share of `shift` is moved from an action to another in the second."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([8.0, 6.0, 4.0, 2.0], (n, 6, 8))
    moved = np.minimum(shift, shares[:, 3:, :, 0])
    shares[:, 3:, :, 0] -= moved
    shares[:, 3:, :, 3] += moved
    return np.abs(shares[:, :, None] - shares[:, None]).sum(-1).mean(-1) / 2


def test_claims_about_patterns_err_rarely() -> None:
    """Alike methods are hardly ever said to differ; and where the truth lies at the limit, neither
    verdict is given more often than the 2.5 % of its side, give or take."""
    alike = [energy_distance(d, 3) for d in studies_of_patterns(0.0)]
    assert abs(np.mean([found.value for found in alike])) < 0.003  # unbiased
    verdicts = [judge(found, None, 0.1) for found in alike]
    assert verdicts.count(Verdict.CONTRADICTED) == 0
    assert verdicts.count(Verdict.SUPPORTED) > 360
    apart = [energy_distance(d, 3) for d in studies_of_patterns(0.25)]
    truth = float(np.mean([found.value for found in apart]))
    at_limit = [judge(found, None, truth) for found in apart]
    print(
        truth,
        at_limit.count(Verdict.SUPPORTED),
        at_limit.count(Verdict.CONTRADICTED),
        verdicts.count(Verdict.SUPPORTED),
    )
    for wrong in (Verdict.SUPPORTED, Verdict.CONTRADICTED):
        assert at_limit.count(wrong) < 0.05 * 400
