"""Matrix games: known solutions, and what holds of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cagexplain.attack.oracle.game import shares, solve
from cagexplain.common.arrays import FloatArray

PAYOFFS = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.integers(-9000, 0).map(float),
)


def test_rock_paper_scissors_is_played_evenly() -> None:
    payoff = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    solution = solve(payoff)
    assert solution.value == pytest.approx(0)
    assert solution.rows == pytest.approx(np.full(3, 1 / 3))
    assert solution.columns == pytest.approx(np.full(3, 1 / 3))


def test_a_game_with_unequal_stakes() -> None:
    """Rows 1/3 and 2/3, columns 5/12 and 7/12, value 1/3, worked out by hand."""
    solution = solve(np.array([[5.0, -3.0], [-2.0, 2.0]]))
    assert solution.rows == pytest.approx([1 / 3, 2 / 3])
    assert solution.columns == pytest.approx([5 / 12, 7 / 12])
    assert solution.value == pytest.approx(1 / 3)


def test_dominated_rows_and_columns_are_not_played() -> None:
    solution = solve(np.array([[-100.0, -50.0], [-200.0, -150.0], [-101.0, -51.0]]))
    assert solution.rows.tolist() == [1, 0, 0]
    assert solution.columns.tolist() == [1, 0]
    assert solution.value == -100


@pytest.mark.parametrize("payoff", [[[-7.0]], [[0.0, 0.0]], [[-3.0], [-3.0]]])
def test_games_without_a_choice(payoff: list[list[float]]) -> None:
    assert solve(np.array(payoff)).value == payoff[0][0]


@given(PAYOFFS)
def test_the_value_lies_between_maximin_and_minimax(payoff: FloatArray) -> None:
    solution = solve(payoff)
    slack = 1e-6 * (1 + np.abs(payoff).max())
    for weights in (solution.rows, solution.columns):
        assert (weights >= 0).all() and weights.sum() == pytest.approx(1)
    assert payoff.min(axis=1).max() - slack <= solution.value
    assert solution.value <= payoff.max(axis=0).min() + slack
    # Neither side gains by leaving its mixture.
    assert (payoff @ solution.columns).max() <= solution.value + slack
    assert (solution.rows @ payoff).min() >= solution.value - slack


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=8).filter(any),
    st.integers(1, 64),
)
def test_shares_are_whole_and_next_to_exact(weights: list[int], n: int) -> None:
    exact = np.array(weights) / sum(weights)
    parts = shares(exact, n)
    assert parts.sum() == n
    assert (np.abs(parts - exact * n) < 1 + 1e-9).all()
    assert (parts[np.array(weights) == 0] == 0).all()
