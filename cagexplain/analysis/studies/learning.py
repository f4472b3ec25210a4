"""What the runs of a study show: learning curves, final returns, and the study's findings.

The folder is one that `cagexplain study run` has written: `study.json` says which runs make up
which method, and which differences between methods the findings claim; every finished run has a
`result.json` and a `metrics.parquet`. Unfinished runs are left out, and counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from cagexplain.analysis.studies import study_files
from cagexplain.analysis.studies.study_files import (
    RESULT,
    read_config,
    read_curve,
    read_outcome,
    read_study,
)
from cagexplain.common.arrays import FloatArray
from cagexplain.common.errors import CagexplainError
from cagexplain.common.results import Result
from cagexplain.stats.adjust import holm
from cagexplain.stats.few_runs import (
    RunsDifference,
    bootstrap,
    improvement,
    iqm,
    mean_difference,
)
from cagexplain.stats.means import CONFIDENCE

POINTS: Final = 100
"""A learning curve has at most so many; each is the mean of the same number of rounds."""
_TRAIN_AGAIN: Final = "Remove the run's folder and train it again"


class Verdict(StrEnum):
    """What the runs say about a claim."""

    SUPPORTED = "SUPPORTED"
    CONTRADICTED = "CONTRADICTED"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class LearningRun:
    """A finished run.

    Attributes:
        seed: of the run.
        steps: ``[rounds]`` environment steps made by the end of each round.
        returns: ``[rounds]`` mean official return of the episodes of each round.
        final: mean return of the best weights on held-out episodes.
        episodes: how many these were.
        played, seconds, rate: steps played, seconds they took, steps per second.
        gradient_steps: steps of an acting network's optimiser.
        random: mean return of random play in the held-out episodes.
        versions: of the packages that it was trained with.
    """

    seed: int
    steps: FloatArray
    returns: FloatArray
    final: float
    episodes: int
    played: int
    seconds: float
    rate: float
    gradient_steps: float
    random: float
    versions: Mapping[str, str]

    def at(self, steps: int) -> float | None:
        """The mean training return of the tenth of the run that ends with `steps` steps; None if
        the run is shorter."""
        if steps > self.played:
            return None
        stop = int(np.searchsorted(self.steps, steps, side="right"))
        start = max(0, stop - max(1, len(self.returns) // 10))
        return float(self.returns[start:stop].mean()) if stop else None

    def measure(self, window: Sequence[float] | None) -> float:
        """The final return, or the mean training return in a window of the run.

        Args:
            window: from and to, as shares of the rounds; it has at least one round.
        """
        if window is None:
            return self.final
        start = min(int(window[0] * len(self.returns)), len(self.returns) - 1)
        stop = max(start + 1, round(window[1] * len(self.returns)))
        return float(self.returns[start:stop].mean())


@dataclass(frozen=True)
class Curve(Result):
    """A method's training return over its runs.

    Attributes:
        method: id.
        steps: environment steps at the end of each point.
        mean, sd: over the runs; sd None with fewer than two.
        iqm: interquartile mean; low, high: its bootstrap interval, None with too few runs.
        rounds: number of rounds that a point is the mean of.
    """

    method: str
    steps: list[int]
    mean: list[float]
    sd: list[float] | None
    iqm: list[float]
    low: list[float] | None
    high: list[float] | None
    rounds: int


@dataclass(frozen=True)
class MethodResult(Result):
    """Final returns of a method.

    Attributes:
        id, title: of the method.
        config: settings of its runs.
        wanted: number of runs it is to have.
        seeds, finals: of the finished runs, and their returns on held-out episodes.
        episodes: number of these episodes per run.
        mean, sd, best: over the runs; None without any, sd with fewer than two.
        iqm, low, high: interquartile mean and its bootstrap interval; None likewise.
        steps: made per run.
        seconds, rate: mean over the runs; None without any.
        gradient_steps: mean over the runs; None without any.
        above_random: points that each run is above random play in the same episodes.
        versions: of the packages that the runs were trained with, each combination once.
    """

    id: str
    title: str
    config: dict[str, Any]
    wanted: int
    seeds: list[int]
    finals: list[float]
    episodes: int
    mean: float | None
    sd: float | None
    best: float | None
    iqm: float | None
    low: float | None
    high: float | None
    steps: int
    seconds: float | None
    rate: float | None
    gradient_steps: float | None
    above_random: list[float]
    versions: list[dict[str, str]]


@dataclass(frozen=True)
class EqualSteps(Result):
    """Training returns of methods after the same number of environment steps.

    Attributes:
        steps: that the shortest run of the figure made.
        methods: id -> mean over the runs of the return in the tenth of each run that ends there.
    """

    steps: int
    methods: dict[str, float]


@dataclass(frozen=True)
class Pair(Result):
    """Final returns of two methods, A minus B.

    Attributes:
        a, b: ids.
        difference: of the means.
        low, high: Welch's interval; None with fewer than two runs of either, like what follows.
        boot_low, boot_high: bootstrap interval over runs.
        p, p_holm: of no difference; adjusted for all pairs of the figure.
        improvement: how often a run of A beats one of B.
        improvement_low, improvement_high: its bootstrap interval; None also where every run of one
            beats every run of the other, as nothing shows how far that may be off.
    """

    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    boot_low: float | None
    boot_high: float | None
    p: float | None
    p_holm: float | None
    improvement: float
    improvement_low: float | None
    improvement_high: float | None


@dataclass(frozen=True)
class Claim(Result):
    """A claimed difference, and the one that the runs show.

    Attributes:
        method, relation, other, measure: "`method` is `relation` `other` in `measure`".
        least, most: where the difference lies if the claim holds, in points; None: no limit.
        difference: of the means; None where a method has no finished run.
        low, high: its interval at 95 %; None with fewer than two runs of either.
        verdict: SUPPORTED if the interval lies between `least` and `most`; CONTRADICTED if a wider
            one, corrected for the claims of the finding, lies outside; INCONCLUSIVE otherwise.
    """

    method: str
    relation: str
    other: str
    measure: str
    least: float | None
    most: float | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict


@dataclass(frozen=True)
class FindingResult(Result):
    """A finding: SUPPORTED if all its claims are, CONTRADICTED if any is."""

    text: str
    verdict: Verdict
    claims: list[Claim]


@dataclass(frozen=True)
class FigureResult(Result):
    """A figure: curves and pairs of its methods that have finished runs, and its findings; equal
    steps only where the methods' runs differ in length."""

    id: str
    title: str
    methods: list[str]
    curves: list[Curve]
    pairs: list[Pair]
    findings: list[FindingResult]
    equal: EqualSteps | None


