"""The two verdicts of an audit in sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from cagexplain.audit import ranking
from cagexplain.audit.axes import ENOUGH, PRACTICE
from cagexplain.audit.check import SEVERITIES, Axis
from cagexplain.audit.references import NOTHING
from cagexplain.audit.results import VERDICTS, Audit, Change, Finding, ReferencePolicy
from reports.kit import numbers
from reports.kit.numbers import NBSP, number, percent
from reports.kit.terms import AXES
from reports.shared import findings as words
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
BLIND: Final = "restore_cycle"
"""The reference policy that acts without looking: what averting much is worth beside it."""
_ON_THEIR_SEEDS: Final = " on the seeds of the references, which no audit plays"
_MANY: Final = 1000
"""More further episodes than these are not told: nobody would play them for an open check."""
_NEITHER: Final = "Whether it defends well and whether it goes by the book are both still open."


def headline(audit: Audit) -> str:
    """Both verdicts in one sentence."""
    pair = (audit.outcome, audit.practice)
    if pair == ("undetermined", "undetermined"):
        return _NEITHER
    practice = _PRACTICE[audit.practice]
    if audit.practice == "compliant":
        practice = _compliant(audit)
    return f"{_OUTCOME[audit.outcome]}{_JOINED.get(pair, ', and ')}{practice}."


def _compliant(audit: Audit) -> str:
    """What may be said of a policy that breaks no rule of weight: never more than was seen."""
    checks = [f for f in audit.findings if f.axis in PRACTICE]
    fails, warnings, unclear = (
        _count(checks, verdict) for verdict in ("FAIL", "WARN", "INCONCLUSIVE")
    )
    if fails:
        return f"it fails {fails} lesser check{'s' * (fails != 1)} of good practice"
    limits = [
        *([f"{warnings} warning{'s' * (warnings != 1)}"] if warnings else []),
        *([f"{unclear} open check{'s' * (unclear != 1)}"] if unclear else []),
    ]
    if limits:
        return f"no rule of good practice is surely broken, with {' and '.join(limits)}"
    return _PRACTICE["compliant"]


def practice(audit: Audit) -> str:
    """What the verdict on its ways rests on."""
    return " ".join(_basis(audit, axis) for axis in PRACTICE)


def outcome(audit: Audit) -> str:
    """What the verdict on the results rests on."""
    return _basis(audit, "outcome")


def reason(audit: Audit, sides: Collection[str]) -> str:
    """The failure that weighs most on some axes, with its number; empty if nothing fails there."""
    failures = [f for f in audit.findings if f.verdict == "FAIL" and f.axis in sides]
    if not failures:
        return ""
    gravest = ranking.in_order(failures, audit)[0]
    return ": ".join(filter(None, (words.headline(gravest), words.in_numbers(gravest))))


def tally(audit: Audit) -> list[tuple[str, list[int]]]:
    """By what checks are about: how many have each verdict, in the order of `VERDICTS`, and all."""
    rows = []
    for axis in AXES:
        checks = [f for f in audit.findings if f.axis == axis]
        if checks:
            counts = [_count(checks, verdict) for verdict in VERDICTS]
            rows.append((show.axis(axis), [*counts, len(checks)]))
    every = [_count(audit.findings, verdict) for verdict in VERDICTS]
    return [*rows, ("all", [*every, len(audit.findings)])]


def _basis(audit: Audit, axis: Axis) -> str:
    """All checks of an axis by their verdict; the counts add up to all of them."""
    checks = [f for f in audit.findings if f.axis == axis]
    name = axis.capitalize()
    if not checks:
        return f"{name}: no checks."
    counts = [
        (_failed(checks), "FAIL"),
        *((f"{_count(checks, verdict)} {word}", verdict) for verdict, word in _COUNTED.items()),
    ]
    verdicts = ", ".join(text for text, verdict in counts if _count(checks, verdict))
    sentences = [f"{name}, {len(checks)} checks: {verdicts}."]
    more = [f.more_episodes for f in checks if f.verdict == "INCONCLUSIVE" and f.more_episodes]
    if more:
        further = max(more)
        about = f"About {numbers.roughly(further)}" if further <= _MANY else f"Over {number(_MANY)}"
        sentences.append(f"{about} more episodes may settle what is open.")
    judged = sum(f.verdict in ("PASS", "WARN", "FAIL") for f in checks)
    if judged < ENOUGH * sum(f.verdict != "NOT_APPLICABLE" for f in checks):
        sentences.append("The audit could not see enough for most of them.")
    return " ".join(sentences)


_COUNTED: Final = {
    "ERROR": "could not be computed",
    "WARN": "with a warning",
    "INCONCLUSIVE": "open",
    "PASS": "passed",
    "NOT_APPLICABLE": "not applicable",
}
"""How the counts of verdicts are told, after those that failed."""


def _failed(checks: Sequence[Finding]) -> str:
    failed = [f for f in checks if f.verdict == "FAIL"]
    counts = [(sum(f.severity == grade for f in failed), grade) for grade in SEVERITIES]
    grades = ", ".join(f"{n} {grade}" for n, grade in counts if n)
    return f"{len(failed)} failed ({grades})"


def _count(findings: Sequence[Finding], verdict: str) -> int:
    return sum(finding.verdict == verdict for finding in findings)


def score(audit: Audit) -> str:
    """The return in proportion: what doing nothing, looking at nothing and the best get."""
    mean = audit.mean_return
    by_name = {reference.name: reference for reference in audit.references}
    sentences = [
        f"On average it loses {number(-mean.mean)} points per episode{_lost(mean)}; a perfect "
        "defence would lose none."
        if mean.mean < 0
        else f"Its mean return is {number(mean.mean)} points per episode {show.interval(mean)}."
    ]
    if audit.references:
        best = max(audit.references, key=lambda reference: reference.mean_return)
        sentences.append(
            f"The best of {len(audit.references)} reference policies, {best.name}, loses "
            f"{number(-best.mean_return)}{_ON_THEIR_SEEDS}."
        )
    if NOTHING in by_name:
        sentences.append(_averted(mean.mean, by_name))
    return " ".join(sentences)


def _averted(mean: float, by_name: Mapping[str, ReferencePolicy]) -> str:
    """How much of what doing nothing loses is averted, and why that says little."""
    nothing = by_name[NOTHING].mean_return
    text = f"Doing nothing loses {number(-nothing)} there"
    if mean <= nothing:
        return f"{text}."
    text += f", so it averts {percent(1 - mean / nothing)} of that"
    blind = by_name.get(BLIND)
    if blind is None:
        return f"{text}; the verdict does not rest on this share."
    return (
        f"{text}. That share is no praise, and the verdict does not rest on it: {BLIND}, which "
        "rebuilds machines in turn and looks at no alert, averts "
        f"{percent(1 - blind.mean_return / nothing)}. Believe the verdicts: they rest on what "
        "happens to the machines."
    )


def _lost(mean: Change) -> str:
    if mean.low is None or mean.high is None:
        return ""
    return f" (95{NBSP}% interval {number(-mean.high)} to {number(-mean.low)})"
