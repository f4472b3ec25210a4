"""The words of the replay: what its moments are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cagexplain.analysis.episodes.frames import Frame
from cagexplain.analysis.episodes.moments import Moment, MomentKind
from cagexplain.facts.places import LEVEL_NAMES
from reports.kit import numbers

CHANGES: Final = {
    None: "–",
    "red_action": "a red action",
    "phishing": "a phishing mail",
    "Remove": "blue’s Remove",
    "Restore": "blue’s Restore",
    "other": "other",
}
"""Why a host's level changed."""

BLUE_VERBS: Final = {
    "Analyse": "Analyse",
    "Remove": "Remove",
    "Restore": "Restore",
    "DeployDecoy": "decoy",
    "BlockTrafficZone": "block",
    "AllowTrafficZone": "allow",
}
"""Blue's actions in a word or two, for the map."""

_TITLES: Final[Mapping[MomentKind, Callable[[Moment, str, str], str]]] = {
    "phase": lambda m, place, phase: f"{phase} begins",
    "entry": lambda m, place, phase: f"first entry: {place}",
    "alert": lambda m, place, phase: f"first alert of an incident: {place}",
    "answer": lambda m, place, phase: f"blue’s first answer: {place}",
    "root": lambda m, place, phase: f"first root: {place}",
    "eviction": lambda m, place, phase: f"first eviction: {place}",
    "impact": lambda m, place, phase: f"first Impact that costs: {place}",
    "peak": lambda m, place, phase: f"red holds most hosts: {numbers.number(m.amount)}",
    "worst": lambda m, place, phase: f"costliest step: {numbers.number(m.amount)}",
    "incident": lambda m, place, phase: f"costly incident ({numbers.number(m.amount)}): {place}",
}


def title(moment: Moment, place: str, phase: str) -> str:
    """What happens at a moment, in a few words.

    Args:
        place: name of its host; empty if it has none.
        phase: mission phase of its step.
    """
    return _TITLES[moment.kind](moment, place, phase)


def detail(moment: Moment) -> str:
    """The course of a moment's incident; empty if it is about none."""
    incident = moment.incident
    if incident is None:
        return ""
    answer = (
        "no answer"
        if incident.response is None
        else f"first answer {incident.response_kind} at {incident.response}"
    )
    end = (
        "still there at the end"
        if incident.ended is None
        else f"ended at {incident.stop} by {CHANGES[incident.ended]}"
    )
    return f"Begun by {CHANGES[incident.cause]} at {incident.start}; {answer}; {end}."


def situation(frame: Frame) -> str:
    """A step in a sentence."""
    levels = [host.level for host in frame.hosts]
    user, root = (levels.count(name) for name in LEVEL_NAMES[1:])
    alerts = sum(host.process or host.connection for host in frame.hosts)
    parts = [
        f"red has root on {root} and a user session on {user} of {len(levels)} hosts",
        f"alerts on {alerts}",
        f"links blocked: {len(frame.blocks)}",
        f"reward {numbers.number(frame.reward)}",
    ]
    return f"Step {frame.step}, {frame.phase}: {'; '.join(parts)}."
