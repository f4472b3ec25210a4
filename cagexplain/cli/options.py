"""What options may be: written under an older name, of no effect beside others, files to write.

One name has one meaning in all commands: `--steps` are steps of training and `--episode-length`
those of an episode, `--seeds` is a list and `--n-seeds` a number, `--output` is where results go,
`--workers` how much is done at once, and `--policy` the file of the policy that a trace is of.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from cagexplain.common.errors import UsageError
from cagexplain.common.files import prepare_output_file


class Option(click.Option):
    """An option that can also be written under the names `old`, which no help shows."""

    def __init__(self, *arguments: Any, old: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.old = tuple(old)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Tell the parser all the names."""
        shown = self.opts
        self.opts = [*shown, *self.old]
        super().add_to_parser(parser, ctx)
        self.opts = shown


@dataclass(frozen=True)
class Unused:
    """Options that have no effect in some case, and are refused in it.

    Attributes:
        why: completes "no effect".
        case: whether it is the case, by the values of the parameters.
        names: of the parameters.
    """

    why: str
    case: Callable[[Mapping[str, Any]], bool]
    names: tuple[str, ...]


class Command(click.Command):
    """A command that refuses options without effect before it begins."""

    def __init__(self, *arguments: Any, unused: Sequence[Unused] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.unused = tuple(unused)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            UsageError: there are such options.
        """
        for rule in self.unused:
            if rule.case(ctx.params):
                refuse(rule.names, rule.why)
        return super().invoke(ctx)


def refuse(names: Sequence[str], why: str) -> None:
    """Refuse those of the options that the user has written.

    Args:
        names: of the parameters.
        why: completes "no effect".
    """
    ctx = click.get_current_context()
    written = [
        _name(param, ctx.params[param.name])
        for param in ctx.command.params
        if param.name in names
        and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    ]
    if written:
        remedy = "Leave it out" if len(written) == 1 else "Leave them out"
        raise UsageError(f"no effect {why}", where=", ".join(written), remedy=remedy)


def _name(param: click.Parameter, value: Any) -> str:
    """As it is written on the command line."""
    if isinstance(param, click.Argument):
        return param.human_readable_name
    return param.secondary_opts[0] if value is False else param.opts[-1]


class _FileToWrite(click.Path):
    """A file that is going to be written: refused at once if it cannot be."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        return path if self.allow_dash and str(path) == "-" else prepare_output_file(path)


FILE_TO_WRITE: Final = _FileToWrite()
FILE_OR_OUTPUT: Final = _FileToWrite(allow_dash=True)
"""Likewise; - is the standard output."""
RAY: Final[dict[str, Any]] = {"metavar": "auto|local|ADDRESS"}
"""Of the option ``--ray``, wherever it occurs."""
FOLDER: Final = click.Path(file_okay=False, path_type=Path)


class Seed(click.ParamType):  # type: ignore[type-arg]  # older versions of click have none
    """A seed, from `low` to `high`: errors name these limits, the help does not."""

    name = "integer"

    def __init__(self, low: int = 0, high: int = 2**62) -> None:
        self._range = click.IntRange(low, high)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number.

        Raises:
            click.BadParameter: it is none, or outside the limits.
        """
        return int(self._range.convert(value, param, ctx))


def output_option(help_text: str, kind: click.Path = FOLDER) -> Callable[[Any], Any]:
    """The option that says where results go, and its help."""
    return click.option("-o", "--output", cls=Option, old=["--out"], type=kind, help=help_text)


TRACK_OPTION: Final = click.option(
    "--track",
    metavar="mlflow:URI",
    help="Also show settings, metrics and results in MLflow, at this tracking URI.",
)
JSON_OPTION: Final = click.option(
    "--json", "json_file", type=FILE_TO_WRITE, help="Also write all numbers as JSON."
)
