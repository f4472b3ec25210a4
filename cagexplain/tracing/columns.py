"""Columns of a trace's tables while they are collected, and as Arrow."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cagexplain.common.arrays import Array
from cagexplain.tracing import schema

Rows = dict[str, Array]

UNKNOWN: Final = -2
"""Code of a name that the schema does not have."""


class Dense:
    """Columns with a value per step and environment (and agent)."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._columns: Rows = {}

    def put(self, t: int, **values: Array) -> None:
        """Keep the values of step `t`; a column's first value fixes its type and shape."""
        for name, value in values.items():
            if name not in self._columns:
                self._columns[name] = np.empty((self._steps, *value.shape), dtype=value.dtype)
            self._columns[name][t] = value

    def rows(self) -> Rows:
        """All columns in the order of episodes, steps, agents."""
        return {name: column.swapaxes(0, 1) for name, column in self._columns.items()}


class Sparse:
    """Columns with values for some steps and environments only."""

    def __init__(self) -> None:
        self._pieces: list[Rows] = []

    def put(self, t: int, episode: Array, **values: Array) -> None:
        """Add the rows of step `t`: episode ``int[k]``, and the other columns of that length."""
        step = np.full(len(episode), t, dtype=np.int32)
        self._pieces.append({"episode": episode.astype(np.int32), "step": step, **values})

    def rows(self) -> Rows:
        """All columns in the order of episodes, then as they came."""
        columns = {
            name: np.concatenate([piece[name] for piece in self._pieces])
            for name in self._pieces[0]
        }
        order = np.argsort(columns["episode"], kind="stable")
        return {name: column[order] for name, column in columns.items()}


def binary(data: Array, widths: Array) -> pa.Array:
    """Byte strings that lie one after another in data ``uint8[sum of widths]``, of the given widths
    ``int[k]`` in turn.
    """
    data = np.ascontiguousarray(data)
    rows = data.size // int(widths.sum()) * len(widths)
    offsets = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(np.resize(widths, rows), out=offsets[1:])
    return pa.Array.from_buffers(
        pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def arrow(column: schema.Column, values: Any) -> pa.Array:
    """Values of a column as Arrow: codes become names, and -1 and NaN null where it may be."""
    if isinstance(values, pa.Array):
        return values
    if column.categories is not None:
        codes = pa.array(values, mask=values < 0 if column.nullable else None)
        codes = codes.cast(column.type.index_type)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.categories))
    if column.nullable:
        return pa.array(values, mask=np.isnan(values)).cast(column.type)
    return pa.array(values).cast(column.type)


def codes(column: schema.Column, values: pa.ChunkedArray) -> npt.NDArray[np.int16]:
    """Positions of values among a column's categories: -1 for null, `UNKNOWN` for other names.

    A file may hold its names in another order, so the dictionary of each chunk is looked up.
    The values are ``[row]``, as Arrow reads them.
    """
    names = pa.array(column.categories)
    pieces = [np.empty(0, dtype=np.int16)]
    for chunk in values.chunks:
        of_entry = pc.index_in(chunk.dictionary, value_set=names).fill_null(UNKNOWN).to_numpy()
        entry = chunk.indices.fill_null(len(of_entry)).to_numpy()
        pieces.append(np.append(of_entry, -1).astype(np.int16)[entry])
    return np.concatenate(pieces)
