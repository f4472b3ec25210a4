"""The progress of a study: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from cagexplain.common import terminal
from trainers.studies.estimate import estimate
from trainers.studies.runner import Entry, RunState

_STYLES: Final = {
    RunState.WAITING: "dim",
    RunState.RUNNING: "bold",
    RunState.FINISHED: "green",
    RunState.FAILED: "red",
    RunState.STOPPED: "yellow",
}
_FRAME: Final = 6  # lines of a table beside its rows
_HOUR: Final = 3600.0


class RunsTable:
    """Shows the runs of a study while the block runs; call `update` often.

    Args:
        runs: what to show; read at every update.
        console: where.
    """

    def __init__(self, runs: Sequence[Entry], console: Console | None = None) -> None:
        self.runs = runs
        self.console = console or terminal.console()
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.printed = [(entry.state, entry.attempts) for entry in runs]

    def update(self) -> None:
        """Show how the runs stand."""
        if self.console.is_terminal:
            self.live.update(table(self.runs, self.console.height - _FRAME), refresh=True)
            return
        for place, entry in enumerate(self.runs):
            now = (entry.state, entry.attempts)
            if now != self.printed[place]:
                self.printed[place] = now
                self.console.print(line(entry), highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> RunsTable:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.live.stop()


def table(runs: Sequence[Entry], rows: int) -> Table:
    """The runs as a table of at most `rows` rows: those in progress and failed ones first."""
    grid = Table(caption=summary(runs), caption_justify="left", expand=False)
    grid.add_column("method")
    for heading in ("seed", "steps", "return", "steps/s"):
        grid.add_column(heading, justify="right")
    grid.add_column("state")
    grid.add_column("left", justify="right")
    urgency = [
        RunState.RUNNING,
        RunState.FAILED,
        RunState.STOPPED,
        RunState.WAITING,
        RunState.FINISHED,
    ]
    order = sorted(runs, key=lambda entry: urgency.index(entry.state))
    shown = {id(entry) for entry in order[: max(1, rows)]}
    for entry in runs:
        if id(entry) in shown:
            grid.add_row(*_cells(entry), style=_STYLES[entry.state])
    return grid


def line(entry: Entry) -> str:
    """A run as a line of text."""
    parts = [f"{entry.job.name}: {entry.state}"]
    if entry.standing.last is not None:
        parts.append(f"{entry.standing.steps:,} steps, return {entry.standing.last:,.0f}")
    if entry.error:
        parts.append(entry.error)
    return "; ".join(parts)


def summary(runs: Sequence[Entry]) -> str:
    """How many runs are in each state, and how long the rest will take at the speed so far."""
    counts = Counter(entry.state for entry in runs)
    text = ", ".join(f"{counts[state]} {state}" for state in RunState if counts[state])
    left = estimate(runs, runs)
    if not (left.measured and counts[RunState.RUNNING]):
        return text
    more = f" and {left.unmeasured} runs of unknown speed" if left.unmeasured else ""
    return f"{text}; about {_duration(left.span(counts[RunState.RUNNING]))}{more} left"


def plan(runs: Sequence[Entry], trained: Sequence[Entry]) -> Table:
    """What is left of a study, a row per method.

    Args:
        runs: of the study, or of the part that is to be trained.
        trained: runs to take speeds from.
    """
    grid = Table(expand=False)
    grid.add_column("method")
    for heading in ("runs", "to train", "steps", "hours of a core"):
        grid.add_column(heading, justify="right")
    groups = defaultdict[str, list[Entry]](list)
    for run in runs:
        groups[run.job.method].append(run)
    for name, group in (*groups.items(), ("all", runs)):
        left = estimate(group, trained)
        hours = f"{sum(left.measured) / _HOUR:,.1f}"
        if left.unmeasured:
            hours = f"{hours} + unknown" if left.measured else "unknown"
        grid.add_row(name, str(len(group)), str(len(left.seconds)), f"{left.steps:,}", hours)
    return grid


def span(runs: Sequence[Entry], trained: Sequence[Entry], workers: int) -> str:
    """How long a study takes with so many workers, in a sentence."""
    left = estimate(runs, trained)
    parts = []
    if left.measured:
        parts.append(
            f"{len(left.measured)} runs, {workers} at a time, take about "
            f"{_duration(left.span(workers))} at the speed of the runs so far."
        )
    if left.unmeasured:
        parts.append(
            f"How long {left.unmeasured} runs take is unknown: no run of their algorithms has been "
            "trained here."
        )
    return " ".join(parts) or "Nothing is left to train."


def _cells(entry: Entry) -> list[str]:
    now = entry.standing
    time_left = ""
    if entry.state is RunState.RUNNING and now.rate:
        time_left = _duration((entry.job.steps - now.steps) / now.rate)
    again = f" (attempt {entry.attempts})" if entry.attempts > 1 else ""
    return [
        entry.job.method,
        str(entry.job.run.seed),
        f"{now.steps:,} of {entry.job.steps:,}",
        "" if now.last is None else f"{now.last:,.0f}",
        "" if now.rate is None else f"{now.rate:,.0f}",
        f"{entry.state}{again}",
        time_left,
    ]


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
