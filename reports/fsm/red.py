"""What the attacker did."""

from __future__ import annotations

from collections.abc import Sequence

from cagexplain.analysis.fsm.analyse import FsmAnalysis, RedActionSummary
from reports.kit import terms
from reports.kit.numbers import number, percent
from reports.kit.sections import Section, render


def section(analysis: FsmAnalysis) -> Section:
    """Make the section."""
    html = render(
        "fsm/red.html.j2",
        asks="What did the attacker try, and what came of it?",
        says=_says(analysis.red_actions),
        actions=analysis.red_actions,
        choices=analysis.red_choices,
        means=terms.RED_ACTIONS,
    )
    return Section("red", "Red’s actions", html)


def _says(actions: Sequence[RedActionSummary]) -> str:
    """What red tried most and what became of its break-ins."""
    most = max(actions, key=lambda action: action.started)
    if not most.started:
        return "Red did nothing."
    exploit = next(action for action in actions if action.name == "ExploitRemoteService")
    success = exploit.results.shares[0].share
    tail = "" if success is None else f" {percent(success)} of its break-ins succeeded."
    return f"Red’s most frequent action is {most.name}, {number(most.started)} times.{tail}"
