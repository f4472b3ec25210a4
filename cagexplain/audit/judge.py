"""Counts all checks of a play in one pass, and judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from cagexplain.audit.axes import PRACTICE
from cagexplain.audit.check import Check, Measure
from cagexplain.audit.examples import Examples
from cagexplain.audit.parts import Failing, Pieces, criterion_of
from cagexplain.audit.profiles import Profile
from cagexplain.audit.references import References
from cagexplain.audit.results import Finding, Measured, Part, Place, Verdict, WorstPart
from cagexplain.audit.stretches import course, judge_parts
from cagexplain.audit.verdicts import (
    FALSE_DISCOVERIES,
    more_episodes,
    p_value,
    together,
    verdict,
)
from cagexplain.common.arrays import FloatArray, IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.facts.batch import Batch, Tables
from cagexplain.facts.compact import CompactArray
from cagexplain.facts.view import TABLES, Facts, View
from cagexplain.stats.adjust import discoveries
from cagexplain.stats.estimates import (
    MIN_EPISODES,
    Estimate,
    estimate,
)

EXAMPLES: Final = 20
"""Most cases that are shown as evidence of a finding."""
_KEPT: Final = 200
"""Cases against the policy that are kept of each batch, to choose the examples from."""


SOLE: Final = ("link", "agent", "zone")
"""Kinds of parts that a finding names if all its cases lie in one of them."""
_OF_WHOLE: Final = 0.2
"""Share of a check's error that its whole numbers get if their parts may fail it too: they seldom
need more, as they have all the cases."""


@dataclass
class _Details:
    """Where and when the cases of a number are."""

    pieces: Pieces
    examples: Examples = field(default_factory=Examples)


@dataclass
class _Counted:
    """What a check has counted so far, by the key of the measure."""

    sums: dict[str, CompactArray] = field(default_factory=dict)
    details: dict[str, _Details] = field(default_factory=dict)
    error: str = ""


class Tallies:
    """Counts checks; a `Collector` of a pass over a trace or over episodes in memory.

    Args:
        checks: what to count; those that are not played are left out.
        facts: about the play.
        profile: has the thresholds.
    """

    tables: Tables = TABLES

    def __init__(self, checks: Sequence[Check], facts: Facts, profile: Profile) -> None:
        self.facts = facts
        self.checks = tuple(checks)
        self._profile = profile
        self._counted = {check.id: _Counted() for check in self.checks if self._reason(check) == ""}
        self.episodes = 0

    def _reason(self, check: Check) -> str:
        """Why a check is not counted; empty if it is."""
        if check.source != "play":
            return "It needs further play that was not asked for."
        if "observations" in check.needs and not self.facts.observations:
            return "The trace was recorded without observations, which this check counts on."
        return (check.applies(self.facts) if check.applies else None) or ""

    def add(self, batch: Batch) -> None:
        """Count some episodes."""
        view = View(batch, self.facts)
        self.episodes += batch.n
        for check in self.checks:
            counted = self._counted.get(check.id)
            if counted is not None and not counted.error:
                try:
                    self._add(check, view, counted)
                except CagexplainError:  # the trace is at fault, which concerns all checks
                    raise
                except Exception as error:
                    counted.error = f"{type(error).__name__}: {error}"

    def _add(self, check: Check, view: View, counted: _Counted) -> None:
        for measure in check.measures:
            sums, cases = measure.counted(view)
            _, bad = self._profile.thresholds(check, measure)
            if cases is not None and bad is not None:
                criterion = criterion_of(measure, bad)
                details = counted.details.setdefault(measure.key, _Details(Pieces(criterion)))
                details.pieces.add(cases, view)
                details.examples.add(criterion, cases, view, _KEPT)
            counted.sums.setdefault(measure.key, CompactArray()).add(sums[:, None])

    def sums(self, check: str, measure: str) -> FloatArray | None:
        """``float64[episode, column]`` of a measure; None if it was not counted."""
        counted = self._counted.get(check)
        sums = counted.sums.get(measure) if counted else None
        return None if sums is None else sums.part(0)

    def findings(
        self, references: References, *, policies: IntArray | None = None
    ) -> tuple[Finding, ...]:
        """Judge what was counted.

        Args:
            references: what other policies do.
            policies: ``int[episode]`` which of several policies played it.
        """
        return tuple(self._finding(check, references, policies) for check in self.checks)

    def _finding(self, check: Check, references: References, policies: IntArray | None) -> Finding:
        finding = self._judged(check, references, policies)
        if finding.verdict not in ("NOT_APPLICABLE", "ERROR"):
            finding = self._with_parts(finding, check, references)
        return muted(finding, self._profile.muted(check))

    def _with_parts(self, finding: Finding, check: Check, references: References) -> Finding:
        """The finding with its parts judged, and with evidence."""
        details = self._counted[check.id].details
        parts: dict[str, tuple[Part, ...]] = {}
        failures: dict[str, Failing] = {}
        for measure in check.measures:
            if measure.key in details:
                pieces, deff = details[measure.key].pieces, references.deff(check.id, measure)
                parts[measure.key], failing = judge_parts(pieces, deff)
                if failing is not None:
                    failures[measure.key] = failing
        chances = sum(part_may_fail(check, measure) for measure in check.measures)
        if chances and finding.p is not None:
            finding = replace(finding, p=min(1.0, finding.p / _OF_WHOLE))
        worst = max(failures, key=lambda key: failures[key].contrast, default=None)
        if worst is not None and chances:
            finding = failing_by_part(finding, failures[worst], chances)
        if worst is not None and finding.verdict == "FAIL":
            failing = failures[worst]
            place = WorstPart(worst, failing.part, failing.where, failing.since)
            finding = replace(finding, worst=place)
        key = finding.decisive.key if finding.decisive else ""
        if key not in details:
            return finding
        wrong = finding.verdict in ("FAIL", "WARN")
        if finding.verdict == "FAIL" and finding.worst is None:
            finding = replace(finding, worst=sole(key, parts[key]))
        return replace(
            finding,
            parts=parts[key],
            course=course(details[key].pieces, finding.worst) if wrong else None,
            evidence=details[key].examples.chosen(finding.worst, EXAMPLES),
        )

    def _judged(self, check: Check, references: References, policies: IntArray | None) -> Finding:
        head = declared(check, self._profile)
        if reason := self._reason(check):
            return Finding(verdict="NOT_APPLICABLE", reason=reason, **head)
        counted = self._counted[check.id]
        if counted.error:
            reason = f"The check could not be computed: {counted.error}"
            return Finding(verdict="ERROR", reason=reason, **head)
        intervals = []
        for measure in check.measures:
            sums = self.sums(check.id, measure.key)
            assert sums is not None
            deff = references.deff(check.id, measure)
            intervals.append(estimate(measure.statistic, sums, policies=policies, usual_deff=deff))
        return judged(check, intervals, self._profile, references, self.episodes)


def part_may_fail(check: Check, measure: Measure) -> bool:
    """Whether a part of a measure's cases can fail the check."""
    if check.axis not in PRACTICE or measure.cases is None or measure.bad is None:
        return False
    return criterion_of(measure, measure.bad).of_parts


