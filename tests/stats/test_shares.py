import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import binomtest

from cagexplain.stats.shares import shares


def clustered(
    rng: np.random.Generator,
    episodes: int,
    truth: npt.NDArray[np.float64],
    size: float,
    alike: float,
) -> npt.NDArray[np.int64]:
    """Counts ``[episode, 1, category]``: every episode has shares of its own around the truth."""
    n = rng.poisson(size, episodes)
    own = rng.dirichlet(truth * alike, episodes)
    return np.array([[rng.multinomial(k, p)] for k, p in zip(n, own, strict=True)])


@pytest.mark.parametrize(
    ("episodes", "truth", "size", "alike"),
    [
        (100, [0.5, 0.3, 0.15, 0.05], 50, 20),
        (20, [0.5, 0.3, 0.15, 0.05], 50, 20),
        (5, [0.5, 0.3, 0.15, 0.05], 50, 20),
        (20, [0.97, 0.01, 0.01, 0.01], 200, 50),
        (50, [0.6, 0.2, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01], 10, 5),
    ],
)
def test_all_intervals_of_a_group_cover_the_truth_together(
    episodes: int, truth: list[float], size: float, alike: float
) -> None:
    rng = np.random.default_rng(1)
    p = np.array(truth)
    hits = 0
    for _ in range(200):
        found = shares(clustered(rng, episodes, p, size, alike), resamples=200)
        hits += bool(np.all((found.low[0] <= p) & (p <= found.high[0])))
    # 95 % of 200 is 190; 180 or fewer would have a probability of 0.2 %.
    assert hits > 180


def test_treating_steps_as_independent_would_not_cover() -> None:
    """The reason for all this: the same data with every decision an episode of its own."""
    rng = np.random.default_rng(1)
    p = np.array([0.5, 0.3, 0.2])
    hits = 0
    for _ in range(100):
        counts = clustered(rng, 30, p, 60, 3).sum(axis=(0, 1))
        naive = np.repeat(np.eye(3, dtype=int), counts, axis=0)[:, None, :]
        found = shares(naive, resamples=50)
        hits += bool(np.all((found.low[0] <= p) & (p <= found.high[0])))
    assert hits < 60


def test_independent_counts_give_the_plain_score_interval() -> None:
    rng = np.random.default_rng(3)
    counts = rng.multinomial(1, [0.3, 0.7], 2000)[:, None, :]
    found = shares(counts)
    p, n, z = found.share[0, 0], 2000, 2.2414  # normal quantile at 1 - 0.05 / 4
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert found.low[0, 0] == pytest.approx((centre - half) / (1 + z**2 / n), abs=0.002)
    assert found.high[0, 0] == pytest.approx((centre + half) / (1 + z**2 / n), abs=0.002)


def test_hand_computed_counts() -> None:
    found = shares(np.array([[[3, 1], [0, 0]], [[1, 1], [0, 5]]]))
    assert found.counts.tolist() == [[4, 2], [0, 5]]
    assert found.share[0].tolist() == pytest.approx([4 / 6, 2 / 6])
    assert found.total.tolist() == [6, 5]
    assert found.episodes.tolist() == [2, 1]
    assert not np.isnan(found.low[0]).any()
    assert np.isnan(found.low[1]).all() and np.isnan(found.high[1]).all()  # one episode only


def test_nothing_counted() -> None:
    found = shares(np.zeros((3, 1, 2), dtype=int))
    assert np.isnan(found.share).all() and np.isnan(found.low).all()
    assert found.total.tolist() == [0]


def test_one_episode_has_shares_but_no_intervals() -> None:
    found = shares(np.array([[[2, 6]]]))
    assert found.share[0].tolist() == [0.25, 0.75]
    assert np.isnan(found.low).all() and np.isnan(found.high).all()


def test_what_was_never_seen_is_not_ruled_out() -> None:
    found = shares(np.tile([10, 10, 0], (20, 1))[:, None, :])
    assert found.share[0, 2] == found.low[0, 2] == 0
    assert 0 < found.high[0, 2] < 0.1


@pytest.mark.parametrize("episodes", [2, 8, 200])
def test_always_the_same_counts_every_episode_once(episodes: int) -> None:
    found = shares(np.tile([100, 0], (episodes, 1))[:, None, :])
    exact = binomtest(episodes, episodes).proportion_ci(confidence_level=0.975, method="exact")
    assert found.low[0] == pytest.approx([exact.low, 0])
    assert found.high[0] == pytest.approx([1, 1 - exact.low])


@settings(max_examples=60)
@given(hnp.arrays(np.int32, st.tuples(st.integers(1, 8), st.just(2), st.integers(2, 5)),
                  elements=st.integers(0, 40)))  # fmt: skip
def test_intervals_hold_the_share_and_stay_within_0_and_1(counts: npt.NDArray[np.int32]) -> None:
    found = shares(counts, resamples=30)
    known = ~np.isnan(found.low)
    assert np.all(found.low[known] <= found.share[known] + 1e-12)
    assert np.all(found.share[known] <= found.high[known] + 1e-12)
    assert np.all((found.low[known] >= 0) & (found.high[known] <= 1))
    assert np.array_equal(known[:, 0], found.episodes >= 2)


def test_the_same_counts_give_the_same_limits() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (12, 3, 4))
    first, second = shares(counts), shares(counts)
    np.testing.assert_array_equal(first.low, second.low)
    np.testing.assert_array_equal(first.high, second.high)