@dataclass(frozen=True)
class StudyResult(Result):
    """A whole study.

    Attributes:
        name: of the study.
        margin: difference in return that does not matter, in points.
        wanted, finished: number of runs; those that methods share count once.
        seconds: of training, all finished runs together.
        left_out: finished runs that do not count, and why: their settings are not the study's.
        methods: by id.
        figures: in the order of the study.
    """

    name: str
    margin: float
    wanted: int
    finished: int
    seconds: float
    left_out: list[str]
    methods: dict[str, MethodResult]
    figures: list[FigureResult]


def analyse_study(folder: str | Path) -> StudyResult:
    """Read the finished runs of a study and compare its methods.

    Raises:
        CagexplainError: there is no study, a file is damaged, or no run is finished.
    """
    folder = Path(folder)
    study = read_study(folder)
    left_out: list[str] = []
    by_folder = {
        name: [read_run(place) for _, place in finished_runs(folder, name, study, left_out)]
        for name in dict.fromkeys(method.runs for method in study.methods.values())
    }
    runs = {name: by_folder[method.runs] for name, method in study.methods.items()}
    finished = list(itertools.chain.from_iterable(by_folder.values()))
    if not finished:
        raise CagexplainError(
            "no run of this study is finished",
            where=folder,
            remedy="Wait for one, or continue with `cagexplain study run`",
        )
    return StudyResult(
        name=study.name,
        margin=study.margin,
        wanted=len(by_folder) * len(study.seeds),
        finished=len(finished),
        seconds=sum(run.seconds for run in finished),
        left_out=left_out,
        methods={
            name: _method(name, method, runs[name], len(study.seeds))
            for name, method in study.methods.items()
        },
        figures=[_figure(figure, runs) for figure in study.figures],
    )


