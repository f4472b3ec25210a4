"""The two verdicts of an audit in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cagexplain.audit.check import SEVERITIES
from cagexplain.audit.results import Audit, Change, Finding
from reports.kit import numbers
from reports.kit.numbers import NBSP, number, percent
from reports.shared import show

_OUTCOME: Final = {
    "effective": "It defends well",
    "ineffective": "It does not defend well enough",
    "undetermined": "Whether it defends well is still open",
}
_PRACTICE: Final = {
    "compliant": "it goes by the book",
    "unorthodox": "it breaks rules of good practice",
    "undetermined": "whether it goes by the book is still open",
}
_JOINED: Final = {
    ("effective", "unorthodox"): ", but ",
    ("ineffective", "compliant"): ", although ",
    ("effective", "undetermined"): "; ",
    ("ineffective", "undetermined"): "; ",
    ("undetermined", "compliant"): "; ",
    ("undetermined", "unorthodox"): "; ",
}
_NEITHER: Final = "Whether it defends well and whether it goes by the book are both still open."


def headline(audit: Audit) -> str:
    """Both verdicts in one sentence."""
    pair = (audit.outcome, audit.practice)
    if pair == ("undetermined", "undetermined"):
        return _NEITHER
    return f"{_OUTCOME[audit.outcome]}{_JOINED.get(pair, ', and ')}{_PRACTICE[audit.practice]}."


def practice(audit: Audit) -> str:
    """What the verdict on its ways rests on."""
    return _basis(audit, "practice", "about what it does")


def outcome(audit: Audit) -> str:
    """What the verdict on the results rests on."""
    return _basis(audit, "outcome", "about the results")


def _basis(audit: Audit, axis: str, about: str) -> str:
    checks = [f for f in audit.findings if f.axis == axis and f.verdict != "NOT_APPLICABLE"]
    if not checks:
        return f"No check {about} applied."
    failed = [f for f in checks if f.verdict == "FAIL"]
    passed, unclear = _count(checks, "PASS"), _count(checks, "INCONCLUSIVE")
    sentences = [f"Of {len(checks)} checks {about}, {passed} pass and {_failed(failed)}."]
    if unclear:
        more = [f.more_episodes for f in checks if f.verdict == "INCONCLUSIVE" and f.more_episodes]
        them = "it" if unclear == 1 else "them"
        further = (
            f": settling {them} may take about {numbers.roughly(max(more))} more episodes"
            if more
            else ""
        )
        sentences.append(f"{unclear} {'is' if unclear == 1 else 'are'} inconclusive{further}.")
    return " ".join(sentences)


def _failed(failed: Sequence[Finding]) -> str:
    if not failed:
        return "none fails"
    counts = [(sum(f.severity == grade for f in failed), grade) for grade in SEVERITIES]
    grades = ", ".join(f"{n} {grade}" for n, grade in counts if n)
    return f"{len(failed)} fail{'s' * (len(failed) == 1)} ({grades})"


def _count(findings: Sequence[Finding], verdict: str) -> int:
    return sum(finding.verdict == verdict for finding in findings)


def score(audit: Audit) -> str:
    """The return in proportion: what doing nothing and the best reference get."""
    mean = audit.mean_return
    by_name = {reference.name: reference for reference in audit.references}
    sentences = [
        f"On average it loses {number(-mean.mean)} points per episode{_lost(mean)}; a perfect "
        "defence would lose none."
        if mean.mean < 0
        else f"Its mean return is {number(mean.mean)} points per episode {show.interval(mean)}."
    ]
    if "sleep" in by_name:
        nothing = by_name["sleep"].mean_return
        averted = f", so it averts {percent(1 - mean.mean / nothing)} of that" * (
            mean.mean > nothing
        )
        sentences.append(f"Doing nothing loses {number(-nothing)}{averted}.")
    if audit.references:
        best = max(audit.references, key=lambda reference: reference.mean_return)
        sentences.append(
            f"The best of {len(audit.references)} reference policies, {best.name}, loses "
            f"{number(-best.mean_return)}."
        )
    return " ".join(sentences)


def _lost(mean: Change) -> str:
    if mean.low is None or mean.high is None:
        return ""
    return f" (95{NBSP}% interval {number(-mean.high)} to {number(-mean.low)})"
