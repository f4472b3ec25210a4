"""What the exports of an audit share."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from cagexplain.audit.check import FRAMEWORKS, Reference
from cagexplain.audit.results import Audit, Finding
from reports.kit.numbers import NBSP
from reports.kit.terms import VERDICTS
from reports.shared.findings import declared, measurement, where

TOOL: Final = "cagexplain"
_MUTED: Final = "Muted by the profile"
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def dumps(value: Any) -> str:
    """Indented JSON that every reader takes.

    Half characters, which names of files may hold, become question marks.

    Raises:
        ValueError: `value` holds NaN or infinity, which JSON has no form for.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def xml_text(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold, not even escaped."""
    return _NO_XML.sub("\ufffd", text)


def references(finding: Finding) -> tuple[Reference, ...]:
    """Passages that ask for what was checked."""
    check = declared(finding.id)
    return check.references if check else ()


def cited(reference: Reference) -> str:
    """A reference as text: framework, its version and the id."""
    name, version, _ = FRAMEWORKS[reference.framework]
    return f"{name} {version} {reference.id}"


def moment(audit: Audit) -> datetime:
    """When the audit was made, in UTC; the beginning of 1970 if it does not say."""
    try:
        created = datetime.fromisoformat(audit.created)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return created.replace(tzinfo=created.tzinfo or UTC).astimezone(UTC)


def subject(audit: Audit) -> str:
    """Name of the audited policy."""
    return str(audit.policy.get("name", "policy"))


def version(audit: Audit) -> str:
    """Version of this project that made the audit."""
    return str(audit.versions.get(TOOL, "unknown"))


def statement(audit: Audit, finding: Finding) -> str:
    """What was found, as sentences: the verdict, the number with its interval, and the place."""
    lead = f"{_MUTED if finding.muted else VERDICTS[finding.verdict].reads}: {finding.title}."
    parts = [lead, measurement(finding, audit), where(finding), finding.reason]
    return " ".join(dict.fromkeys(filter(None, parts))).replace(NBSP, " ")
