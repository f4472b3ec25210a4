"""The runs of a study: where each has its folder, what it trains, how far it has come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from cagexplain.cc4 import phases
from cagexplain.common.documents import read_json
from cagexplain.common.errors import CagexplainError, UsageError
from trainers.core.config import RunConfig
from trainers.core.logging import read_metrics
from trainers.core.loop import RESUME
from trainers.core.result import RESULT
from trainers.studies.definition import Method, Study, defaults, plain_config

STUDY: Final = "study.json"
CONFIG: Final = "config.json"
RUNS: Final = "runs"
LOGS: Final = "logs"


@dataclass(frozen=True)
class Job:
    """A training run of a study.

    Attributes:
        method: id of the method that it belongs to.
        folder: of the run; it need not exist.
        log: file for what the run prints.
        run, settings: what to train.
        track: where MLflow tracks the run, as ``mlflow:URI``; None: nowhere.
    """

    method: str
    folder: Path
    log: Path
    run: RunConfig
    settings: Any
    track: str | None = None

    @property
    def name(self) -> str:
        """The job in words."""
        return f"{self.method}, seed {self.run.seed}"

    @property
    def steps(self) -> int:
        """Environment steps that the run will make: it plays whole rounds of whole episodes."""
        per_round: int = self.settings.envs * phases.calls(phases.DEFAULT_STEPS)
        return self.run.rounds(per_round) * per_round

    @property
    def finished(self) -> bool:
        """Whether its result has been written."""
        return (self.folder / RESULT).is_file()

    @property
    def started(self) -> bool:
        """Whether it can be resumed."""
        return (self.folder / RESUME).is_file()

    def to_json(self) -> dict[str, Any]:
        """What a worker needs, also on another machine."""
        return {
            "folder": str(self.folder.resolve()),
            "log": str(self.log.resolve()),
            "run": asdict(self.run),
            "settings": asdict(self.settings),
            "track": self.track,
        }


@dataclass(frozen=True)
class Standing:
    """How far a run has come.

    Attributes:
        steps: environment steps made.
        last: mean training return of the last round; None before the first one was saved.
        rate: environment steps per second in that round.
        pace: seconds per environment step, over all rounds; evaluations are left out.
        evaluations: (steps, mean return on held-out episodes) of each evaluation.
    """

    steps: int = 0
    last: float | None = None
    rate: float | None = None
    pace: float | None = None
    evaluations: tuple[tuple[int, float], ...] = ()


def study_jobs(study: Study, folder: Path, only: Iterable[str] = ()) -> list[Job]:
    """The runs of a study, one per method and seed; methods that share theirs have them once.

    Seeds come before methods, so that a study that is cut off has something of every method.

    Args:
        study: the study.
        folder: of the study.
        only: ids of methods or figures to which to limit the runs; empty: all.

    Raises:
        UsageError: an id in `only` is unknown.
    """
    chosen = set(study.methods)
    if wanted := list(only):
        groups = {name: [name] for name in study.methods}
        groups |= {figure.id: list(figure.methods) for figure in study.figures}
        for name in wanted:
            if name not in groups:
                raise UsageError(
                    f"the study has no method or figure {name!r}",
                    where="--only",
                    remedy=f"Known are {', '.join(groups)}",
                )
        chosen = {method for name in wanted for method in groups[name]}
    unique = dict.fromkeys(m.runs for m in study.methods.values() if m.id in chosen)
    return [
        method_job(study.methods[method], seed, folder) for seed in study.seeds for method in unique
    ]


def method_job(method: Method, seed: int, folder: Path) -> Job:
    """The run of a method with a seed, in the folder of a study."""
    return Job(
        method.id,
        folder / RUNS / method.id / f"seed-{seed}",
        folder / LOGS / f"{method.id}-seed-{seed}.log",
        replace(method.run, seed=seed),
        method.settings,
    )


def refuse_differences(jobs: Iterable[Job]) -> None:
    """Refuse runs that were begun with other settings than they are to have now.

    A finished run of an earlier version lacks the settings that are younger than it. It was trained
    as with their defaults (see `trainers.core.config.setting`).

    Raises:
        CagexplainError: shows the first few differences.
    """
    differences = []
    for job in jobs:
        if not (job.finished or job.started):
            continue
        there = read_json(
            job.folder / CONFIG,
            dict[str, Any],
            "file of a run's settings",
            remedy="Remove the folder, then rerun",
        )
        now = plain_config(job.run, job.settings)
        if job.finished:
            there = defaults(job.run, job.settings) | there
        differences += [
            f"{job.folder}: {key} was {there.get(key, '-')}, is now {now.get(key, '-')}"
            for key in sorted(there.keys() | now.keys())
            if there.get(key) != now.get(key)
        ]
    if differences:
        shown = differences[:20] + (
            [f"... and {len(differences) - 20} more"] if len(differences) > 20 else []
        )
        raise CagexplainError(
            "\n  ".join(["runs were trained with other settings than the study has now:", *shown])
            + "\n",
            remedy="Give another --output, or remove these runs, or restore the settings",
        )


def standing(job: Job) -> Standing:
    """What a run has saved of its progress so far."""
    rows = read_metrics(job.folder)
    if not rows:
        return Standing()
    rates = [row["steps_per_second"] for row in rows if row.get("steps_per_second")]
    return Standing(
        steps=int(rows[-1]["steps"]),
        last=rows[-1]["return"],
        rate=rows[-1].get("steps_per_second"),
        pace=fmean(1 / rate for rate in rates) if rates else None,
        evaluations=tuple(
            (int(row["steps"]), row["evaluation"]) for row in rows if "evaluation" in row
        ),
    )
