"""Metrics of a run: a table of one row per round in `metrics.parquet`, and TensorBoard scalars."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from cagexplain.common.documents import require_file
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import atomic_write

METRICS: Final = "metrics.parquet"
TENSORBOARD: Final = "tensorboard"
_COUNTS: Final = ("round", "steps")
_ALWAYS: Final = (*_COUNTS, "return")

Row = dict[str, float]
"""Metrics of a round by name; "round" (from 0) and "steps" (made by its end) say when it was."""


class MetricsLog:
    """Collects metrics as they come; close it at the end.

    TensorBoard shows a row at once, the table has it after `save`: the file is written whole, so
    that it always agrees with a `resume.pt` that is written after it.

    Args:
        folder: of the run.
        rounds: number of rounds whose metrics to keep; those after it are repeated by a resumed
            run. 0 begins anew.
        steps: environment steps made in these rounds.
        tell: shows a line to the user.
    """

    def __init__(
        self, folder: Path, rounds: int, steps: int, tell: Callable[[str], None] = print
    ) -> None:
        self.path, self.tell = folder / METRICS, tell
        self.rows = [row for row in read_metrics(folder) if row["round"] < rounds]
        self.board: Board | None = None
        with self._optional():
            self.board = Board(folder / TENSORBOARD, steps + 1)

    def add(self, row: Row) -> None:
        """Take the metrics of a round."""
        self.rows.append(row)
        if self.board is not None:
            scalars = {name: value for name, value in row.items() if name not in _COUNTS}
            with self._optional():
                self.board.add(int(row["steps"]), scalars)

    @contextlib.contextmanager
    def _optional(self) -> Iterator[None]:
        """Go on without TensorBoard if it cannot be written: a run does not depend on it."""
        try:
            yield
        except OSError as error:
            self.close()
            self.tell(f"No more scalars for TensorBoard: {error.strerror or error}")

    def save(self) -> None:
        """Write all rows; a metric that a round does not have is null there."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        columns = {
            name: pa.array(
                [row.get(name) for row in self.rows],
                pa.int64() if name in _COUNTS else pa.float64(),
            )
            for name in names
        }
        with atomic_write(self.path) as file:
            pq.write_table(pa.table(columns), file)

    def close(self) -> None:
        """End the TensorBoard file."""
        if self.board is not None:
            with contextlib.suppress(OSError):
                self.board.close()
            self.board = None


class Board:
    """A file of scalars for TensorBoard, written at once and not by a thread that fails alone.

    Args:
        folder: of the file; created if it does not exist.
        first: what older files have from this step on is no longer shown.
    """

    def __init__(self, folder: Path, first: int) -> None:
        folder.mkdir(exist_ok=True)
        now = time.time()
        self.file = open(folder / f"events.out.tfevents.{now:.6f}.{os.getpid()}", "xb")  # noqa: SIM115
        self.writer = RecordWriter(self.file)
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=now, step=first, session_log=start))
        self.file.flush()

    def add(self, step: int, scalars: dict[str, float]) -> None:
        """Write the values of a step."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self.file.flush()

    def close(self) -> None:
        """End the file."""
        self.file.close()

    def _write(self, event: Event) -> None:
        self.writer.write(event.SerializeToString())


def read_metrics(folder: Path) -> list[Row]:
    """The saved rows of a run, without what they do not have; none if there is no such file.

    Raises:
        CagexplainError: the file is damaged.
    """
    path = folder / METRICS
    if not path.exists():
        return []
    require_file(path, "table of metrics")
    try:
        # Opened once: the run replaces the file while it is read.
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        for name in dict.fromkeys((*_ALWAYS, *table.column_names)):
            kind = pa.int64() if name in _COUNTS else pa.float64()
            if table.schema.field(name).type != kind:
                raise ValueError(f"{name} is not of type {kind}")
            if name in _ALWAYS and table[name].null_count:
                raise ValueError(f"{name} is missing in a row")
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise CagexplainError(
            f"the metrics are damaged ({str(error).splitlines()[0]})",
            where=path,
            remedy="Remove the file to go on without them",
        ) from error
    rows: list[dict[str, Any]] = table.to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
