"""The page about a study: learning curves, final returns, and what became of its findings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from cagexplain import __version__
from cagexplain.analysis.learning import (
    Claim,
    FigureResult,
    FindingResult,
    MethodResult,
    StudyResult,
    Verdict,
)
from cagexplain.analysis.learning_statistics import MIN_RUNS, RESAMPLES
from cagexplain.common.printing import visible
from reports import words
from reports.pages import environment, source
from reports.study_curves import BOX, compact_steps, looks, picture, svg_file

SIGNS: Final = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.INCONCLUSIVE: "?"}
MEASURES: Final = {
    "final": "return of the best weights",
    "early": "training return, first tenth",
    "late": "training return, last tenth",
}
"""Of the measures that a study can name; others are shown by their name."""
FEW: Final = 5
"""With fewer runs of a method the page warns."""


@dataclass(frozen=True)
class StudyPage:
    """The finished report.

    Attributes:
        html: one page that loads nothing and runs no script.
        markdown: the same tables.
        pictures: figure id -> its learning curves as an SVG file.
    """

    html: str
    markdown: str
    pictures: dict[str, str]


@dataclass(frozen=True)
class Strip:
    """A method's final returns on the scale of its figure: places from 0 to 100."""

    dots: Sequence[float]
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """A method in a table of final returns, as text and as a strip."""

    id: str
    title: str
    look: str
    runs: str
    mean: str
    sd: str
    iqm: str
    interval: str
    best: str
    steps: str
    time: str
    rate: str
    strip: Strip | None


@dataclass(frozen=True)
class ClaimRow:
    """A claim as text."""

    text: str
    measure: str
    wanted: str
    difference: str
    interval: str
    verdict: Verdict


def study_report(result: StudyResult) -> StudyPage:
    """Make the page and what belongs to it."""
    titles = {method.id: method.title for method in result.methods.values()}
    drawn = [figure for figure in result.figures if figure.curves]
    findings = [(figure, finding) for figure in result.figures for finding in figure.findings]
    context: dict[str, Any] = {
        "result": result,
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
        "number": words.number,
        "signed": signed,
        "span": span,
        "p_value": p_value,
        "chance": chance,
    }
    html = (
        environment()
        .get_template("study_report.html.j2")
        .render(
            **context,
            box=BOX,
            resamples=words.number(RESAMPLES),
            min_runs=MIN_RUNS,
            configs=json.dumps(
                {method.id: method.config for method in result.methods.values()}, indent=2
            ),
            nbsp=words.NBSP,
            version=__version__,
            style=Markup(
                source("style.css") + source("study_curves.css") + source("study_report.css")
            ),
        )
    )
    return StudyPage(
        html,
        _markdown(context),
        {figure.id: svg_file(figure, titles) for figure in drawn},
    )


def _tiles(
    result: StudyResult, findings: Sequence[tuple[FigureResult, FindingResult]]
) -> Iterator[tuple[str, str, str]]:
    if findings:
        counts = Counter(finding.verdict for _, finding in findings)
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
        words.number(best.mean or 0.0),
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


def _rows(methods: Sequence[MethodResult], look: dict[str, str]) -> list[Row]:
    """Methods as a table, on a common scale."""
    values = [v for m in methods for v in (*m.finals, m.low, m.high) if v is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    width = max(high - low, 1.0)

    def place(value: float) -> float:
        return 3 + 94 * (value - low) / width

    def strip(method: MethodResult) -> Strip | None:
        if method.iqm is None:
            return None
        limits = [None if v is None else place(v) for v in (method.low, method.high)]
        return Strip([place(v) for v in method.finals], place(method.iqm), *limits)

    def text(value: float | None) -> str:
        return "–" if value is None else words.number(value)

    return [
        Row(
            id=method.id,
            title=method.title,
            look=look.get(method.id, ""),
            runs=_runs(method),
            mean=text(method.mean),
            sd=text(method.sd),
            iqm=text(method.iqm),
            interval=span(method.low, method.high),
            best=text(method.best),
            steps=compact_steps(method.steps) if method.seeds else "–",
            time="–" if method.seconds is None else duration(method.seconds),
            rate=text(method.rate),
            strip=strip(method),
        )
        for method in methods
    ]


def _runs(method: MethodResult) -> str:
    done = len(method.seeds)
    if done == method.wanted:
        return f"{done} run{'s' * (done != 1)}"
    return f"{done} of {method.wanted} runs"


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
        return f"< {words.number(most or 0.0)}"
    if most is None:
        return f"> {words.number(least)}"
    return f"{words.number(least)} to {words.number(most)}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    if value is None:
        return "–"
    return f"+{words.number(value)}" if round(value) > 0 else words.number(round(value) + 0.0)


def span(low: float | None, high: float | None) -> str:
    """An interval, or why there is none."""
    if low is None or high is None:
        return "no interval"
    return f"{words.number(low)} to {words.number(high)}"


def p_value(p: float | None) -> str:
    """A p-value with as many digits as mean something."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def chance(value: float, low: float | None, high: float | None) -> str:
    """A probability with its interval."""
    limits = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
    return f"{value:.2f}{limits}"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f}{words.NBSP}{unit}"
    return f"{seconds:.0f}{words.NBSP}s"


def _markdown(context: dict[str, Any]) -> str:
    """The tables as Markdown, beside which the pictures lie."""
    result: StudyResult = context["result"]
    lines = [f"# {cell(result.name)}", ""]
    lines += [
        f"{result.finished} of {result.wanted} runs are finished. Returns are official ones, per "
        "episode. SD: over runs. IQM: interquartile mean over runs, with its 95 % bootstrap "
        "interval. Verdicts rest on Welch’s 95 % intervals of differences between means over runs.",
        "",
    ]
    if context["findings"]:
        lines += ["## Findings", ""]
        lines += table(
            ["Figure", "Finding", "Our runs"],
            [
                [figure.title, finding.text, finding.verdict]
                for figure, finding in context["findings"]
            ],
        )
    lines += ["## Final returns", "", *_final_table(context["rows"])]
    for figure, drawn, _, rows in context["figures"]:
        lines += [f"## {cell(figure.title)}", ""]
        if drawn is not None:
            lines += [f"![Learning curves]({figure.id}.svg)", ""]
        lines += _final_table(rows)
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
                        p_value(pair.p_holm),
                        chance(pair.improvement, pair.improvement_low, pair.improvement_high),
                    ]
                    for pair in figure.pairs
                ],
            )
    return "\n".join(lines)


def _final_table(rows: Sequence[Row]) -> list[str]:
    heads = ["Method", "Runs", "Mean", "SD", "IQM", "95 % interval", "Best", "Steps", "Time"]
    return table(
        [*heads, "Steps/s"],
        [
            [r.title, r.runs, r.mean, r.sd, r.iqm, r.interval, r.best, r.steps, r.time, r.rate]
            for r in rows
        ],
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line."""
    body = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(map(cell, row))} |" for row in body] + [""]


def cell(text: str) -> str:
    """Text that Markdown takes for nothing else, in one line."""
    flat = visible(text).replace("\n", " ")
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#!" else char for char in flat)
