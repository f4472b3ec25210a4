"""Searching for settings: every point of a grid, or those that Optuna proposes.

A point is a method of a small study, trained with several seeds. It is judged by the mean over
its seeds of the best evaluation on the way, on the validation episodes; the final episodes of
`result.json` have no part in the choice.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from cagexplain.common.documents import require_file
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import prepare_output_dir, write_json, write_text
from trainers.core.config import Assignment, RunConfig
from trainers.core.result import read_result
from trainers.studies.definition import Study, make_method
from trainers.studies.jobs import STUDY, Job, method_job, refuse_differences, study_jobs
from trainers.studies.local import locked
from trainers.studies.run import Workplace, train
from trainers.studies.runner import Backend, Entry, RunState, refuse_failures

PRUNERS: Final = ("asha", "median", "none")
JOURNAL: Final = "optuna.journal"
RESULTS: Final = "search.json"
BEST: Final = "best.yaml"

_AGAIN: Final = "again"
_ELSEWHERE: Final = {
    "algorithm": "the argument ALGORITHM",
    "preset": "--preset",
    "seed": "--n-seeds",
}

Values = dict[str, str]
"""A point: settings and their values as text."""


@dataclass(frozen=True)
class Range:
    """Numbers that Optuna may choose from, ends included; `log`: evenly in their logarithm."""

    low: float
    high: float
    log: bool


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        run: algorithm, preset, steps and evaluations of every run.
        seeds: of the runs of each point.
        fixed: settings that all points have, over those of the preset.
        grid: setting -> its values.
        ranges: setting -> numbers, for Optuna only.
    """

    run: RunConfig
    seeds: tuple[int, ...]
    fixed: Sequence[Assignment]
    grid: Mapping[str, Sequence[str]]
    ranges: Mapping[str, Range]

    def study(self, points: Sequence[Values]) -> Study:
        """A study with a method per point; UsageError if one cannot be trained."""
        methods = {}
        for values in points:
            name = point_name(values)
            changes = [
                *self.fixed,
                *(Assignment(key, value, self._option(key)) for key, value in values.items()),
            ]
            _refuse_given_elsewhere(changes)
            methods[name] = make_method(name, name, self.run, changes)
        return Study(f"Search: {self.run.algorithm}", self.seeds, 0.0, methods, ())

    def _option(self, key: str) -> str:
        return "--grid" if key in self.grid else "--range"

    def points(self) -> Iterator[Values]:
        """All points of the grid."""
        for chosen in itertools.product(*self.grid.values()):
            yield dict(zip(self.grid, chosen, strict=True))


@dataclass(frozen=True)
class Point:
    """How a point did.

    Attributes:
        values: of the settings.
        state: "finished", "pruned" or "failed".
        scores: best evaluation of each seed.
        finals: held-out return of each finished seed.
        mean, sd: of `scores`; None without any, sd with fewer than two.
    """

    values: Values
    state: str
    scores: list[float]
    finals: list[float]
    mean: float | None
    sd: float | None


def point_name(values: Values) -> str:
    """The folder of a point."""
    return ",".join(f"{key}={value}" for key, value in values.items())


def _refuse_given_elsewhere(changes: Sequence[Assignment]) -> None:
    """Points differ in settings of one preset, and each is trained with every seed."""
    for change in changes:
        if change.name in _ELSEWHERE:
            raise UsageError(
                "is the same for all points",
                where=change.where,
                field=change.name,
                remedy=f"Give {_ELSEWHERE[change.name]}",
            )


def read_grid(texts: Sequence[str]) -> dict[str, list[str]]:
    """Read `setting=value,value` texts; UsageError if one has another form."""
    grid: dict[str, list[str]] = {}
    for text in texts:
        key, separator, values = text.partition("=")
        grid[key] = [value.strip() for value in values.split(",")]
        if not (key and separator and all(grid[key])) or len(set(grid[key])) < len(grid[key]):
            raise UsageError(
                f"{text!r} is not of the form setting=value,value with different values",
                where="--grid",
                remedy="Write for example --grid gamma=0.9,0.99",
            )
    return grid


def read_ranges(texts: Sequence[str]) -> dict[str, Range]:
    """Read `setting=low:high` and `setting=low:high:log`; UsageError if one has another form."""
    ranges = {}
    for text in texts:
        key, _, ends = text.partition("=")
        parts = ends.split(":")
        try:
            low, high = float(parts[0]), float(parts[1])
            log = parts[2:] == ["log"]
            if not key or not (log or len(parts) == 2) or not -math.inf < low < high < math.inf:
                raise ValueError
            if log and low <= 0:
                raise ValueError
        except (ValueError, IndexError) as error:
            raise UsageError(
                f"{text!r} is not of the form setting=low:high or setting=low:high:log",
                where="--range",
                remedy="Write for example --range learning_rate=1e-5:1e-2:log",
            ) from error
        ranges[key] = Range(low, high, log)
    return ranges


