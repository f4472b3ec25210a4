"""The audit in the words of evaluators: dimensions of test and evaluation, and NIST's MEASURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.audit.results import VERDICTS, Audit, Finding, Variation
from reports.audit import evaluators_words as words
from reports.audit.evaluators_words import DIMENSIONS, MEASURE, Dimension, Subcategory
from reports.audit.verdict import STYLE
from reports.kit.numbers import number
from reports.kit.sections import Section, render
from reports.kit.terms import VERDICTS as LOOKS
from reports.shared import show
from reports.shared.findings import declared, where

_TITLE: Final = "In evaluators’ words"
_NAMED: Final = {group for dimension in DIMENSIONS for group in dimension.groups or ()}
_USUAL: Final = "usual"
_JUDGED: Final = ("FAIL", "WARN", "INCONCLUSIVE", "PASS")


@dataclass(frozen=True)
class Evidence:
    """What an audit has to say of a dimension: in a sentence, by judged outcomes, by ids of failed
    practices, and by other conditions."""

    dimension: Dimension
    says: str
    outcomes: Sequence[Finding]
    failed: Sequence[str]
    variations: Sequence[Variation]


def section(audit: Audit) -> Section:
    """Make the section."""
    html = render(
        "audit/evaluators.html.j2",
        show=show,
        where=where,
        says=_says(audit),
        process=words.PROCESS,
        evidence=[_evidence(dimension, audit) for dimension in DIMENSIONS],
        measure=[(each, _citing(each, audit)) for each in MEASURE],
        simulated=words.SIMULATED,
        known={finding.id for finding in audit.findings},
    )
    return Section("evaluators", _TITLE, html, STYLE)


def _says(audit: Audit) -> str:
    variations = len(_others(audit.variations))
    tried = f"{variations} other conditions were" if variations else "no other condition was"
    return (
        "Performance and effectiveness are measured in CC4’s simulator, with intervals; for "
        f"resilience and generalisability {tried} tried there. What a simulator cannot show is "
        "listed last."
    )


def _evidence(dimension: Dimension, audit: Audit) -> Evidence:
    findings = [f for f in audit.findings if f.axis in dimension.axes]
    variations = [v for v in _others(audit.variations) if _belongs(v, dimension)]
    if dimension.axes:
        says = _tally(findings)
    elif dimension.groups == ():
        says = _performance(audit)
    else:
        says = _conditions(variations)
    outcomes = [f for f in findings if f.axis == "outcome" and f.verdict in _JUDGED]
    failed = [f.id for f in findings if f.axis != "outcome" and f.verdict == "FAIL"]
    return Evidence(dimension, says, outcomes, failed, variations)


def _performance(audit: Audit) -> str:
    mean = audit.mean_return
    says = f"Return {number(mean.mean)} per episode {show.interval(mean)}."
    known = sorted(audit.references, key=lambda reference: reference.mean_return)
    if known:
        least, most = known[0], known[-1]
        says += (
            f" The reference policies reach from {number(least.mean_return)} ({least.name}) to "
            f"{number(most.mean_return)} ({most.name})."
        )
    return says


def _tally(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    each = [f"{counts[v]} {LOOKS[v].word.lower()}" for v in VERDICTS if counts[v]]
    return f"Of {len(findings)} checks: {', '.join(each)}." if each else "No check was judged."


def _conditions(variations: Sequence[Variation]) -> str:
    if not variations:
        return "Nothing of this was measured in this audit."
    changes = [v.change for v in variations if v.change is not None]
    lost = sum(change.clear and change.mean < 0 for change in changes)
    return (
        f"{lost or 'None'} of {len(changes)} conditions that can be compared with the usual ones "
        f"surely cost{'s' * (lost == 1)} points."
    )


def _others(variations: Sequence[Variation]) -> list[Variation]:
    """Those that were played under other than the usual conditions."""
    return [variation for variation in variations if variation.group != _USUAL]


def _belongs(variation: Variation, dimension: Dimension) -> bool:
    if dimension.groups is None:
        return variation.group not in _NAMED
    return variation.group in dimension.groups


def _citing(subcategory: Subcategory, audit: Audit) -> list[Finding]:
    """Findings of the checks that cite a subcategory."""
    checks = ((finding, declared(finding.id)) for finding in audit.findings)
    return [f for f, check in checks if check and subcategory.id in check.cites("AI RMF")]
