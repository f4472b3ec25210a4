"""What red believes about hosts, what is true, and whom blue's actions hit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cagexplain.analysis.fsm.analyse import EXPECTED_LEVEL, Belief, FsmAnalysis
from cagexplain.facts.places import LEVEL_NAMES
from reports.kit import palette
from reports.kit.numbers import percent
from reports.kit.sections import Section, render

_LEVELS: Final = ("no session", *LEVEL_NAMES[1:])
_STANDS_FOR: Final = {state: _LEVELS[level] for state, level in EXPECTED_LEVEL.items()} | {"F": "–"}


def section(analysis: FsmAnalysis) -> Section:
    """Make the section."""
    html = render(
        "fsm/truth.html.j2",
        asks="Is what the attacker believes about a host true?",
        says=_says(analysis.beliefs),
        beliefs=analysis.beliefs,
        levels=[belief.levels for belief in analysis.beliefs],
        target_truth=analysis.target_truth,
        stands_for=_STANDS_FOR,
        colours=palette.LEVELS,
    )
    return Section("truth", "Belief and truth", html)


def _says(beliefs: Sequence[Belief]) -> str:
    """How much of the time red's state is not what is true."""
    judged = [belief for belief in beliefs if belief.wrong is not None]
    total = sum(belief.levels.total for belief in judged)
    if not total:
        return "No host spent any time in a state that stands for something."
    wrong = sum((belief.wrong or 0.0) * belief.levels.total for belief in judged) / total
    worst = max(judged, key=lambda belief: (belief.wrong or 0.0) * belief.levels.total)
    if not wrong:
        return "Red’s state is always what is true."
    return (
        f"In {percent(wrong)} of host-time red’s state is not what is true; most of that in "
        f"{worst.levels.group}, where red is wrong {percent(worst.wrong)} of the time."
    )
