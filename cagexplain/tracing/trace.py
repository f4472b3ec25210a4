"""Reads a trace back, and checks that it is what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cagexplain.common.errors import CagexplainError
from cagexplain.tracing import manifest as manifests
from cagexplain.tracing import schema
from cagexplain.tracing.columns import codes
from cagexplain.tracing.manifest import Manifest, TracePart
from cagexplain.tracing.validation import damaged, validate


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

    def read(
        self, part: TracePart, name: str, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """One batch of a table; columns and errors as in `batches`."""
        wanted = _columns(schema.TABLES[name], columns)
        table = self.read_arrow(part, name, columns)
        return pd.DataFrame({c.name: _series(c, table.column(c.name)) for c in wanted})

    def read_arrow(
        self, part: TracePart, name: str, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The same as Arrow holds it: for columns of bytes, slow to turn into Python."""
        self._require_recorded(name)
        path = part.path(self.path, name)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                return file.read([c.name for c in _columns(schema.TABLES[name], columns)])
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            raise damaged(path, error) from error

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
    """Open a trace and check all of it, so that nothing that reads it need doubt what it holds.

    Raises:
        CagexplainError: something is missing, damaged, not what the schema says, or nothing is
            recorded.
    """
    folder = Path(path)
    manifest = manifests.read(folder)
    if not manifest.parts:
        raise CagexplainError(
            "no episode of this trace has been recorded yet",
            where=folder,
            remedy="Run the same 'cagexplain trace' command with --resume",
        )
    manifest.require_no_gap(folder)
    validate(folder, manifest)
    return Trace(folder, manifest)


def latest_trace(runs: str | Path) -> Path:
    """Folder of the newest trace anywhere below `runs`, by the time it was begun.

    Raises:
        CagexplainError: there is none.
    """
    dated = []
    for folder in _folders(Path(runs)):
        try:
            dated.append((manifests.read(folder).created, folder))
        except (CagexplainError, OSError):
            continue  # no trace, or a damaged one: named outright it is reported
    if not dated:
        raise CagexplainError(
            "there is no trace below this folder",
            where=runs,
            remedy="Record one with 'cagexplain trace POLICY', or name its folder",
        )
    return max(dated)[1]


def _folders(top: Path) -> Iterator[Path]:
    """A folder and all below it, those behind links too, each once."""
    visited = set()
    for path, below, _ in os.walk(top, followlinks=True):
        real = os.path.realpath(path)
        if real in visited:
            below.clear()  # a link back, or a second one
            continue
        visited.add(real)
        yield Path(path)


def _columns(table: schema.Table, names: Sequence[str] | None) -> list[schema.Column]:
    """Columns by their names, in the order asked for; all without names."""
    known = {column.name: column for column in table.columns}
    return [known[name] for name in (known if names is None else names)]


def _series(column: schema.Column, values: pa.ChunkedArray) -> pd.Series:
    """A column as pandas has it, with the schema's categories if it is categorical."""
    if column.categories is None:
        return pd.Series(values.to_pandas(), name=column.name)
    return pd.Series(
        pd.Categorical.from_codes(codes(column, values), pd.Index(column.categories)),
        name=column.name,
    )
