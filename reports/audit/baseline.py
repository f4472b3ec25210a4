"""What has changed since an earlier audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cagexplain.audit.results import Audit, Compared
from reports.audit.verdict import STYLE
from reports.kit.sections import Section, render
from reports.shared import show


@dataclass(frozen=True)
class CheckChange:
    """A check then and now; verdicts are empty if it was not part of an audit."""

    id: str
    title: str
    kind: str
    before: str
    now: str


def section(audit: Audit, compared: Compared) -> Section:
    """Make the section."""
    html = render(
        "audit/baseline.html.j2",
        show=show,
        compared=compared,
        says=(
            f"{len(compared.new)} new, {len(compared.fixed)} fixed, "
            f"{len(compared.unchanged)} unchanged."
        ),
        rows=list(_rows(audit, compared)),
        known={finding.id for finding in audit.findings},
    )
    return Section("baseline", "Since the last audit", html, STYLE)


def _rows(audit: Audit, compared: Compared) -> Iterator[CheckChange]:
    findings = {finding.id: finding for finding in audit.findings}
    kinds = {
        **dict.fromkeys(compared.verdicts, "changed"),
        **dict.fromkeys(compared.unchanged, "unchanged"),
        **dict.fromkeys(compared.fixed, "fixed"),
        **dict.fromkeys(compared.new, "new"),
    }
    order = ("new", "fixed", "unchanged", "changed")
    for ident, kind in sorted(kinds.items(), key=lambda item: (order.index(item[1]), item[0])):
        finding = findings.get(ident)
        now = str(finding.verdict) if finding else ""
        before, after = compared.verdicts.get(ident, (now, now))
        yield CheckChange(ident, finding.title if finding else "", kind, before, after)
