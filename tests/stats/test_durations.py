import warnings

import lifelines
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.utils import restricted_mean_survival_time
from scipy import stats

from cagexplain.stats.durations import (
    MIN_DURATIONS,
    MIN_EPISODES,
    Survival,
    estimate,
    incidence,
    product_limit,
    quantile,
    restricted_mean,
    survival,
    tally,
)

# Weeks of remission of leukaemia under 6-mercaptopurine (Freireich et al. 1963), the standard
# textbook example of the product-limit estimator; False is censored.
REMISSION = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
SEEN = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
# The published estimates after each relapse.
PUBLISHED = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}


def textbook(horizon: int = 100) -> Survival:
    return survival(
        np.array(REMISSION),
        np.array(SEEN, dtype=bool),
        np.arange(len(REMISSION)),
        horizon=horizon,
    )


def test_the_textbook_curve() -> None:
    found = textbook()
    assert {point.duration: round(point.share, 3) for point in found.curve} == PUBLISHED
    assert [point.at_risk for point in found.curve] == [21, 17, 15, 12, 11, 7, 6]
    assert found.median.value == 23
    assert (found.n, found.ended, found.episodes) == (21, 9, 21)


def test_what_the_follow_up_does_not_reach_is_none() -> None:
    found = textbook()
    assert found.p90.value is None  # the curve ends at 0.448
    assert found.restricted_mean.value is None  # nobody was followed for 100 weeks
    assert textbook(horizon=35).restricted_mean.value == pytest.approx(23.29, abs=0.01)


def test_without_censoring_the_curve_counts_what_is_longer() -> None:
    durations = np.array([0, 0, 1, 2, 2, 2, 5, 9] * 5)
    found = survival(durations, np.ones(40, dtype=bool), np.arange(40) % 10, horizon=20)
    for t in range(10):
        assert found.at(t) == pytest.approx(np.mean(durations > t))
    assert found.median.value == 2
    assert found.p90.value == 9
    assert found.restricted_mean.value == pytest.approx(durations.mean())


def test_censored_durations_lengthen_the_estimate() -> None:
    durations = np.array([2, 2, 50, 50] * 10)
    episodes = np.arange(40) % MIN_EPISODES
    seen = survival(durations, np.ones(40, dtype=bool), episodes, horizon=60)
    cut = survival(durations, durations < 50, episodes, horizon=50)
    assert seen.restricted_mean.value == pytest.approx(26)
    assert cut.restricted_mean.value == pytest.approx(26)
    assert cut.p90.value is None
    assert seen.p90.value == 50


@pytest.mark.parametrize(
    ("n", "episodes"), [(MIN_DURATIONS - 1, MIN_EPISODES), (MIN_DURATIONS, MIN_EPISODES - 1)]
)
def test_too_few_durations_or_episodes_give_no_number(n: int, episodes: int) -> None:
    found = survival(np.arange(n), np.ones(n, dtype=bool), np.arange(n) % episodes)
    assert not found.enough
    assert (found.n, found.episodes) == (n, episodes)
    assert (found.median.value, found.p90.value, found.restricted_mean.value) == (None, None, None)
    assert found.curve == ()
    assert found.at(3) is None


def test_no_durations_at_all() -> None:
    nothing = np.empty(0, dtype=np.int64)
    found = survival(nothing, nothing.astype(bool), nothing)
    assert (found.n, found.enough, found.ended_share) == (0, False, None)


def test_negative_durations_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        survival(np.array([1, -1]), np.ones(2, dtype=bool), np.zeros(2, dtype=int))


def test_nothing_ended() -> None:
    found = survival(np.full(30, 120), np.zeros(30, dtype=bool), np.arange(30))
    assert found.curve == ()
    assert found.at(120) == 1
    assert found.median.value is None
    assert found.restricted_mean.value == 100


