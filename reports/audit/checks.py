"""All checks in a table, with everything that stands behind each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cagexplain.audit.check import FRAMEWORKS, SEVERITIES, Reference
from cagexplain.audit.results import VERDICTS, Audit, Finding, Measured, Part
from cagexplain.audit.verdicts import least
from reports.audit.scale import Bar, bar
from reports.audit.verdict import STYLE
from reports.audit.verdict_words import tally
from reports.kit import numbers, terms
from reports.kit.numbers import number, percent
from reports.kit.pages import source
from reports.kit.sections import Section, render
from reports.shared import findings as words
from reports.shared import show

EXAMPLES: Final = 8
"""Cases that are shown as evidence of a check."""

PARTS: Final = 9
"""Parts of a kind that are listed: those that fail, then the worst."""

_KINDS: Final = {
    "agent": "Agent",
    "zone": "Subnet",
    "phase": "Phase",
    "host kind": "Kind of host",
    "agent was": "The agent was",
    "link": "Link",
    "change of phase": "Change of phase",
}


@dataclass(frozen=True)
class PartRow:
    """A part of the cases.

    Attributes:
        name, n, bad, share: of it: cases, and those against the policy.
        verdict: a key of `terms.VERDICTS`, or empty.
        says: its interval, or why there is no verdict.
    """

    name: str
    n: str
    bad: str
    share: str
    verdict: str
    says: str


@dataclass(frozen=True)
class Drawn:
    """A number with its drawing."""

    measured: Measured
    bar: Bar


def section(audit: Audit) -> Section:
    """Make the section."""
    order = {verdict: rank for rank, verdict in enumerate(VERDICTS)}
    findings = sorted(
        audit.findings,
        key=lambda f: (order[f.verdict], SEVERITIES.index(f.severity)),
    )
    html = render(
        "audit/checks.html.j2",
        show=show,
        least=least,
        says=_says(audit.findings),
        verdicts=VERDICTS,
        tally=tally(audit),
        rows=[_row(finding, audit) for finding in findings],
        filters=list(_filters(audit.findings)),
        known={finding.id for finding in audit.findings},
        kinds=_KINDS,
        trace=audit.play.get("trace"),
        key=render("audit/key.html.j2", others=False),
        frameworks=FRAMEWORKS,
    )
    return Section("checks", "All checks", html, STYLE, source("audit/checks.js"))


def _says(findings: Sequence[Finding]) -> str:
    judged = sum(finding.verdict in ("PASS", "WARN", "FAIL") for finding in findings)
    return f"{judged} of {len(findings)} checks have a verdict for certain."


def _filters(findings: Sequence[Finding]) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """What rows can be chosen by: key, name, and the values that occur with their words."""
    verdicts = [v for v in VERDICTS if any(f.verdict == v for f in findings)]
    yield "verdict", "Verdict", [(v, terms.VERDICTS[v].word) for v in verdicts]
    grades = [grade for grade in SEVERITIES if any(f.severity == grade for f in findings)]
    yield "severity", "Severity", [(grade, grade) for grade in grades]
    families = dict.fromkeys(finding.family for finding in findings)
    yield "family", "Family", [(family, family) for family in families]
    axes = dict.fromkeys(finding.axis for finding in findings)
    yield "axis", "About", [(axis, show.axis(axis)) for axis in axes]


def _row(finding: Finding, audit: Audit) -> dict[str, Any]:
    check, main = words.declared(finding.id), finding.decisive
    return {
        "f": finding,
        "check": check,
        "main": main,
        "bar": None if main is None else bar(main),
        "rank": {
            "verdict": VERDICTS.index(finding.verdict),
            "severity": SEVERITIES.index(finding.severity),
        },
        "measures": [Drawn(measured, bar(measured)) for measured in finding.measures],
        "sentences": [text for text in _sentences(finding, audit) if text],
        "parts": [(kind, *_parts(finding, kind)) for kind in _KINDS],
        "evidence": finding.evidence[:EXAMPLES],
        "references": list(_references(check.references)) if check else [],
        "patch": words.patch(finding, audit) if finding.verdict in ("FAIL", "WARN") else "",
        "remedy": words.remedy(finding, audit),
    }


def _sentences(finding: Finding, audit: Audit) -> Iterator[str]:
    """What the verdict rests on, as sentences."""
    if finding.muted:
        yield f"Muted by the profile, so that it counts for nothing: {finding.reason}"
    else:
        yield finding.reason
    yield words.basis(finding, audit)
    yield words.where(finding)
    yield words.since(finding)
    if finding.more_episodes is not None:
        more = numbers.roughly(finding.more_episodes)
        yield f"About {more} more episodes would probably settle it."
    if finding.p is not None:
        outcome = "survives" if finding.survives else "does not survive"
        yield f"p = {finding.p:.2g}; the failure {outcome} the correction for many checks."


def _parts(finding: Finding, kind: str) -> tuple[list[PartRow], int]:
    """The parts of a kind, and how many more there are, which do not fail."""
    parts = [part for part in finding.parts if part.kind == kind]
    if len(parts) > PARTS:
        order = sorted(parts, key=lambda part: (not part.fails, -part.bad / part.n))
        shown = order[: max(PARTS, sum(bool(part.fails) for part in parts))]
    else:
        shown = parts
    return [_part(finding, part) for part in shown], len(parts) - len(shown)


def _part(finding: Finding, part: Part) -> PartRow:
    if part.fails is None:
        verdict, says = "", "too few cases to judge"
    else:
        verdict, says = ("FAIL" if part.fails else ""), words.part_interval(finding, part)
    return PartRow(
        words.place_name(part),
        number(part.n),
        number(part.bad),
        percent(part.bad / part.n),
        verdict,
        says,
    )


def _references(references: Sequence[Reference]) -> Iterator[tuple[str, str]]:
    """Passages by framework, which is named with its version."""
    for framework in dict.fromkeys(reference.framework for reference in references):
        name, version, _ = FRAMEWORKS[framework]
        passages = [f"{r.id} {r.title}".strip() for r in references if r.framework == framework]
        yield f"{name} {version}", "; ".join(passages)
