"""The sections of the page that puts policies side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.compare.comparison import Comparison, Pair, SampleResult
from cagexplain.analysis.compare.differences import GroupDifference, MetricDifference
from cagexplain.analysis.metrics.estimate import TEAM
from cagexplain.stats.distribution import Distribution
from cagexplain.stats.permutation import MIN_COUNTS, MIN_EPISODES, PERMUTATIONS
from reports.compare import words
from reports.drawings.fsm_small import favourite, small_picture
from reports.kit import estimates, numbers, palette
from reports.kit.sections import Section, Takeaway, render
from reports.shared.recording import entries

_VIEWS: Final = {
    "all decisions": "All decisions",
    "targeted": "Targeted view",
    "situational": "Situational view",
    "alerts of the target": "Alerts of the target",
    "kind of the target": "Kind of the target",
    "alerts in the zone": "Alerts in the agent’s subnets",
}
"""Names of views for readers; others keep their own."""


@dataclass(frozen=True)
class Value:
    """A metric of one sample, as text."""

    text: str
    limits: str


@dataclass(frozen=True)
class MetricRow:
    """A metric of all samples, and its differences, one per pair."""

    name: str
    unit: str
    better: str
    values: Sequence[Value]
    differences: Sequence[MetricDifference]


@dataclass(frozen=True)
class ChoiceRow:
    """A group of a view: what all samples do, and the pairs in which that differs."""

    group: str
    mixes: Sequence[Distribution]
    differing: Sequence[str]


@dataclass(frozen=True)
class Fact:
    """An entry of the provenance; `differs` if the samples do not agree in it."""

    name: str
    values: Sequence[str]
    differs: bool


def overview(comparison: Comparison, findings: Sequence[Takeaway]) -> Section:
    """Make the section that says the most important."""
    html = render(
        "compare/overview.html.j2",
        asks="Do they behave differently, where most, and can that be chance?",
        says=words.overall(comparison),
        findings=findings,
        pairs=comparison.pairs,
        name=_view_name,
        changed=words.changed,
        distance=words.distance,
        colours=palette.ACTIONS,
    )
    return Section("overview", "In short", html)


def metrics(comparison: Comparison) -> Section:
    """Make the section about returns and SOC metrics."""
    rows = list(_metric_rows(comparison))
    html = render(
        "compare/metrics.html.j2",
        asks="Which of them defends better, and in what?",
        says=_best(comparison, rows),
        names=[sample.name for sample in comparison.samples],
        pairs=comparison.pairs,
        pair_names=[f"{pair.a} → {pair.b}" for pair in comparison.pairs],
        rows=rows,
        signed=words.signed,
        span=words.span,
        least=MIN_EPISODES,
    )
    return Section("metrics", "Returns and SOC metrics", html)


def favourites(comparison: Comparison) -> Section:
    """Make the section with figure 8 of the study for every sample."""
    html = render(
        "compare/favourites.html.j2",
        asks="Which action does each choose most often on hosts of each state?",
        says=_agreement(comparison),
        samples=comparison.samples,
        pictures=[small_picture(sample.favourites) for sample in comparison.samples],
        rows=list(zip(*(sample.favourites for sample in comparison.samples), strict=True)),
        favourite=favourite,
        kinds=[share.name for share in comparison.samples[0].views["targeted"][0].shares],
        colours=palette.ACTIONS,
    )
    return Section("favourites", "Most chosen actions", html)


def choices(comparison: Comparison) -> Section:
    """Make the section with the distributions side by side, and all their differences."""
    samples = comparison.samples
    views = [view for view in samples[0].views if all(view in s.views for s in samples)]
    html = render(
        "compare/choices.html.j2",
        asks="How are the choices of each split, situation by situation?",
        says=words.overall(comparison),
        names=[sample.name for sample in samples],
        tabs=[_view_name(view) for view in views],
        views=[list(_choice_rows(comparison, view)) for view in views],
        numbers=[[((sample.name,), sample.views[view]) for sample in samples] for view in views],
        pairs=comparison.pairs,
        name=_view_name,
        changed=words.changed,
        least=MIN_COUNTS,
        episodes=MIN_EPISODES,
        colours=palette.ACTIONS,
    )
    return Section("choices", "Choices side by side", html)


def provenance(comparison: Comparison) -> Section:
    """Make the section about where the traces come from."""
    samples = comparison.samples
    html = render(
        "compare/provenance.html.j2",
        names=[sample.name for sample in samples],
        facts=list(_facts(samples)),
        left_out=comparison.left_out,
        permutations=numbers.number(PERMUTATIONS),
        counts=MIN_COUNTS,
        episodes=MIN_EPISODES,
    )
    return Section("provenance", "Provenance and methods", html)


def _view_name(view: str) -> str:
    return _VIEWS.get(view, view[:1].upper() + view[1:])


def _metric_rows(comparison: Comparison) -> Iterator[MetricRow]:
    if not comparison.pairs:
        return
    values: dict[str, dict[str, float | None]] = {}
    for pair in comparison.pairs:
        for found in pair.metrics:
            values.setdefault(found.metric, {})[pair.a] = found.value_a
            values[found.metric][pair.b] = found.value_b
    for i, first in enumerate(comparison.pairs[0].metrics):
        yield MetricRow(
            name=words.metric_name(first.metric),
            unit=first.unit,
            better="higher" if first.better == "higher" else "lower",
            values=[
                _value(sample, first, values[first.metric].get(sample.name))
                for sample in comparison.samples
            ],
            differences=[pair.metrics[i] for pair in comparison.pairs],
        )


def _value(sample: SampleResult, difference: MetricDifference, value: float | None) -> Value:
    metrics = sample.soc.metrics if sample.soc is not None else ()
    for metric in metrics:
        if (metric.name, metric.scope) == (difference.metric, TEAM):
            if metric.value is None:
                return Value("–", metric.reason or "")
            return Value(numbers.plain(metric.value, metric.unit), estimates.metric_limits(metric))
    return Value(numbers.plain(value, difference.unit), "")


def _best(comparison: Comparison, rows: Sequence[MetricRow]) -> str:
    """How often each of the pairs is significantly better."""
    if not rows:
        return "The parts of one trace have no metrics of their own."
    parts = []
    for i, pair in enumerate(comparison.pairs):
        won = {pair.a: 0, pair.b: 0}
        for row in rows:
            found = row.differences[i]
            if found.significant and found.difference is not None:
                better_b = (found.difference > 0) == (row.better == "higher")
                won[pair.b if better_b else pair.a] += 1
        parts.append(
            f"{pair.a} is significantly better in {won[pair.a]} and {pair.b} in {won[pair.b]} of "
            f"{len(rows)} metrics"
        )
    return f"{'; '.join(parts)}."


def _agreement(comparison: Comparison) -> str:
    rows = list(zip(*(sample.favourites for sample in comparison.samples), strict=True))
    known = [row for row in rows if all(found.action is not None for found in row)]
    if not known:
        return "No state has enough decisions of all of them."
    clear = [row for row in known if all(found.clear for found in row)]
    if not clear:
        return "In no state does each of them have a clear first choice."
    same = sum(len({found.action for found in row}) == 1 for row in clear)
    return (
        f"In {len(clear)} of {len(known)} states that all of them act in, each has a clear first "
        f"choice; it is the same in {same}."
    )


def _choice_rows(comparison: Comparison, view: str) -> Iterator[ChoiceRow]:
    mixes = zip(*(sample.views[view] for sample in comparison.samples), strict=True)
    differences = [_groups(pair, view) for pair in comparison.pairs]
    for row in mixes:
        group = row[0].group
        if any(mix.total for mix in row):
            differing = [
                f"{pair.a} / {pair.b}"
                for pair, groups in zip(comparison.pairs, differences, strict=True)
                if group in groups and groups[group].significant
            ]
            yield ChoiceRow(group, row, differing)


def _groups(pair: Pair, view: str) -> dict[str, GroupDifference]:
    return {
        group.group: group for found in pair.views if found.view == view for group in found.groups
    }


def _facts(samples: Sequence[SampleResult]) -> Iterator[Fact]:
    known = [dict(entries(sample.facts)) for sample in samples]
    for name in dict.fromkeys(key for facts in known for key in facts):
        values = [facts.get(name, "–") for facts in known]
        yield Fact(name, values, len(set(values)) > 1)
