"""Names of the array types of this project: one per type of entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
Int8Array = npt.NDArray[np.int8]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.integer[Any]]
"""Of any width."""
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
RealArray = npt.NDArray[np.floating[Any]]
"""Of any precision."""
