"""The attacker's state machine at a glance, with what the policy does in each state."""

from __future__ import annotations

from cagexplain.analysis.compare.comparison import favourite
from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports.audit.verdict import STYLE
from reports.drawings.fsm_small import small_picture
from reports.kit import palette, terms
from reports.kit.sections import Section, gap, render
from reports.shared import machine_words

_TITLE = "What it does against the attacker"


def section(analysis: FsmAnalysis | None) -> Section:
    """Make the section; a marked gap without an analysis of the trace."""
    if analysis is None:
        html = gap(
            "The trace was not analysed.", "Its report has all of it.", "cagexplain fsm-report"
        )
        return Section("machine", _TITLE, html, STYLE)
    targeted = analysis.mix.targeted
    html = render(
        "audit/machine.html.j2",
        says=machine_words.answer(analysis),
        picture=small_picture([favourite(mix) for mix in targeted], mixes=targeted),
        mixes=[mix for mix in targeted if mix.total],
        kinds=[share.name for share in targeted[0].shares],
        colours=palette.ACTIONS,
        states=terms.STATES,
        time={node.state: node.time for node in analysis.graph.states},
    )
    return Section("machine", _TITLE, html, STYLE)
