"""What red believes about hosts, what is true, and whom blue's actions hit."""

from __future__ import annotations

from typing import Final

from cagexplain.analysis.fsm.analyse import EXPECTED_LEVEL, FsmAnalysis
from cagexplain.facts.places import LEVEL_NAMES
from reports.kit import palette
from reports.kit.sections import Section, render
from reports.shared import answers

_LEVELS: Final = ("no session", *LEVEL_NAMES[1:])
_STANDS_FOR: Final = {state: _LEVELS[level] for state, level in EXPECTED_LEVEL.items()} | {"F": "–"}


def section(analysis: FsmAnalysis) -> Section:
    """Make the section."""
    html = render(
        "fsm/truth.html.j2",
        asks="Is what the attacker believes about a host true?",
        says=answers.truth(analysis.beliefs),
        beliefs=analysis.beliefs,
        levels=[belief.levels for belief in analysis.beliefs],
        target_truth=analysis.target_truth,
        stands_for=_STANDS_FOR,
        colours=palette.LEVELS,
    )
    return Section("truth", "Belief and truth", html)
