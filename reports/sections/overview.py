"""The policy in short: findings, and the most chosen action in each state."""

from __future__ import annotations

from collections.abc import Sequence

from cagexplain.analysis.fsm import FsmAnalysis
from reports import palette, words
from reports.sections import Section, render
from reports.words import answers
from reports.words.findings import Finding, findings


def section(analysis: FsmAnalysis, more: Sequence[Finding] = ()) -> Section:
    """Make the section.

    Args:
        analysis: of the trace.
        more: findings of other analyses, after its own.
    """
    targeted = analysis.mix.targeted
    html = render(
        "overview.html.j2",
        asks="What should a reader in a hurry know about this policy?",
        says=answers.leaders(targeted, "the targeted host is in"),
        findings=[*findings(analysis), *more],
        targeted=targeted,
        kinds=[share.name for share in targeted[0].shares],
        states=words.STATES,
        colours=palette.ACTIONS,
    )
    return Section("overview", "In short", html)
