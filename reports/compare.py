"""The page that puts policies side by side."""

from __future__ import annotations

from dataclasses import dataclass

from cagexplain.analysis.compare.comparison import Comparison
from reports.layout import Chapter, layout
from reports.sections import compared, render
from reports.words import comparison as told

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
        title=f"{' and '.join(names)}: {told.title(comparison)}",
        header=render(
            "compared_header.html.j2",
            title=told.title(comparison),
            comparison=comparison,
            facts=comparison.samples[0].facts,
            unpaired=[pair for pair in comparison.pairs if not pair.paired],
            few=[sample for sample in comparison.samples if sample.episodes < FEW],
        ),
        chapters=[
            Chapter(
                "Summary",
                [compared.overview(comparison, list(told.findings(comparison)))],
            ),
            Chapter("How well", [compared.metrics(comparison)]),
            Chapter(
                "What they do", [compared.favourites(comparison), compared.choices(comparison)]
            ),
            Chapter("About this page", [compared.provenance(comparison)]),
        ],
        footer="",
    )
    return ComparePage(html)
