"""Ending a run when it is asked to, but not in the middle of a round."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def interrupts(tell: Callable[[], None]) -> Iterator[list[int]]:
    """Turn the first Ctrl-C (or SIGTERM) into an entry of a list, to be met after the round.

    `tell` is called then, so that nobody has to wonder whether it was heard. A second one
    takes effect at once; files are written whole, so nothing is damaged then either.
    """
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        tell()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