def test_tallies_of_batches_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(4)
    durations, episodes = rng.integers(0, 30, 200), np.sort(rng.integers(0, 12, 200))
    observed = rng.random(200) < 0.7
    halves = [episodes < 6, episodes >= 6]
    parts = [
        tally(durations[h], observed[h], episodes[h] - 6 * i, n_clusters=6, longest=40)
        for i, h in enumerate(halves)
    ]
    ended, censored = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    assert estimate(ended, censored, horizon=25) == survival(
        durations, observed, episodes, horizon=25
    )


def test_intervals_cover_the_truth_when_episodes_differ() -> None:
    """Geometric durations whose rate differs between episodes, censored after 30 steps."""
    covered = 0
    repetitions = 60
    rates = np.array([0.05, 0.1, 0.2])
    truth = np.mean([np.sum((1 - r) ** np.arange(20)) for r in rates])
    for repetition in range(repetitions):
        rng = np.random.default_rng(repetition)
        episodes = np.repeat(np.arange(45), 20)
        durations = rng.geometric(rates[rng.integers(0, 3, 45)][episodes])
        found = survival(
            np.minimum(durations, 30), durations <= 30, episodes, horizon=20
        ).restricted_mean
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    # Nominal 95 %; fewer than 51 of 60 has a probability of about one in a thousand.
    assert covered >= 51


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.booleans(), st.integers(0, 8)), min_size=25, max_size=80
    )
)
def test_properties_of_the_curve(rows: list[tuple[int, bool, int]]) -> None:
    durations, observed, episodes = (np.array(column) for column in zip(*rows, strict=True))
    episodes[:MIN_EPISODES] = np.arange(MIN_EPISODES)
    found = survival(durations, observed, episodes)
    assert found.enough
    shares = [point.share for point in found.curve]
    assert all(a > b for a, b in zip([1.0, *shares], shares, strict=False))
    assert all(0 <= point.low <= point.high <= 1 for point in found.curve)
    # Taking censored durations for ended ones can only shorten the estimate.
    naive = survival(durations, np.ones(len(rows), dtype=bool), episodes)
    for t in range(0, 61, 5):
        known, shorter = found.at(t), naive.at(t)
        assert known is not None
        assert shorter is not None
        assert known >= shorter - 1e-9
    if found.median.value is not None:
        median = found.at(int(found.median.value))
        assert median is not None
        assert median <= 0.5 + 1e-6


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 40),
)
def test_curves_are_those_of_other_libraries(drawn: list[tuple[int, bool]], at: int) -> None:
    """Kaplan-Meier of scipy and lifelines."""
    length, seen = map(np.asarray, zip(*drawn, strict=True))
    ended, censored = (np.bincount(length[kind], minlength=41) * 1.0 for kind in (seen, ~seen))
    longer = product_limit(ended, censored)
    fitted = lifelines.KaplanMeierFitter().fit(length, seen)
    steps = np.arange(41)
    assert longer == pytest.approx(fitted.predict(steps).to_numpy())
    data = stats.CensoredData(uncensored=length[seen], right=length[~seen])
    assert longer == pytest.approx(stats.ecdf(data).sf.evaluate(steps))
    if not np.isclose(longer, 0.5).any():  # where exactly half have ended conventions differ
        assert quantile(longer, 0.5) == fitted.median_survival_time_
    mean = restricted_mean(ended, censored, horizon=at)
    known = bool((length >= at - 1).any() or longer[at - 1] < 1e-9)
    theirs = restricted_mean_survival_time(fitted, t=at)
    assert mean == pytest.approx(theirs if known else np.inf)


def test_incidence_is_that_of_lifelines() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 200)
    length = (
        3 * rng.integers(0, 10, 200) + kind
    )  # lifelines would order ties of two kinds by chance
    counts = [np.bincount(length[kind == k], minlength=31) * 1.0 for k in (1, 2, 0)]
    fitted = lifelines.AalenJohansenFitter(jitter_level=1e-9, seed=1, calculate_variance=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ties are moved apart, which is what the level is for
        fitted.fit(length, kind, event_of_interest=1)
    for at in (0, 7, 29):
        theirs = fitted.cumulative_density_.loc[: at + 0.5].iloc[-1, 0]
        assert incidence(*counts, at) == pytest.approx(theirs, abs=1e-4)