def sole(key: str, parts: Sequence[Part]) -> WorstPart | None:
    """Where a check that fails as a whole has all its cases: in one agent, subnet or link; None if
    they are in several.

    Args:
        key: of the measure.
        parts: of it.
    """
    of_kind = [[part for part in parts if part.kind == kind] for kind in SOLE]
    alone = [those[0] for those in of_kind if len(those) == 1]
    places = tuple(Place(part.kind, part.name) for part in alone)
    return WorstPart(key, alone[0], places) if alone else None


def failing_by_part(finding: Finding, failing: Failing, chances: int) -> Finding:
    """A finding one of whose parts fails: it fails, whatever the whole does.

    Args:
        finding: by the whole, whose p-value is that of its share of the error.
        failing: the part.
        chances: measures whose parts were judged.
    """
    p = min(1.0, (failing.part.p or 0.0) * chances / (1 - _OF_WHOLE))
    return replace(
        finding,
        verdict="FAIL",
        reason="",
        more_episodes=None,
        p=p if finding.p is None else min(p, finding.p),
    )


def muted(finding: Finding, why: str) -> Finding:
    """A finding as it counts once the profile has muted its check: for no verdict at all.

    What was measured stays, with the verdict of each number, so that a reader can see what the
    profile asks not to look at.

    Args:
        finding: of the check.
        why: reason of the profile; empty leaves the finding as it is.
    """
    if not why:
        return finding
    return replace(
        finding,
        verdict="NOT_APPLICABLE",
        reason=why,
        more_episodes=None,
        p=None,
        muted=True,
    )


