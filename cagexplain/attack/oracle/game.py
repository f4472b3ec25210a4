"""Zero-sum matrix games, and what a mixture means for a number of episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import linprog

from cagexplain.common.arrays import FloatArray, Int64Array

_NOTHING: Final = 1e-6
"""Weights below it are rounding errors of the solver."""


@dataclass(frozen=True)
class Solution:
    """Optimal mixtures of a game.

    Attributes:
        rows: ``float64[m]`` of who chooses rows and wants much.
        columns: ``float64[n]`` of who chooses columns and wants little.
        value: what comes of them.
    """

    rows: FloatArray
    columns: FloatArray
    value: float


def solve(payoff: FloatArray) -> Solution:
    """Solve a game by linear programming (von Neumann 1928; Dantzig 1951).

    Args:
        payoff: ``float64[m, n]`` that the chooser of rows gets.
    """
    # The solver's tolerances are absolute: returns may be thousands.
    size = float(np.abs(payoff).max()) or 1.0
    rows, columns = _best(payoff / size), _best(-payoff.T / size)
    return Solution(rows, columns, float(rows @ payoff @ columns))


def _best(payoff: FloatArray) -> FloatArray:
    """The mixture of rows whose worst column is best: maximise v such that each column of
    ``weights @ payoff`` is v at least."""
    m, n = payoff.shape
    solved = linprog(
        c=np.append(np.zeros(m), -1.0),
        A_ub=np.hstack([-payoff.T, np.ones((n, 1))]),
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(m), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * m + [(None, None)],
    )
    assert solved.success, solved.message  # such a program always has a solution
    weights = np.where(solved.x[:m] < _NOTHING, 0.0, solved.x[:m])
    best: FloatArray = weights / weights.sum()
    return best


def shares(weights: FloatArray, n: int) -> Int64Array:
    """How many of n episodes each part of a mixture has, by largest remainders: ``int64[m]``.

    Args:
        weights: ``float64[m]`` that sum to 1.
        n: to divide.
    """
    exact = weights * n
    whole = np.floor(exact).astype(np.int64)
    missing = n - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    return whole
