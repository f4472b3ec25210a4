"""Where a run shows its metrics while it trains: TensorBoard always, MLflow if it is asked for.

A run does not depend on them. What a tracker cannot do is an `OSError`, after which the run goes on
without it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, Protocol

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

TENSORBOARD: Final = "tensorboard"


class Tracker(Protocol):
    """What shows the metrics of a run; its methods raise `OSError` if it is out of reach."""

    def add(self, step: int, scalars: dict[str, float]) -> None:
        """Show the metrics of the round that ends with an environment step."""

    def close(self) -> None:
        """The run has ended, or is interrupted."""


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
