"""Keeping a folder to one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cagexplain.common.errors import CagexplainError

_LOCK: Final = ".lock"


@contextlib.contextmanager
def locked(folder: Path, busy: str, *, remedy: str) -> Iterator[int]:
    """Hold a folder for this process and those that inherit the lock.

    The lock is the kernel's, on a file: it ends with the last process that holds it, however that
    ends. The file stays.

    Args:
        folder: to hold.
        busy: what to say if somebody else holds it.
        remedy: what the user can do then.

    Yields:
        The descriptor to pass on to processes that shall hold the folder as well.

    Raises:
        CagexplainError: somebody else holds it.
    """
    with open(folder / _LOCK, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CagexplainError(busy, where=folder, remedy=remedy) from error
        yield file.fileno()