def grid_search(space: Space, folder: Path, place: Workplace, console: Console) -> list[Point]:
    """Train every point of the grid; the best one first.

    Raises:
        UsageError: a point cannot be trained.
        CagexplainError: runs have other settings, or have failed.
    """
    candidates = list(space.points())
    study = space.study(candidates)
    jobs = study_jobs(study, folder)
    refuse_differences(jobs)
    prepare_output_dir(folder, allow_existing=True)
    with locked(folder) as lock:
        write_json(folder / STUDY, study.to_json())
        runs = train(jobs, place.backend(lock), console)
    points = [
        judge(values, [run for run in runs if run.job.method == point_name(values)])
        for values in candidates
    ]
    write_results(space, points, folder)
    refuse_failures(runs)
    return ranked(points)


def optuna_search(
    space: Space, folder: Path, place: Workplace, trials: int, pruner: str, console: Console
) -> list[Point]:
    """Train `trials` points that Optuna proposes, together with those of earlier calls.

    Points come from the tree-structured Parzen estimator (Bergstra et al. 2011). At every
    evaluation that all seeds of a point have made, the pruner compares their mean with those of
    earlier points and may give the point up. The state is a journal in the folder: a search that
    was killed first completes the points it was at, from where their runs stand.

    Args:
        space: where to look.
        folder: of the search.
        place: where to train.
        trials: number of points in all, those of earlier calls included.
        pruner: "asha" (Li et al. 2020), "median" or "none".
        console: for the progress.

    Raises:
        UsageError: Optuna is not installed; a point cannot be trained.
        CagexplainError: runs have other settings; no point was trained to its end.
    """
    optuna = _import_optuna()
    if not space.ranges and not space.grid:
        raise UsageError("there is nothing to search", remedy="Give --range or --grid")
    space.study(_corners(space))  # refuses what cannot be trained before anything is written
    prepare_output_dir(folder, allow_existing=True)
    with locked(folder) as lock:
        study = _journal(optuna, folder / JOURNAL, _pruner(optuna, pruner))
        _requeue(optuna, study)
        # The sampler's generator is not stored; its seed tells continued searches apart.
        study.sampler = optuna.samplers.TPESampler(seed=len(study.trials), constant_liar=True)
        backend = place.backend(lock)
        at_once = max(1, backend.slots // len(space.seeds))
        while (missing := trials - _done(study)) > 0:
            batch = [study.ask() for _ in range(min(missing, at_once))]
            _train_trials(optuna, study, space, folder, batch, backend, console)
            write_results(space, _points(study, space, folder), folder)
        points = ranked(_points(study, space, folder))
        write_results(space, points, folder)
    if not any(point.state == "finished" for point in points):
        raise CagexplainError(
            "no point was trained to its end",
            where=folder,
            remedy="Remove the cause that the logs tell, then search again in a new folder",
        )
    return points


def _journal(optuna: Any, path: Path, pruner: Any) -> Any:
    """The search that a journal tells of, or a new one."""
    if path.exists():
        require_file(path, "journal of a search", limit=None)
    try:
        storage = optuna.storages.journal.JournalFileBackend(str(path))
        return optuna.create_study(
            study_name="search",
            storage=optuna.storages.JournalStorage(storage),
            direction="maximize",
            load_if_exists=True,
            pruner=pruner,
        )
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise CagexplainError(
            f"the journal is damaged ({type(error).__name__}: {error})",
            where=path,
            remedy="Remove it to search anew; what has been trained is not lost",
        ) from error


def _train_trials(
    optuna: Any,
    study: Any,
    space: Space,
    folder: Path,
    batch: Sequence[Any],
    backend: Backend,
    console: Console,
) -> None:
    """Train the points of some trials side by side, prune, and tell Optuna how they did."""
    points = [_suggest(trial, space) for trial in batch]
    jobs = {point_name(values): _jobs(space, values, folder) for values in points}
    everything = [job for group in jobs.values() for job in group]  # a point may come up twice
    refuse_differences(everything)
    reported: dict[int, int] = {}

    def watch(runs: Sequence[Entry]) -> None:
        for trial, values in zip(batch, points, strict=True):
            mine = [run for run in runs if run.job.method == point_name(values)]
            if _should_prune(trial, mine, reported):
                for run in mine:
                    run.cancel()

    runs = train(everything, backend, console, watch)
    for run in runs:
        if run.state is RunState.FAILED:
            console.print(f"{run.job.name}: {run.error} (log: {run.job.log})", markup=False)
    for trial, values in zip(batch, points, strict=True):
        mine = [run for run in runs if run.job.method == point_name(values)]
        states = {run.state for run in mine}
        point = judge(values, mine)
        if RunState.FAILED in states:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        elif RunState.STOPPED in states:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, point.mean)


