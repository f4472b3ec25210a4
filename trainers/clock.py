"""Where the time goes."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator


class Clock:
    """Adds up wall-clock seconds by phase of the work.

    Attributes:
        seconds: by phase, since the last `lap`.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Count the time of a `with` block for `phase`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - start

    def lap(self) -> dict[str, float]:
        """The seconds so far; counting starts again from zero."""
        seconds, self.seconds = dict(self.seconds), defaultdict(float)
        return seconds
