"""Metrics of a run: a table of one row per round in `metrics.parquet`, and TensorBoard scalars."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from torch.utils.tensorboard import SummaryWriter

from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import atomic_write

METRICS: Final = "metrics.parquet"
_COUNTS: Final = ("round", "steps")

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
    """

    def __init__(self, folder: Path, rounds: int, steps: int) -> None:
        self.path = folder / METRICS
        self.rows = [row for row in read_metrics(folder) if row["round"] < rounds]
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=steps + 1)

    def add(self, row: Row) -> None:
        """Take the metrics of a round."""
        self.rows.append(row)
        for name, value in row.items():
            if name not in _COUNTS:
                self.board.add_scalar(name, value, int(row["steps"]))

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
        self.board.close()


def read_metrics(folder: Path) -> list[Row]:
    """The saved rows of a run, without what they do not have; none if there is no such file.

    Raises:
        CagexplainError: the file is damaged.
    """
    path = folder / METRICS
    if not path.exists():
        return []
    try:
        # Opened once: the run replaces the file while it is read.
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(path.read_bytes())).to_pylist()
    except pa.ArrowInvalid as error:
        raise CagexplainError(
            "the metrics are damaged", where=path, remedy="Remove the file to go on without them"
        ) from error
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
