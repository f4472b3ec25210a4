"""The policy in short: findings, and the most chosen action in each state."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports.fsm import overview_words, reactions_words, soc_words
from reports.kit import palette, terms
from reports.kit.sections import Section, Takeaway, render


def section(analysis: FsmAnalysis) -> Section:
    """Make the section."""
    targeted = analysis.mix.targeted
    html = render(
        "fsm/overview.html.j2",
        asks="What should a reader in a hurry know about this policy?",
        says=overview_words.answer(analysis),
        findings=list(_findings(analysis)),
        targeted=targeted,
        kinds=[share.name for share in targeted[0].shares],
        states=terms.STATES,
        colours=palette.ACTIONS,
    )
    return Section("overview", "In short", html)


def _findings(analysis: FsmAnalysis) -> Iterator[Takeaway]:
    yield from overview_words.losses(analysis)
    yield from soc_words.findings(analysis.soc)
    yield from reactions_words.findings(analysis.reactions)
    yield from overview_words.findings(analysis)
