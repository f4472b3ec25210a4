"""A table of all numbers for spreadsheets: a row per number that a check judged or showed."""

from __future__ import annotations

import csv
import io
from typing import Final

from cagexplain.audit.results import Audit, Finding, Measured
from reports.exports.common import xml_text

_HEAD: Final = ("id", "title", "family", "severity", "axis", "knowledge")
_FINDING: Final = (*_HEAD, "verdict", "reason", "muted")
_MEASURED: Final = ("key", "name", "unit", "better", "value", "low", "high", "n", "good", "bad")
_MORE: Final = ("episodes", "since", "patch", "price", "price_low", "price_high")
_AS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a text begins that spreadsheets may take for a formula; the last four are full-width."""


def findings_csv(audit: Audit) -> str:
    """All findings as CSV (RFC 4180). A text that a spreadsheet would run as a formula is marked to
    be text by an apostrophe before it."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow([*_FINDING, *_MEASURED, *_MORE])
    for finding in audit.findings:
        for measured in finding.measures or (None,):
            table.writerow([_cell(value) for value in _row(finding, measured)])
    return file.getvalue()


def _row(finding: Finding, measured: Measured | None) -> list[object]:
    price = finding.price
    reward = price.reward if price else None
    gained = [getattr(reward, name, None) for name in ("mean", "low", "high")]
    return [
        *(getattr(finding, name) for name in _FINDING),
        *(getattr(measured, name, None) for name in _MEASURED),
        finding.episodes,
        finding.worst.since.start if finding.worst and finding.worst.since else None,
        " + ".join(price.remedies) if price else None,
        *gained,
    ]


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = xml_text(value)
    return f"'{text}" if text.lstrip(" ").startswith(_AS_FORMULA) else text
