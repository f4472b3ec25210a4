"""Checks of values that a caller gives: what is wrong with one is said in one clear error."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt

from cagexplain.common.errors import UsageError


def as_array(value: object) -> npt.NDArray[Any]:
    """The value as NumPy sees it; what cannot be an array is an array of one object."""
    try:
        return np.asarray(value)
    except Exception:  # ragged lists; whatever a foreign object's own conversion raises
        return np.empty((), dtype=object)


def shown(value: object) -> str:
    """The value for an error message: on one line and short."""
    return " ".join(reprlib.repr(value).split())


def whole_number(value: object, field: str, low: int, high: int) -> int:
    """The value, which must be a whole number from `low` to `high`.

    Scalars of NumPy and of tensor libraries count; floats, truth values and arrays of one element
    do not.

    Raises:
        UsageError: it is not; `field` is named.
    """
    array = as_array(value)
    whole = array.shape == () and array.dtype.kind in "iu"
    if whole and low <= int(array) <= high:
        return int(array)
    raise UsageError(
        f"{shown(value)} is {'out of range' if whole else 'no whole number'}",
        field=field,
        remedy=f"Give a whole number from {low} to {high}",
    )


def probability(value: object, field: str) -> float:
    """The value, which must be a number from 0 to 1 and no truth value.

    Raises:
        UsageError: it is not; `field` is named.
    """
    array = as_array(value)
    if array.shape == () and array.dtype.kind in "iuf" and 0.0 <= float(array) <= 1.0:
        return float(array)
    raise UsageError(
        f"{shown(value)} is no probability", field=field, remedy="Give a number from 0 to 1"
    )
