"""The attacker's state machine, drawn for the team and its parts."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.fsm import FsmAnalysis
from reports import palette, words
from reports.fsm_drawing import Drawing, draw
from reports.fsm_picture import RARE, picture
from reports.sections import Section, render
from reports.words import answers

_EDGE_LEGEND: Final = (
    ("red", "a red action changed the state, or ended without a change (loops)"),
    ("blue", "red lost its last session there: blue’s Remove or Restore"),
    ("seen", "a red agent saw the host for the first time"),
    ("rare", f"any of these, fewer than {RARE} times"),
)


@dataclass(frozen=True)
class NamedDrawing:
    """A drawing and whose it is."""

    name: str
    drawing: Drawing


def drawings(analysis: FsmAnalysis) -> list[NamedDrawing]:
    """Draw the whole team's state machine first, then those of its parts."""
    whole = draw(picture(analysis.graph.networkx(), analysis.mix.targeted))
    return [NamedDrawing("Whole team", whole)]


def section(analysis: FsmAnalysis, drawn: list[NamedDrawing]) -> Section:
    """Make the section."""
    html = render(
        "machine.html.j2",
        asks="How far does the attacker get on the hosts, and what does blue do about it there?",
        says=answers.machine(analysis),
        drawings=drawn,
        graph=analysis.graph,
        targeted=analysis.mix.targeted,
        kinds=[share.name for share in analysis.mix.targeted[0].shares],
        red_actions=analysis.red_actions,
        states=words.STATES,
        means=words.RED_ACTIONS,
        edge_legend=_EDGE_LEGEND,
        colours=palette.ACTIONS,
        dot_base64=base64.b64encode(drawn[0].drawing.dot.encode()).decode(),
    )
    return Section("machine", "State machine", html)
