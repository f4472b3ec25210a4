"""The certificate that two simulators are alike, or are not, for a policy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from cagexplain import __version__
from cagexplain.cc4 import phases
from cagexplain.common.arrays import FloatArray
from cagexplain.fidelity.metrics import FLOOR, Unit
from cagexplain.fidelity.parity import MetricParity, Parity
from cagexplain.fidelity.samples import ParitySample
from cagexplain.stats import equivalence
from cagexplain.stats.equivalence import Verdict
from reports.kit import numbers
from reports.kit.pages import environment, source

STRIP: Final = 2.0
"""A strip reaches this many margins to either side."""
FEW: Final = 30
"""Below so many episodes the page warns."""
MAX_BINS: Final = 24
MIN_BINS: Final = 6

SIGNS: Final = {
    Verdict.EQUIVALENT: "✓",
    Verdict.DIFFERENT: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_OBSERVED: "–",
}


@dataclass(frozen=True)
class Strip:
    """An interval against its margin: places from 0 to 100, the margin from 25 to 75.

    Attributes:
        low, high, dot: limits and difference.
        beyond_low, beyond_high: whether the interval goes on outside the picture.
    """

    low: float
    high: float
    dot: float
    beyond_low: bool
    beyond_high: bool


@dataclass(frozen=True)
class Histogram:
    """Two distributions over common bins: outlines in a box of 100 by 40, means as places in it.

    Attributes:
        a, b: SVG path data; empty where one sample never shows the metric.
        mean_a, mean_b: from 0 to 100, or None.
        left, right: what the ends of the axis stand for.
    """

    a: str
    b: str
    mean_a: float | None
    mean_b: float | None
    left: str
    right: str


@dataclass(frozen=True)
class MetricView:
    """A metric as the page shows it: numbers as text, pictures as places.

    `constant`: it has the same value in every episode of both samples.
    """

    name: str
    label: str
    unit: str
    description: str
    verdict: Verdict
    sign: str
    a: str
    b: str
    difference: str
    interval: str
    margin: str
    p_equivalent: str
    episodes: str
    needed: str
    strip: Strip | None
    histogram: Histogram | None
    constant: bool


def parity_certificate(parity: Parity, *, command: str, created: str) -> str:
    """Make the page.

    Args:
        parity: the result.
        command: what the user called.
        created: when, in ISO 8601.

    Returns:
        One HTML page that loads nothing and runs no script.
    """
    views = [_view(row, parity) for row in parity.rows]
    by_group = [
        (group, [view for _, view in pairs])
        for group, pairs in groupby(
            zip(parity.rows, views, strict=True), lambda pair: pair[0].metric.group
        )
    ]
    return (
        environment()
        .get_template("parity/page.html.j2")
        .render(
            parity=parity,
            settings=parity.settings,
            judgement=parity.judgement,
            verdict=parity.verdict,
            sign=SIGNS[parity.verdict],
            fewest=min(len(parity.a.seeds), len(parity.b.seeds)),
            few=FEW,
            name_a=parity.a.origin.simulator,
            name_b=parity.b.origin.simulator,
            headline=_headline(parity),
            claim=_claim(parity),
            tiles=list(_tiles(parity, views)),
            groups=by_group,
            problems=[
                view
                for wanted in (Verdict.DIFFERENT, Verdict.INCONCLUSIVE)
                for view in views
                if view.verdict == wanted
            ],
            return_margin=numbers.number(parity.settings.margin_return * parity.settings.span),
            confidence=f"{100 * (1 - 2 * parity.settings.alpha):g}",
            floors=_floors(),
            facts=[_facts(parity.a), _facts(parity.b)],
            common=_common_facts(parity),
            share=equivalence.SHARE,
            power=equivalence.POWER,
            command=command,
            created=created,
            result_json=json.dumps(_brief_json(parity), indent=2),
            nbsp=numbers.NBSP,
            version=__version__,
            style=Markup(source("kit/style.css") + source("parity/page.css")),
        )
    )


def _headline(parity: Parity) -> str:
    policy = parity.a.origin.policy["name"]
    a, b = parity.a.origin.simulator, parity.b.origin.simulator
    return {
        Verdict.EQUIVALENT: f"{policy} meets the same world on {a} and {b}",
        Verdict.DIFFERENT: f"{policy} does not meet the same world on {a} and {b}",
        Verdict.INCONCLUSIVE: f"Too few episodes to decide whether {policy} meets the same world "
        f"on {a} and {b}",
    }[parity.verdict]


def _claim(parity: Parity) -> str:
    settings, judgement = parity.settings, parity.judgement
    level = f"level {100 * settings.alpha:g}{numbers.NBSP}%"
    if parity.verdict == Verdict.EQUIVALENT:
        return (
            "The mean return and each of its parts, by phase and by cause, differ by less than "
            f"{numbers.number(settings.margin_return * settings.span)} points, and at least "
            f"{judgement.required} of {judgement.observed} metrics of behaviour by less than their "
            f"margins. Each of the two claims is made at {level}; no metric was found to differ by "
            "more than its margin."
        )
    if parity.verdict == Verdict.DIFFERENT:
        count = [row.verdict for row in parity.rows].count(Verdict.DIFFERENT)
        return (
            f"{count} metric{'s differ' if count > 1 else ' differs'} by more than "
            f"{'their margins' if count > 1 else 'its margin'}. The chance that this is said of "
            f"any metric that lies within its margin is at most {100 * settings.alpha:g}"
            f"{numbers.NBSP}%."
        )
    more = (
        f"About {numbers.number(judgement.needed)} episodes of each would probably decide"
        if judgement.needed is not None
        else "The data do not show how many episodes would decide"
    )
    return f"Neither equivalence nor a difference could be shown at {level}. {more}."


def _tiles(parity: Parity, views: Sequence[MetricView]) -> Iterator[tuple[str, str, str]]:
    judgement = parity.judgement
    returns = list(judgement.returns)
    alike = returns.count(Verdict.EQUIVALENT)
    yield (
        f"{alike} of {len(returns)}",
        "returns equivalent",
        f"in all, by phase, by cause; p{numbers.NBSP}{numbers.p_equals(judgement.p_returns)}",
    )
    yield (
        f"{judgement.equivalent} of {judgement.observed}",
        "metrics equivalent",
        f"{judgement.required} required; p{numbers.NBSP}{numbers.p_equals(judgement.p_metrics)}",
    )
    different = (*judgement.returns, *judgement.metrics).count(Verdict.DIFFERENT)
    yield str(different), "different", "corrected for looking at all of them"
    yield views[0].difference, "difference of returns", f"A − B; {views[0].interval}"


def _view(row: MetricParity, parity: Parity) -> MetricView:
    metric, comparison = row.metric, row.comparison
    scale = 100.0 if metric.unit == Unit.SHARE else 1.0
    # Two significant digits of the margin are all that matters.
    digits = max(0, 1 - math.floor(math.log10(scale * comparison.margin)))
    unit = "%" if metric.unit == Unit.SHARE else metric.unit.value

    def text(value: float | None) -> str:
        if value is None:
            return "–"
        return numbers.fixed(scale * value, digits)

    interval = ""
    if comparison.low is not None:
        interval = f"{text(comparison.low)} to {text(comparison.high)}"
    played = len(parity.a.seeds), len(parity.b.seeds)
    partly = comparison.observed and (comparison.a.n, comparison.b.n) != played
    a, b = parity.a.of(metric.name), parity.b.of(metric.name)
    constant = len(_distinct(a, b)) == 1
    return MetricView(
        name=metric.name,
        label=metric.label,
        unit="" if unit in metric.label.split() else unit,
        description=metric.description,
        verdict=row.verdict,
        sign=SIGNS[row.verdict],
        a=text(comparison.a.mean),
        b=text(comparison.b.mean),
        difference=text(comparison.difference),
        interval=interval,
        margin=f"±{text(comparison.margin)}" if comparison.observed else "–",
        p_equivalent=numbers.p_value(comparison.p_equivalent)
        if comparison.low is not None
        else "–",
        episodes=f"{comparison.a.n}/{comparison.b.n}" if partly else "",
        needed=_needed(row, max(played)),
        strip=strip(comparison.difference, comparison.low, comparison.high, comparison.margin),
        histogram=None if constant else histogram(a, b, text),
        constant=constant,
    )


def _needed(row: MetricParity, played: int) -> str:
    """Episodes that would probably decide, where more of them would."""
    needed = row.comparison.needed
    if row.verdict != Verdict.INCONCLUSIVE or needed is None or needed <= played:
        return ""
    return numbers.number(needed)


def strip(
    difference: float | None, low: float | None, high: float | None, margin: float
) -> Strip | None:
    """Where an interval lies against its margin; None without one."""
    if difference is None or low is None or high is None:
        return None

    def place(value: float) -> float:
        return 50 + 50 * min(1.0, max(-1.0, value / (STRIP * margin)))

    return Strip(
        low=place(low),
        high=place(high),
        dot=place(difference),
        beyond_low=low < -STRIP * margin,
        beyond_high=high > STRIP * margin,
    )


def histogram(a: FloatArray, b: FloatArray, text: Callable[[float], str]) -> Histogram | None:
    """Draw two samples over each other; None where there are no two values to draw.

    Args:
        a, b: ``[episodes]``; NaN is left out.
        text: makes a number readable.
    """
    if len(_distinct(a, b)) < 2:
        return None
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    edges = _edges(np.concatenate([a, b]))
    left, width = float(edges[0]), float(edges[-1] - edges[0])
    shares = [np.histogram(part, edges)[0] / max(len(part), 1) for part in (a, b)]
    top = max(float(share.max()) for share in shares)

    def place(part: FloatArray) -> float | None:
        return 100 * (float(part.mean()) - left) / width if len(part) else None

    return Histogram(
        a=_outline(shares[0] / top) if len(a) else "",
        b=_outline(shares[1] / top) if len(b) else "",
        mean_a=place(a),
        mean_b=place(b),
        left=text(left),
        right=text(float(edges[-1])),
    )


def _distinct(a: FloatArray, b: FloatArray) -> FloatArray:
    both = np.concatenate([a, b])
    return np.unique(both[~np.isnan(both)])


def _edges(values: FloatArray) -> FloatArray:
    """Common bins: whole numbers where few occur, otherwise by Freedman and Diaconis (1981)."""
    low, high = float(values.min()), float(values.max())
    if high - low < MAX_BINS and bool((values == np.round(values)).all()):
        return np.arange(low - 0.5, high + 1.0)
    q1, q3 = np.quantile(values, [0.25, 0.75])
    width = 2 * (q3 - q1) / np.cbrt(len(values))
    bins = math.ceil((high - low) / width) if width > 0 else MAX_BINS
    return np.linspace(low, high, min(MAX_BINS, max(MIN_BINS, bins)) + 1)


def _outline(heights: FloatArray) -> str:
    """Path of a histogram in a box of 100 by 40, of which 2 stay free above."""
    step = 100 / len(heights)
    points = [
        f"V{40 - 38 * height:.1f}H{step * (i + 1):.2f}" for i, height in enumerate(heights.tolist())
    ]
    return f"M0,40{''.join(points)}V40"


def _floors() -> str:
    return ", ".join(
        f"{100 * floor:g} points of percentage" if unit == Unit.SHARE else f"{floor:g} {unit.value}"
        for unit, floor in FLOOR.items()
    )


def _facts(sample: ParitySample) -> list[tuple[str, str]]:
    """What the samples may differ in in any case."""
    return [
        ("Simulator", ", ".join(sample.origin.engine.values())),
        ("Episodes", numbers.number(len(sample.seeds))),
        ("Seeds", _seeds(sample.seeds.tolist())),
        ("Measured by", ", ".join(f"{k} {v}" for k, v in sample.origin.measured_by.items())),
    ]


def _seeds(seeds: list[int]) -> str:
    if seeds == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds[:20])) + (f", ... ({len(seeds)})" if len(seeds) > 20 else "")


def _common_facts(parity: Parity) -> list[tuple[str, str]]:
    """The policy and the options: what both have in common, unless that is what was compared."""
    a, b = parity.a.origin, parity.b.origin
    facts = []
    for one, other in ((a.policy, b.policy), (a.options, b.options)):
        for key in dict.fromkeys([*one, *other]):
            if key in ("config", "summary", "versions"):  # long, and in the JSON
                continue
            here, there = one.get(key), other.get(key)
            name = "episode length" if key == "steps" else key.replace("_", " ")
            if key == "steps" and isinstance(here, int) and here == there:
                facts.append((name, f"{phases.calls(here)} steps (CybORG’s steps={here})"))
            else:
                facts.append((name, str(here) if here == there else f"{here} (A), {there} (B)"))
    return facts


def _brief_json(parity: Parity) -> dict[str, Any]:
    brief = parity.to_json()
    for sample in brief["samples"].values():
        sample["seeds"] = _seeds(sample["seeds"])
    return brief