def finished_runs(
    folder: Path, method: str, study: study_files.Study, left_out: list[str]
) -> Iterator[tuple[int, Path]]:
    """Seeds and folders of a method's finished runs.

    Args:
        folder: of the study.
        method: id of a method that has runs of its own.
        study: content of the study's file.
        left_out: is told of runs that do not count, as their settings are not the study's.

    Raises:
        CagexplainError: the settings of a run cannot be read.
    """
    for seed in study.seeds:
        place = folder / "runs" / method / f"seed-{seed}"
        if not (place / RESULT).exists():
            continue
        config = study.methods[method].defaults | read_config(place)
        wanted = {**study.methods[method].config, "seed": seed}
        other = sorted(key for key in wanted | config if wanted.get(key) != config.get(key))
        if other:
            left_out.append(f"{method}, seed {seed}: has another {', '.join(other)}")
        else:
            yield seed, place


def read_run(folder: Path) -> LearningRun:
    """Read a finished run; CagexplainError if a file is damaged."""
    result = read_outcome(folder)
    steps, returns = read_curve(folder)
    return LearningRun(
        seed=result.seed,
        steps=steps,
        returns=returns,
        final=result.final_mean,
        episodes=len(result.final_returns),
        played=result.steps,
        seconds=result.seconds,
        rate=result.steps_per_second,
        gradient_steps=result.gradient_steps,
        random=result.random_mean,
        versions=result.versions,
    )


def _method(
    name: str, method: study_files.Method, runs: Sequence[LearningRun], wanted: int
) -> MethodResult:
    finals = _finals(runs)
    few = len(runs) < 2
    limits = bootstrap([finals], iqm)
    return MethodResult(
        id=name,
        title=method.title,
        config=method.config,
        wanted=wanted,
        seeds=[run.seed for run in runs],
        finals=finals.tolist(),
        episodes=runs[0].episodes if runs else 0,
        mean=float(finals.mean()) if runs else None,
        sd=None if few else float(finals.std(ddof=1)),
        best=float(finals.max()) if runs else None,
        iqm=float(iqm(finals)) if runs else None,
        low=None if limits is None else float(limits[0]),
        high=None if limits is None else float(limits[1]),
        steps=runs[0].played if runs else 0,
        seconds=float(np.mean([run.seconds for run in runs])) if runs else None,
        rate=float(np.mean([run.rate for run in runs])) if runs else None,
        gradient_steps=float(np.mean([run.gradient_steps for run in runs])) if runs else None,
        above_random=[run.final - run.random for run in runs],
        versions=[
            dict(versions)
            for versions in dict.fromkeys(tuple(sorted(run.versions.items())) for run in runs)
        ],
    )


def _figure(figure: study_files.Figure, runs: Mapping[str, Sequence[LearningRun]]) -> FigureResult:
    there = [method for method in figure.methods if runs[method]]
    return FigureResult(
        id=figure.id,
        title=figure.title,
        methods=list(figure.methods),
        curves=[curve(method, runs[method]) for method in there],
        pairs=pairs({method: _finals(runs[method]) for method in there}),
        findings=[_finding(finding, runs) for finding in figure.findings],
        equal=_equal_steps({method: runs[method] for method in there}),
    )


def _equal_steps(runs: Mapping[str, Sequence[LearningRun]]) -> EqualSteps | None:
    lengths = {run.played for of_method in runs.values() for run in of_method}
    if len(lengths) < 2:
        return None
    steps = min(lengths)
    returns = {
        method: [value for run in of_method if (value := run.at(steps)) is not None]
        for method, of_method in runs.items()
    }
    return EqualSteps(
        steps, {method: float(np.mean(values)) for method, values in returns.items() if values}
    )


