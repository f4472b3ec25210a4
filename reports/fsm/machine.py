"""The attacker's state machine, drawn for the team and its parts; what ends red's stay."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.fsm.graph import FsmGraph
from cagexplain.stats.distribution import Distribution
from cagexplain.stats.durations import Survival
from reports.drawings.fsm import Drawing, draw
from reports.drawings.fsm_picture import RARE, picture
from reports.kit import estimates, numbers, palette, terms
from reports.kit.charts import Chart, survival_chart
from reports.kit.sections import Section, render
from reports.shared import machine_words

_EDGE_LEGEND: Final = (
    ("red", "a red action changed the state, or ended without a change (loops)"),
    ("blue", "red lost its last session there: blue’s Remove or Restore"),
    ("seen", "a red agent saw the host for the first time"),
    ("own", "red noticed a session that it had not fought for, such as one of phishing"),
    ("rare", f"any of these in its colour, fewer than {RARE} times"),
)
_HELD: Final = ("U", "UD", "R", "RD")
"""States in which red counts on a session, which it can lose."""


@dataclass(frozen=True)
class NamedDrawing:
    """A drawing and whose it is."""

    name: str
    drawing: Drawing


@dataclass(frozen=True)
class Stay:
    """How long hosts stay in a state: the whole team's, and the medians of its parts."""

    state: str
    survival: Survival
    parts: tuple[Survival, ...]


def drawings(analysis: FsmAnalysis) -> list[NamedDrawing]:
    """Draw the whole team's state machine first, then those of the agents and phases."""
    parts: list[tuple[str, str, FsmGraph, Sequence[Distribution]]] = [
        ("Whole team", "fsm", analysis.graph, analysis.mix.targeted)
    ]
    for number, (agent, mix) in enumerate(analysis.mix_by_agent.items()):
        graph = analysis.graph_by_place[agent]
        parts.append((agent, f"fsm-agent{number}", graph, mix.targeted))
    for number, (phase, mix) in enumerate(analysis.mix_by_phase.items()):
        graph = analysis.graph_by_phase[phase]
        parts.append((f"Phase: {phase}", f"fsm-phase{number}", graph, mix.targeted))
    return [
        NamedDrawing(
            name, draw(picture(graph.networkx(), mix), name=id, label=f"State machine: {name}")
        )
        for name, id, graph, mix in parts
    ]


def section(analysis: FsmAnalysis, drawn: list[NamedDrawing]) -> Section:
    """Make the section."""
    stays = list(_stays(analysis))
    own_sessions = any(edge.kind == "own" for edge in analysis.graph.transitions)
    html = render(
        "fsm/machine.html.j2",
        asks="How far does the attacker get on the hosts, and what does blue do about it there?",
        says=machine_words.answer(analysis),
        drawings=drawn,
        graph=analysis.graph,
        targeted=analysis.mix.targeted,
        kinds=[share.name for share in analysis.mix.targeted[0].shares],
        red_actions=analysis.red_actions,
        states=terms.STATES,
        means=terms.RED_ACTIONS,
        verbs=terms.RED_VERBS,
        edge_legend=[
            (style, text) for style, text in _EDGE_LEGEND if style != "own" or own_sessions
        ],
        own_sessions=own_sessions,
        colours=palette.ACTIONS,
        dot_base64=base64.b64encode(drawn[0].drawing.dot.encode()).decode(),
        **_evictions(analysis),
        stays=stays,
        stay_parts=[*analysis.dwelling.by_place, *analysis.dwelling.by_phase],
        stay_charts=list(_charts(stays)),
    )
    return Section("machine", "State machine", html)


def _evictions(analysis: FsmAnalysis) -> dict[str, Any]:
    parts = analysis.evictions_by_place | analysis.evictions_by_phase
    evictions = analysis.evictions
    return {
        "causes": _held(evictions.causes),
        "effects": [(recovery, _held(effects)) for recovery, effects in evictions.effects.items()],
        "effects_numbers": [
            ((recovery,), effects) for recovery, effects in evictions.effects.items()
        ],
        "cause_parts": [((name,), part.causes) for name, part in parts.items()],
        "evictor_colours": palette.EVICTORS,
        "effect_colours": palette.EFFECTS,
    }


def _held(distributions: Sequence[Distribution]) -> list[Distribution]:
    return [distribution for distribution in distributions if distribution.group in _HELD]


def _stays(analysis: FsmAnalysis) -> Iterator[Stay]:
    dwelling = analysis.dwelling
    parts = [*dwelling.by_place.values(), *dwelling.by_phase.values()]
    for i, node in enumerate(analysis.graph.states):
        if dwelling.states[i].n:
            yield Stay(node.state, dwelling.states[i], tuple(part[i] for part in parts))


def _charts(stays: Sequence[Stay]) -> Iterator[Chart]:
    for stay in stays:
        if stay.survival.enough:
            yield survival_chart(
                f"{stay.state}: {numbers.number(stay.survival.n)} stays",
                estimates.duration(stay.survival),
                [("visits that last longer", "look0", stay.survival)],
                "steps in the state",
            )
