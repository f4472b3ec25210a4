"""The moments of an episode that one looks at first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from cagexplain.analysis.episodes.timeline import CAUSES, Timeline
from cagexplain.analysis.episodes.timeline_parts import Incident
from cagexplain.common.results import Result
from cagexplain.facts.places import LEVEL_NAMES

COSTLY: Final = 5
"""Incidents that are named for what they cost."""

_EVICTED: Final = ("Remove", "Restore")

MomentKind = Literal[
    "phase", "entry", "alert", "answer", "root", "eviction", "impact", "peak", "worst", "incident"
]


@dataclass(frozen=True)
class Moment(Result):
    """A step and why one looks at it.

    Attributes:
        step: whose situation and events are meant.
        kind: ``"phase"``: a mission phase begins; the first ``"entry"`` of red, and in an incident
            the first ``"alert"``, ``"answer"`` by blue, ``"root"`` and ``"eviction"``; each costly
            ``"incident"``; the first ``"impact"`` that cost; ``"peak"``: red holds the most hosts
            that blue defends; ``"worst"``: the costliest step.
        host: that it is about; None if it is about none.
        amount: rewards lost, of an incident, an Impact or the worst step; hosts held at the peak.
        incident: that it is about.
    """

    step: int
    kind: MomentKind
    host: str | None = None
    amount: float = 0.0
    incident: Incident | None = None


def moments(timeline: Timeline) -> tuple[Moment, ...]:
    """The moments of an episode in the order of their steps."""
    named = [*_phases(timeline), *_firsts(timeline), *_extremes(timeline), *_costly(timeline)]
    return tuple(sorted(named, key=lambda moment: moment.step))


def held(timeline: Timeline) -> list[dict[str, int]]:
    """By step the number of defended hosts on which red has a session, by the highest level."""
    counts = [dict.fromkeys(LEVEL_NAMES[1:], 0) for _ in range(timeline.steps)]
    for line in timeline.hosts:
        if line.agent is not None:
            for start, stop, level in line.levels:
                for step in range(start, stop):
                    counts[step][level] += 1
    return counts


def _phases(timeline: Timeline) -> Iterator[Moment]:
    for start, _, _ in timeline.phases:
        yield Moment(start, "phase")


def _firsts(timeline: Timeline) -> Iterator[Moment]:
    firsts: dict[MomentKind, tuple[int, Incident]] = {}
    for incident in timeline.incidents:
        evicted = incident.stop if incident.ended in _EVICTED else None
        steps: dict[MomentKind, int | None] = {
            "entry": incident.start,
            "alert": incident.alert,
            "answer": incident.response,
            "root": incident.root,
            "eviction": evicted,
        }
        for kind, step in steps.items():
            if step is None or step == timeline.steps:  # it ended with the episode
                continue
            if kind not in firsts or step < firsts[kind][0]:
                firsts[kind] = (step, incident)
    for kind, (step, incident) in firsts.items():
        yield Moment(step, kind, incident.host, incident=incident)
    for loss in timeline.losses:
        if loss.cause == "ria":
            yield Moment(loss.step, "impact", loss.host, loss.amount)
            return


def _extremes(timeline: Timeline) -> Iterator[Moment]:
    hosts = [sum(levels.values()) for levels in held(timeline)]
    if max(hosts, default=0):
        peak = max(hosts)
        yield Moment(hosts.index(peak), "peak", amount=peak)
    rewards = [sum(timeline.rewards[cause][t] for cause in CAUSES) for t in range(timeline.steps)]
    if min(rewards, default=0.0) < 0:
        worst = min(rewards)
        yield Moment(rewards.index(worst), "worst", amount=worst)


def _costly(timeline: Timeline) -> Iterator[Moment]:
    ranked = sorted((i for i in timeline.incidents if i.loss < 0), key=lambda i: (i.loss, i.start))
    for incident in ranked[:COSTLY]:
        yield Moment(incident.start, "incident", incident.host, incident.loss, incident)
