"""Where the traces come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cagexplain.analysis.compare.comparison import Comparison, SampleResult
from cagexplain.stats.permutation import MIN_COUNTS, MIN_EPISODES, PERMUTATIONS
from reports.kit import numbers
from reports.kit.sections import Section, render
from reports.shared.recording import entries


@dataclass(frozen=True)
class Fact:
    """An entry of the provenance; `differs` if the samples do not agree in it."""

    name: str
    values: Sequence[str]
    differs: bool


def section(comparison: Comparison) -> Section:
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


def _facts(samples: Sequence[SampleResult]) -> Iterator[Fact]:
    known = [dict(entries(sample.facts)) for sample in samples]
    for name in dict.fromkeys(key for facts in known for key in facts):
        values = [facts.get(name, "–") for facts in known]
        yield Fact(name, values, len(set(values)) > 1)
