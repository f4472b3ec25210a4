"""P-values of many tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import BoolArray, FloatArray


def holm(p_values: Sequence[float | None] | FloatArray) -> FloatArray:
    """Adjusted p-values: claims of those up to alpha hold all together (Holm 1979, step-down).

    Args:
        p_values: ``float[...]``; NaN, or None, stands for a test that was not made.

    Returns:
        ``float64[...]``, NaN where there was no test.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p.ravel()[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted.ravel()[order] = np.minimum(np.maximum.accumulate(p.ravel()[order] * factors), 1.0)
    return adjusted


def discoveries(p_values: npt.ArrayLike, rate: float, tests: int) -> BoolArray:
    """Which of some findings stay if a share of false ones is allowed (Benjamini and Hochberg
    1995, step-up).

    Args:
        p_values: ``float[n]`` of the findings.
        rate: share of the discoveries that may be false.
        tests: number of tests that were made; those that found nothing need not be given.

    Returns:
        ``bool[n]``.
    """
    p: npt.NDArray[Any] = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    below = p[order] <= rate * np.arange(1, len(p) + 1) / max(tests, 1)
    stays = np.zeros(len(p), dtype=np.bool_)
    stays[order[: int(np.flatnonzero(below)[-1]) + 1 if below.any() else 0]] = True
    return stays
