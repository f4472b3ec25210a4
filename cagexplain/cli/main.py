"""The entry point: finds the command, and turns every failure into one readable message.

A command is imported only when it is called, so `--help` and `--version` answer at once.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from cagexplain import __version__
from cagexplain.common.errors import CagexplainError
from cagexplain.common.printing import drop, safe_streams

# Our matrices are small: threads of NumPy's linear algebra would only wait for each other. On a
# busy machine of two cores an audit is judged 3.7 times as fast without them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# command name: (module, attribute, one-line help), in the order of the work
COMMANDS: dict[str, tuple[str, str, str]] = {
    "policies": ("cagexplain.cli.policies", "command", "List the policies that have a name."),
    "train": ("cagexplain.cli.train", "command", "Train blue agents and save checkpoints."),
    "study": ("cagexplain.cli.study", "command", "Train a whole study, and report what it shows."),
    "search": ("cagexplain.cli.search", "command", "Search for the best settings."),
    "evaluate": ("cagexplain.cli.evaluate", "command", "Play a policy and report its return."),
    "parity": ("cagexplain.cli.parity", "command", "Judge whether two simulators are alike."),
    "trace": ("cagexplain.cli.trace", "command", "Record everything that a policy does."),
    "lockstep": (
        "cagexplain.cli.lockstep",
        "command",
        "Prove step by step that our simulator equals CybORG.",
    ),
    "verify-submission": (
        "cagexplain.cli.verify_submission",
        "command",
        "Prove that a submission plays alike here and on CybORG.",
    ),
    "verify-red": (
        "cagexplain.cli.verify_red",
        "command",
        "Prove that an attacker does the same on CybORG.",
    ),
    "surrogate": (
        "cagexplain.cli.surrogate",
        "command",
        "Extract decision trees that can be read and played.",
    ),
    "fsm-report": (
        "cagexplain.cli.fsm_report",
        "command",
        "Show what blue does in each state of the attacker.",
    ),
    "replay": (
        "cagexplain.cli.replay",
        "command",
        "Show an episode step by step on the map of the network.",
    ),
    "compare": ("cagexplain.cli.compare", "command", "Show where policies differ."),
    "explain": ("cagexplain.cli.explain", "command", "Show why blue chose what it chose."),
    "attack": (
        "cagexplain.cli.attack",
        "command",
        "Look for the attacker that a policy bears worst.",
    ),
    "oracle": (
        "cagexplain.cli.oracle",
        "command",
        "Let attackers and policies answer each other.",
    ),
    "audit": ("cagexplain.cli.audit", "command", "Judge a policy against practices of defence."),
    "export": (
        "cagexplain.cli.export",
        "command",
        "Write a policy as a submission, ONNX or TorchScript.",
    ),
    "checks": ("cagexplain.cli.checks", "command", "List and explain the checks of an audit."),
    "reds": ("cagexplain.cli.reds", "command", "List and explain the attackers."),
}


_ROOT: Final = Path(__file__).parents[2]
_BESIDE: Final = ("trainers", "reports")
"""Packages that lie beside this one."""
INTERRUPTED = 130  # 128 + SIGINT, as shells report it

_OS_ERRORS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("disk full", "Free space, then rerun (with --resume where offered)"),
    errno.EDQUOT: ("disk quota used up", "Free space, then rerun (with --resume where offered)"),
    errno.EACCES: ("permission denied", "Choose a place that you may read and write"),
    errno.EPERM: ("operation not permitted", "Choose a place that you may read and write"),
    errno.EROFS: ("read-only file system", "Choose a place on another disk"),
    errno.ENOENT: ("no such file or folder", "Check the name"),
    errno.EISDIR: ("this is a folder, not a file", "Give the name of a file"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Check the name"),
}


class LazyGroup(click.Group):
    """A group whose commands are stand-ins with a name and a help line until one is called."""

    def __init__(self, table: dict[str, tuple[str, str, str]], **attributes: object) -> None:
        stand_ins = {name: click.Command(name, short_help=row[2]) for name, row in table.items()}
        super().__init__(commands=stand_ins, **attributes)  # type: ignore[arg-type]
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the table's order."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Import the command that `args` call."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None:
            _require_own_packages()
            module, attribute, _ = self.table[name]
            command = getattr(importlib.import_module(module), attribute)
        return name, command, rest


cli = LazyGroup(
    COMMANDS,
    help="Train, trace, explain, audit and attack blue agents of CAGE Challenge 4.",
    # With colours Click cuts no codes out: names that hold some are shown as they are, escaped.
    context_settings={"help_option_names": ["-h", "--help"], "color": True},
)
click.version_option(__version__, prog_name="cagexplain")(cli)


def _require_own_packages() -> None:
    """Refuse packages of somebody else that have the names of ours and are found before them."""
    for name in _BESIDE:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin and Path(spec.origin).parents[1] != _ROOT:
            raise CagexplainError(
                f"this hides the package '{name}' of cagexplain",
                where=spec.origin,
                remedy="Rename it, or call cagexplain from another folder",
            )


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: the arguments after the program's name; None takes the process's.

    Returns:
        The exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Failures are reported on
        stderr; with CAGEXPLAIN_DEBUG=1 in the environment their traceback comes first.
    """
    with safe_streams() as failure:
        status = _main(args)
        if (error := failure()) is not None:
            error.filename = "standard output"
            return _tell(error)
        return status


