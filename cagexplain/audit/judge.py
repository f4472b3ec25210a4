"""Counts all checks of a play in one pass, and judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.audit.check import Check, Measure
from cagexplain.audit.profiles import Profile
from cagexplain.audit.references import References
from cagexplain.audit.results import Evidence, Finding, Measured, Part, Verdict
from cagexplain.audit.verdicts import (
    FALSE_DISCOVERIES,
    more_episodes,
    p_value,
    together,
    verdict,
)
from cagexplain.cc4 import agents, network, phases
from cagexplain.common.arrays import FloatArray, IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.facts.batch import Batch, Tables
from cagexplain.facts.cases import Cases
from cagexplain.facts.view import TABLES, Facts, View
from cagexplain.stats.adjust import discoveries
from cagexplain.stats.estimates import (
    MIN_EPISODES,
    Estimate,
    OfCases,
    estimate,
)

EXAMPLES: Final = 20
"""Most cases that are shown as evidence of a finding."""
Names = tuple[str, ...]
_SPLITS: Final[dict[str, Names]] = {
    "zone": network.ZONES,
    "agent": agents.BLUE,
    "phase": phases.PHASE_NAMES,
}
"""Names of the parts that cases are split into."""


@dataclass
class _Details:
    """Where and when the cases of a number are."""

    parts: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    firsts: list[IntArray] = field(default_factory=list)
    examples: list[Evidence] = field(default_factory=list)


@dataclass
class _Counted:
    """What a check has counted so far, by the key of the measure."""

    sums: dict[str, list[FloatArray]] = field(default_factory=dict)
    details: dict[str, _Details] = field(default_factory=dict)
    error: str = ""


class Tallies:
    """Counts checks; a `Collector` of a pass over a trace or over episodes in memory.

    Args:
        checks: what to count; those that are not played are left out.
        facts: about the play.
        details: whether to keep evidence, and where the cases are.
    """

    tables: Tables = TABLES

    def __init__(self, checks: Sequence[Check], facts: Facts, *, details: bool = True) -> None:
        self.facts = facts
        self.checks = tuple(checks)
        self._details = details
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
            if cases is not None and self._details and measure.judged:
                details = counted.details.setdefault(measure.key, _Details())
                self._detail(measure, cases, view, details)
            counted.sums.setdefault(measure.key, []).append(sums)

    def _detail(self, measure: Measure, cases: Cases, view: View, details: _Details) -> None:
        assert isinstance(measure.statistic, OfCases)
        cases = cases.where(measure.statistic.shown(cases))
        split = {
            "zone": np.where(cases.host >= 0, network.HOST_ZONE[cases.host], -1),
            "agent": cases.agent,
            "phase": view.batch.phase[cases.row, cases.step],
        }
        for kind, names in _SPLITS.items():
            part = split[kind]
            known = part >= 0
            table = details.parts.setdefault(kind, np.zeros((len(names), 2), dtype=np.int64))
            table[:, 0] += np.bincount(part[known & cases.hit], minlength=len(names))
            table[:, 1] += np.bincount(part[known], minlength=len(names))
        bad = cases.where(_against(measure, cases))
        first = np.full(view.n, np.iinfo(np.int64).max)
        np.minimum.at(first, bad.row, bad.step)
        details.firsts.append(first[first < np.iinfo(np.int64).max])
        chosen = np.linspace(0, len(bad) - 1, min(EXAMPLES, len(bad))).astype(np.int64)
        details.examples += [
            Evidence(
                int(view.batch.episodes[bad.row[i]]),
                int(bad.step[i]),
                agents.BLUE[bad.agent[i]] if bad.agent[i] >= 0 else None,
                network.HOST_NAMES[bad.host[i]] if bad.host[i] >= 0 else None,
            )
            for i in chosen
        ]

    def sums(self, check: str, measure: str) -> FloatArray | None:
        """``float64[episode, column]`` of a measure; None if it was not counted."""
        counted = self._counted.get(check)
        parts = counted.sums.get(measure) if counted else None
        return np.concatenate(parts) if parts else None

    def findings(
        self,
        profile: Profile,
        references: References,
        *,
        policies: IntArray | None = None,
    ) -> tuple[Finding, ...]:
        """Judge what was counted.

        Args:
            profile: has the thresholds.
            references: what other policies do.
            policies: ``int[episode]`` which of several policies played it.
        """
        return tuple(self._finding(check, profile, references, policies) for check in self.checks)

    def _finding(
        self,
        check: Check,
        profile: Profile,
        references: References,
        policies: IntArray | None,
    ) -> Finding:
        finding = muted(self._judged(check, profile, references, policies), profile.muted(check))
        key = finding.decisive.key if finding.decisive else ""
        details = self._counted.get(check.id, _Counted()).details.get(key, _Details())
        first = np.concatenate(details.firsts) if details.firsts else np.empty(0)
        return replace(
            finding,
            parts=_parts(details),
            since=int(np.median(first)) if len(first) else None,
            evidence=_spread(details.examples),
        )

    def _judged(
        self,
        check: Check,
        profile: Profile,
        references: References,
        policies: IntArray | None,
    ) -> Finding:
        head = declared(check, profile)
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
        return judged(check, intervals, profile, references, self.episodes)


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


def _against(measure: Measure, cases: Cases) -> npt.NDArray[np.bool_]:
    """Cases that speak against the policy."""
    if measure.unit == "steps":  # one that the end cut off sooner tells nothing
        return np.greater(cases.duration, measure.good or 0)
    return ~cases.hit if measure.better == "higher" else cases.hit


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


def _parts(details: _Details) -> tuple[Part, ...]:
    return tuple(
        Part(kind, names[i], int(hits), int(n))  # type: ignore[arg-type]
        for kind, names in _SPLITS.items()
        for i, (hits, n) in enumerate(details.parts.get(kind, ()))
        if n
    )


def _spread(examples: list[Evidence]) -> tuple[Evidence, ...]:
    chosen = np.linspace(0, len(examples) - 1, min(EXAMPLES, len(examples))).astype(int)
    return tuple(examples[i] for i in chosen)
