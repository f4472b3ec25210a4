"""Compliance findings of the Open Cybersecurity Schema Framework (OCSF), version 1.5.0.

One JSON array of events, which is what log pipelines that take OCSF read from a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from cagexplain.audit.check import FRAMEWORKS, Reference, Severity
from cagexplain.audit.results import Audit, Finding, Verdict
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
from reports.shared.findings import declared, remedy

VERSION: Final = "1.5.0"
_CLASS: Final = 2003
_CREATE, _UPDATE, _CLOSE = 1, 2, 3
_ACTIVITIES: Final = {_CREATE: "Create", _UPDATE: "Update", _CLOSE: "Close"}
_NEW, _IN_PROGRESS, _SUPPRESSED, _RESOLVED = 1, 2, 3, 4
_STATUS: Final = {
    _NEW: "New",
    _IN_PROGRESS: "In Progress",
    _SUPPRESSED: "Suppressed",
    _RESOLVED: "Resolved",
}
_SEVERITIES: Final[Mapping[Severity, tuple[int, str]]] = {
    "info": (1, "Informational"),
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
_COMPLIANCE: Final[Mapping[Verdict, tuple[int, str]]] = {
    "PASS": (1, "Pass"),
    "WARN": (2, "Warning"),
    "FAIL": (3, "Fail"),
    "INCONCLUSIVE": (0, "Unknown"),
    "ERROR": (0, "Unknown"),
    "NOT_APPLICABLE": (99, "Not applicable"),
}


def ocsf(audit: Audit) -> str:
    """An event for each check."""
    return dumps([_event(audit, finding) for finding in audit.findings])


def _event(audit: Audit, finding: Finding) -> dict[str, Any]:
    activity, status = _lifecycle(audit, finding)
    severity_id, severity = _SEVERITIES[finding.severity]
    created = int(moment(audit).timestamp() * 1000)
    event = {
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Compliance Finding",
        "activity_id": activity,
        "activity_name": _ACTIVITIES[activity],
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Compliance Finding: {_ACTIVITIES[activity]}",
        "time": created,
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status,
        "status": _STATUS[status],
        "message": statement(audit, finding),
        "metadata": {
            "version": VERSION,
            "product": {"name": TOOL, "vendor_name": TOOL, "version": version(audit)},
            "event_code": finding.id,
        },
        "finding_info": _finding_info(audit, finding, created),
        "compliance": _compliance(finding),
        "resources": [{"name": subject(audit), "type": "policy"}],
        "unmapped": {"verdict": finding.verdict, "profile": audit.profile.get("name")},
    }
    if check := declared(finding.id):
        links = dict.fromkeys(FRAMEWORKS[ref.framework][2] for ref in check.references)
        event["remediation"] = {"desc": remedy(finding, audit), "references": list(links)}
    return event


def _lifecycle(audit: Audit, finding: Finding) -> tuple[int, int]:
    """Activity and status; against a baseline, findings go on or are closed."""
    if finding.muted:
        return _CREATE, _SUPPRESSED
    if audit.baseline and finding.id in audit.baseline.unchanged:
        return _UPDATE, _IN_PROGRESS
    if audit.baseline and finding.id in audit.baseline.fixed:
        return _CLOSE, _RESOLVED
    return _CREATE, _NEW


def _finding_info(audit: Audit, finding: Finding, created: int) -> dict[str, Any]:
    check = declared(finding.id)
    # The same finding of the same policy keeps its id from one audit to the next.
    identity = f"{subject(audit)}\n{finding.id}".encode("utf-8", "replace")
    info: dict[str, Any] = {
        "uid": f"{TOOL}-{finding.id}-{hashlib.sha256(identity).hexdigest()[:16]}",
        "title": finding.title,
        "desc": check.why if check else finding.title,
        "created_time": created,
        "types": [finding.family],
    }
    if attacks := [_attack(ref) for ref in references(finding) if _is_attack(ref)]:
        info["attacks"] = attacks
    return info


def _is_attack(reference: Reference) -> bool:
    """Mitigations are no attacks."""
    return reference.framework == "ATT&CK" and reference.id.startswith("T")


def _attack(reference: Reference) -> dict[str, Any]:
    """A tactic such as TA0004, a technique such as T1489, or a sub-technique with a dot."""
    kind = "sub_technique" if "." in reference.id else "technique"
    kind = "tactic" if reference.id.startswith("TA") else kind
    named = {"uid": reference.id} | ({"name": reference.title} if reference.title else {})
    return {kind: named, "version": FRAMEWORKS["ATT&CK"][1]}


def _compliance(finding: Finding) -> dict[str, Any]:
    status_id, status = _COMPLIANCE[finding.verdict]
    asked = references(finding)
    standards = dict.fromkeys(" ".join(FRAMEWORKS[ref.framework][:2]) for ref in asked)
    return {
        "control": finding.id,
        "desc": finding.title,
        "category": finding.family,
        "standards": list(standards),
        "requirements": [cited(ref) for ref in asked],
        "status_id": status_id,
        "status": status,
        "status_details": [finding.reason] if finding.reason else [],
    }
