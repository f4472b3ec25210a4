"""The rules that imitate the policy, with a banner unless they can be trusted."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from cagexplain.analysis.trees.results import Surrogate
from cagexplain.audit.results import Audit
from reports.kit.sections import Section, render
from reports.shared import findings as words
from reports.shared import trees

CHECK = "SUR-01"
"""The check of whether the rules can be trusted."""

_BANNERS = {
    "FAIL": "Do not trust these rules.",
    "ERROR": "Whether these rules can be trusted could not be checked.",
    "WARN": "Trust these rules with care.",
    "INCONCLUSIVE": "Whether these rules can be trusted is still open.",
    "NOT_APPLICABLE": "Whether these rules can be trusted was not checked.",
}
_MUTED = "The profile mutes the check of whether these rules can be trusted."


def section(audit: Audit, result: Surrogate | None, why_not: str = "") -> Section:
    """Make the section; without trees it is a marked gap."""
    rules = trees.section(result, why_not)
    notice = banner(audit) if result is not None else Markup()
    return replace(rules, html=notice + rules.html)


def banner(audit: Audit) -> Markup:
    """The warning that the check of the rules asks for; empty if they passed."""
    finding = next((candidate for candidate in audit.findings if candidate.id == CHECK), None)
    verdict = finding.verdict if finding else "NOT_APPLICABLE"
    if verdict == "PASS":
        return Markup()
    text = words.measurement(finding, audit) if finding else ""
    lead = _MUTED if finding and finding.muted else _BANNERS[verdict]
    return render("audit/rules.html.j2", lead=lead, text=text)
