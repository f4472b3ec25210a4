"""What the attacker did."""

from __future__ import annotations

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports.kit import terms
from reports.kit.sections import Section, render
from reports.shared import answers


def section(analysis: FsmAnalysis) -> Section:
    """Make the section."""
    html = render(
        "fsm/red.html.j2",
        asks="What did the attacker try, and what came of it?",
        says=answers.red(analysis.red_actions),
        actions=analysis.red_actions,
        choices=analysis.red_choices,
        means=terms.RED_ACTIONS,
    )
    return Section("red", "Red’s actions", html)
