"""Workers on this machine: one process per run."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from cagexplain.common import locks
from trainers.studies.jobs import Job
from trainers.studies.worker import TRAIN

_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_POLL: Final = 0.1  # seconds


class Worker:
    """A process that trains one run; see `trainers.studies.worker` for the other side.

    Args:
        job: as `Job.to_json` gives it.
        function: "module:function" to call with it.
        keep: open files that the process shall hold as long as it lives.
    """

    def __init__(self, job: dict[str, Any], function: str, keep: tuple[int, ...] = ()) -> None:
        log = Path(job["log"])
        log.parent.mkdir(parents=True, exist_ok=True)
        # In a session of its own, Ctrl-C on the terminal reaches the study only, which passes it
        # on; -P keeps what lies in the present folder from being imported.
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "trainers.studies.worker", function, json.dumps(job)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict.fromkeys(_THREADS, "1"),
                start_new_session=True,
                pass_fds=keep,
            )

    def status(self) -> int | None:
        """The exit status, minus the signal's number if it was killed; None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ask it to save and end: its lifeline is cut."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()


class LocalBackend:
    """Trains in processes of this machine.

    Args:
        workers: how many runs at once.
        function: what they do, see `Worker`.
        keep: see `Worker`.
    """

    def __init__(self, workers: int, function: str = TRAIN, keep: tuple[int, ...] = ()) -> None:
        self.slots, self.function, self.keep = workers, function, keep

    def start(self, job: Job) -> Worker:
        """Begin or continue a run."""
        return Worker(job.to_json(), self.function, self.keep)


def stop_flag(log: Path) -> Path:
    """The file that asks whoever attends the run of a log to stop it."""
    return log.with_suffix(".stop")


def attend(job: dict[str, Any], function: str) -> int:
    """Train a run in a process and wait for its end, or for its `stop_flag`, on which it saves and
    ends; returns its status."""
    worker, flag = Worker(job, function), stop_flag(Path(job["log"]))
    asked = False
    while (status := worker.status()) is None:
        if not asked and flag.exists():
            worker.stop()
            asked = True
        time.sleep(_POLL)
    return status


def locked(folder: Path) -> contextlib.AbstractContextManager[int]:
    """Hold a study's folder for this process and its workers; see `locks.locked`."""
    return locks.locked(
        folder,
        "another study, or a worker that it left behind, is at work in this folder",
        remedy="Wait for its end; workers whose study is dead save and end after a round",
    )
