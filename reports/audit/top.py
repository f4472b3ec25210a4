"""The findings that matter most, in sentences: by what is to blame for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cagexplain.audit import ranking
from cagexplain.audit.results import Audit, Finding
from cagexplain.audit.suspects import Suspect, suspects
from reports.audit import lead_words
from reports.audit.course import drawing
from reports.audit.scale import bar
from reports.audit.verdict import STYLE
from reports.kit.numbers import number
from reports.kit.sections import Section, render
from reports.shared import findings as words
from reports.shared import show

SHOWN: Final = 6
"""Findings that are shown in full."""


@dataclass(frozen=True)
class Group:
    """What fails in one part: findings in full, and those that only need to be named."""

    title: str
    full: list[dict[str, Any]]
    named: list[tuple[Finding, str, str]]


def section(audit: Audit) -> Section:
    """Make the section."""
    wrong = ranking.wrong(audit)
    groups = list(_groups(audit))
    shown = {entry["finding"].id for group in groups for entry in group.full}
    shown |= {finding.id for group in groups for finding, _, _ in group.named}
    html = render(
        "audit/top.html.j2",
        show=show,
        says=_says(wrong),
        groups=groups,
        rest=[(f, words.headline(f)) for f in wrong if f.id not in shown],
        known={finding.id for finding in audit.findings},
        key=render("audit/key.html.j2", others=False),
        order=words.ORDER,
    )
    return Section("top", "What matters most", html, STYLE)


def _groups(audit: Audit) -> Iterator[Group]:
    """Of each part that fails the first finding in full, of the whole team all, as far as there
    is room; without failures the warnings that weigh most."""
    left = SHOWN
    suspected = suspects(audit)
    if not suspected:
        warnings = ranking.wrong(audit)[:left]
        if warnings:
            yield Group("", [_shown(finding, audit) for finding in warnings], [])
        return
    room_for_others = max(left - len(suspected), 0)
    for suspect in suspected:
        most = min(left, 1 if suspect.places else 1 + room_for_others)
        full, named = suspect.findings[:most], suspect.findings[most:]
        left -= len(full)
        yield Group(
            _title(suspect),
            [_shown(finding, audit) for finding in full],
            [(finding, words.headline(finding), _cases(finding)) for finding in named],
        )


def _title(suspect: Suspect) -> str:
    text = lead_words.subject(suspect)
    return text[:1].upper() + text[1:]


def _cases(finding: Finding) -> str:
    """How many cases of the part speak against the policy; of a finding of the whole its number."""
    if finding.worst is not None:
        part = finding.worst.part
        return f"{number(part.bad)} of {number(part.n)} {finding.trigger}"
    return show.value(finding.decisive) if finding.decisive is not None else ""


def _says(wrong: list[Finding]) -> str:
    if not wrong:
        return "No check of the policy failed or gave a warning."
    fails = sum(finding.verdict == "FAIL" for finding in wrong)
    warnings = len(wrong) - fails
    gave = "a warning" if warnings < 2 else "warnings"
    return (
        f"{fails or 'No'} check{'s' * (fails != 1)} of the policy failed, {warnings or 'none'} "
        f"gave {gave}. The gravest: {words.headline(wrong[0])}."
    )


def _shown(finding: Finding, audit: Audit) -> dict[str, Any]:
    measured = finding.decisive
    return {
        "finding": finding,
        "headline": words.headline(finding),
        "parts": words.passages(finding, audit),
        "course": drawing(finding, show.steps_of(audit)),
        "bar": None if measured is None else bar(measured),
        "ends": [] if measured is None else show.ends(measured),
        "bar_label": "" if measured is None else show.line(measured),
    }
