"""SARIF 2.1.0 (OASIS), as code scanning and SARIF viewers read it: checks as rules.

`kind` tells the verdict and `level` is ``none`` unless a check fails, as the standard wants
(sections 3.27.9 and 3.27.10). The same audit gives the same text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from cagexplain.analysis.audit.results import Audit, Evidence, Finding, Measured, Verdict
from cagexplain.analysis.practices.check import FRAMEWORKS, Check, Severity
from reports.exports.common import (
    TOOL,
    cited,
    declaration,
    dumps,
    moment,
    references,
    statement,
    subject,
    version,
)

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_KINDS: Final[Mapping[Verdict, str]] = {
    "FAIL": "fail",
    "WARN": "review",
    "INCONCLUSIVE": "open",
    "PASS": "pass",
    "NOT_APPLICABLE": "notApplicable",
}
"""An ERROR is no result but a notification of the tool."""
_LEVELS: Final[Mapping[Severity, str]] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "none",
}
_SCORES: Final[Mapping[Severity, str]] = {
    "critical": "9.5",
    "high": "8.0",
    "medium": "5.5",
    "low": "2.5",
    "info": "0.0",
}
"""Within the bands in which code scanning sees the same five severities."""
_NUMBERS: Final = ("key", "unit", "value", "low", "high", "n", "good", "bad", "verdict")


def sarif(audit: Audit) -> str:
    """One run: a rule for each check, and a result for each that has a verdict."""
    rules = [finding.id for finding in audit.findings]
    place = _place(audit)
    failed = [finding for finding in audit.findings if finding.verdict == "ERROR"]
    run = {
        "tool": {
            "driver": {
                "name": TOOL,
                "version": version(audit),
                "rules": [_rule(finding) for finding in audit.findings],
            }
        },
        "automationDetails": {"id": f"{TOOL}/audit/{subject(audit)}/"},
        "invocations": [
            {
                "commandLine": audit.command,
                "endTimeUtc": moment(audit).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "executionSuccessful": not failed,
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": _message(statement(audit, finding)),
                        "associatedRule": {"id": finding.id, "index": rules.index(finding.id)},
                    }
                    for finding in failed
                ],
            }
        ],
        "artifacts": [_artifact(audit, place)],
        "columnKind": "utf16CodeUnits",
        "results": [
            _result(audit, finding, rules.index(finding.id), place)
            for finding in audit.findings
            if finding.verdict in _KINDS
        ],
        "properties": {"profile": audit.profile, "play": audit.play, "notes": audit.notes},
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _place(audit: Audit) -> str:
    """What viewers show as the place of all results: the policy's file, else the trace."""
    for place in (audit.policy.get("path"), audit.play.get("trace")):
        if isinstance(place, str) and place:
            absolute = "file://" if place.startswith("/") else ""
            return absolute + quote(place, safe="/", errors="replace")
    return quote(f"policies/{subject(audit)}", safe="/", errors="replace")


def _artifact(audit: Audit, place: str) -> dict[str, Any]:
    artifact: dict[str, Any] = {"location": {"uri": place}, "roles": ["analysisTarget"]}
    if isinstance(digest := audit.policy.get("sha256"), str):
        artifact["hashes"] = {"sha-256": digest}
    return artifact


def _rule(finding: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": finding.id,
        "shortDescription": {"text": finding.title},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {
            "tags": ["security", finding.family, *map(cited, references(finding))],
            "security-severity": _SCORES[finding.severity],
            "axis": finding.axis,
            "knowledge": finding.knowledge,
        },
    }
    check = declaration(finding)
    return rule | (_explained(check) if check else {})


def _explained(check: Check) -> dict[str, Any]:
    """What only a declaration has."""
    return {
        "fullDescription": {"text": check.why},
        "help": {"text": f"{check.remediation}\n\nMeasured: {check.formula}"},
        "helpUri": FRAMEWORKS[check.references[0].framework][2],
    }


def _result(audit: Audit, finding: Finding, index: int, place: str) -> dict[str, Any]:
    kind = _KINDS[finding.verdict]
    level = _LEVELS[finding.severity] if kind == "fail" else "none"
    if kind == "fail" and level == "none":
        kind = "informational"
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": _message(statement(audit, finding)),
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": place, "index": 0},
                    "region": {"startLine": 1},
                }
            }
        ],
        "partialFingerprints": _fingerprints(audit, finding),
        "properties": {
            "verdict": finding.verdict,
            "measures": [_numbers(measured) for measured in finding.measures],
            "price": finding.price.reward.to_json() if finding.price else None,
        },
    }
    if finding.evidence:
        result["relatedLocations"] = [_example(case, i) for i, case in enumerate(finding.evidence)]
    if finding.muted:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": finding.reason}
        ]
    if audit.baseline:
        result["baselineState"] = _since_baseline(audit, finding)
    return result


def _numbers(measured: Measured) -> dict[str, Any]:
    return {name: getattr(measured, name) for name in _NUMBERS}


def _fingerprints(audit: Audit, finding: Finding) -> dict[str, str]:
    """The same for the same check of a policy of the same name, whatever the numbers are."""
    identity = f"{finding.id}\n{subject(audit)}".encode("utf-8", "replace")
    digest = hashlib.sha256(identity).hexdigest()
    return {"primaryLocationLineHash": f"{digest[:16]}:1", "cagexplainCheck/v1": digest}


def _example(case: Evidence, number: int) -> dict[str, Any]:
    where = [name for name in (case.agent, case.host) if name]
    path = [f"episode {case.episode}", f"step {case.step}", *where]
    return {
        "id": number,
        "message": _message(", ".join(path)),
        "logicalLocations": [{"fullyQualifiedName": "/".join(path), "kind": "resource"}],
    }


def _since_baseline(audit: Audit, finding: Finding) -> str:
    assert audit.baseline is not None
    if finding.id in audit.baseline.new:
        return "new"
    return "updated" if finding.id in audit.baseline.verdicts else "unchanged"


def _message(text: str) -> dict[str, str]:
    """A message that is taken literally: links and placeholders have a syntax (section 3.11)."""
    for special in "\\[]":
        text = text.replace(special, "\\" + special)
    return {"text": text.replace("{", "{{").replace("}", "}}")}
