"""The page about a study: learning curves, final returns, and what became of its findings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from cagexplain import __version__
from cagexplain.analysis.studies.learning import (
    Claim,
    FigureResult,
    MethodResult,
    StudyResult,
    Verdict,
)
from cagexplain.analysis.studies.strategies import StrategiesResult
from cagexplain.stats.bootstrap import RESAMPLES
from cagexplain.stats.few_runs import MIN_RUNS
from reports.drawings.curves import BOX, looks, picture, svg_file
from reports.kit import numbers
from reports.kit.markdown import cell, table
from reports.kit.pages import environment, source
from reports.study.strategies import (
    PICTURE,
    StrategiesSection,
    strategies_context,
    strategies_markdown,
    strategies_part,
    strategies_svg,
)

SIGNS: Final = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.INCONCLUSIVE: "?"}
MEASURES: Final = {
    "final": "return of the best weights",
    "early": "training return, first tenth",
    "late": "training return, last tenth",
}
"""Of the measures that a study can name; others are shown by their name."""
FEW: Final = 5
"""With fewer runs of a method the page warns."""
PAPER_SEEDS: Final = 5
PAPER_STEPS: Final = 2_000_000
"""Of every method of Rigoni et al. (2025)."""
_STYLES: Final = (
    *("kit/style.css", "drawings/curves.css", "drawings/fsm_small.css"),
    "study/page.css",
)


@dataclass(frozen=True)
class StudyPage:
    """The finished report.

    Attributes:
        html: one page that loads nothing and runs no script.
        markdown: the same tables.
        pictures: name -> SVG file: the learning curves of each figure by its id, and figure 8.
    """

    html: str
    markdown: str
    pictures: dict[str, str]


@dataclass(frozen=True)
class Finals:
    """A method's final returns on the scale of its figure: places from 0 to 100."""

    dots: Sequence[float]
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class MethodRow:
    """A method in a table of final returns, as text and as a strip; `below` names the runs that
    ended below random play."""

    id: str
    title: str
    look: str
    runs: str
    below: str
    mean: str
    sd: str
    iqm: str
    interval: str
    best: str
    steps: str
    gradient_steps: str
    time: str
    rate: str
    strip: Finals | None


@dataclass(frozen=True)
class ClaimRow:
    """A claim as text."""

    text: str
    measure: str
    wanted: str
    difference: str
    interval: str
    verdict: Verdict


@dataclass(frozen=True)
class Judged:
    """A finding, or a sentence about policies, in the list of all."""

    place: str
    figure: str
    text: str
    verdict: Verdict


def study_report(result: StudyResult, strategies: StrategiesResult | None) -> StudyPage:
    """Make the page and what belongs to it.

    Args:
        result: of the runs.
        strategies: of those that are explained; None if none is.
    """
    part = None if strategies is None else strategies_part(strategies)
    titles = {method.id: method.title for method in result.methods.values()}
    drawn = [figure for figure in result.figures if figure.curves]
    findings = list(_judged(result, strategies))
    context: dict[str, Any] = {
        **strategies_context(part),
        "result": result,
        "not_run": not_run(result),
        "versions": list(_versions(result)),
        "titles": titles,
        "tiles": list(_tiles(result, findings)),
        "findings": findings,
        "signs": SIGNS,
        "rows": _rows(list(result.methods.values()), {}),
        "figures": [
            (
                figure,
                picture(figure, titles) if figure.curves else None,
                _smoothing(figure, titles),
                _rows([result.methods[m] for m in figure.methods], looks(figure.methods)),
            )
            for figure in result.figures
        ],
        "claims": lambda finding: [_claim_row(claim, titles) for claim in finding.claims],
        "few": [method for method in result.methods.values() if len(method.seeds) < FEW],
        "fewest": FEW,
        "number": numbers.number,
        "signed": signed,
        "span": span,
        "chance": chance,
    }
    html = (
        environment()
        .get_template("study/page.html.j2")
        .render(
            **context,
            box=BOX,
            resamples=numbers.number(RESAMPLES),
            min_runs=MIN_RUNS,
            configs=json.dumps(
                {method.id: method.config for method in result.methods.values()}, indent=2
            ),
            nbsp=numbers.NBSP,
            version=__version__,
            style=Markup("".join(map(source, _STYLES))),
        )
    )
    pictures = {figure.id: svg_file(figure, titles) for figure in drawn}
    if part is not None:
        pictures[PICTURE] = strategies_svg(part)
    return StudyPage(html, _markdown(context, part), pictures)


def _judged(result: StudyResult, strategies: StrategiesResult | None) -> Iterator[Judged]:
    """Everything that has a verdict; of policies under the paper's condition."""
    for figure in result.figures:
        for finding in figure.findings:
            yield Judged(figure.id, figure.title, finding.text, finding.verdict)
    if strategies is not None:
        for sentence in strategies.conditions[0].sentences:
            yield Judged("strategies", "Policies (figure 8)", sentence.text, sentence.verdict)


