"""What to do about the attack."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.attack import figures as computed
from cagexplain.attack.results import AttackResult
from cagexplain.cc4.agents import BLUE_OF_ZONE
from reports.attack import damage, sight
from reports.kit import terms
from reports.kit.numbers import number, percent
from reports.kit.sections import Section, render

_DEFENDED: Final = np.flatnonzero(BLUE_OF_ZONE >= 0).tolist()
_SILENT, _LONG, _PHANTOM, _PLACE = 0.5, 5, 0.2, 0.15
"""From which on something is told: share of silent incidents, steps until half of the stays with
root are over, share of phantom points of Impacts, share of the loss of one place."""


@dataclass(frozen=True)
class Advice:
    """What to do, and why."""

    headline: str
    why: str


def section(result: AttackResult, analysis: FsmAnalysis | None) -> Section:
    """Make the section."""
    advice = list(_advice(result, analysis))
    html = render(
        "attack/advice.html.j2",
        asks="What can be done about it?",
        says=f"{advice[0].headline}.",
        advice=advice,
        commands=list(_commands(result)),
    )
    return Section("advice", "What to do", html)


def _advice(result: AttackResult, analysis: FsmAnalysis | None) -> Iterator[Advice]:
    silent = None if analysis is None else sight.silent_share(analysis.soc)
    if silent is not None and silent >= _SILENT:
        yield Advice(
            "Look for red where nothing has raised an alert",
            f"{percent(silent)} of the incidents began without an event on the host: a defender "
            "that waits for alerts acts late. Analyse hosts in turn, or restore the likely ones.",
        )
    root = result.worst.root
    if root.n and (root.median is None or root.median >= _LONG):
        lasts = (
            "more than half of red’s stays with root outlast their episode"
            if root.median is None
            else f"half of red’s stays with root last {number(root.median)} steps or longer"
        )
        yield Advice(
            "Evict sooner",
            f"{lasts[0].upper()}{lasts[1:]}, and Impact and Degrade work only with root. Restore "
            "ends any session, Remove none with root.",
        )
    place = damage.heaviest(result, _DEFENDED)
    if place is not None and place.share >= _PLACE:
        yield Advice(
            f"Guard {terms.subnet(place.subnet)} first in phase {place.phase}",
            f"{percent(place.share)} of what this attacker costs beyond CC4’s own red is lost "
            "there and then.",
        )
    yield from _caution(result)
    yield Advice(
        "Train or tune against it, then attack again",
        "The attacker is fitted to this policy. A changed policy has another worst attacker, so "
        "only a new attack can show whether it has become harder to exploit.",
    )


def _caution(result: AttackResult) -> Iterator[Advice]:
    """What not to read into the figures."""
    worst = result.worst
    contractor = (
        computed.mean(worst.policy).mean - computed.mean(worst.policy, "without-contractor").mean
    )
    if contractor < 0:
        yield Advice(
            "Judge the defender by the figure without the contractor",
            f"{number(-contractor)} points per episode are Impacts in the contractor network, "
            "where no agent can act.",
        )
    phantom = worst.policy.phantom_share
    if phantom is not None and phantom >= _PHANTOM:
        yield Advice(
            "Read part of it as an attack on the rules",
            f"{percent(phantom)} of the points of Impacts were charged for hosts on which red had "
            "no root session any more.",
        )


def _commands(result: AttackResult) -> Iterator[tuple[str, str]]:
    """What to run, and what it shows."""
    policy = str(result.policy.get("path") or result.policy.get("name", "POLICY"))
    yield "see what the policy does under it", _line("audit", policy, "--red", "found.yaml")
    yield "attack a changed policy", _line("attack", "CHANGED", "--rules", result.rules)
    yield "replay it in CybORG, reward by reward", _line("verify-red", "found.yaml", policy)


def _line(*words: str) -> str:
    return shlex.join(["cagexplain", *words])
