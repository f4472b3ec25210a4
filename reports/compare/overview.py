"""What differs most, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Sequence

from cagexplain.analysis.compare.comparison import Comparison
from reports.compare import words
from reports.kit import palette
from reports.kit.sections import Section, Takeaway, render


def section(comparison: Comparison, findings: Sequence[Takeaway]) -> Section:
    """Make the section that says the most important."""
    html = render(
        "compare/overview.html.j2",
        asks="Do they behave differently, where most, and can that be chance?",
        says=findings[0].headline + "." if findings else words.overall(comparison),
        overall=words.overall(comparison),
        findings=findings,
        pairs=comparison.pairs,
        name=words.view_name,
        changed=words.changed,
        distance=words.distance,
        colours=palette.ACTIONS,
    )
    return Section("overview", "In short", html)