def not_run(result: StudyResult) -> str:
    """What is missing of the study, and of the paper's."""
    methods = result.methods.values()
    sentences = [f"{result.finished} of {result.wanted} runs are finished."]
    few = [f"{m.title} ({len(m.seeds)} of {m.wanted})" for m in methods if len(m.seeds) < m.wanted]
    if few:
        sentences.append(f"Fewer than wanted have {', '.join(few)}.")
    sentences.append(
        f"Rigoni et al. (2025) trained {PAPER_SEEDS} seeds of {numbers.number(PAPER_STEPS)} steps "
        "each."
    )
    seeds = max(method.wanted for method in methods)
    if seeds < PAPER_SEEDS:
        sentences.append(f"This study wants {seeds} seed{'s' * (seeds != 1)} of each method.")
    by_length: dict[int, list[str]] = {}
    for method in methods:
        steps = method.config.get("steps", method.steps)
        if 0 < steps < PAPER_STEPS:
            by_length.setdefault(steps, []).append(method.title)
    for steps, names in sorted(by_length.items()):
        who = "all methods" if len(names) == len(methods) else ", ".join(names)
        sentences.append(f"Only {numbers.number(steps)} steps long: {who}.")
    return " ".join(sentences)


def _versions(result: StudyResult) -> Iterator[str]:
    """Packages whose versions differ between runs, and which methods have which."""
    packages: dict[str, dict[str, list[str]]] = {}
    for method in result.methods.values():
        for versions in method.versions:
            for package, number in versions.items():
                titles = packages.setdefault(package, {}).setdefault(number, [])
                titles.append(method.title)
    for package, by_number in sorted(packages.items()):
        if len(by_number) > 1:
            each = "; ".join(f"{number}: {', '.join(t)}" for number, t in by_number.items())
            yield f"{package} {each}"


def _tiles(result: StudyResult, findings: Sequence[Judged]) -> Iterator[tuple[str, str, str]]:
    if findings:
        counts = Counter(finding.verdict for finding in findings)
        yield (
            f"{counts[Verdict.SUPPORTED]} of {len(findings)}",
            "findings supported",
            f"{counts[Verdict.CONTRADICTED]} contradicted, "
            f"{counts[Verdict.INCONCLUSIVE]} inconclusive",
        )
    yield (
        f"{result.finished} of {result.wanted}",
        "runs finished",
        f"{len(result.methods)} methods",
    )
    known = [method for method in result.methods.values() if method.mean is not None]
    best = max(known, key=lambda method: method.mean or 0.0)
    yield (
        numbers.number(best.mean or 0.0),
        "best mean return",
        f"{best.title}, {_runs(best)}",
    )
    yield duration(result.seconds), "of training", "all finished runs, added up"


def _smoothing(figure: FigureResult, titles: dict[str, str]) -> str:
    """What a point of the curves stands for."""
    rounds = {curve.rounds for curve in figure.curves}
    if rounds == {1}:
        return "Not smoothed: one point per round."
    if len(rounds) == 1:
        return f"Every point is the mean of {rounds.pop()} rounds; not smoothed beyond that."
    each = ", ".join(f"{titles[curve.method]} {curve.rounds}" for curve in figure.curves)
    return f"Every point is the mean of some rounds ({each}); not smoothed beyond that."