def declared(check: Check, profile: Profile) -> dict[str, Any]:
    """What a finding takes from the declaration and the profile."""
    names = ("id", "title", "family", "axis", "knowledge", "trigger")
    return {name: getattr(check, name) for name in names} | {
        "severity": profile.severity(check),
        "n_min": profile.n_min(check),
    }


def judged(
    check: Check,
    intervals: Sequence[Estimate],
    profile: Profile,
    references: References,
    episodes: int,
) -> Finding:
    """A finding from the numbers of a check, wherever they come from.

    Args:
        check: declares the measures.
        intervals: of its measures, in their order.
        profile: has the thresholds.
        references: what other policies do.
        episodes: that were played.
    """
    head = declared(check, profile)
    pairs = list(zip(check.measures, intervals, strict=True))
    measures = tuple(judge(check, m, interval, profile, references) for m, interval in pairs)
    if check.absent and not any(i.n for m, i in pairs if m.judged):
        return Finding(verdict="NOT_APPLICABLE", reason=check.absent, measures=measures, **head)
    verdicts = [m.verdict for m in measures if m.good is not None]
    whole = together(verdicts)
    chances = len(verdicts) - verdicts.count("NOT_APPLICABLE")  # any of them fails the check
    p, further, reason = None, None, ""
    for measured, interval in zip(measures, intervals, strict=True):
        if measured.good is None or measured.bad is None or measured.verdict != whole:
            continue
        if whole == "FAIL":
            adjusted = chances * p_value(interval, measured.better, measured.bad)
            p = min(1.0 if p is None else p, adjusted)
        if whole == "INCONCLUSIVE":
            thresholds = measured.good, measured.bad
            more = more_episodes(interval, measured.better, *thresholds, head["n_min"], episodes)
            further = more if further is None or more is None else max(further, more)
            reason = reason or _too_little(interval, head["n_min"], check.trigger)
    return Finding(
        verdict=whole,
        whole=whole,
        reason=reason,
        measures=measures,
        n=round(intervals[0].n),
        episodes=intervals[0].episodes,
        more_episodes=further,
        p=p,
        **head,
    )


def corrected(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The same findings, with the FAILs marked that survive the correction for their number."""
    marked = list(findings)
    fails = [i for i, finding in enumerate(marked) if finding.p is not None]
    tested = sum(f.verdict in ("PASS", "WARN", "FAIL", "INCONCLUSIVE") for f in marked)
    surviving = discoveries([marked[i].p or 0.0 for i in fails], FALSE_DISCOVERIES, tested)
    for i, survives in zip(fails, surviving.tolist(), strict=True):
        marked[i] = replace(marked[i], survives=survives)
    return tuple(marked)


def judge(
    check: Check, measure: Measure, number: Estimate, profile: Profile, references: References
) -> Measured:
    """A number with its verdict, and where it stands among the reference policies."""
    good, bad = profile.thresholds(check, measure)
    judgement: Verdict = "NOT_APPLICABLE"
    impossible = bool(check.absent) and number.n == 0  # others of the check may have triggers
    if good is not None and bad is not None and not impossible:
        judgement = verdict(number, measure.better, good, bad, profile.n_min(check))
    standing = references.values(check.id, measure.key)
    return Measured(
        key=measure.key,
        name=measure.name,
        unit=measure.unit,
        better=measure.better,
        good=good,
        bad=bad,
        **vars(number.interval),
        n=round(number.n),
        reached=not np.isinf(number.value),
        verdict=judgement,
        standing=standing,
        percentile=_percentile(number.value, measure.better, standing),
    )


def _percentile(value: float, better: str, standing: Mapping[str, float | None]) -> float | None:
    others = [np.inf if other is None else other for other in standing.values()]
    if np.isnan(value) or not others:
        return None
    no_better = [o <= value if better == "higher" else o >= value for o in others]
    return sum(no_better) / len(others)


def _too_little(number: Estimate, n_min: int, trigger: str) -> str:
    if number.episodes < MIN_EPISODES:
        counted = f"{number.episodes} episode{'' if number.episodes == 1 else 's'}"
        with_any = "" if trigger == "episodes" else f" with {trigger}"
        return f"Only {counted}{with_any}; a verdict needs {MIN_EPISODES}."
    if number.n < n_min:
        return f"Only {round(number.n)} {trigger}; a verdict needs {n_min}."
    if np.isnan(number.low) or np.isnan(number.high):
        return "The number is undefined, as what it is divided by never happened."
    return "The confidence interval reaches over a threshold."
