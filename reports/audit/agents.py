"""Agent by agent: what each defends, what it does, and its part in the findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.fsm.distributions import ActionMix
from cagexplain.audit import ranking
from cagexplain.audit.playbook import AIMS, SIGHTS, WAIT
from cagexplain.audit.ranking import compared
from cagexplain.audit.results import Audit, Choice, Finding, Part, Place, Situation
from cagexplain.cc4 import agents, network
from cagexplain.stats.distribution import CategoryShare, Distribution
from reports.audit.verdict import STYLE
from reports.kit import palette
from reports.kit.numbers import percent
from reports.kit.sections import Section, gap, render
from reports.shared import show

_TITLE = "Agent by agent"


@dataclass(frozen=True)
class Share:
    """An agent's part in a finding.

    Attributes:
        finding: of the team.
        part: its cases.
        share: of them that speak against it.
        word: whether the check fails in its part, or how it does beside the team.
    """

    finding: Finding
    part: Part
    share: float
    word: str


@dataclass(frozen=True)
class Habit:
    """What an agent usually does in a situation, in words."""

    sees: str
    does: str
    n: int


def section(audit: Audit, analysis: FsmAnalysis | None) -> Section:
    """Make the section; a marked gap if nothing is known of single agents."""
    wrong = ranking.wrong(audit)
    names = dict.fromkeys(p.name for f in audit.findings for p in f.parts if p.kind == "agent")
    if audit.playbook is not None:
        names |= dict.fromkeys(situation.agent for situation in audit.playbook.situations)
    if analysis is not None:
        names |= dict.fromkeys(name for name in analysis.mix_by_agent if name in agents.BLUE)
    if not names:
        return Section("agents", _TITLE, gap("Nothing is known of single agents.", ""), STYLE)
    html = render(
        "audit/agents.html.j2",
        show=show,
        agents=[_agent(name, audit, analysis, wrong) for name in sorted(names)],
        wrong=bool(wrong),
        colours=palette.ACTIONS,
        kinds=list(palette.ACTIONS),
        known={finding.id for finding in audit.findings},
    )
    return Section("agents", _TITLE, html, STYLE)


def _agent(
    name: str, audit: Audit, analysis: FsmAnalysis | None, wrong: Sequence[Finding]
) -> dict[str, Any]:
    mix = analysis.mix_by_agent.get(name) if analysis is not None else None
    return {
        "name": show.agent(name),
        "zones": _zones(name),
        "mix": pooled(name, mix) if mix is not None else None,
        "habits": list(_habits(audit, name)),
        "shares": list(_shares(name, wrong)),
    }


def _zones(name: str) -> str:
    if name not in agents.BLUE:
        return ""
    zones = agents.BLUE_ZONES_DECLARED[agents.BLUE.index(name)]
    return ", ".join(show.place(network.ZONES[zone]) for zone in zones)


def pooled(name: str, mix: ActionMix) -> Distribution:
    """All decisions of an agent by action type, whatever the state."""
    total = sum(part.total for part in mix.situational)
    first = mix.situational[0]
    counts = [
        sum(part.shares[i].count for part in mix.situational) for i in range(len(first.shares))
    ]
    shares = tuple(
        CategoryShare(share.name, count, count / total if total else None, None, None)
        for share, count in zip(first.shares, counts, strict=True)
    )
    return replace(first, group=name, total=total, shares=shares, entropy=None)


def _habits(audit: Audit, name: str) -> Iterator[Habit]:
    situations = audit.playbook.situations if audit.playbook is not None else ()
    for situation in situations:
        if situation.agent == name:
            yield Habit(_sees(situation), _does(situation.choices), situation.n)


def _sees(situation: Situation) -> str:
    text = SIGHTS.get(situation.sees, situation.sees)
    return f"{text} ({situation.phase})" if situation.phase else text


def _does(choices: Sequence[Choice]) -> str:
    parts = []
    for choice in choices:
        aim = AIMS.get(choice.aim, choice.aim)
        action = "waits" if choice.action == WAIT else f"{choice.action} on {aim}"
        parts.append(f"{action} {percent(choice.share)}")
    return ", ".join(parts)


def _shares(name: str, wrong: Sequence[Finding]) -> Iterator[Share]:
    """Findings that concern the agent: those that fail in its part, or are worse there."""
    for finding in wrong:
        team = [part for part in finding.parts if part.kind == "agent"]
        part = next((part for part in team if part.name == name), None)
        if part is None or not part.n or finding.decisive is None:
            continue
        word = "fails here" if part.fails else compared(part, team)
        blamed = finding.worst is not None and Place("agent", name) in finding.worst.place
        if blamed or word in ("fails here", "worse"):
            yield Share(finding, part, part.bad / part.n, word)
