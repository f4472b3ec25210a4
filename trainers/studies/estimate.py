"""How long the rest of a study takes, from the speed of its runs so far."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from trainers.studies.runner import Entry, RunState


@dataclass(frozen=True)
class Estimate:
    """What is left to do.

    Attributes:
        steps: environment steps of the unfinished runs.
        seconds: of one core, per unfinished run, in the order of the work; None for a run of an
            algorithm of which no run has been trained.
    """

    steps: int
    seconds: tuple[float | None, ...]

    @property
    def measured(self) -> list[float]:
        """Seconds of the runs whose speed is known."""
        return [seconds for seconds in self.seconds if seconds is not None]

    @property
    def unmeasured(self) -> int:
        """Runs whose speed is not known."""
        return self.seconds.count(None)

    def span(self, workers: int) -> float:
        """Seconds until the last measured run ends, if `workers` take the runs in turn."""
        ends = [0.0] * workers
        for seconds in self.measured:
            heapq.heapreplace(ends, ends[0] + seconds)
        return max(ends)


def estimate(runs: Sequence[Entry], trained: Sequence[Entry]) -> Estimate:
    """What is left of some runs.

    A run goes on at its own speed; one that has not begun takes that of its method's runs, or else
    of its algorithm's.

    Args:
        runs: to estimate.
        trained: runs to take speeds from: whatever the study has.
    """
    paces = _paces(trained)
    unfinished = [entry for entry in runs if entry.open]
    unfinished.sort(key=lambda entry: entry.state is not RunState.RUNNING)
    left = [entry.job.steps - entry.standing.steps for entry in unfinished]
    seconds: list[float | None] = []
    for entry, steps in zip(unfinished, left, strict=True):
        known = (entry.standing.pace, *(paces.get(name) for name in _names(entry)))
        pace = next((pace for pace in known if pace is not None), None)
        seconds.append(None if pace is None else pace * steps)
    return Estimate(sum(left), tuple(seconds))


def _paces(runs: Iterable[Entry]) -> dict[tuple[str, str], float]:
    """Mean seconds per environment step, of methods and of algorithms."""
    paces = defaultdict[tuple[str, str], list[float]](list)
    for entry in runs:
        if entry.standing.pace is not None:
            for name in _names(entry):
                paces[name].append(entry.standing.pace)
    return {name: fmean(values) for name, values in paces.items()}


def _names(entry: Entry) -> tuple[tuple[str, str], ...]:
    """What a run shares its speed with; the nearest first."""
    return ("method", entry.job.method), ("algorithm", entry.job.run.algorithm)
