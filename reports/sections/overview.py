"""The policy in short: findings, and the most chosen action in each state."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports import palette, words
from reports.sections import Section, render
from reports.words import answers, reactions, soc
from reports.words.findings import Finding, findings, losses


def section(analysis: FsmAnalysis) -> Section:
    """Make the section."""
    targeted = analysis.mix.targeted
    html = render(
        "overview.html.j2",
        asks="What should a reader in a hurry know about this policy?",
        says=answers.overview(analysis),
        findings=list(_findings(analysis)),
        targeted=targeted,
        kinds=[share.name for share in targeted[0].shares],
        states=words.STATES,
        colours=palette.ACTIONS,
    )
    return Section("overview", "In short", html)


def _findings(analysis: FsmAnalysis) -> Iterator[Finding]:
    yield from losses(analysis)
    yield from soc.findings(analysis.soc)
    yield from reactions.findings(analysis.reactions)
    yield from findings(analysis)
