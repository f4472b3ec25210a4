"""What blue does by agent, mission phase, kind of host and alerts, and how much it varies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.fsm.circumstances import TEAM, Circumstances
from cagexplain.analysis.fsm.distributions import ActionMix
from cagexplain.cc4 import agents, network
from cagexplain.stats.distribution import Distribution
from cagexplain.stats.entropy import Entropy
from cagexplain.stats.shares import Ratio
from reports.kit import palette, terms
from reports.kit.estimates import either
from reports.kit.sections import Section, gap, render

_TABS: Final = (
    *("Agent", "Phase", "Kind of host", "Alerts of the target", "Alerts in the subnets"),
    "How much it varies",
)

Parts = list[tuple[tuple[str, ...], tuple[Distribution, ...]]]


@dataclass(frozen=True)
class Group:
    """Distributions by state of a part of the decisions: an agent's, a phase's.

    Attributes:
        name: of the part.
        note: what it is.
        rows: per state the distributions, one per column.
    """

    name: str
    note: str
    rows: list[tuple[str, tuple[Distribution, ...]]]


@dataclass(frozen=True)
class Varying:
    """How much the choice varies in a state: in both views, and given the observation."""

    state: str
    targeted: Entropy | None
    situational: Entropy | None
    policy: Ratio | None


def section(analysis: FsmAnalysis) -> Section:
    """Make the section."""
    circumstances = analysis.circumstances
    html = render(
        "fsm/circumstances.html.j2",
        asks="Do agents, mission phases, kinds of host or alerts change what blue does?",
        says=agreement(_parts(analysis)),
        tabs=_TABS,
        views=("Targeted", "Situational"),
        by_agent=_views(analysis.mix_by_agent, _zones()),
        by_phase=_views(analysis.mix_by_phase, {}),
        by_host_kind=_targets(circumstances.by_host_kind),
        target_alerts=circumstances.target_alerts,
        by_target_alerts=_targets(circumstances.by_target_alerts),
        zone_alerts=circumstances.zone_alerts,
        exact=circumstances.exact_zone_alerts,
        varying=list(_varying(analysis, circumstances)),
        team=TEAM,
        unobserved=gap(
            "No observations were recorded, so how many alerts a deciding agent saw is not known.",
            "Record the trace again without --no-observations.",
        ),
        numbers={
            "agent": _numbers(analysis.mix_by_agent),
            "phase": _numbers(analysis.mix_by_phase),
            "host": [((name,), mixes) for name, mixes in circumstances.by_host_kind.items()],
            "alert": [((name,), mixes) for name, mixes in circumstances.by_target_alerts.items()],
            "zone": [((name,), mixes) for name, mixes in (circumstances.zone_alerts or {}).items()],
        },
        colours=palette.ACTIONS,
        same_as=lambda entropy: math.exp(max(entropy.value, 0.0)),
    )
    return Section("circumstances", "By agent, phase, host, alert", html)


def _parts(analysis: FsmAnalysis) -> dict[str, list[tuple[Distribution, ...]]]:
    """What can be compared by first choices."""
    circumstances = analysis.circumstances
    return {
        "agents": [mix.situational for mix in analysis.mix_by_agent.values()],
        "phases": [mix.situational for mix in analysis.mix_by_phase.values()],
        "kinds of host": list(circumstances.by_host_kind.values()),
        "alert patterns of the target": list(circumstances.by_target_alerts.values()),
    }


def _views(mixes: Mapping[str, ActionMix], notes: Mapping[str, str]) -> list[Group]:
    return [
        _group(name, notes.get(name, ""), mix.targeted, mix.situational)
        for name, mix in mixes.items()
    ]


def _targets(mixes: Mapping[str, tuple[Distribution, ...]]) -> list[Group]:
    return [_group(name, "", mix) for name, mix in mixes.items()]


def _group(name: str, note: str, *views: Sequence[Distribution]) -> Group:
    rows = [(row[0].group, row) for row in zip(*views, strict=True) if any(d.total for d in row)]
    return Group(name, note, rows)


def _numbers(mixes: Mapping[str, ActionMix]) -> Parts:
    return [
        ((name, view), getattr(mix, view))
        for name, mix in mixes.items()
        for view in ("targeted", "situational")
    ]


def _varying(analysis: FsmAnalysis, circumstances: Circumstances) -> Iterator[Varying]:
    policy_entropy = (
        circumstances.policy_entropy[TEAM] if circumstances.policy_entropy is not None else None
    )
    for i, (targeted, situational) in enumerate(
        zip(analysis.mix.targeted, analysis.mix.situational, strict=True)
    ):
        if targeted.total or situational.total:
            yield Varying(
                targeted.group,
                targeted.entropy,
                situational.entropy,
                policy_entropy[i] if policy_entropy else None,
            )


def _zones() -> dict[str, str]:
    return {
        agent: ", ".join(terms.subnet(network.ZONES[zone]) for zone in zones)
        for agent, zones in zip(agents.BLUE, agents.BLUE_ZONES, strict=True)
    }


def agreement(parts: Mapping[str, Sequence[Sequence[Distribution]]]) -> str:
    """Whether parts of the decisions have the same clear leader in the same states.

    Args:
        parts: by their name, such as "agents", the distributions by state of each.
    """
    clauses, silent = [], []
    for part, groups in parts.items():
        led = [
            {mix.top.name for mix in row if mix.clear and mix.top is not None}
            for row in zip(*groups, strict=True)
            if sum(mix.clear for mix in row) > 1
        ]
        differ = sum(len(names) > 1 for names in led)
        if not led:
            silent.append(part)
        elif differ:
            clauses.append(f"the {part} differ in {differ} of {len(led)}")
        else:
            clauses.append(f"the {part} agree in {'all ' * (len(led) > 1)}{len(led)}")
    sentences = []
    if clauses:
        sentences.append(
            f"Of the states in which two or more clearly lead, {'; '.join(clauses)}, "
            "by their first choice."
        )
    if silent:
        sentences.append(f"No state has a clear first choice in two or more {either(silent)}.")
    return " ".join(sentences)
