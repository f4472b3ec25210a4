"""The progress of a study: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from cagexplain.common import terminal
from trainers.studies.runner import Entry, RunState

_STYLES: Final = {
    RunState.WAITING: "dim",
    RunState.RUNNING: "bold",
    RunState.FINISHED: "green",
    RunState.FAILED: "red",
    RunState.STOPPED: "yellow",
}
_FRAME: Final = 6  # lines of a table beside its rows


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
    """How many runs are in each state, and how long the rest will take at the present speed."""
    counts = Counter(entry.state for entry in runs)
    text = ", ".join(f"{counts[state]} {state}" for state in RunState if counts[state])
    steps_left = sum(entry.job.steps - entry.standing.steps for entry in runs if entry.open)
    rate = sum(e.standing.rate or 0.0 for e in runs if e.state is RunState.RUNNING)
    return f"{text}; about {_duration(steps_left / rate)} left" if steps_left and rate else text


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
