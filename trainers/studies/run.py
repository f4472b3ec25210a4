"""A study from its beginning, or from where it was left, to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from cagexplain.common import machine, terminal
from cagexplain.common.files import prepare_output_dir, write_json
from trainers.studies import keeping
from trainers.studies.definition import Study
from trainers.studies.jobs import STUDY, Job, refuse_differences, study_jobs
from trainers.studies.local import LocalBackend, locked
from trainers.studies.runner import Backend, Entry, RunState, entries, refuse_failures, work
from trainers.studies.table import RunsTable, plan, span, summary
from trainers.studies.worker import TRAIN


@dataclass(frozen=True)
class Workplace:
    """Where runs are trained.

    Attributes:
        workers: runs at once; None: one per processor core.
        ray: address of a Ray cluster; None: this machine.
        function: what a worker does, see `local.Worker`.
    """

    workers: int | None = None
    ray: str | None = None
    function: str = TRAIN

    def backend(self, lock: int) -> Backend:
        """The workers; those of this machine hold the lock `lock` of the study's folder."""
        if self.ray is not None:
            from trainers.studies.cluster import RayBackend

            return RayBackend(self.ray, self.workers, self.function)
        cores = machine.cores()
        return LocalBackend(self.workers or cores, self.function, keep=(lock,))


def run_study(
    study: Study,
    folder: Path,
    place: Workplace,
    *,
    only: Iterable[str] = (),
    kept: Path | None = None,
    track: str | None = None,
    console: Console | None = None,
) -> list[Entry]:
    """Train all runs of a study that are not finished.

    The folder gets `study.json`, which says what the runs mean, `runs/METHOD/seed-N` and, with
    what each run printed, `logs`.

    Args:
        study: what to train.
        folder: of the study; it may hold what an earlier call has left.
        place: where to train.
        only: see `jobs.study_jobs`.
        kept: folder of kept runs (see `keeping`), to take finished ones from and to add to.
        track: where MLflow tracks the runs, as ``mlflow:URI``; None: nowhere.
        console: for the progress.

    Returns:
        The runs, all finished.

    Raises:
        UsageError: `only` names something unknown.
        CagexplainError: runs have other settings, or have failed; then all others are finished.
        KeyboardInterrupt: all runs have been saved.
    """
    jobs = [replace(job, track=track) for job in study_jobs(study, folder, only)]
    refuse_differences(jobs)
    places = [job.folder.relative_to(folder) for job in jobs]
    if kept is not None:  # before they are among the study's own, where removing them is no remedy
        refuse_differences(
            replace(job, folder=kept / place) for job, place in zip(jobs, places, strict=True)
        )
    prepare_output_dir(folder, allow_existing=True)
    with locked(folder) as lock:
        if kept is not None:
            keeping.restore(kept, folder, places)
        for place_of_study in filter(None, (folder, kept)):
            place_of_study.mkdir(parents=True, exist_ok=True)
            write_json(place_of_study / STUDY, study.to_json())
        keeper = _Keeper(folder, kept)
        runs = train(jobs, place.backend(lock), console or terminal.console(), keeper.look)
        keeper.look(runs)
    refuse_failures(runs)
    return runs


def show_plan(
    study: Study,
    folder: Path,
    workers: int | None = None,
    *,
    only: Iterable[str] = (),
    kept: Path | None = None,
    console: Console | None = None,
) -> None:
    """Say what `run_study` would train and how long that takes; nothing is written.

    Args:
        study, folder, only, kept, console: see `run_study`.
        workers: runs at once; None: one per processor core.

    Raises:
        UsageError: `only` names something unknown.
        CagexplainError: runs have other settings.
    """
    console = console or terminal.console()

    def there(job: Job) -> Job:
        """The run as it is kept, if it has finished there only."""
        if kept is None or job.finished:
            return job
        elsewhere = replace(job, folder=kept / job.folder.relative_to(folder))
        return elsewhere if elsewhere.finished else job

    jobs = [there(job) for job in study_jobs(study, folder, only)]
    refuse_differences(jobs)
    runs, trained = entries(jobs), entries([there(job) for job in study_jobs(study, folder)])
    console.print(cost(runs), highlight=False)
    console.print(plan(runs, trained))
    console.print(span(runs, trained, workers or machine.cores()), highlight=False)


class _Keeper:
    """Copies the small files of runs as they finish."""

    def __init__(self, folder: Path, kept: Path | None) -> None:
        self._folder, self._kept = folder, kept
        self._done: set[Path] = set()

    def look(self, runs: Sequence[Entry]) -> None:
        """Keep what has finished since the last call."""
        for entry in runs:
            run = entry.job.folder.relative_to(self._folder)
            if entry.state is RunState.FINISHED and run not in self._done:
                keeping.keep(self._folder, run, self._kept)
                self._done.add(run)


def train(
    jobs: Sequence[Job],
    backend: Backend,
    console: Console,
    watch: Callable[[Sequence[Entry]], None] = lambda runs: None,
) -> list[Entry]:
    """Train what is not finished, and show how it goes; returns how each run ended.

    Args:
        jobs: the runs.
        backend: where to train.
        console: for the progress.
        watch: called again and again with all runs; may cancel some.

    Raises:
        KeyboardInterrupt: all runs have been saved.
    """
    runs = entries(jobs)
    console.print(cost(runs), highlight=False)
    with RunsTable(runs, console) as table:

        def look() -> None:
            watch(runs)
            table.update()

        try:
            work(runs, backend, look)
        except KeyboardInterrupt:
            console.print("All workers have saved and ended. The same command continues.")
            raise
    console.print(summary(runs), highlight=False)
    return runs


def cost(runs: Sequence[Entry]) -> str:
    """What is to be done, before it begins."""
    unfinished = [entry for entry in runs if entry.open]
    steps = sum(entry.job.steps - entry.standing.steps for entry in unfinished)
    methods = len({entry.job.method for entry in runs})
    text = f"Runs: {len(runs)}, methods: {methods}; {len(unfinished)} to train, {steps:,} steps"
    begun = sum(entry.job.started for entry in unfinished)
    finished = sum(entry.state is RunState.FINISHED for entry in runs)
    return f"{text} ({finished} finished before, {begun} continued)"
