"""Exact limits where all cases, or none, are hits: resampling shows no spread there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def least_share(n: Any, tail: float) -> Any:
    """Lower limit of a share of which all of `n` independent cases are hits (Clopper and Pearson
    1934); one minus it is the upper limit where none are.

    Args:
        n: ``[...]`` cases.
        tail: probability that the truth lies below.
    """
    with np.errstate(divide="ignore"):
        return np.power(tail, 1 / np.asarray(n, dtype=np.float64))


def largest_rate(exposure: npt.ArrayLike, tail: float) -> Any:
    """Upper limit of a rate of events of which none was seen (Garwood 1936).

    Args:
        exposure: ``[...]`` what the rate is per, such as the number of episodes.
        tail: probability that the truth lies above.
    """
    return -np.log(tail) / np.asarray(exposure, dtype=np.float64)
