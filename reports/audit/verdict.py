"""The head of an audit, and its two verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from cagexplain.audit import ranking
from cagexplain.audit.axes import PRACTICE
from cagexplain.audit.results import Audit, Finding
from cagexplain.audit.suspects import Suspect, suspects
from reports.audit import held, lead_words, texts, verdict_words
from reports.kit.pages import source
from reports.kit.sections import Section, render
from reports.shared import findings as words
from reports.shared import show

STYLE = source("audit/audit.css")
"""Rules that all sections of an audit share."""

_LOOKS = {
    **dict.fromkeys(("compliant", "effective"), ("✓", "pass")),
    **dict.fromkeys(("unorthodox", "ineffective"), ("✗", "fail")),
    "undetermined": ("?", "open"),
}
_WORDS = {"undetermined": "Still open"}
"""How verdicts are shown, where not by their own name."""
GRAVEST = 3
"""Findings that are named on the first screen."""


@dataclass(frozen=True)
class Axis:
    """One of the two verdicts: the question, the answer and how it looks, the gravest failure that
    decides it (empty if none does), what it rests on."""

    asks: str
    word: str
    icon: str
    style: str
    reason: str
    basis: str


def header(audit: Audit) -> Markup:
    """What stands above the sections: whose audit it is, and what to know before reading."""
    return render(
        "audit/header.html.j2",
        name=show.name_of(audit),
        episodes=show.episodes_of(audit),
        profile=audit.profile.get("name", "unnamed"),
        kind=audit.policy.get("kind", "policy"),
        created=audit.created,
        notes=audit.notes,
    )


def section(audit: Audit) -> Section:
    """Make the section: all of it fits on one sheet of paper with what stands above the sections.

    It says whether to sign, why not, what weighs most, what to do and how the policy holds up
    between a good defender and none; the other sections are its appendix.
    """
    suspected = suspects(audit)
    gravest = _gravest(audit, suspected)
    html = render(
        "audit/verdict.html.j2",
        show=show,
        recommendation=lead_words.recommendation(audit, suspected),
        failing=bool(suspected),
        answers=list(
            lead_words.answers(suspected[0], audit)
            if suspected
            else lead_words.advice(gravest, audit)
        ),
        held=held.drawing(audit),
        gravest=[
            (finding, words.headline(finding), words.in_numbers(finding)) for finding in gravest
        ],
        known={finding.id for finding in audit.findings},
        headline=verdict_words.headline(audit),
        axes=[
            _axis(
                "Practice and health: does it go by the book?",
                audit.practice,
                verdict_words.reason(audit, PRACTICE),
                verdict_words.practice(audit),
            ),
            _axis(
                "Outcome: does it defend well?",
                audit.outcome,
                verdict_words.reason(audit, ("outcome",)),
                verdict_words.outcome(audit),
            ),
        ],
        score=verdict_words.score(audit),
        setting=texts.SETTING,
    )
    return Section("verdict", "Verdict", html, STYLE)


def _gravest(audit: Audit, suspected: list[Suspect]) -> list[Finding]:
    """The first finding of each part that fails, then what else is most pressing."""
    first = [suspect.findings[0] for suspect in suspected]
    return [*first, *(f for f in ranking.wrong(audit) if f not in first)][:GRAVEST]


def _axis(asks: str, word: str, reason: str, basis: str) -> Axis:
    icon, style = _LOOKS[word]
    shown = reason if style == "fail" else ""
    return Axis(asks, _WORDS.get(word, word.capitalize()), icon, style, shown, basis)