def _rows(methods: Sequence[MethodResult], look: dict[str, str]) -> list[MethodRow]:
    """Methods as a table, on a common scale."""
    values = [v for m in methods for v in (*m.finals, m.low, m.high) if v is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    width = max(high - low, 1.0)

    def place(value: float) -> float:
        return 3 + 94 * (value - low) / width

    def strip(method: MethodResult) -> Finals | None:
        if method.iqm is None:
            return None
        limits = [None if v is None else place(v) for v in (method.low, method.high)]
        return Finals([place(v) for v in method.finals], place(method.iqm), *limits)

    def text(value: float | None) -> str:
        return "–" if value is None else numbers.number(value)

    return [
        MethodRow(
            id=method.id,
            title=method.title,
            look=look.get(method.id, ""),
            runs=_runs(method),
            below=_below(method),
            mean=text(method.mean),
            sd=text(method.sd),
            iqm=text(method.iqm),
            interval=span(method.low, method.high),
            best=text(method.best),
            steps=numbers.short(method.steps) if method.seeds else "–",
            gradient_steps=text(method.gradient_steps),
            time="–" if method.seconds is None else duration(method.seconds),
            rate=text(method.rate),
            strip=strip(method),
        )
        for method in methods
    ]


def _runs(method: MethodResult) -> str:
    finished = len(method.seeds)
    if finished == method.wanted:
        return f"{finished} run{'s' * (finished != 1)}"
    return f"{finished} of {method.wanted} runs"


def _below(method: MethodResult) -> str:
    """Which runs ended below random play; empty if none did."""
    pairs = zip(method.seeds, method.above_random, strict=True)
    some = [str(seed) for seed, points in pairs if points < 0]
    return f"below random: seed{'s' * (len(some) != 1)} {', '.join(some)}" if some else ""


def _claim_row(claim: Claim, titles: dict[str, str]) -> ClaimRow:
    return ClaimRow(
        text=f"{titles[claim.method]} {claim.relation} {titles[claim.other]}",
        measure=MEASURES.get(claim.measure, claim.measure),
        wanted=_wanted(claim.least, claim.most),
        difference=signed(claim.difference),
        interval=span(claim.low, claim.high),
        verdict=claim.verdict,
    )


def _wanted(least: float | None, most: float | None) -> str:
    """Where a difference is to lie."""
    if least is None:
        return f"< {numbers.number(most or 0.0)}"
    if most is None:
        return f"> {numbers.number(least)}"
    return f"{numbers.number(least)} to {numbers.number(most)}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return "–" if value is None else numbers.signed(value, 0)


def span(low: float | None, high: float | None) -> str:
    """An interval, or why there is none."""
    return numbers.interval(low, high, numbers.number)


def chance(value: float, low: float | None, high: float | None) -> str:
    """A probability with its interval."""
    limits = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
    return f"{value:.2f}{limits}"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f}{numbers.NBSP}{unit}"
    return f"{seconds:.0f}{numbers.NBSP}s"


def _markdown(context: dict[str, Any], part: StrategiesSection | None) -> str:
    """The tables as Markdown, beside which the pictures lie."""
    result: StudyResult = context["result"]
    lines = [f"# {cell(result.name)}", ""]
    lines += [cell(context["not_run"]), ""]
    if result.left_out:
        lines += [
            "Finished runs that do not count, as the study’s settings are others now (all others "
            "count):",
            "",
            *(f"* {cell(run)}" for run in result.left_out),
            "",
        ]
    if context["versions"]:
        versions = cell(". ".join(context["versions"]))
        lines += [f"Package versions differ between runs. {versions}.", ""]
    lines += [
        "Returns are official ones, per episode. SD: over runs. IQM: interquartile mean over "
        "runs, with its 95 % bootstrap interval. "
        "Verdicts rest on Welch’s 95 % intervals of differences between means over runs.",
        "",
    ]
    if context["findings"]:
        lines += ["## Findings", ""]
        lines += table(
            ["Figure", "Finding", "Our runs"],
            [[judged.figure, judged.text, judged.verdict] for judged in context["findings"]],
        )
    lines += ["## Final returns", "", *_final_table(context["rows"])]
    for figure, drawn, _, rows in context["figures"]:
        lines += [f"## {cell(figure.title)}", ""]
        if drawn is not None:
            lines += [f"![Learning curves]({figure.id}.svg)", ""]
        lines += _final_table(rows)
        if figure.equal is not None:
            lines += table(
                ["Method", f"Training return after {numbers.number(figure.equal.steps)} steps"],
                [
                    [context["titles"][method], numbers.number(value)]
                    for method, value in figure.equal.methods.items()
                ],
            )
        for finding in figure.findings:
            lines += [f"**{finding.verdict}**: {cell(finding.text)}", ""]
            lines += table(
                ["Claim", "Measure", "Claimed", "Difference", "95 % interval", "Verdict"],
                [
                    [c.text, c.measure, c.wanted, c.difference, c.interval, c.verdict]
                    for c in context["claims"](finding)
                ],
            )
        if figure.pairs:
            lines += table(
                ["A", "B", "A − B", "95 % (Welch)", "95 % (bootstrap)", "p, Holm", "P(A > B)"],
                [
                    [
                        context["titles"][pair.a],
                        context["titles"][pair.b],
                        signed(pair.difference),
                        span(pair.low, pair.high),
                        span(pair.boot_low, pair.boot_high),
                        numbers.p_value(pair.p_holm),
                        chance(pair.improvement, pair.improvement_low, pair.improvement_high),
                    ]
                    for pair in figure.pairs
                ],
            )
    return "\n".join([*lines, *strategies_markdown(part)])


def _final_table(rows: Sequence[MethodRow]) -> list[str]:
    heads = ["Method", "Runs", "Mean", "SD", "IQM", "95 % interval", "Best", "Steps"]
    return table(
        [*heads, "Gradient steps", "Time", "Steps/s"],
        [
            [
                *(r.title, f"{r.runs}; {r.below}" if r.below else r.runs, r.mean, r.sd, r.iqm),
                *(r.interval, r.best, r.steps, r.gradient_steps, r.time, r.rate),
            ]
            for r in rows
        ],
    )
