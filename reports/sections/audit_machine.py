"""The attacker's state machine at a glance, with what the policy does in each state."""

from __future__ import annotations

from cagexplain.analysis.compare.comparison import favourite
from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports import palette, words
from reports.fsm_small import small_picture
from reports.sections import Section, gap, render
from reports.sections.audit_verdict import STYLE
from reports.words import answers

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
        "audit_machine.html.j2",
        says=answers.machine(analysis),
        picture=small_picture([favourite(mix) for mix in targeted]),
        mixes=[mix for mix in targeted if mix.total],
        kinds=[share.name for share in targeted[0].shares],
        colours=palette.ACTIONS,
        states=words.STATES,
        time={node.state: node.time for node in analysis.graph.states},
    )
    return Section("machine", _TITLE, html, STYLE)
