"""The rules that imitate the policy, with a banner if they may not be believed."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from cagexplain.analysis.trees.results import Surrogate
from cagexplain.audit.results import Audit
from reports.kit.sections import Section, render
from reports.shared import findings as words
from reports.shared import trees

CHECK = "SUR-01"
"""The check that tells whether the rules may be believed."""

_BANNERS = {
    "FAIL": "Do not believe these rules.",
    "ERROR": "Whether these rules may be believed could not be checked.",
    "WARN": "Believe these rules with care.",
    "INCONCLUSIVE": "Whether these rules may be believed cannot be told yet.",
    "NOT_APPLICABLE": "Whether these rules may be believed was not checked.",
}
_MUTED = "The profile mutes the check that tells whether these rules may be believed."


def section(audit: Audit, result: Surrogate | None, why_not: str = "") -> Section:
    """Make the section; without trees it is a marked gap."""
    made = trees.section(result, why_not)
    found = banner(audit) if result is not None else Markup()
    return replace(made, html=found + made.html)


def banner(audit: Audit) -> Markup:
    """The warning that the check of the rules asks for; empty if they passed."""
    finding = next((found for found in audit.findings if found.id == CHECK), None)
    verdict = finding.verdict if finding else "NOT_APPLICABLE"
    if verdict == "PASS":
        return Markup()
    text = words.what(finding, audit) if finding else ""
    lead = _MUTED if finding and finding.muted else _BANNERS[verdict]
    return render("audit/rules.html.j2", lead=lead, text=text)