def _should_prune(trial: Any, runs: Sequence[Entry], reported: dict[int, int]) -> bool:
    """Report the evaluations that all seeds have made; whether the pruner gives the point up.

    `reported` has the number of evaluations reported before, by trial.
    """
    rounds = list(zip(*(run.standing.evaluations for run in runs), strict=False))
    for number in range(reported.get(trial.number, 0), len(rounds)):
        trial.report(statistics.fmean(value for _, value in rounds[number]), number + 1)
        reported[trial.number] = number + 1
        if trial.should_prune():
            return any(run.open for run in runs)
    return False


def _suggest(trial: Any, space: Space) -> Values:
    """The values of a trial, as text with the digits that its runs are trained with."""
    values = {
        key: trial.suggest_categorical(key, list(choices)) for key, choices in space.grid.items()
    }
    for key, span in space.ranges.items():
        values[key] = f"{trial.suggest_float(key, span.low, span.high, log=span.log):.5g}"
    return values


def _jobs(space: Space, values: Values, folder: Path) -> list[Job]:
    (method,) = space.study([values]).methods.values()
    return [method_job(method, seed, folder) for seed in space.seeds]


def _corners(space: Space) -> list[Values]:
    """Every point of the grid, with all ranges at their low ends and at their high ones."""
    return [
        point | {key: f"{getattr(span, end):.5g}" for key, span in space.ranges.items()}
        for point in space.points()
        for end in ("low", "high")
    ]


def _points(study: Any, space: Space, folder: Path) -> list[Point]:
    """All points that the journal knows, from what their runs have left."""
    points = {}
    for trial in study.trials:
        if trial.state.is_finished() and trial.params.keys() == space.grid.keys() | space.ranges:
            values = {
                key: value if key in space.grid else f"{value:.5g}"
                for key, value in trial.params.items()
            }
            runs = [_as_left(job) for job in _jobs(space, values, folder)]
            points[point_name(values)] = judge(values, runs, pruned=trial.state.name == "PRUNED")
    return list(points.values())


def _as_left(job: Job) -> Entry:
    entry = Entry(job, RunState.FINISHED if job.finished else RunState.FAILED)
    entry.look(now=True)
    return entry


def _requeue(optuna: Any, study: Any) -> None:
    """Let points that a killed search was at be the next ones."""
    for trial in study.trials:
        if trial.state is optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs={_AGAIN: True})


def _done(study: Any) -> int:
    """Trials that have ended; one that was begun again counts once."""
    ended: int = sum(trial.state.is_finished() for trial in study.trials)
    return ended - sum(_AGAIN in trial.user_attrs for trial in study.trials)


def _pruner(optuna: Any, name: str) -> Any:
    return {
        "asha": optuna.pruners.SuccessiveHalvingPruner,
        "median": optuna.pruners.MedianPruner,
        "none": optuna.pruners.NopPruner,
    }[name]()


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "Optuna is not installed",
            where="--optuna",
            remedy="Install it with `pip install optuna`, or search a --grid",
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def judge(values: Values, runs: Sequence[Entry], *, pruned: bool = False) -> Point:
    """Sum up the runs of a point."""
    scores = [max(e for _, e in r.standing.evaluations) for r in runs if r.standing.evaluations]
    complete = all(run.state is RunState.FINISHED for run in runs)
    finished = [read_result(run.job.folder) for run in runs if run.state is RunState.FINISHED]
    finals = [result.final_mean for result in finished if result is not None]
    return Point(
        values=values,
        state="finished" if complete else "pruned" if pruned else "failed",
        scores=scores,
        finals=finals,
        mean=statistics.fmean(scores) if scores else None,
        sd=statistics.stdev(scores) if len(scores) > 1 else None,
    )


def ranked(points: Sequence[Point]) -> list[Point]:
    """The best point first; points that were not trained to their end come last."""
    return sorted(
        points,
        key=lambda p: (p.state == "finished", -math.inf if p.mean is None else p.mean),
        reverse=True,
    )


def write_results(space: Space, points: Sequence[Point], folder: Path) -> None:
    """Write all points, and the best one such that `cagexplain train --config` reads it."""
    order = ranked(points)
    write_json(
        folder / RESULTS,
        {
            "run": asdict(space.run),
            "seeds": list(space.seeds),
            "points": [asdict(point) for point in order],
        },
    )
    if order and order[0].state == "finished":
        best, run = order[0], space.run
        settings = {a.name: a.value for a in space.fixed} | best.values
        lines = [
            f"# Best of {len(order)} points, {len(space.seeds)} seeds each: {best.mean:.1f}. Use:",
            f"#   cagexplain train {run.algorithm} --preset {run.preset} --config {BEST}",
            *(f"{key}: {value}" for key, value in settings.items()),
        ]
        write_text(folder / BEST, "\n".join(lines) + "\n")
