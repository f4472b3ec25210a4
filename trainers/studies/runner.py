"""Works through the runs of a study: starts them, watches them, tries again what was killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from cagexplain.common.errors import CagexplainError
from trainers.studies.jobs import Job, Standing, standing
from trainers.studies.worker import INTERRUPTED

ATTEMPTS: Final = 4
"""A run whose worker is killed is continued three times."""
_POLL: Final = 0.1  # seconds between looks at the workers
_LOOK: Final = 1.0  # seconds between looks into the folder of a run


class RunState(StrEnum):
    """Of a run."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"


class Task(Protocol):
    """A run that a worker is busy with."""

    def status(self) -> int | None:
        """The exit status, below 0 if the worker was killed; None while it runs."""

    def stop(self) -> None:
        """Ask the worker to save and end."""

    def kill(self) -> None:
        """End the worker at once."""


class Backend(Protocol):
    """Where the workers are."""

    slots: int
    """Runs at a time."""

    def start(self, job: Job) -> Task:
        """Begin or continue a run."""


@dataclass
class Entry:
    """A run and how it stands.

    Attributes:
        job: the run.
        state: what became of it.
        attempts: workers that were given it.
        standing: its progress, as last saved.
        error: what went wrong, if it did.
        task: its worker, while it has one.
        stopping: whether it was asked to end.
    """

    job: Job
    state: RunState = RunState.WAITING
    attempts: int = 0
    standing: Standing = field(default_factory=Standing)
    error: str = ""
    task: Task | None = None
    stopping: bool = False
    _looked: float = 0.0

    @property
    def open(self) -> bool:
        """Whether there is still work to do or in progress."""
        return self.state in (RunState.WAITING, RunState.RUNNING)

    def cancel(self) -> None:
        """Stop it where it is, or never start it."""
        if self.state is RunState.WAITING:
            self.state = RunState.STOPPED
        elif self.task is not None and not self.stopping:
            self.stopping = True
            self.task.stop()

    def look(self, *, now: bool = False) -> None:
        """Read its progress, if that was not done a moment ago."""
        if now or time.monotonic() - self._looked > _LOOK:
            self.standing = standing(self.job)
            self._looked = time.monotonic()


def entries(jobs: Sequence[Job]) -> list[Entry]:
    """The runs of a study as they stand before anything is started."""
    runs = [Entry(job) for job in jobs]
    for entry in runs:
        if entry.job.finished:
            entry.state = RunState.FINISHED
        entry.look(now=True)
    return runs


def work(
    runs: Sequence[Entry],
    backend: Backend,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Train what is waiting.

    A run whose worker is killed is continued by another one; a run that fails by itself would do
    so again, and is left. Either way the others go on; `Entry.state` tells in the end.

    Args:
        runs: as `entries` makes them; they change on the way.
        backend: where to train.
        watch: called again and again; may cancel entries.

    Raises:
        KeyboardInterrupt: all workers have been asked to save, and have ended.
    """
    try:
        while any(entry.open for entry in runs):
            free = backend.slots - sum(entry.task is not None for entry in runs)
            for entry in [e for e in runs if e.state is RunState.WAITING][: max(0, free)]:
                entry.task, entry.state = backend.start(entry.job), RunState.RUNNING
                entry.attempts, entry.error = entry.attempts + 1, ""
            _attend(runs)
            watch()
            time.sleep(_POLL)
    except BaseException:
        _stop(runs)
        watch()
        raise


def _attend(runs: Sequence[Entry]) -> None:
    """Take note of the workers that have ended."""
    for entry in runs:
        if entry.task is None:
            continue
        status = entry.task.status()
        entry.look(now=status is not None)
        if status is None:
            continue
        entry.task = None
        entry.state, entry.error = _ended(entry, status)


def _ended(entry: Entry, status: int) -> tuple[RunState, str]:
    """What becomes of a run whose worker has ended, and why."""
    if entry.job.finished:
        return RunState.FINISHED, ""
    if entry.stopping:
        return RunState.STOPPED, ""
    if status < 0 or status == INTERRUPTED:
        reason = "interrupted" if status == INTERRUPTED else f"killed by signal {-status}"
        if entry.attempts < ATTEMPTS:
            return RunState.WAITING, f"worker {reason}, to be continued"
        return RunState.FAILED, f"worker {reason}, {entry.attempts} times"
    if status == 0:
        return RunState.FAILED, "ended without a result"
    return RunState.FAILED, _last_line(entry.job)


def _last_line(job: Job) -> str:
    """The end of what a failed run printed, which is its error."""
    try:
        lines = job.log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        return f"no log ({error.strerror})"
    return next((line for line in reversed(lines) if line.strip()), "no message")


def _stop(runs: Sequence[Entry]) -> None:
    """End all workers: they save first, unless asked a second time."""
    for entry in runs:
        entry.cancel()
    try:
        while any(entry.task is not None for entry in runs):
            _attend(runs)
            time.sleep(_POLL)
    except KeyboardInterrupt:
        for entry in runs:
            if entry.task is not None:
                entry.task.kill()


def refuse_failures(runs: Sequence[Entry]) -> None:
    """Tell which runs have failed; CagexplainError if any has."""
    failed = [entry for entry in runs if entry.state is RunState.FAILED]
    if failed:
        lines = [f"{e.job.name}: {e.error} (log: {e.job.log})" for e in failed]
        raise CagexplainError(
            "\n  ".join([f"{len(failed)} of {len(runs)} runs failed:", *lines]) + "\n",
            remedy="Remove the cause, then call the same again: finished runs are kept",
        )
