"""The compiled loops of fitting a tree; what they compute is explained in ``fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.common.compiling import Store

STORE: Final = Store("trees", [Path(__file__)])

Codes = npt.NDArray[np.uint8]


@STORE.keep
@njit(nogil=True)
def slopes(
    log_weights: FloatArray,
    leaf: Int64Array,
    starts: Int64Array,
    teacher: FloatArray,
    weight: FloatArray,
    slope: FloatArray,
    curvature: FloatArray,
) -> None:
    """Slope and curvature of the likelihood of the teacher's choices in every row's log-weight.

    Args:
        log_weights: ``float64[leaves]``.
        leaf: ``int64[m]`` of each row.
        starts: ``int64[d + 1]`` first row of each decision, and the number of rows.
        teacher: ``float64[m]``.
        weight: ``float64[d]`` of the decisions.
        slope, curvature: ``float64[m]`` to write.
    """
    heights = np.exp(log_weights)
    for decision in range(len(weight)):
        first, end = starts[decision], starts[decision + 1]
        total = 0.0
        for row in range(first, end):
            total += heights[leaf[row]]
        for row in range(first, end):
            chance = heights[leaf[row]] / total
            slope[row] = weight[decision] * (teacher[row] - chance)
            curvature[row] = weight[decision] * chance * (1.0 - chance)


@STORE.keep
@njit(nogil=True)
def scaled(
    log_weights: FloatArray,
    leaf: Int64Array,
    starts: Int64Array,
    wanted: FloatArray,
    weight: FloatArray,
    widest: float,
    rounds: int,
) -> None:
    """Iterative scaling of the leaves' log-weights, in place.

    Args:
        log_weights: ``float64[leaves]``.
        leaf, starts, weight: as for `slopes`.
        wanted: ``float64[leaves]`` what the teacher gives to each leaf.
        widest: how far the smallest may be from the largest.
        rounds: of scaling.
    """
    given = np.empty_like(log_weights)
    for _ in range(rounds):
        heights = np.exp(log_weights)
        given[:] = 0.0
        for decision in range(len(weight)):
            first, end = starts[decision], starts[decision + 1]
            total = 0.0
            for row in range(first, end):
                total += heights[leaf[row]]
            share = weight[decision] / total
            for row in range(first, end):
                given[leaf[row]] += heights[leaf[row]] * share
        highest = -np.inf
        for k in range(len(log_weights)):
            if given[k] > 0:
                log_weights[k] += np.log(wanted[k] / given[k])
                highest = max(highest, log_weights[k])
        for k in range(len(log_weights)):
            log_weights[k] = max(log_weights[k] - highest, -widest) if given[k] > 0 else 0.0


@STORE.keep
@njit(nogil=True)
def best_splits(
    codes: Codes,
    bins: Int64Array,
    leaf: Int64Array,
    slope: FloatArray,
    curvature: FloatArray,
    factor: FloatArray,
    least: int,
    ridge: float,
    gain: FloatArray,
    column: Int64Array,
    code: Int64Array,
) -> None:
    """The best question of each leaf: that which gains most likelihood to second order.

    Args:
        codes: ``uint8[columns, m]`` ranks of the rows' values.
        bins: ``int64[columns]`` number of different values.
        leaf, slope, curvature: ``[m]`` of each row.
        factor: ``float64[columns]`` that gains are multiplied by.
        least: rows on either side, at least.
        ridge: added to the curvature of either side.
        gain, column, code: ``[leaves]`` to write: the gain, and the question: to the left with a
            code of at most this.
    """
    leaves = len(gain)
    gain[:] = 0.0
    for f in range(len(codes)):
        sums = np.zeros((leaves, bins[f], 3))
        for row in range(len(leaf)):
            cell = sums[leaf[row], codes[f, row]]
            cell[0] += slope[row]
            cell[1] += curvature[row]
            cell[2] += 1.0
        for k in range(leaves):
            g, h, n = sums[k, :, 0].sum(), sums[k, :, 1].sum(), sums[k, :, 2].sum()
            whole = g * g / (h + ridge)
            left_g, left_h, left_n = 0.0, 0.0, 0.0
            for value in range(bins[f] - 1):
                left_g += sums[k, value, 0]
                left_h += sums[k, value, 1]
                left_n += sums[k, value, 2]
                if left_n < least or sums[k, value, 2] == 0:
                    continue
                if n - left_n < least:
                    break
                right_g, right_h = g - left_g, h - left_h
                won = factor[f] * (
                    left_g * left_g / (left_h + ridge)
                    + right_g * right_g / (right_h + ridge)
                    - whole
                )
                if won > gain[k]:
                    gain[k], column[k], code[k] = won, f, value


@STORE.keep
@njit(nogil=True)
def overlap_won(
    heights: FloatArray,
    leaf: Int64Array,
    starts: Int64Array,
    teacher: FloatArray,
    weight: FloatArray,
    draws: bool,
    one: int,
    other: int,
    instead: float,
) -> float:
    """Overlap with the teacher that is won if two leaves had another weight.

    Args:
        heights: ``float64[nodes]`` weights of the leaves.
        leaf, starts, teacher, weight: as for `slopes`.
        draws: whether the tree draws its actions, in proportion to their weights; else it takes
            the first of the heaviest.
        one, other: numbers of the leaves.
        instead: the weight that both would have.
    """
    won = 0.0
    for decision in range(len(weight)):
        first, end = starts[decision], starts[decision + 1]
        touched = False
        for row in range(first, end):
            if leaf[row] == one or leaf[row] == other:
                touched = True
                break
        if not touched:
            continue
        if draws:
            before, after = 0.0, 0.0
            for row in range(first, end):
                before += heights[leaf[row]]
                merged = leaf[row] == one or leaf[row] == other
                after += instead if merged else heights[leaf[row]]
            for row in range(first, end):
                merged = leaf[row] == one or leaf[row] == other
                height = instead if merged else heights[leaf[row]]
                won += weight[decision] * (
                    min(height / after, teacher[row])
                    - min(heights[leaf[row]] / before, teacher[row])
                )
        else:
            old, new = first, first
            old_height, new_height = -1.0, -1.0
            for row in range(first, end):
                height = heights[leaf[row]]
                if height > old_height:
                    old, old_height = row, height
                if leaf[row] == one or leaf[row] == other:
                    height = instead
                if height > new_height:
                    new, new_height = row, height
            won += weight[decision] * (teacher[new] - teacher[old])
    return won
