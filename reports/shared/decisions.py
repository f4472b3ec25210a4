"""Single decisions: what was chosen, why, and what else would have happened."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cagexplain.analysis.decisions.attributions import Influence
from cagexplain.analysis.decisions.explain import DecisionReport, Explanation, Option
from cagexplain.analysis.episodes.timeline import Timeline
from cagexplain.cc4 import phases
from reports.kit import palette
from reports.kit.pages import source
from reports.kit.sections import Section, gap, render
from reports.kit.terms import CAUSES
from reports.shared import decisions_words as words
from reports.shared.replay import Marked, anchor

INFLUENCES: Final = 12
"""Entries of the observation that are shown."""

_TITLE: Final = "Key decisions"


@dataclass(frozen=True)
class Bar:
    """A bar to the left or right of zero with an interval, in per cent of the width.

    Attributes:
        zero: where zero lies.
        start, width: of the bar.
        low, high: limits of the interval; None without one.
    """

    zero: float
    start: float
    width: float
    low: float | None
    high: float | None


def marked(report: DecisionReport | None, timelines: Sequence[Timeline]) -> dict[int, list[Marked]]:
    """The explained decisions of the episodes that a page shows, as moments of their replays."""
    moments: dict[int, list[Marked]] = {timeline.episode: [] for timeline in timelines}
    hosts = {
        (timeline.episode, action.start, action.agent): action.host
        for timeline in timelines
        for action in timeline.blue
    }
    for number, decision in enumerate(report.decisions if report is not None else ()):
        if decision.episode in moments:
            host = hosts.get((decision.episode, decision.step, decision.agent))
            moments[decision.episode].append(
                Marked(decision.step, host, words.moment(decision), _anchor(number))
            )
    return moments


def section(
    report: DecisionReport | None, why_not: str = "", replayed: Collection[int] = ()
) -> Section:
    """The section; a marked gap if nothing was explained.

    Args:
        report: explained decisions.
        why_not: why there is none.
        replayed: episodes whose replays are on the page.
    """
    if report is None or not report.decisions:
        html = gap(
            why_not or "No decision of this trace was explained.",
            "Let the tool choose some, here or on a page of their own.",
            "cagexplain fsm-report TRACE --critical",
        )
        return Section("decisions", _TITLE, html)
    html = render(
        "shared/decisions.html.j2",
        asks="Why did an agent do what it did, and what would have happened otherwise?",
        says=words.overall(report),
        report=report,
        rollouts=words.rollouts(report),
        decisions=[described(number, decision) for number, decision in enumerate(report.decisions)],
        phase_names=phases.PHASE_NAMES,
        causes=CAUSES,
        colours=palette.ACTIONS,
        shown=INFLUENCES,
        replays={episode: anchor(episode) for episode in replayed},
        signed=words.signed,
        limits=words.limits,
        plain=words.plain,
    )
    return Section("decisions", _TITLE, html, source("shared/decisions.css"))


def _anchor(number: int) -> str:
    return f"decisions-{number}"


def described(number: int, decision: Explanation) -> dict[str, Any]:
    """What the template's macros show of a decision."""
    return {
        "id": _anchor(number),
        "explained": decision,
        "title": words.title(decision),
        "situation": words.situation(decision),
        "summary": words.summary(decision),
        "best": words.best_alternative(decision),
        "options": list(zip(decision.options, _bars(decision.options), strict=True)),
        "valued": any(option.value is not None for option in decision.options),
        "verdicts": [words.verdict(option) for option in decision.options],
        "influences": _influences(decision),
    }


def _bars(options: Sequence[Option]) -> list[Bar | None]:
    """Advantages of the options on one scale; None where there is none."""
    advantages = [option.outcome.advantage if option.outcome else None for option in options]
    reach = [
        value
        for difference in advantages
        if difference
        for value in (difference.mean, difference.low, difference.high)
        if value is not None
    ]
    low, high = min(reach, default=0.0), max(reach, default=0.0)
    return [
        None if d is None else _bar(d.mean, (d.low, d.high), min(low, 0.0), max(high, 0.0))
        for d in advantages
    ]


def _influences(decision: Explanation) -> list[tuple[Influence, Bar]]:
    if decision.attribution is None:
        return []
    shown = decision.attribution.influences[:INFLUENCES]
    reach = [i.attribution for i in shown]
    low, high = min(reach, default=0.0), max(reach, default=0.0)
    return [(i, _bar(i.attribution, (None, None), min(low, 0.0), max(high, 0.0))) for i in shown]


def _bar(value: float, interval: tuple[float | None, float | None], low: float, high: float) -> Bar:
    span = high - low or 1.0

    def place(x: float) -> float:
        return 100 * (x - low) / span

    zero, end = place(0.0), place(value)
    limits = (None if x is None else place(x) for x in interval)
    return Bar(zero, min(zero, end), abs(end - zero), *limits)