def _main(args: Sequence[str] | None) -> int:
    try:
        result = cli.main(args, prog_name="cagexplain", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        # Click takes every EOFError for Ctrl-D at a question, of which there are none.
        if isinstance(error.__cause__, EOFError):
            return _tell(error.__cause__)
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        drop(sys.stdout)  # the reader has gone, as in `| head`
        return 1
    except Exception as error:
        return _tell(error)
    return result if isinstance(result, int) else 0  # click returns the status of ctx.exit()


def _interrupted() -> int:
    click.echo("Interrupted.", err=True)
    return INTERRUPTED


def _tell(error: Exception) -> int:
    if os.environ.get("CAGEXPLAIN_DEBUG") == "1":
        traceback.print_exception(error)
    message = explain(error)
    click.echo(f"Error: {message}", err=True)
    return message.exit_code


def explain(error: Exception) -> CagexplainError:
    """Return the message for the user about `error`."""
    match error:
        case CagexplainError():
            return error
        case OSError():
            problem, remedy = _OS_ERRORS.get(
                error.errno or 0, (error.strerror or str(error), "Check the file and the disk")
            )
            return CagexplainError(problem, where=error.filename, remedy=remedy)
        case MemoryError():
            return CagexplainError(
                "out of memory", remedy="Use fewer environments at once, or a bigger machine"
            )
        case ImportError() if (error.name or "").partition(".")[0] not in ("cagexplain", *_BESIDE):
            return CagexplainError(
                str(error), remedy="Complete the installation with `make setup`, then rerun"
            )
    place = traceback.extract_tb(error.__traceback__)[-1]
    file, line = place.filename, place.lineno
    if isinstance(error, SyntaxError):
        file, line = error.filename or file, error.lineno
    if place.name == "<module>" or isinstance(error, SyntaxError):
        # Our own files can all be imported, so this one is the user's, or he has changed it: a new
        # algorithm, say, and its entry in the registry.
        return CagexplainError(
            f"{type(error).__name__}: {error}",
            where=f"{file}, line {line}",
            remedy="Correct this file: it fails as soon as it is imported",
        )
    return CagexplainError(
        f"internal error at {place.filename}:{place.lineno}: {type(error).__name__}: {error}",
        remedy="Rerun with CAGEXPLAIN_DEBUG=1 to see the traceback; correct that line if it is "
        "yours, and report it if it is ours",
    )


if __name__ == "__main__":
    sys.exit(main())
