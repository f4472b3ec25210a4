"""Every kind of interval covers the truth at the least number of episodes that it is given for.

`returns_by_part.parquet` holds the official returns of 2,000 episodes (seeds from 900,000) of four
scripted policies with some of their parts; `futures.parquet` the rewards of 500 futures of 24
alternatives of `punch`, minus those of the chosen action. Samples are drawn from them, and from
families like what is counted in episodes. The floor is 92 %, less what chance takes off the least
of so many estimated shares.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.special import stdtrit

from cagexplain.analysis.decisions import counterfactuals
from cagexplain.analysis.reactions import tests as reaction_tests
from cagexplain.policies.evaluation import estimate, estimate_parts
from cagexplain.stats import durations, entropy, estimates, permutation
from cagexplain.stats.estimates import HitShare, PerEpisode
from cagexplain.stats.few_runs import MIN_RUNS, bootstrap, iqm, mean_difference
from cagexplain.stats.matched import difference_limits
from cagexplain.stats.means import (
    MIN_EPISODES,
    MIN_EPISODES_OF_PARTS,
    limits,
    moved_out,
    skewed,
    too_few,
)
from cagexplain.stats.shares import ratios, shares
from tests.support.paths import DATA

FLOOR = 0.92
RETURNS = pd.read_parquet(DATA / "returns_by_part.parquet")
FUTURES = pd.read_parquet(DATA / "futures.parquet")


def covered(values: npt.NDArray[np.float64], n: int, samples: int) -> float:
    """Share of the samples of `n` whose interval holds the mean; those without spread are none."""
    rng = np.random.default_rng(n)
    low, high = limits(rng.choice(values, (n, samples)))
    shown = high > low
    return float(np.mean((low <= values.mean()) & (values.mean() <= high), where=shown))


def floor(samples: int) -> float:
    """Three standard errors below 92 %."""
    return float(FLOOR - 3 * np.sqrt(FLOOR * (1 - FLOOR) / samples))


@pytest.mark.parametrize("n", [MIN_EPISODES, 10, 20, 50, 100])
@pytest.mark.parametrize("policy", ["expert", "punch", "random", "sleep"])
def test_returns_are_covered_from_the_least_number_of_episodes_on(policy: str, n: int) -> None:
    assert covered(RETURNS[f"{policy}, return"].to_numpy(np.float64), n, 4000) > floor(4000)


@pytest.mark.parametrize("column", [c for c in map(str, RETURNS) if not c.endswith("return")])
def test_parts_of_returns_are_covered_from_theirs_on(column: str) -> None:
    values = RETURNS[column].to_numpy(np.float64)
    assert covered(values, MIN_EPISODES_OF_PARTS, 400) > floor(400)


def test_fewer_episodes_would_not_do_for_the_parts() -> None:
    """The reason for the larger number."""
    assert covered(RETURNS["punch, phase 2"].to_numpy(np.float64), 20, 2000) < 0.85


@pytest.mark.parametrize("column", list(FUTURES))
def test_advantages_are_covered(column: str) -> None:
    values = FUTURES[column].to_numpy(np.float64)
    assert covered(values, counterfactuals.ENOUGH, 1500) > floor(1500)


def test_percentiles_of_a_bootstrap_would_not_cover() -> None:
    """The reason for the rule: plain percentiles, of five normal episodes even."""
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(5, 1000))
    times = rng.multinomial(5, np.full(5, 0.2), size=500)
    low, high = np.quantile(times @ samples / 5, [0.025, 0.975], axis=0)
    assert np.mean((low <= 0) & (high >= 0)) < 0.88


def test_nothing_is_narrower_than_students_interval() -> None:
    values = np.random.default_rng(1).gamma(0.3, size=(12, 50))
    low, high = limits(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(12)
    assert np.all(low <= values.mean(axis=0) - 2.2009 * error)
    assert np.all(high > values.mean(axis=0) + 2.2010 * error)  # gamma is skewed to the right


def test_symmetric_values_have_students_interval() -> None:
    low, high = limits(np.array([[-1.0], [0.0], [1.0]]))
    assert (low[0], high[0]) == pytest.approx((-4.302653 / 3**0.5, 4.302653 / 3**0.5))


def test_transformation_is_undone_by_halls() -> None:
    for skew in (-1.5, -1e-9, 0.0, 0.4):
        t = float(skewed(2.1, skew))
        assert t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6 == pytest.approx(2.1)


def test_percentiles_are_moved_out_the_more_the_fewer() -> None:
    levels = [moved_out(0.025, n) for n in (5, 10, 100, 1e6)]
    assert levels == sorted(levels)
    assert levels[-1] == pytest.approx(0.025, rel=1e-3)
    assert levels[1] == pytest.approx(0.008547, abs=1e-5)


def test_what_is_missing_is_told() -> None:
    returns, parts = np.arange(8.0).reshape(4, 2), np.arange(600.0).reshape(200, 3)
    reason = "not enough episodes for an interval: n = 4, at least 5 are needed"
    assert [found.reason for found in estimate(returns)] == [reason] * 2
    assert all(found.low is found.high is None for found in estimate(returns))
    assert estimate(np.vstack([returns, returns]))[0].reason is None
    assert "n = 200, at least 300" in str(estimate_parts(parts)[0].reason)
    assert too_few(300, MIN_EPISODES_OF_PARTS) is None


# --- the other kinds ----------------------------------------------------------------------------


def test_shares_of_the_gain_are_covered() -> None:
    """(expert - sleep) / (punch - sleep): three policies on the same seeds."""
    expert, punch, sleep = (
        RETURNS[f"{name}, return"].to_numpy(np.float64) for name in ("expert", "punch", "sleep")
    )
    above, below = expert - sleep, punch - sleep
    drawn = np.random.default_rng(0).integers(len(above), size=(MIN_EPISODES, 2000))
    found = ratios(above[drawn], below[drawn], bounds=(-np.inf, np.inf))
    truth = above.sum() / below.sum()
    assert np.mean([f.low <= truth <= f.high for f in found]) > floor(2000)


@pytest.mark.parametrize(("shape", "mean"), [(0.7, 2.0), (2.0, 8.0), (10.0, 60.0)])
def test_ratios_of_counts_are_covered(shape: float, mean: float) -> None:
    """Overdispersed numbers of cases, each of which costs some steps."""
    rng = np.random.default_rng(3)
    size = (MIN_EPISODES, 2000)
    n = rng.poisson(rng.gamma(shape, mean / shape, size)) + 1
    cost = rng.poisson(n * rng.gamma(4, 5, size))
    found = ratios(cost, n)
    hits = [f.low <= 20 <= f.high for f in found if f.low is not None]  # type: ignore[operator]
    assert len(hits) == 2000
    assert np.mean(hits) > floor(2000)


def test_entropies_are_covered() -> None:
    rng = np.random.default_rng(4)
    truth = np.array([0.8, 0.15, 0.04, 0.01])
    groups = 300
    n = rng.poisson(40, (entropy.MIN_EPISODES, groups))
    own = rng.dirichlet(truth * 20, (entropy.MIN_EPISODES, groups))
    found = entropy.entropies(rng.multinomial(n, own), resamples=50)
    value = -(truth * np.log(truth)).sum()
    assert np.mean([e.low <= value <= e.high for e in found]) > floor(groups)
    few = entropy.entropies(rng.multinomial(n, own)[:-1], resamples=5)
    assert all(e.low is None for e in few)


def test_shares_of_two_episodes_are_covered() -> None:
    rng = np.random.default_rng(5)
    truth = np.array([0.7, 0.2, 0.1])
    own = rng.dirichlet(truth * 10, (2, 400))
    found = shares(rng.multinomial(60, own), resamples=100)
    assert np.mean(np.all((found.low <= truth) & (truth <= found.high), axis=1)) > floor(400)


def test_times_are_covered() -> None:
    """Waiting of which half is over after 7 steps, longer or shorter by episode."""
    rng = np.random.default_rng(6)
    hits = np.zeros(2)
    for _ in range(300):
        pace = rng.gamma(8, 10 / 8, durations.MIN_EPISODES)
        steps = np.floor(rng.exponential(pace[:, None], (durations.MIN_EPISODES, 8))).astype(int)
        ended, censored = durations.tally(
            np.minimum(steps, 60).ravel(),
            (steps < 60).ravel(),
            np.repeat(np.arange(durations.MIN_EPISODES), 8),
            longest=60,
        )
        found = durations.estimate(ended, censored, resamples=200, horizon=60)
        for i, (its, truth) in enumerate(((found.median, MEDIAN), (found.p90, P90))):
            low, high = its.low, np.inf if its.high is None else its.high
            hits[i] += low is not None and low <= truth <= high
    assert np.all(hits / 300 > floor(300))


def _quantile(share: float) -> int:
    """First step by which so many have ended: exponential waiting whose pace is a gamma variable.

    A waiting of floor(x) steps is longer than t if x is t + 1 or more."""
    pace = np.random.default_rng(7).gamma(8, 10 / 8, 200_000)
    longer = np.array([np.exp(-(t + 1) / pace).mean() for t in range(60)])
    return int(np.argmax(longer <= 1 - share))


MEDIAN, P90 = _quantile(0.5), _quantile(0.9)


@pytest.mark.parametrize("statistic", [HitShare(), PerEpisode()])
def test_numbers_of_an_audit_are_covered(statistic: HitShare | PerEpisode) -> None:
    rng = np.random.default_rng(8)
    hits, known = 0, 0
    for _ in range(400):
        n = rng.negative_binomial(5, 5 / 65, estimates.MIN_EPISODES) + 1
        its = rng.beta(0.3 * 20, 0.7 * 20, estimates.MIN_EPISODES)
        hit = rng.binomial(n, its)
        if isinstance(statistic, HitShare):
            sums, truth = np.stack([hit, n], axis=1), 0.3
        else:
            sums, truth = np.stack([hit, np.ones_like(n), np.ones_like(n)], axis=1), 0.3 * 61
        found = estimates.estimate(statistic, sums.astype(float), resamples=200)
        known += not np.isnan(found.low)
        hits += found.low <= truth <= found.high
        if _ == 0:
            assert np.isnan(estimates.estimate(statistic, sums[1:].astype(float)).low)
    assert hits / known > floor(400)


@pytest.mark.parametrize("draw", ["normal", "skewed"])
def test_runs_of_a_study_are_covered(draw: str) -> None:
    rng = np.random.default_rng(9)
    hits = {"iqm": 0, "difference": 0}
    for _ in range(400):
        if draw == "normal":
            a, b, middle = rng.normal(0, 1, MIN_RUNS), rng.normal(0, 1, MIN_RUNS), 0.0
        else:  # its interquartile mean, of five runs, is what many such studies have on average
            a, b = (rng.gamma(3, 1, MIN_RUNS) for _ in range(2))
            middle = GAMMA_IQM
        low, high = bootstrap([a], iqm, resamples=500) or (np.nan, np.nan)
        hits["iqm"] += bool(low <= middle <= high)
        low, high = bootstrap([a, b], lambda x, y: x.mean(0) - y.mean(0), resamples=500) or (1, 0)
        hits["difference"] += bool(low <= 0 <= high)
    assert min(hits.values()) / 400 > floor(400)
    assert bootstrap([a[1:]], iqm) is None


GAMMA_IQM = float(np.mean(iqm(np.random.default_rng(10).gamma(3, 1, (MIN_RUNS, 100_000)))))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_differences_of_few_runs_are_covered(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [
        mean_difference(rng.normal(0, 1, n), rng.normal(0, 1.5, n)).interval() for _ in range(2000)
    ]
    assert np.mean([low <= 0 <= high for low, high in found]) > floor(2000)  # type: ignore[misc]


def test_surpluses_of_responses_are_covered() -> None:
    rng = np.random.default_rng(11)
    size = (reaction_tests.MIN_EPISODES, 3000)
    exposed = rng.poisson(rng.gamma(3, 10 / 3, size)) + 1
    found = rng.binomial(exposed, rng.beta(3, 7, size))
    _, low, high = difference_limits(found - 0.1 * exposed, exposed, 0.95)
    assert np.mean((low <= 0.2) & (high >= 0.2)) > floor(3000)


def test_differences_of_metrics_are_covered() -> None:
    rng = np.random.default_rng(12)
    n, metrics = permutation.MIN_EPISODES, 60

    def side() -> npt.NDArray[np.int64]:
        below = rng.poisson(rng.gamma(2, 4, (n, metrics))) + 1
        return np.stack([rng.poisson(below * rng.gamma(4, 5, (n, metrics))), below], axis=2)

    hits = []
    for _ in range(5):
        found = permutation.compare(
            *(side(), side(), permutation.ratio_difference),
            paired=False,
            permutations=1,
            resamples=300,
        )
        hits.append(np.abs(found.value) <= stdtrit(n - 1, 0.975) * found.error)
    assert np.mean(hits) > floor(5 * metrics)
