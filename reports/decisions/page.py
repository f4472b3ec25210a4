"""The page of explained decisions."""

from __future__ import annotations

from cagexplain.analysis.decisions.explain import DecisionReport
from reports.kit.layout import Chapter, layout
from reports.kit.sections import render
from reports.shared.decisions import section


def decisions_page(report: DecisionReport) -> str:
    """Make the page, one self-contained HTML document."""
    return layout(
        title=f"{report.policy}: key decisions",
        header=render("decisions/header.html.j2", report=report),
        chapters=[Chapter("Decisions", [section(report)])],
        footer="",
    )
