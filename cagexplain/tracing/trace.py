"""Reads a trace back, and checks that it is what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cagexplain.common.errors import CagexplainError
from cagexplain.tracing import manifest as manifests
from cagexplain.tracing import schema
from cagexplain.tracing.manifest import Manifest, Part

_REMEDY: Final = "Restore the file, or run the same 'cagexplain trace' command with --resume"


class Trace:
    """A recorded trace, from `open_trace`.

    Attributes:
        path: its folder.
        manifest: what was played and recorded.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @property
    def finished(self) -> bool:
        """Whether all planned episodes were recorded."""
        return self.manifest.finished

    @property
    def n_episodes(self) -> int:
        """Number of episodes recorded."""
        return self.manifest.finished_episodes

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the recorded tables."""
        return self.manifest.tables

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A whole table in memory; see `batches` for traces that are too large for that.

        Args:
            name: of the table.
            columns: to read; all by default.

        Raises:
            CagexplainError: it was not recorded, or a file of it is damaged.
        """
        parts = list(self.batches(name, columns))
        return pd.concat(parts, ignore_index=True)

    def batches(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """A table batch by batch; an episode is never divided.

        Categorical columns have all categories of the schema, in its order.

        Raises:
            KeyError: the schema has no such table or column.
            CagexplainError: it was not recorded, or a file of it is damaged.
        """
        for part in self.manifest.parts:
            yield self.read(part, name, columns)

    def read(self, part: Part, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """One batch of a table; columns and errors as in `batches`."""
        wanted = _columns(schema.TABLES[name], columns)
        table = self.read_arrow(part, name, columns)
        path = part.path(self.path, name)
        return pd.DataFrame({c.name: _series(path, c, table.column(c.name)) for c in wanted})

    def read_arrow(self, part: Part, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The same as Arrow holds it, unchecked: for columns of bytes, slow to turn into Python."""
        self._require_recorded(name)
        path = part.path(self.path, name)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                return file.read([c.name for c in _columns(schema.TABLES[name], columns)])
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error

    def _require_recorded(self, name: str) -> None:
        if name not in schema.TABLES:
            raise KeyError(name)
        if name not in self.tables:
            raise CagexplainError(
                f"the trace was recorded without the table '{name}'",
                where=self.path,
                remedy="Record it again with 'cagexplain trace', without --no-observations",
            )


def open_trace(path: str | Path) -> Trace:
    """Open a trace and check every file of it: present, of the right size, columns and types.

    Raises:
        CagexplainError: something is missing, damaged, of another schema, or nothing is recorded.
    """
    folder = Path(path)
    manifest = manifests.read(folder)
    if not manifest.parts:
        raise CagexplainError(
            "no episode of this trace has been recorded yet",
            where=folder,
            remedy="Run the same 'cagexplain trace' command with --resume",
        )
    for part in manifest.parts:
        for name in manifest.tables:
            _check(part, name, part.path(folder, name))
    return Trace(folder, manifest)


def latest_trace(runs: str | Path) -> Path:
    """Folder of the newest trace anywhere below `runs`, by the time it was begun.

    Raises:
        CagexplainError: there is none.
    """
    found = []
    for path in Path(runs).rglob(manifests.FILE_NAME):
        try:
            found.append((manifests.read(path.parent).created, path.parent))
        except CagexplainError:
            continue  # another kind of run, or a damaged trace: named outright it is reported
    if not found:
        raise CagexplainError(
            "there is no trace below this folder",
            where=runs,
            remedy="Record one with 'cagexplain trace POLICY', or name its folder",
        )
    return max(found)[1]


def _columns(table: schema.Table, names: Sequence[str] | None) -> list[schema.Column]:
    """Columns by their names, in the order asked for; all without names."""
    known = {column.name: column for column in table.columns}
    return [known[name] for name in (known if names is None else names)]


def _check(part: Part, name: str, path: Path) -> None:
    if not path.is_file():
        raise CagexplainError(
            f"this file of the table '{name}' is missing", where=path, remedy=_REMEDY
        )
    if path.stat().st_size != part.files[name].bytes:
        raise CagexplainError(
            f"the file is damaged: it has {path.stat().st_size} bytes, "
            f"{part.files[name].bytes} were written",
            where=path,
            remedy=_REMEDY,
        )
    try:
        with pq.ParquetFile(path) as file:
            rows, found = file.metadata.num_rows, file.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    if rows != part.files[name].rows:
        raise CagexplainError(
            f"the file has {rows} rows instead of {part.files[name].rows}",
            where=path,
            remedy=_REMEDY,
        )
    for field in schema.TABLES[name].schema:
        position = found.get_field_index(field.name)
        if position < 0:
            raise CagexplainError(
                "the column is missing", where=path, field=field.name, remedy=_REMEDY
            )
        if not _same_type(found.field(position).type, field.type):
            raise CagexplainError(
                f"the column has type {found.field(position).type} instead of {field.type}",
                where=path,
                field=field.name,
                remedy=_REMEDY,
            )


def _same_type(found: pa.DataType, expected: pa.DataType) -> bool:
    if pa.types.is_dictionary(found) and pa.types.is_dictionary(expected):
        found, expected = found.value_type, expected.value_type  # the width of codes is not kept
    return bool(found.equals(expected))


def _damaged(path: Path, error: Exception) -> CagexplainError:
    return CagexplainError(f"the file is damaged ({error})", where=path, remedy=_REMEDY)


def _series(path: Path, column: schema.Column, values: pa.ChunkedArray) -> pd.Series:
    """A column as pandas has it, with the schema's categories if it is categorical."""
    if not column.nullable and values.null_count:
        raise CagexplainError(
            "the column lacks values", where=path, field=column.name, remedy=_REMEDY
        )
    if column.categories is None:
        return pd.Series(values.to_pandas(), name=column.name)
    names = pa.array(column.categories)
    pieces = [_codes(chunk, names) for chunk in values.chunks]
    codes = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int16)
    if np.count_nonzero(codes < 0) != values.null_count:
        raise CagexplainError(
            "the column has a name that the schema does not know",
            where=path,
            field=column.name,
            remedy=_REMEDY,
        )
    return pd.Series(
        pd.Categorical.from_codes(codes, pd.Index(column.categories)), name=column.name
    )


def _codes(chunk: pa.DictionaryArray, names: pa.Array) -> npt.NDArray[np.int16]:
    """Positions in `names` of the values of a chunk, -1 for nulls and for unknown values.

    A file may hold its names in another order, so only the chunk's dictionary is looked up.
    """
    of_entry = pc.index_in(chunk.dictionary, value_set=names).fill_null(-1).to_numpy()
    entry = chunk.indices.fill_null(len(of_entry)).to_numpy()
    code: npt.NDArray[np.int16] = np.append(of_entry, -1).astype(np.int16)[entry]
    return code
