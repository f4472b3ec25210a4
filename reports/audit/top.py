"""The findings that matter most, in sentences."""

from __future__ import annotations

from typing import Any, Final

from cagexplain.audit import ranking
from cagexplain.audit.results import Audit, Finding
from reports.audit.scale import bar
from reports.audit.verdict import STYLE
from reports.kit.sections import Section, render
from reports.shared import findings as words
from reports.shared import show

SHOWN: Final = 8
"""Findings that are shown in full."""


def section(audit: Audit) -> Section:
    """Make the section."""
    wrong = ranking.wrong(audit)
    html = render(
        "audit/top.html.j2",
        show=show,
        says=_says(wrong),
        shown=[_shown(finding, audit) for finding in wrong[:SHOWN]],
        rest=[(finding, words.headline(finding)) for finding in wrong[SHOWN:]],
        known={finding.id for finding in audit.findings},
        key=render("audit/key.html.j2", others=False),
        order=words.ORDER,
    )
    return Section("top", "What matters most", html, STYLE)


def _says(wrong: list[Finding]) -> str:
    if not wrong:
        return "No check of the policy failed or gave a warning."
    fails = sum(finding.verdict == "FAIL" for finding in wrong)
    warnings = len(wrong) - fails
    gave = "a warning" if warnings < 2 else "warnings"
    return (
        f"{fails or 'No'} check{'s' * (fails != 1)} of the policy failed, {warnings or 'none'} "
        f"gave {gave}. The gravest: {words.headline(wrong[0])}."
    )


def _shown(finding: Finding, audit: Audit) -> dict[str, Any]:
    measured = finding.decisive
    return {
        "finding": finding,
        "headline": words.headline(finding),
        "parts": words.passages(finding, audit),
        "bar": None if measured is None else bar(measured),
        "ends": [] if measured is None else show.ends(measured),
        "bar_label": "" if measured is None else show.line(measured),
    }
