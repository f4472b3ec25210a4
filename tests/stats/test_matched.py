import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from cagexplain.stats.matched import (
    LONGEST,
    difference_limits,
    gap,
    information,
    p_values,
    run_length,
    shares,
    sign_flip,
)

Rng = np.random.Generator


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=120))
def test_gap_counts_the_decisions_since_the_last_response(rows: list[tuple[bool, bool]]) -> None:
    free = np.array([a for a, _ in rows])
    responded = free & np.array([b for _, b in rows])
    number = np.cumsum(free).astype(np.int16)[:, None]
    expected, since = [], 0
    for is_free, responds in zip(free, responded, strict=True):
        if is_free and since:
            since += 1
        expected.append(min(since - 1, LONGEST + 1) if since else 0)
        if responds:
            since = 1
    found = gap(number, responded[:, None])[:, 0]
    assert found[free].tolist() == np.array(expected)[free].tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=120))
def test_run_length_counts_how_often_the_last_kind_came_in_a_row(
    rows: list[tuple[int, bool]],
) -> None:
    kind = np.array([k for k, _ in rows])
    sequence = np.cumsum([new for _, new in rows])
    expected: list[int] = []
    for i in range(len(rows)):
        length = 0
        for j in range(i - 1, -1, -1):
            if sequence[j] != sequence[i] or kind[j] != kind[i - 1]:
                break
            length += 1
        expected.append(min(length, LONGEST + 1))
    assert run_length(kind, sequence).tolist() == expected


def test_a_long_habit_is_capped() -> None:
    kind, sequence = np.zeros(200, dtype=int), np.zeros(200, dtype=int)
    assert run_length(kind, sequence).max() == LONGEST + 1


def test_shares_of_strata() -> None:
    found = shares(np.array([0, 0, 1, 1, 1, 1]), np.array([0, 1, 1, 1]), 3)
    assert found.tolist() == [0.5, 0.75, 0.0]


def test_information_of_known_tables() -> None:
    assert information(np.array([[5, 0], [0, 5]])) == pytest.approx((1.0, 1.0))
    assert information(np.array([[4, 12], [1, 3]])) == pytest.approx((0.0, 0.8113), abs=1e-4)
    assert information(np.zeros((4, 7))) == (0.0, 0.0)


def null_scores(
    rng: Rng, episodes: int, exposed: float, chance: float, copies: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """O - E, O and the number of exposed decisions of tests without a reaction. The chance of a
    response differs between episodes but is known to each one's strata."""
    n = rng.poisson(exposed, (episodes, 200))
    own = rng.beta(chance * 50, (1 - chance) * 50, n.shape)
    # Copies stand for decisions of one moment, which are alike: more variable than binomial ones.
    observed = copies * rng.binomial(n, own)
    return observed - copies * n * own, observed.sum(axis=0), copies * n.sum(axis=0)


@pytest.mark.parametrize(
    ("episodes", "exposed", "chance", "copies"),
    [(8, 40, 0.3, 3), (20, 30, 0.1, 2), (20, 5, 0.1, 1), (60, 3, 0.02, 1), (60, 1, 0.01, 1)],
)
def test_p_values_are_not_too_small_without_a_reaction(
    episodes: int, exposed: float, chance: float, copies: int
) -> None:
    p = np.concatenate(
        [
            p_values(*null_scores(np.random.default_rng(seed), episodes, exposed, chance, copies))
            for seed in range(5)
        ]
    )
    for level in (0.05, 0.01, 0.001):
        assert np.count_nonzero(p < level) <= binom.ppf(0.999, len(p), level)


def test_p_values_are_small_with_a_reaction() -> None:
    scores, observed, exposed = null_scores(np.random.default_rng(1), 20, 30, 0.1, 1)
    more = np.full(scores.shape, 3.0)
    p = p_values(scores + more, observed + more.sum(axis=0), exposed)
    assert np.median(p) < 1e-4


def test_what_cannot_be_told_has_p_one() -> None:
    zero = np.zeros((6, 1))
    assert p_values(zero, zero[0], np.array([30.0])).tolist() == [1.0]
    single = zero.copy()
    single[2] = 3
    assert p_values(single, np.array([3.0]), np.array([30.0])).tolist() == [1.0]


def test_too_few_responses_to_miss_are_not_missed() -> None:
    """Nothing where two are expected: the scores agree perfectly, and yet say little."""
    scores = np.full((40, 1), -0.05)
    p = p_values(scores, np.array([0.0]), np.array([400.0]))
    assert p[0] > 0.2


def test_limits_of_a_difference_cover_the_truth() -> None:
    covered, tests = 0, 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        exposed = rng.poisson(8, (25, 40))
        shift = rng.normal(0.3, 0.1, exposed.shape)
        above = rng.binomial(exposed, np.clip(shift + 0.2, 0, 1)) - 0.2 * exposed
        value, low, high = difference_limits(above, exposed, 0.95)
        assert np.all((low <= value) & (value <= high))
        covered += np.count_nonzero((low <= 0.3) & (high >= 0.3))
        tests += 40
    assert binom.ppf(0.001, tests, 0.95) <= covered <= binom.ppf(0.9999, tests, 0.95) + 5


def test_limits_where_every_episode_is_the_same() -> None:
    exposed = np.full((10, 1), 5)
    value, low, high = difference_limits(exposed.astype(float), exposed, 0.95)
    assert (value[0], high[0]) == (1, 1)
    assert low[0] == pytest.approx(0.025 ** (1 / 10))


def test_limits_need_two_episodes() -> None:
    value, low, high = difference_limits(np.array([[2.0], [0.0]]), np.array([[4], [0]]), 0.95)
    assert value[0] == 0.5
    assert np.isnan(low[0])
    assert np.isnan(high[0])


def test_sign_flips_tell_a_dependence_from_none() -> None:
    rng = np.random.default_rng(3)
    expected = np.full((30, 6), 4.0)
    none = [sign_flip(rng.poisson(expected), expected, flips=199) for _ in range(150)]
    assert np.count_nonzero(np.array(none) <= 0.05) <= binom.ppf(0.999, 150, 0.05)
    shifted = expected + np.array([2.0, -2.0, 0, 0, 0, 0])
    assert sign_flip(rng.poisson(shifted), expected, flips=199) == 1 / 200


def test_sign_flips_leave_out_cells_with_little_expected() -> None:
    expected = np.full((40, 1), 0.05)
    assert sign_flip(np.zeros((40, 1)), expected, flips=99) == 1
