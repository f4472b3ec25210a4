"""Counts per episode, kept small until a pass over a trace is over.

Estimates need the counts of every episode, which take hundreds of kilobytes of each if they are
kept as they are; most of them are 0. Compressed they take a tenth, and only what is being estimated
is unpacked.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

_CODEC: Final = pa.Codec("zstd", compression_level=1)


class CompactArray:
    """An array ``[row, part, ...]`` that grows by rows, mostly episodes, and is unpacked part by
    part."""

    def __init__(self) -> None:
        self._parts: list[list[_Packed]] = []
        self._rows = 0

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> CompactArray:
        """An array ``[row, part, ...]``."""
        compact = cls()
        compact.add(array)
        return compact

    def add(self, array: npt.NDArray[Any]) -> None:
        """Append rows.

        Args:
            array: ``[row, part, ...]``, always of the same shape and type but for the rows.
        """
        if not self._parts:
            self._parts = [[] for _ in range(array.shape[1])]
        for part, packed in enumerate(self._parts):
            packed.append(_Packed(array[:, part]))
        self._rows += len(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        inner = self._parts[0][0].shape[1:] if self._parts else ()
        return (self._rows, len(self._parts), *inner)

    @property
    def nbytes(self) -> int:
        """Bytes that the compressed numbers take."""
        return sum(packed.nbytes for part in self._parts for packed in part)

    def part(self, number: int) -> npt.NDArray[Any]:
        """``[row, ...]``: all rows at an index of the second axis."""
        return np.concatenate([packed.array() for packed in self._parts[number]])

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """All of it, for NumPy's functions."""
        whole = np.stack([self.part(number) for number in range(len(self._parts))], axis=1)
        return whole if dtype is None else whole.astype(dtype)


class CompactMatrix:
    """A sparse matrix."""

    __slots__ = ("_arrays", "_shape")

    def __init__(self, matrix: sparse.csr_array) -> None:
        arrays = matrix.data, matrix.indices, matrix.indptr
        self._arrays = tuple(_Packed(array) for array in arrays)
        self._shape = matrix.shape

    def matrix(self) -> sparse.csr_array:
        """As it was."""
        return sparse.csr_array(tuple(each.array() for each in self._arrays), shape=self._shape)


class _Packed:
    """A compressed array.

    Its axes stay in memory as they were, so that sums over it are rounded as those over the array.
    """

    __slots__ = ("_bytes", "_dtype", "_order", "_shape")

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._order = tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))
        inner = np.ascontiguousarray(array.transpose(self._order))
        self._bytes: bytes = _CODEC.compress(inner, asbytes=True)
        self._shape, self._dtype = inner.shape, inner.dtype

    @property
    def nbytes(self) -> int:
        return len(self._bytes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._shape[axis] for axis in np.argsort(self._order))

    def array(self) -> npt.NDArray[Any]:
        size = int(np.prod(self._shape)) * self._dtype.itemsize
        plain = _CODEC.decompress(self._bytes, size)
        inner = np.frombuffer(plain, self._dtype).reshape(self._shape)
        return inner.transpose(np.argsort(self._order))
