"""Returns and SOC metrics side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cagexplain.analysis.compare.comparison import Comparison, Pair, SampleResult
from cagexplain.analysis.compare.differences import MetricDifference
from cagexplain.analysis.metrics.estimate import TEAM
from cagexplain.stats.permutation import MIN_EPISODES
from reports.compare import words
from reports.kit import estimates, numbers
from reports.kit.sections import Section, render


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


def section(comparison: Comparison) -> Section:
    """Make the section about returns and SOC metrics."""
    rows = list(_metric_rows(comparison))
    html = render(
        "compare/metrics.html.j2",
        asks="Which of them defends better, and in what?",
        says=_best(comparison, rows),
        names=[sample.name for sample in comparison.samples],
        pairs=comparison.pairs,
        pair_names=[f"{pair.a} → {pair.b}" for pair in comparison.pairs],
        rows=_main_first(rows),
        signed=words.signed,
        span=words.span,
        least=MIN_EPISODES,
    )
    return Section("metrics", "Returns and SOC metrics", html)


def _main_first(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """The return and what is counted first, then all others in their order."""
    first = [words.metric_name(name) for name in words.FIRST]
    return sorted(rows, key=lambda row: first.index(row.name) if row.name in first else len(first))


def _metric_rows(comparison: Comparison) -> Iterator[MetricRow]:
    if not comparison.pairs:
        return
    values: dict[str, dict[str, float | None]] = {}
    for pair in comparison.pairs:
        for difference in pair.metrics:
            values.setdefault(difference.metric, {})[pair.a] = difference.value_a
            values[difference.metric][pair.b] = difference.value_b
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
    """In what each of the pairs is surely better, of what is counted first: metrics depend on each
    other, so that their number says nothing."""
    if not rows:
        return "The parts of one trace have no metrics of their own."
    return " ".join(_wins(pair) for pair in comparison.pairs)


def _wins(pair: Pair) -> str:
    main = words.main_of(pair)
    parts = [
        f"{name} is surely better in {', '.join(better)}"
        for name, side in ((pair.a, "a"), (pair.b, "b"))
        if (better := [_in_a_sentence(m.metric) for m in main if words.wins(m) == side])
    ]
    if not parts:
        return f"Neither {pair.a} nor {pair.b} is surely better in what counts most."
    return f"{'; '.join(parts)}."


def _in_a_sentence(metric: str) -> str:
    name = words.metric_name(metric)
    return name[:1].lower() + name[1:]
