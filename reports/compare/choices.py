"""The distributions of choices side by side, and all their differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cagexplain.analysis.compare.comparison import Comparison, Pair
from cagexplain.analysis.compare.differences import GroupDifference
from cagexplain.stats.distribution import Distribution
from cagexplain.stats.permutation import MIN_COUNTS, MIN_EPISODES
from reports.compare import words
from reports.kit import palette
from reports.kit.sections import Section, render


@dataclass(frozen=True)
class ChoiceRow:
    """A group of a view: what all samples do, and the pairs in which that differs."""

    group: str
    mixes: Sequence[Distribution]
    differing: Sequence[str]


def section(comparison: Comparison) -> Section:
    """Make the section with the distributions side by side, and all their differences."""
    samples = comparison.samples
    views = [view for view in samples[0].views if all(view in s.views for s in samples)]
    html = render(
        "compare/choices.html.j2",
        asks="How are the choices of each split, situation by situation?",
        says=words.overall(comparison),
        names=[sample.name for sample in samples],
        tabs=[words.view_name(view) for view in views],
        views=[list(_choice_rows(comparison, view)) for view in views],
        numbers=[[((sample.name,), sample.views[view]) for sample in samples] for view in views],
        pairs=comparison.pairs,
        name=words.view_name,
        changed=words.changed,
        least=MIN_COUNTS,
        episodes=MIN_EPISODES,
        colours=palette.ACTIONS,
    )
    return Section("choices", "Choices side by side", html)


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
        group.group: group
        for differences in pair.views
        if differences.view == view
        for group in differences.groups
    }
