"""How benchmarks are called, and how they fail: the same for all of them.

A benchmark is a command whose function returns the claims that it found false, as sentences. The
exit status is 0 if there are none; 1 if there are any, or if the benchmark cannot measure, as its
control fails; 2 if it was called in a way that it does not offer.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from cagexplain.cli.main import explain
from cagexplain.common.errors import CagexplainError

COUNT: Final = click.IntRange(min=1)
FILE: Final = click.Path(dir_okay=False, path_type=Path)


class CannotMeasure(CagexplainError):
    """A control failed, so that the benchmark's numbers would mean nothing."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"cannot measure: {problem}",
            remedy="Mend what the control shows; without it no number of this benchmark counts",
        )


class _Benchmark(click.Command):
    def invoke(self, ctx: click.Context) -> None:
        """Run it, and tell what is not as claimed."""
        try:
            false: Sequence[str] = super().invoke(ctx)
        except (CagexplainError, OSError) as error:
            refusal = explain(error)
            click.echo(f"Error: {refusal}", err=True)
            ctx.exit(refusal.exit_code)
        for claim in false:
            click.echo(f"Not as claimed: {claim}", err=True)
        ctx.exit(int(bool(false)))


def benchmark(text: str | None) -> Callable[[Callable[..., Sequence[str]]], click.Command]:
    """Make a command of a function that returns the claims that it found false.

    Args:
        text: the module's docstring, which becomes the help; indented lines stay as they are.
    """
    assert text is not None
    settings: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    return click.command(
        cls=_Benchmark, help=re.sub(r"\n\n(?=    )", "\n\n\b\n", text), context_settings=settings
    )
