"""The page that puts policies side by side."""

from __future__ import annotations

from dataclasses import dataclass

from cagexplain.analysis.compare.comparison import Comparison
from reports.compare import choices, favourites, metrics, overview, provenance, words
from reports.kit.layout import Chapter, layout
from reports.kit.sections import render

FEW = 10
"""With fewer episodes of a sample the page warns."""


@dataclass(frozen=True)
class ComparePage:
    """The finished page."""

    html: str


def compare_report(comparison: Comparison) -> ComparePage:
    """Make the page."""
    names = [sample.name for sample in comparison.samples]
    html = layout(
        title=f"{' and '.join(names)}: {words.title(comparison)}",
        header=render(
            "compare/header.html.j2",
            title=words.title(comparison),
            comparison=comparison,
            facts=comparison.samples[0].facts,
            unpaired=[pair for pair in comparison.pairs if not pair.paired],
            few=[sample for sample in comparison.samples if sample.episodes < FEW],
        ),
        chapters=[
            Chapter(
                "Summary",
                [overview.section(comparison, list(words.findings(comparison)))],
            ),
            Chapter("How well", [metrics.section(comparison)]),
            Chapter("What they do", [favourites.section(comparison), choices.section(comparison)]),
            Chapter("About this page", [provenance.section(comparison)]),
        ],
        footer="",
    )
    return ComparePage(html)
