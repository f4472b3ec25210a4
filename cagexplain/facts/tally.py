"""Counting rows of a trace by their categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import IntArray


def tally(
    *axes: tuple[IntArray, int],
    where: npt.NDArray[np.bool_] | None = None,
    weights: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Number of rows (or sum of weights) by categories.

    Args:
        axes: codes of the rows, ``int[row]``, and number of codes, per axis of the result.
        where: ``bool[row]`` rows to count; all by default.
        weights: ``[row]``.
    """
    shape = tuple(size for _, size in axes)
    keep = slice(None) if where is None else where
    cells = np.ravel_multi_index(tuple(codes[keep] for codes, _ in axes), shape)
    weights = None if weights is None else weights[keep]
    return np.bincount(cells, weights, minlength=int(np.prod(shape))).reshape(shape)
