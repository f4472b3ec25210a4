"""Holds the files of a trace against what the manifest and the schema say of them.

Everything that `cagexplain.tracing.schema` declares of a table is checked here, a column at a time
and a file at a time, so that what reads a trace need not doubt it: the file is the one that was
written; types, ranges and names are the schema's; no row is missing where there must be one, none
is there twice, and rows are in order; episodes, steps and hosts are those that there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cagexplain.cc4 import network, phases
from cagexplain.common.arrays import Array
from cagexplain.common.documents import require_file
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import sha256_file
from cagexplain.tracing import schema
from cagexplain.tracing.columns import UNKNOWN, codes
from cagexplain.tracing.manifest import RECORD_AGAIN, File, Manifest, TracePart
from cagexplain.tracing.schema import Change, Column, Table

RESTORE: Final = "Restore the file, or run the same 'cagexplain trace' command with --resume"

_ROUNDING: Final = 1e-5
"""How far single precision may carry a probability or an entropy out of its range."""


def validate(folder: Path, manifest: Manifest) -> None:
    """Check all files of a trace.

    Raises:
        CagexplainError: one is not what the manifest and the schema say; with the file and, for
            its content, table, column and row (counted from 0).
    """
    calls = phases.calls(manifest.options["steps"])
    for part in manifest.parts:
        world: Array | None = None
        for name in sorted(manifest.tables, key="hosts".__ne__):  # it has the worlds of the others
            world = validate_file(part.path(folder, name), name, part, calls, world)


def validate_file(path: Path, name: str, part: TracePart, calls: int, world: Array | None) -> Array:
    """Check a file of a trace, as `validate` does.

    Args:
        path: of the file.
        name: of its table.
        part: that it belongs to.
        calls: steps of an episode.
        world: ``bool[episodes, 137]`` hosts that there are; None for the table that tells.

    Returns:
        The hosts that there are.
    """
    content = _Content(path, schema.TABLES[name], part, calls, world)
    content.check(part.files[name])
    if world is None:
        world = np.zeros((part.episodes, network.N_HOSTS), dtype=np.bool_)
        world[content.row_of_episode(), content.values["host"]] = True
    return world


class _Content:
    """A file of a table, while it is checked.

    Attributes:
        values: by column, numbers as they are and names as codes of the schema's categories; null
            is -1 among codes, 0 among numbers.
    """

    def __init__(
        self, path: Path, table: Table, part: TracePart, calls: int, world: Array | None
    ) -> None:
        self.values: dict[str, Array] = {}
        self._path = path
        self._table = table
        self._part = part
        self._calls = calls
        self._world = world

    def check(self, recorded: File) -> None:
        """Check all of it."""
        _require_unchanged(self._path, self._table.name, recorded)
        try:
            with pq.ParquetFile(self._path, page_checksum_verification=True) as file:
                self._check_form(file, recorded.rows)
                for column in self._table.columns:
                    data = file.read([column.name]).column(0)
                    data.validate(full=True)
                    if len(data) != recorded.rows:
                        raise pa.ArrowInvalid(f"{column.name} has {len(data)} rows")
                    self._check_column(column, data)
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            raise damaged(self._path, error) from error
        for column in self._table.columns:
            self._check_references(column)
        self._check_rows()

    def row_of_episode(self) -> Array:
        """Position of each row's episode in the file's part of the trace."""
        row: Array = self.values["episode"] - self._part.first_episode
        return row

    def _check_form(self, file: pq.ParquetFile, rows: int) -> None:
        """Number of rows, columns and types."""
        most = self._most_rows()
        if file.metadata.num_rows != rows or rows > most:
            expected = rows if rows <= most else f"at most {most}"
            raise CagexplainError(
                f"the file has {file.metadata.num_rows} rows instead of {expected}",
                where=self._path,
                field=self._table.name,
                remedy=RESTORE,
            )
        for field in self._table.schema:
            position = file.schema_arrow.get_field_index(field.name)
            if position < 0:
                self._refuse(field.name, "the column is missing")
            stored = file.schema_arrow.field(position).type
            if not _same_type(stored, field.type):
                self._refuse(field.name, f"the column has type {stored} instead of {field.type}")

    def _check_column(self, column: Column, data: pa.ChunkedArray) -> None:
        """Nulls, names, ranges."""
        if data.null_count and not column.nullable:
            self._refuse_row(column.name, data.is_null().to_numpy(), "lacks a value")
        if column.categories is not None:
            values = codes(column, data)
            self._refuse_row(
                column.name, values == UNKNOWN, "has a name that the schema does not know"
            )
            if column.used is not None:
                self._refuse_row(column.name, values >= column.used, "has a name out of place")
            if column.kinds is not None:
                wrong = ~np.isin(network.HOST_KIND, _positions(column.kinds, network.KIND_NAMES))
                self._refuse_row(
                    column.name,
                    (values >= 0) & wrong[values],
                    f"names a host that is no {' or '.join(column.kinds)}",
                )
        elif column.texts is not None:
            known = pc.is_in(data, pa.array(column.texts)).to_numpy()
            self._refuse_row(column.name, ~known, "has a text that the schema does not know")
            return
        elif pa.types.is_binary(column.type):
            values = pc.binary_length(data).to_numpy()
        else:
            values = (data.fill_null(0) if column.nullable else data).to_numpy()
        self.values[column.name] = values
        self._check_range(column, values)

    def _check_range(self, column: Column, values: Array) -> None:
        floating = pa.types.is_floating(column.type)
        if floating:
            self._refuse_row(column.name, ~np.isfinite(values), "is no finite number")
        slack = _ROUNDING if floating else 0
        if column.low is not None:
            self._refuse_value(
                column.name, values < column.low - slack, f"must be {column.low:g} or more"
            )
        if column.high is not None:
            self._refuse_value(
                column.name, values > column.high + slack, f"must be {column.high:g} or less"
            )

    def _check_references(self, column: Column) -> None:
        """What a column's values have to do with the manifest, other columns and tables."""
        if column.within is not None:
            self._check_within(column)
        if column.sizes is not None:
            self._check_sizes(column, column.sizes)
        if column.with_column is not None:
            other = self._table.column(column.with_column)
            there, wanted = self.values[column.name] >= 0, self.values[other.name] >= 0
            if column.with_names is not None:
                assert other.categories is not None
                counting = _positions(column.with_names, other.categories)
                wanted = np.isin(self.values[other.name], counting)
            asks, excludes = f"its {other.name} asks for", f"its {other.name} excludes"
            self._refuse_row(column.name, wanted & ~there, f"lacks a value that {asks}")
            self._refuse_row(column.name, there & ~wanted, f"has a value that {excludes}")
        if column.number is not None:
            wrong = self.values[column.name] != self.values[column.number]
            self._refuse_row(column.name, wrong, f"is not the name of its {column.number}")
        if column.why is not None:
            self._check_cause(column, column.why)

    def _check_cause(self, column: Column, why: Change) -> None:
        assert column.categories is not None
        change = self.values[why.after].astype(int) - self.values[why.before]
        rise, fall = (
            np.isin(self.values[column.name], _positions(names, column.categories))
            for names in (why.rises, why.falls)
        )
        wrong = ~np.select([change > 0, change < 0], [rise, fall], False)
        self._refuse_row(
            column.name, wrong, f"is no cause of this change of {why.before} to {why.after}"
        )

    def _check_within(self, column: Column) -> None:
        values, first = self.values[column.name], self._first(column.name)
        if column.within == "world":
            if self._world is not None:
                absent = (values >= 0) & ~self._world[self.row_of_episode(), values]
                self._refuse_row(
                    column.name, absent, "names a host that the table 'hosts' does not have"
                )
            return
        end = first + self._size(column.name)
        units = "steps of an episode" if column.within == "steps" else "episodes of this file"
        self._refuse_value(
            column.name,
            (values < first) | (values >= end),
            f"must be {first} to {end - 1}, the {units} by the manifest",
        )

    def _check_sizes(self, column: Column, sizes: Sequence[int]) -> None:
        size = np.array(sizes)[self.values["agent"]]
        if pa.types.is_binary(column.type):
            wrong, problem = self.values[column.name] != (size + 7) // 8, "the wrong size"
        else:
            wrong, problem = self.values[column.name] >= size, "a number that the agent lacks"
        self._refuse_row(column.name, wrong, f"has {problem}")

    def _check_rows(self) -> None:
        """No row is there twice, none is missing, and they are in order."""
        key = self._table.key
        order = self._table.order or key
        ordered = self._place(order)
        places = ordered if order == key else np.sort(self._place(key))
        late = np.flatnonzero(np.diff(ordered) < 0)
        if len(late):
            self._refuse_key(f"row {late[0] + 1} stands too late: the rows are not in order")
        twice = np.flatnonzero(np.diff(places) == 0)
        if len(twice):
            self._refuse_key(f"there is more than one row for {self._named(places[twice[0]])}")
        if self._table.complete:
            gaps = np.flatnonzero(places != np.arange(len(places)))
            lacking = int(gaps[0]) if len(gaps) else len(places)
            if lacking < self._most_rows():
                self._refuse_key(f"there is no row for {self._named(lacking)}")

        if self._table.ends is not None:
            self._check_ends(self._table.ends)

    def _check_ends(self, column: str) -> None:
        """Nothing ends that has not begun."""
        order = np.lexsort([self.values[name] for name in (column, "step", "agent", "episode")])
        by_agent = {name: values[order] for name, values in self.values.items()}
        begun = np.zeros(len(order), dtype=np.bool_)
        begun[1:] = by_agent[column][:-1] == 0
        for name in ("episode", "agent", "action"):
            begun[1:] &= by_agent[name][1:] == by_agent[name][:-1]
        wrong = np.zeros_like(begun)
        wrong[order] = (by_agent[column] == 1) & ~begun
        self._refuse_row(column, wrong, "ends an action that has not begun")

    def _most_rows(self) -> int:
        return math.prod(self._size(name) for name in self._table.key)

    def _size(self, name: str) -> int:
        """Number of values of a column of a key."""
        column = self._table.column(name)
        match column.within:
            case "episodes":
                return self._part.episodes
            case "steps":
                return self._calls
        return column.values

    def _first(self, name: str) -> int:
        """Smallest value of a column of a key."""
        column = self._table.column(name)
        return self._part.first_episode if column.within == "episodes" else int(column.low or 0)

    def _place(self, names: Sequence[str]) -> Array:
        """One number for the values of some columns of the key: ``int64[rows]``."""
        place = np.zeros(len(self.values["episode"]), dtype=np.int64)
        for name in names:
            place = place * self._size(name) + self.values[name] - self._first(name)
        return place

    def _named(self, place: int) -> str:
        """A value of the key in words."""
        words = []
        for name in reversed(self._table.key):
            place, value = divmod(int(place), self._size(name))
            column = self._table.column(name)
            value += self._first(name)
            words.append(f"{name} {column.categories[value] if column.categories else value}")
        return ", ".join(reversed(words))

    def _refuse_value(self, column: str, wrong: Array, problem: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            self._refuse(column, f"row {row} has {self.values[column][row]}; it {problem}")

    def _refuse_row(self, column: str, wrong: Array, problem: str) -> None:
        if wrong.any():
            self._refuse(column, f"row {int(np.argmax(wrong))} {problem}")

    def _refuse_key(self, problem: str) -> NoReturn:
        self._refuse(", ".join(self._table.key), problem)

    def _refuse(self, column: str, problem: str) -> NoReturn:
        raise CagexplainError(
            problem, where=self._path, field=f"{self._table.name}: {column}", remedy=RECORD_AGAIN
        )


def _require_unchanged(path: Path, table: str, recorded: File) -> None:
    """Refuse a file that is not, byte for byte, the one that was written."""
    if not path.exists():
        raise CagexplainError(
            f"this file of the table '{table}' is missing", where=path, remedy=RESTORE
        )
    size = require_file(path, "file of a trace", limit=None).stat().st_size
    if size != recorded.bytes:
        raise CagexplainError(
            f"the file is damaged: it has {size} bytes, {recorded.bytes} were written",
            where=path,
            remedy=RESTORE,
        )
    if sha256_file(path) != recorded.sha256:
        raise CagexplainError(
            "the file is not the one that was written (its SHA-256 is not the manifest's)",
            where=path,
            remedy=RESTORE,
        )


def damaged(path: Path, error: Exception) -> CagexplainError:
    """The error about a file that cannot be read."""
    return CagexplainError(f"the file is damaged ({error})", where=path, remedy=RESTORE)


def _positions(names: Sequence[str], categories: Sequence[str]) -> list[int]:
    return [categories.index(name) for name in names]


def _same_type(stored: pa.DataType, expected: pa.DataType) -> bool:
    if pa.types.is_dictionary(stored) and pa.types.is_dictionary(expected):
        stored, expected = stored.value_type, expected.value_type  # the width of codes is not kept
    return bool(stored.equals(expected))
