"""Counts per episode, kept small until a pass over a trace is over.

Estimates need the counts of every episode, which take 150 kilobytes of each if they are kept as
they are; most of them are 0. Compressed they take 25, and only what is being estimated is unpacked.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_CODEC: Final = pa.Codec("zstd", compression_level=1)


class CompactArray:
    """An array ``[episode, part, ...]`` that grows by episodes and is unpacked part by part."""

    def __init__(self) -> None:
        self._parts: list[list[_Packed]] = []
        self._episodes = 0

    @classmethod
    def of(cls, *arrays: npt.NDArray[Any]) -> CompactArray:
        """The episodes of some arrays, ``[episode, part, ...]`` each."""
        compact = cls()
        for array in arrays:
            compact.add(array)
        return compact

    def add(self, array: npt.NDArray[Any]) -> None:
        """Append episodes.

        Args:
            array: ``[episode, part, ...]``, of the same shape and type but for the episodes.
        """
        if not self._parts:
            self._parts = [[] for _ in range(array.shape[1])]
        for part, packed in enumerate(self._parts):
            packed.append(_Packed(array[:, part]))
        self._episodes += len(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        inner = self._parts[0][0].shape[1:] if self._parts else ()
        return (self._episodes, len(self._parts), *inner)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return sum(packed.nbytes for part in self._parts for packed in part)

    def part(self, number: int) -> npt.NDArray[Any]:
        """``[episode, ...]``: all episodes at an index of the second axis."""
        return np.concatenate([packed.array() for packed in self._parts[number]])

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """All of it, for NumPy's functions."""
        whole = np.stack([self.part(number) for number in range(len(self._parts))], axis=1)
        return whole if dtype is None else whole.astype(dtype)


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
        """Of the array."""
        return tuple(self._shape[axis] for axis in np.argsort(self._order))

    def array(self) -> npt.NDArray[Any]:
        size = int(np.prod(self._shape)) * self._dtype.itemsize
        plain = _CODEC.decompress(self._bytes, size)
        inner = np.frombuffer(plain, self._dtype).reshape(self._shape)
        return inner.transpose(np.argsort(self._order))
