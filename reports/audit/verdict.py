"""The head of an audit, and its two verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from cagexplain.audit.results import VERDICTS, Audit
from cagexplain.audit.suspects import suspects
from reports.audit import lead_words, texts, verdict_words
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
OTHERS = 4
"""Parts that fail and are named on the first screen."""


@dataclass(frozen=True)
class Axis:
    """One of the two verdicts: the question, the answer and how it looks, what it rests on."""

    asks: str
    word: str
    icon: str
    style: str
    basis: str


def header(audit: Audit) -> Markup:
    """What stands above the sections: whose audit it is, and what to know before reading."""
    return render(
        "audit/header.html.j2",
        name=show.name_of(audit),
        episodes=show.episodes_of(audit),
        profile=audit.profile.get("name", "unnamed"),
        brief=" · ".join(_brief(audit)),
        notes=audit.notes,
    )


def _brief(audit: Audit) -> Iterator[str]:
    yield str(audit.policy.get("kind", "policy"))
    if sha256 := str(audit.policy.get("sha256") or ""):
        yield f"SHA-256 {sha256[:12]}…"
    if sha256 := str(audit.profile.get("sha256") or ""):
        yield f"profile {sha256[:12]}…"
    yield f"made {audit.created}"


def section(audit: Audit) -> Section:
    """Make the section."""
    suspected = suspects(audit)
    html = render(
        "audit/verdict.html.j2",
        show=show,
        recommendation=lead_words.recommendation(audit, suspected),
        answers=list(lead_words.answers(suspected[0], audit)) if suspected else [],
        others=[
            (lead_words.subject(s), words.headline(s.findings[0])) for s in suspected[1:OTHERS]
        ],
        headline=verdict_words.headline(audit),
        axes=[
            _axis("Practice and health: does it go by the book?", *_practice(audit)),
            _axis("Outcome: does it defend well?", audit.outcome, verdict_words.outcome(audit)),
        ],
        score=verdict_words.score(audit),
        verdicts=VERDICTS,
        tally=verdict_words.tally(audit),
        setting=texts.SETTING,
    )
    return Section("verdict", "Verdict", html, STYLE)


def _practice(audit: Audit) -> tuple[str, str]:
    return audit.practice, verdict_words.practice(audit)


def _axis(asks: str, word: str, basis: str) -> Axis:
    icon, style = _LOOKS[word]
    return Axis(asks, _WORDS.get(word, word.capitalize()), icon, style, basis)
