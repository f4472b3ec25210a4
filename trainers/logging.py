"""Metrics of a run: one JSON object per round in `metrics.jsonl`, and TensorBoard scalars."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Final

from torch.utils.tensorboard import SummaryWriter

from cagexplain.common.files import write_text

METRICS: Final = "metrics.jsonl"


class MetricsLog:
    """Writes metrics as they come.

    Args:
        folder: of the run.
        rounds: number of rounds whose metrics to keep; those after it are repeated by a resumed
            run. 0 begins anew.
        steps: environment steps made in these rounds.
    """

    def __init__(self, folder: Path, rounds: int, steps: int) -> None:
        self.path = folder / METRICS
        # A killed run may have left half a line, which no complete object begins with.
        kept = [row for row in read_metrics(folder) if row["round"] < rounds]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=steps + 1)

    def write(self, row: dict[str, float]) -> None:
        """Add the metrics of one round; "round" and "steps" say when it was."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        for name, value in row.items():
            if name not in ("round", "steps"):
                self.board.add_scalar(name, value, int(row["steps"]))

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.board.close()


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The complete rows of a run's metrics; none if there is no such file."""
    path = folder / METRICS
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            rows.append(json.loads(line))
    return rows