def curve(method: str, runs: Sequence[LearningRun]) -> Curve:
    """The training returns of a method's runs, round by round or in equal groups of rounds."""
    length = min(len(run.returns) for run in runs)
    rounds = -(-length // POINTS)
    starts = np.arange(0, length, rounds)
    sizes = np.diff(np.append(starts, length))
    returns = np.stack([np.add.reduceat(run.returns[:length], starts) / sizes for run in runs])
    several = len(runs) > 1
    limits = bootstrap([returns], iqm)
    return Curve(
        method=method,
        steps=runs[0].steps[starts + sizes - 1].astype(int).tolist(),
        mean=returns.mean(axis=0).tolist(),
        sd=returns.std(axis=0, ddof=1).tolist() if several else None,
        iqm=iqm(returns).tolist(),
        low=None if limits is None else limits[0].tolist(),
        high=None if limits is None else limits[1].tolist(),
        rounds=rounds,
    )


def pairs(finals: Mapping[str, FloatArray]) -> list[Pair]:
    """All pairs of methods by their final returns; finals: of each method, ``float64[run]``."""
    chosen = list(itertools.combinations(finals, 2))
    differences = [mean_difference(finals[a], finals[b]) for a, b in chosen]
    adjusted = holm([difference.p_value for difference in differences])
    compared = []
    for (a, b), difference, p_holm in zip(chosen, differences, adjusted, strict=True):
        samples = [finals[a], finals[b]]
        low, high = _ends(difference.interval())
        boot_low, boot_high = _ends(
            bootstrap(samples, lambda x, y: np.asarray(x.mean(axis=0) - y.mean(axis=0)))
        )
        better = float(improvement(*samples))
        improvement_low, improvement_high = _ends(
            bootstrap(samples, improvement) if 0 < better < 1 else None
        )
        compared.append(
            Pair(
                a=a,
                b=b,
                difference=difference.value,
                low=low,
                high=high,
                boot_low=boot_low,
                boot_high=boot_high,
                p=difference.p_value,
                p_holm=None if np.isnan(p_holm) else float(p_holm),
                improvement=better,
                improvement_low=improvement_low,
                improvement_high=improvement_high,
            )
        )
    return compared


def _finding(
    finding: study_files.StatedFinding, runs: Mapping[str, Sequence[LearningRun]]
) -> FindingResult:
    stated = finding.comparisons
    claims = [_claim(comparison, runs, len(stated)) for comparison in stated]
    return FindingResult(finding.text, all_verdicts([claim.verdict for claim in claims]), claims)


def _claim(
    stated: study_files.StatedComparison, runs: Mapping[str, Sequence[LearningRun]], of: int
) -> Claim:
    samples = [
        np.array([run.measure(stated.window) for run in runs[name]])
        for name in (stated.method, stated.other)
    ]
    difference = mean_difference(*samples) if all(map(len, samples)) else None
    low, high = _ends(difference.interval() if difference else None)
    return Claim(
        method=stated.method,
        relation=stated.relation,
        other=stated.other,
        measure=stated.measure,
        least=stated.low,
        most=stated.high,
        difference=difference.value if difference else None,
        low=low,
        high=high,
        verdict=judge(difference, stated.low, stated.high, of),
    )


def judge(
    difference: RunsDifference | None, least: float | None, most: float | None, of: int = 1
) -> Verdict:
    """Whether a difference lies between two limits.

    Args:
        difference: what the runs show; None if they show nothing.
        least, most: the limits; None: no limit.
        of: number of claims that would each contradict the same finding. That all hold needs no
            correction (an intersection-union test, Berger 1982); that any fails does (Bonferroni).
    """
    inner = difference.interval() if difference else None
    outer = difference.interval(1 - (1 - CONFIDENCE) / of) if difference else None
    if inner is None or outer is None:
        return Verdict.INCONCLUSIVE
    floor = -np.inf if least is None else least
    ceiling = np.inf if most is None else most
    if floor < inner[0] and inner[1] < ceiling:
        return Verdict.SUPPORTED
    if outer[1] <= floor or ceiling <= outer[0]:
        return Verdict.CONTRADICTED
    return Verdict.INCONCLUSIVE


def all_verdicts(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a finding, from those of its claims: none, or any in doubt, leave it in doubt."""
    if Verdict.CONTRADICTED in verdicts:
        return Verdict.CONTRADICTED
    if set(verdicts) == {Verdict.SUPPORTED}:
        return Verdict.SUPPORTED
    return Verdict.INCONCLUSIVE


def _finals(runs: Sequence[LearningRun]) -> FloatArray:
    return np.array([run.final for run in runs], np.float64)


def _ends(
    interval: tuple[float, float] | tuple[FloatArray, FloatArray] | None,
) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (float(interval[0]), float(interval[1]))
