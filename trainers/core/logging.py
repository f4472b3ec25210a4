"""Metrics of a run: a table of one row per round in `metrics.parquet`, and what else shows them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from cagexplain.common.documents import require_file
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import atomic_write
from trainers.core.mlflow_runs import MlflowRun
from trainers.core.trackers import TENSORBOARD, Board, Tracker

METRICS: Final = "metrics.parquet"
_COUNTS: Final = ("round", "steps")
_ALWAYS: Final = (*_COUNTS, "return")

Row = dict[str, float]
"""Metrics of a round by name; "round" (from 0) and "steps" (made by its end) say when it was."""


class MetricsLog:
    """Collects metrics as they come; close it at the end.

    Trackers show a row at once, the table has it after `save`: the file is written whole, so that
    it always agrees with a `resume.pt` that is written after it.

    Args:
        folder: of the run.
        rounds: number of rounds whose metrics to keep; those after it are repeated by a resumed
            run. 0 begins anew.
        steps: environment steps made in these rounds.
        tell: shows a line to the user.
        track: where MLflow tracks the run, see `mlflow_runs.location`; None: nowhere.
        settings: of the run, for MLflow.
    """

    def __init__(
        self,
        folder: Path,
        rounds: int,
        steps: int,
        tell: Callable[[str], None] = print,
        *,
        track: str | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.path, self.tell = folder / METRICS, tell
        self.rows = [row for row in read_metrics(folder) if row["round"] < rounds]
        self.trackers: dict[str, Tracker] = {}
        with self._optional("TensorBoard"):
            self.trackers["TensorBoard"] = Board(folder / TENSORBOARD, steps + 1)
        if track is not None:
            with self._optional("MLflow"):
                earlier = [_scalars(row) for row in self.rows]
                self.trackers["MLflow"] = MlflowRun(track, folder, settings or {}, earlier)

    def add(self, row: Row) -> None:
        """Take the metrics of a round."""
        self.rows.append(row)
        for name, tracker in list(self.trackers.items()):
            with self._optional(name):
                tracker.add(*_scalars(row))

    @contextlib.contextmanager
    def _optional(self, name: str) -> Iterator[None]:
        """Go on without a tracker that fails: a run does not depend on it."""
        try:
            yield
        except OSError as error:
            self.trackers.pop(name, None)
            self.tell(f"No more scalars for {name}: {error.strerror or error}")

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
        """End what the trackers show."""
        for name, tracker in list(self.trackers.items()):
            with self._optional(name):
                tracker.close()


def _scalars(row: Row) -> tuple[int, dict[str, float]]:
    """The step that a row belongs to, and what is shown of it."""
    return int(row["steps"]), {name: value for name, value in row.items() if name not in _COUNTS}


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
