"""SARIF 2.1.0 (OASIS), as code scanning and SARIF viewers read it: checks as rules.

Code scanning makes an alert of every result, whatever its `kind` and its `suppressions` say. So
only what is wrong is a result: failures and, if asked for, warnings. All other verdicts, those of
muted checks among them, are notifications of the tool, with the same text and numbers.

`kind` holds the verdict and `level` is ``none`` unless a check fails, as the standard wants
(sections 3.27.9 and 3.27.10). The same audit gives the same text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from cagexplain.audit.check import FRAMEWORKS, Check, Severity
from cagexplain.audit.results import Audit, Evidence, Finding, Measured, Verdict
from reports.exports.common import (
    TOOL,
    cited,
    dumps,
    moment,
    references,
    statement,
    subject,
    version,
)
from reports.shared.findings import declared

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
ABOUT: Final = "https://github.com/cage-challenge/cage-challenge-4"
"""What viewers link the tool's name to: the challenge whose policies it audits."""
_FAILED: Final[Mapping[Verdict, str]] = {"FAIL": "fail"}
_WARNED: Final[Mapping[Verdict, str]] = {"FAIL": "fail", "WARN": "review"}
"""Verdicts that are results, and their kinds."""
_NOTICES: Final[Mapping[Verdict, str]] = {
    "ERROR": "error",
    "WARN": "note",
    "INCONCLUSIVE": "note",
    "PASS": "none",
    "NOT_APPLICABLE": "none",
}
"""Level of the notification of a verdict that is no result."""
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


def sarif(audit: Audit, *, warnings: bool = False) -> str:
    """One run: a rule for each check, and a result for each that fails.

    Args:
        audit: to export.
        warnings: whether the checks that warn are results too.
    """
    kinds = _WARNED if warnings else _FAILED
    place = _place(audit)
    numbered = list(enumerate(audit.findings))
    run = {
        "tool": {
            "driver": {
                "name": TOOL,
                "informationUri": ABOUT,
                "version": version(audit),
                "rules": [_rule(finding) for finding in audit.findings],
            }
        },
        "automationDetails": {"id": f"{TOOL}/audit/{subject(audit)}/"},
        "invocations": [
            {
                "commandLine": audit.command,
                "endTimeUtc": moment(audit).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "executionSuccessful": all(f.verdict != "ERROR" for f in audit.findings),
                "toolExecutionNotifications": [
                    _notification(audit, finding, number)
                    for number, finding in numbered
                    if finding.verdict not in kinds
                ],
            }
        ],
        "artifacts": [_artifact(audit, place)],
        "columnKind": "utf16CodeUnits",
        "results": [
            _result(audit, finding, number, place, kinds[finding.verdict])
            for number, finding in numbered
            if finding.verdict in kinds
        ],
        "properties": {"profile": audit.profile, "play": audit.play, "notes": audit.notes},
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _place(audit: Audit) -> str:
    """What viewers show as the place of all results: the policy's file, else the trace.

    Code scanning refuses a file with a URI of any other scheme than ``file``, so what is not below
    a folder of the user is named by a relative one.
    """
    for place in (audit.policy.get("source"), audit.policy.get("path"), audit.play.get("trace")):
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
    check = declared(finding.id)
    return rule | (_explained(check) if check else _unexplained(finding))


def _unexplained(finding: Finding) -> dict[str, Any]:
    """What code scanning wants of every rule."""
    return {"fullDescription": {"text": finding.title}, "help": {"text": finding.title}}


def _explained(check: Check) -> dict[str, Any]:
    """The same from a declaration, which has more to say."""
    return {
        "fullDescription": {"text": check.why},
        "help": {"text": f"{check.remediation}\n\nMeasured: {check.formula}"},
        "helpUri": FRAMEWORKS[check.references[0].framework][2],
    }


def _notification(audit: Audit, finding: Finding, index: int) -> dict[str, Any]:
    return {
        "level": _NOTICES[finding.verdict],
        "message": _message(statement(audit, finding)),
        "associatedRule": {"id": finding.id, "index": index},
        "properties": _properties(finding),
    }


def _result(audit: Audit, finding: Finding, index: int, place: str, kind: str) -> dict[str, Any]:
    level = _LEVELS[finding.severity] if kind == "fail" else "none"
    if kind == "fail" and level == "none":
        kind = "informational"
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": _message(statement(audit, finding)),
        "locations": [{"physicalLocation": _physical(place)}],
        "partialFingerprints": _fingerprints(audit, finding),
        "properties": _properties(finding),
    }
    if finding.evidence:
        result["relatedLocations"] = [
            _example(case, number, place) for number, case in enumerate(finding.evidence)
        ]
    if audit.baseline:
        result["baselineState"] = _since_baseline(audit, finding)
    return result


def _properties(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict,
        "muted": finding.muted,
        "measures": [_numbers(measured) for measured in finding.measures],
        "patch": list(finding.price.remedies) if finding.price else [],
        "price": finding.price.reward.to_json() if finding.price else None,
    }


def _numbers(measured: Measured) -> dict[str, Any]:
    return {name: getattr(measured, name) for name in _NUMBERS}


def _fingerprints(audit: Audit, finding: Finding) -> dict[str, str]:
    """The same for the same check of a policy of the same name, whatever the numbers are."""
    identity = f"{finding.id}\n{subject(audit)}".encode("utf-8", "replace")
    digest = hashlib.sha256(identity).hexdigest()
    return {"primaryLocationLineHash": f"{digest[:16]}:1", "cagexplainCheck/v1": digest}


def _example(case: Evidence, number: int, place: str) -> dict[str, Any]:
    """A case; code scanning refuses a location that has no file, so it gets the policy's."""
    where = [name for name in (case.agent, case.host) if name]
    path = [f"episode {case.episode}", f"step {case.step}", *where]
    return {
        "id": number,
        "message": _message(", ".join(path)),
        "physicalLocation": _physical(place),
        "logicalLocations": [{"fullyQualifiedName": "/".join(path), "kind": "resource"}],
    }


def _physical(place: str) -> dict[str, Any]:
    return {"artifactLocation": {"uri": place, "index": 0}, "region": {"startLine": 1}}


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
