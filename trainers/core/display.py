"""The progress bar of a training run."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cagexplain.common import terminal


class Display:
    """Shows return, steps per second and time left; on a terminal as a bar, else as lines.

    Close it at the end.

    Args:
        total: environment steps of the whole run.
        done: environment steps made before (by the run that is resumed).
    """

    def __init__(self, total: int, finished: int, console: Console | None = None) -> None:
        self.progress = Progress(
            TextColumn("{task.description}return {task.fields[shown]:>7}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f} steps/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console or terminal.console(),
        )
        self.task = self.progress.add_task("", total=total, completed=finished, shown="-", rate=0.0)
        self.progress.start()

    def update(self, steps: int, episode_return: float, rate: float) -> None:
        """Show the state after a round."""
        self.progress.update(self.task, completed=steps, shown=f"{episode_return:,.0f}", rate=rate)

    def note(self, text: str) -> None:
        """Print a line that stays; it is not wrapped, so that the paths in it can be copied."""
        self.progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def end_soon(self) -> None:
        """Show that the round is the last one. Safe in a signal handler: it prints nothing."""
        self.progress.update(self.task, description="ending: ")

    def close(self) -> None:
        """Leave the bar as it is."""
        self.progress.stop()
