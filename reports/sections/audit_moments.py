"""The moments in which a decision mattered most, on the time line of their episodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cagexplain.analysis.decisions import DecisionReport, Explanation
from cagexplain.cc4 import phases
from reports.sections import Section, decisions, gap, render
from reports.sections.audit_verdict import STYLE
from reports.words import decisions as words

MOST: Final = 10
"""Moments that are shown."""

_TITLE = "The most telling moments"


@dataclass(frozen=True)
class Mark:
    """A moment on the line: place in per cent, number, and where its explanation is."""

    place: float
    number: int
    target: str
    title: str


@dataclass(frozen=True)
class Line:
    """An episode: its moments in order, and where its phases change."""

    episode: int
    marks: tuple[Mark, ...]
    changes: tuple[float, ...]


def section(report: DecisionReport | None, steps: int | None, why_not: str = "") -> Section:
    """Make the section; a marked gap if nothing was explained.

    Args:
        report: explained decisions.
        steps: of an episode; None if unknown.
        why_not: why there is none.
    """
    if report is None or not report.decisions:
        html = gap(why_not or "No decision was explained.", "The audit of a checkpoint does so.")
        return Section("decisions", _TITLE, html, STYLE)
    weight = sorted(report.decisions, key=lambda found: -(found.importance or 0.0))
    chosen = replace(report, decisions=tuple(weight[:MOST]))
    told = decisions.section(chosen)
    html = render(
        "audit_moments.html.j2",
        lines=list(_lines(chosen.decisions, steps or phases.DEFAULT_STEPS)),
        decisions=told.html,
    )
    return Section("decisions", _TITLE, html, STYLE + told.style, told.script)


def _lines(found: Sequence[Explanation], steps: int) -> Iterator[Line]:
    first, second, _ = phases.lengths(steps)
    for episode in sorted({moment.episode for moment in found}):
        marks = [
            Mark(100 * moment.step / steps, i + 1, f"decisions-{i}", words.title(moment))
            for i, moment in enumerate(found)
            if moment.episode == episode
        ]
        ordered = tuple(sorted(marks, key=lambda mark: mark.place))
        yield Line(episode, ordered, (100 * first / steps, 100 * (first + second) / steps))
