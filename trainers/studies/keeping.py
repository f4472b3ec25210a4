"""The small files of finished runs, apart from checkpoints: what a report needs.

A folder of kept runs has the same layout as a study's, so `study report` takes either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cagexplain.cc4.reds import RedTable, as_table
from cagexplain.common.documents import read_json
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_bytes
from trainers.core.logging import METRICS
from trainers.core.loop import BEST, CONFIG
from trainers.core.result import RESULT
from trainers.studies.jobs import RUNS, STUDY

EXPLAIN: Final = "explain.json"
"""What a run's policy does; `cagexplain.analysis.studies.explained_run` writes it."""
_SMALL: Final = (CONFIG, METRICS, EXPLAIN, RESULT)
"""What is kept of a run; the file that says that it is finished comes last."""


@dataclass(frozen=True)
class _Settings:
    """What is needed of a run's settings."""

    red: str | dict[str, Any]


def attacker(run: Path) -> RedTable:
    """The red that a run was trained against.

    Raises:
        CagexplainError: its settings cannot be read.
    """
    remedy = "Remove the run's folder and train it again"
    stored = read_json(run / CONFIG, _Settings, "file of settings", remedy=remedy).red
    try:
        return as_table(stored)
    except UsageError as error:  # nobody has used anything wrongly here
        raise CagexplainError(
            error.problem, where=run / CONFIG, field="red", remedy=remedy
        ) from error


def keep(folder: Path, run: Path, kept: Path | None) -> None:
    """Copy a finished run's small files.

    Args:
        folder: of the study.
        run: its folder, as a path within the study's.
        kept: where to; None keeps nothing.
    """
    if kept is not None and (folder / run / RESULT).is_file():
        _copy(folder / run, kept / run)


def keep_all(folder: Path, kept: Path | None) -> None:
    """Copy what a report needs: the study's file, and the small files of all finished runs."""
    if kept is None:
        return
    kept.mkdir(parents=True, exist_ok=True)
    write_bytes(kept / STUDY, (folder / STUDY).read_bytes())
    for run in _finished(folder):
        keep(folder, run, kept)


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
    waiting = [
        run
        for run in _finished(folder)
        if not any((place / run / EXPLAIN).is_file() for place in places)
    ]
    here = [run for run in waiting if (folder / run / BEST).is_file()]
    return here, [run for run in waiting if run not in here]


def _finished(folder: Path) -> Iterator[Path]:
    for result in sorted((folder / RUNS).glob(f"*/seed-*/{RESULT}")):
        yield result.parent.relative_to(folder)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    result = (source / RESULT).read_bytes()
    if (target / RESULT).is_file() and (target / RESULT).read_bytes() != result:
        (target / EXPLAIN).unlink(missing_ok=True)  # it is about a run that is replaced
    for name in _SMALL:
        if (source / name).is_file():
            write_bytes(target / name, (source / name).read_bytes())
