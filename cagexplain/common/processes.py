"""How worker processes are started."""

from __future__ import annotations

import ast
import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from multiprocessing.context import SpawnContext
from pathlib import Path
from types import FrameType

from cagexplain.common.errors import UsageError


def spawning() -> SpawnContext:
    """The context of worker processes: fresh interpreters, into which nothing of this process is
    copied, threads least of all.

    Such an interpreter first imports the script that runs here. If that starts workers whenever it
    is imported, every worker would do all the work once more, and wait for workers that cannot be.

    Raises:
        UsageError: the script does so.
    """
    line = _unguarded_line()
    if line is not None or getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "worker processes import this script, so it must not start work when it is imported",
            where=getattr(sys.modules["__main__"], "__file__", None),
            field=None if line is None else f"line {line}",
            remedy='Put the call below `if __name__ == "__main__":`',
        )
    return multiprocessing.get_context("spawn")


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """What is started here by this thread does not hear Ctrl-C, which a terminal sends to all
    processes: it would die in the middle of something, and say so. We hear it when this ends, and
    have to end the others."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unguarded_line() -> int | None:
    """The line of the running script whose statement made this call, if an import runs it too."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None and spec.name.rpartition(".")[2] == "__main__":
        return None  # `python -m package` is never imported by workers
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals["__name__"] == "__main__":
            return frame.f_lineno if _is_unguarded(frame) else None
        frame = frame.f_back
    return None


def _is_unguarded(frame: FrameType) -> bool:
    try:
        script = ast.parse(Path(frame.f_code.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):  # such as the standard input: nobody can import it
        return False
    now = [s for s in script.body if s.lineno <= frame.f_lineno <= (s.end_lineno or s.lineno)]
    return not any(
        isinstance(statement, ast.If)
        and any(getattr(part, "id", None) == "__name__" for part in ast.walk(statement.test))
        for statement in now
    )
