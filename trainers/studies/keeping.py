"""The small files of finished runs, apart from checkpoints: what a report needs.

A folder of kept runs has the same layout as a study's, so `study report` takes either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cagexplain.common.files import write_bytes
from trainers.logging import METRICS
from trainers.loop import BEST, CONFIG
from trainers.result import RESULT
from trainers.studies.jobs import RUNS

EXPLAIN: Final = "explain.json"
_SMALL: Final = (CONFIG, METRICS, EXPLAIN, RESULT)
"""What is kept of a run; the file that says that it is finished comes last."""


def keep(folder: Path, run: Path, kept: Path | None) -> None:
    """Copy a finished run's small files.

    Args:
        folder: of the study.
        run: its folder, as a path within the study's.
        kept: where to; None keeps nothing.
    """
    if kept is not None and (folder / run / RESULT).is_file():
        _copy(folder / run, kept / run)


def restore(kept: Path, folder: Path, runs: Iterable[Path]) -> None:
    """Bring kept runs into a study's folder, unless it has them."""
    for run in runs:
        if (kept / run / RESULT).is_file() and not (folder / run / RESULT).is_file():
            _copy(kept / run, folder / run)


def unexplained(folder: Path, kept: Path | None) -> tuple[list[Path], list[Path]]:
    """Finished runs that nobody has explained.

    Args:
        folder: of the study.
        kept: of kept runs, which may be explained already.

    Returns:
        Those whose checkpoint is there, and those whose is not.
    """
    places = [folder] if kept is None else [folder, kept]
    left = [
        run
        for run in _finished(folder)
        if not any((place / run / EXPLAIN).is_file() for place in places)
    ]
    here = [run for run in left if (folder / run / BEST).is_file()]
    return here, [run for run in left if run not in here]


def _finished(folder: Path) -> Iterator[Path]:
    for result in sorted((folder / RUNS).glob(f"*/seed-*/{RESULT}")):
        yield result.parent.relative_to(folder)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in _SMALL:
        if (source / name).is_file():
            write_bytes(target / name, (source / name).read_bytes())
