"""JUnit XML, as Jenkins' xUnit plugin, GitLab and others read it: checks as test cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from cagexplain.audit.results import Audit, Finding, Verdict
from reports.exports.common import moment, statement, subject, version, xml_text
from reports.shared.findings import declared, remedy

_OUTCOMES: Final[Mapping[Verdict, str]] = {
    "FAIL": "failure",
    "ERROR": "error",
    "INCONCLUSIVE": "skipped",
    "NOT_APPLICABLE": "skipped",
    "WARN": "system-out",
    "PASS": "",
}
"""Element that stands for a verdict; a test case without any has passed."""
_COUNTS: Final = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def junit(audit: Audit) -> str:
    """A test suite for each family, a test case for each check."""
    families = dict.fromkeys(finding.family for finding in audit.findings)
    root = ET.Element("testsuites", name=xml_text(f"cagexplain audit of {subject(audit)}"))
    counts = _counts(audit.findings)
    for name in ("tests", "failures", "errors"):  # the format has no sum of skipped cases
        root.set(name, counts[name])
    for family in families:
        findings = [finding for finding in audit.findings if finding.family == family]
        suite = ET.SubElement(root, "testsuite", {"name": xml_text(family), **_counts(findings)})
        suite.set("timestamp", moment(audit).strftime("%Y-%m-%dT%H:%M:%S"))
        _properties(suite, audit)
        for finding in findings:
            _case(suite, audit, finding)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _counts(findings: Sequence[Finding]) -> dict[str, str]:
    outcomes = [_OUTCOMES[finding.verdict] for finding in findings]
    counts = {name: outcomes.count(outcome) for name, outcome in _COUNTS.items()}
    return {"tests": str(len(findings))} | {name: str(count) for name, count in counts.items()}


def _properties(suite: ET.Element, audit: Audit) -> None:
    facts = {
        "policy": subject(audit),
        "policy.sha256": audit.policy.get("sha256"),
        "profile": audit.profile.get("name"),
        "profile.sha256": audit.profile.get("sha256"),
        "cagexplain": version(audit),
    }
    parent = ET.SubElement(suite, "properties")
    for name, value in facts.items():
        if value is not None:
            ET.SubElement(parent, "property", name=name, value=xml_text(str(value)))


def _case(suite: ET.Element, audit: Audit, finding: Finding) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"cagexplain.{finding.id[:3]}",
        name=xml_text(f"{finding.id} {finding.title}"),
    )
    text = xml_text(statement(audit, finding))
    kind = _OUTCOMES[finding.verdict]
    if kind == "system-out":
        ET.SubElement(case, kind).text = text
    elif kind:
        ET.SubElement(case, kind, type=finding.severity, message=text).text = _details(
            audit, finding
        )


def _details(audit: Audit, finding: Finding) -> str:
    check = declared(finding.id)
    places = [
        f"episode {case.episode}, step {case.step}: {case.agent or 'no agent'}, "
        f"{case.host or 'no host'}"
        for case in finding.evidence
    ]
    advice = [check.why, f"What to do: {remedy(finding, audit)}"] if check else []
    return xml_text("\n".join([*advice, *places]))
