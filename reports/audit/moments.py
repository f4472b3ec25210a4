"""The moments in which a decision mattered most: when, what was done, what else there was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from cagexplain.analysis.decisions.explain import DecisionReport, Explanation
from cagexplain.analysis.episodes.timeline import Timeline
from cagexplain.cc4 import phases
from reports.audit.verdict import STYLE
from reports.kit.pages import source
from reports.kit.sections import Section, gap, render
from reports.kit.terms import CAUSES
from reports.shared import decisions, replay
from reports.shared import decisions_words as words
from reports.shared.findings import declared

MOST: Final = 6
"""Moments that are shown."""

_STYLE = source("shared/decisions.css") + source("shared/timeline.css") + replay.style()
_TITLE = "The decisions that mattered most"


def section(
    report: DecisionReport | None,
    steps: int | None,
    why_not: str = "",
    known: Collection[str] = (),
    timelines: Sequence[Timeline] = (),
) -> Section:
    """Make the section; a marked gap if nothing was explained.

    Shown are decisions in which another action would surely have made a difference, each with the
    map of the network in its step. A replay of the whole episode takes 0.3 MB, and most decisions
    lie in episodes of their own, so the page names the command that makes it.

    Args:
        report: explained decisions.
        steps: of an episode; None if unknown.
        why_not: why there is none.
        known: ids of the checks on the page.
        timelines: of the episodes, for the maps.
    """
    if report is None or not report.decisions:
        html = gap(why_not or "No decision was explained.", "The audit of a policy explains some.")
        return Section("decisions", _TITLE, html, STYLE)
    stretch = words.stretched(report)
    shown = [moment for moment in report.decisions if words.telling(moment, stretch)][:MOST]
    length = steps or phases.DEFAULT_STEPS
    episodes = {timeline.episode: timeline for timeline in timelines}
    html = render(
        "audit/moments.html.j2",
        says=words.overall(report),
        report=report,
        rollouts=words.rollouts(report),
        moments=[
            _moment(number, moment, length, stretch, episodes.get(moment.episode))
            for number, moment in enumerate(shown)
        ],
        changes=_changes(length),
        causes=CAUSES,
        shown=decisions.INFLUENCES,
        signed=words.signed,
        limits=words.limits,
        plain=words.plain,
        known=known,
    )
    return Section("decisions", _TITLE, html, _STYLE)


def _moment(
    number: int, decision: Explanation, steps: int, stretch: float, timeline: Timeline | None
) -> dict[str, Any]:
    return {
        **decisions.described(number, decision),
        "place": 100 * decision.step / steps,
        "phase": phases.PHASE_NAMES[decision.phase],
        "verdict": _verdict(decision, stretch),
        "about": decision.about,
        "headline": _headline(decision.about),
        "map": None if timeline is None else replay.still(timeline, decision.step),
    }


def _headline(ident: str) -> str:
    """The finding that a decision is a case of."""
    check = declared(ident)
    return check.problem if check else ""


def _verdict(decision: Explanation, stretch: float) -> str:
    """What the roll-outs say of the choice, in a few words."""
    verdicts = {words.verdict(option, stretch) for option in decision.options if not option.chosen}
    if "better" in verdicts:
        return "a mistake"
    if verdicts == {"worse"}:
        return "right: all others are worse"
    return "no sure mistake: some others are worse"


def _changes(steps: int) -> tuple[float, float]:
    """Where the phases change, in per cent of the episode."""
    first, second, _ = phases.lengths(steps)
    return 100 * first / steps, 100 * (first + second) / steps
