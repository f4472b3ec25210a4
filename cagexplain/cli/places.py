"""Where commands put what they write, unless an option says so."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Final

RUNS: Final = Path("runs")
_LONGEST: Final = 80


def plain_name(name: str) -> str:
    """A name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:_LONGEST]


def new_place(kind: str, name: str, suffix: str = "") -> Path:
    """The first unused one of runs/KIND-NAME-1, -2, ..."""
    start = f"{kind}-{plain_name(name)}"
    candidates = (RUNS / f"{start}-{i}{suffix}" for i in itertools.count(1))
    return next(place for place in candidates if not place.exists())
