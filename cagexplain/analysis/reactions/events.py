"""What blue may react to: when it happened on which host, by kind.

An event's *step* is the first one whose decision can have it in its past: an alert is on display in
that step, a red action came due in the step before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import agents, network, observations
from cagexplain.cc4.outcome import OUTCOME_NAMES, Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.common.arrays import Int64Array
from cagexplain.facts.batch import Batch, codes
from cagexplain.tracing import schema

ALERT, COMPROMISE, RED, MESSAGE = "alert", "compromise", "red action", "message"


@dataclass(frozen=True)
class EventKind:
    """A kind of event.

    Attributes:
        name: for tables.
        source: what it is: an alert that blue saw, the beginning of a compromise, a red action, or
            a message of another blue agent.
        action: of red.
        succeeded: keep only red actions that did (not); None keeps both.
        detected: keep only red actions and compromises that (did not) leave an event; None keeps
            both.
        on_host: whether it happens on a host; else only somewhere in an agent's zones.
    """

    name: str
    source: str
    action: RedAction | None = None
    succeeded: bool | None = None
    detected: bool | None = None
    on_host: bool = True


def _scan(name: str, action: RedAction) -> tuple[EventKind, EventKind]:
    return (
        EventKind(f"{name}, seen", RED, action, detected=True),
        EventKind(f"{name}, unseen", RED, action, detected=False),
    )


def _attack(name: str, action: RedAction) -> tuple[EventKind, EventKind]:
    return (
        EventKind(f"{name}, succeeded", RED, action, succeeded=True),
        EventKind(f"{name}, failed", RED, action, succeeded=False),
    )


EVENTS: Final = (
    EventKind("process alert", ALERT),
    EventKind("connection alert", ALERT),
    EventKind("compromise with an alert", COMPROMISE, detected=True),
    EventKind("compromise without an alert", COMPROMISE, detected=False),
    *_scan("AggressiveServiceDiscovery", RedAction.AGGRESSIVE_SCAN),
    *_scan("StealthServiceDiscovery", RedAction.STEALTH_SCAN),
    EventKind("DiscoverDeception", RED, RedAction.DISCOVER_DECEPTION),
    *_attack("ExploitRemoteService", RedAction.EXPLOIT),
    *_attack("PrivilegeEscalate", RedAction.ESCALATE),
    *_attack("Impact", RedAction.IMPACT),
    *_attack("DegradeServices", RedAction.DEGRADE),
    EventKind("Withdraw", RED, RedAction.WITHDRAW),
    EventKind("DiscoverRemoteSystems", RED, RedAction.DISCOVER_SYSTEMS, on_host=False),
    EventKind("message of another agent", MESSAGE, on_host=False),
)
"""All kinds. An action that was dropped, as nothing was executed, is no event."""

EVENT_NAMES: Final = tuple(event.name for event in EVENTS)
N_EVENTS: Final = len(EVENTS)
TABLES: Final = {
    "red": ("step", "event", "action", "target_host", "target_zone", "outcome", "detected"),
    "levels": ("from_level", "process_event", "connection_event"),
    "blue": ("message",),
}
"""Columns of the trace that tell the events."""

HOSTS: Final = np.concatenate(observations.HOSTS).astype(np.int64)
"""Hosts that blue defends and can act on, by *slot*: agent after agent."""
N_SLOTS: Final = len(HOSTS)
SLOT: Final = np.full(network.N_HOSTS + 1, -1, dtype=np.int64)
SLOT[HOSTS] = np.arange(N_SLOTS)
"""Slot of each host, -1 for the others and for host -1."""
OWNER: Final = agents.BLUE_OF_HOST[HOSTS].astype(np.int64)
"""Agent that defends each slot."""
ZONES: Final = tuple(zone for zones in agents.BLUE_ZONES for zone in zones)
"""Zones that blue defends, by agent."""
ZONE: Final = np.array([ZONES.index(int(zone)) for zone in network.HOST_ZONE[HOSTS]])
"""Position in `ZONES` of each slot."""

_DONE: Final = schema.RED_EVENTS.index("done")
_NAMED: Final = {name: i for i, name in enumerate(EVENT_NAMES)}
_PROCESS, _CONNECTION = _NAMED["process alert"], _NAMED["connection alert"]


@dataclass(frozen=True)
class Occurrences:
    """Events of a batch, each once even if it happened twice in a step.

    Attributes:
        kind: ``int64[m]`` position in `EVENTS`.
        row: ``int64[m]`` episode within the batch.
        step: ``int64[m]`` first step whose decision can know of it.
        place: ``int64[m]`` slot of the host, or the agent.
    """

    kind: Int64Array
    row: Int64Array
    step: Int64Array
    place: Int64Array


def on_hosts(batch: Batch) -> Occurrences:
    """Events on hosts that blue defends; `place` is the slot."""
    parts = [*_alerts(batch), *_compromises(batch), *_red_on_hosts(batch)]
    return _unique(batch, parts, N_SLOTS)


def in_zones(batch: Batch, hosts: Occurrences) -> Occurrences:
    """Events anywhere in an agent's zones; `place` is the agent.

    Args:
        batch: the episodes.
        hosts: their events on hosts, which count here as well.
    """
    of_hosts = (hosts.kind, hosts.row, hosts.step, OWNER[hosts.place])
    return _unique(batch, [of_hosts, *_red_in_zones(batch), *_messages(batch)], agents.N_BLUE)


_Part = tuple[Int64Array, Int64Array, Int64Array, Int64Array]


def _unique(batch: Batch, parts: list[_Part], places: int) -> Occurrences:
    kind, row, step, place = (np.concatenate(column) for column in zip(*parts, strict=True))
    shape = (N_EVENTS, batch.n, batch.steps, places)
    known = (place >= 0) & (step < batch.steps)
    cells = np.ravel_multi_index((kind[known], row[known], step[known], place[known]), shape)
    return Occurrences(*np.unravel_index(np.unique(cells), shape))


def _alerts(batch: Batch) -> list[_Part]:
    parts = []
    for kind, bits in ((_PROCESS, batch.process), (_CONNECTION, batch.connection)):
        if bits is not None:
            row, step, slot = np.nonzero(np.take(bits, HOSTS, axis=2))
            parts.append((np.full(len(row), kind), row, step, slot))
    return parts


def _compromises(batch: Batch) -> list[_Part]:
    changes = batch.frame("levels")
    began = changes["from_level"].to_numpy() == 0
    detected = changes["process_event"].to_numpy() | changes["connection_event"].to_numpy()
    place = SLOT[codes(changes, "host")]
    row, step = changes["row"].to_numpy(), changes["step"].to_numpy() + 1
    return [
        _picked(i, began & (detected == event.detected), row, step, place)
        for i, event in enumerate(EVENTS)
        if event.source == COMPROMISE
    ]


def _red_on_hosts(batch: Batch) -> list[_Part]:
    red = batch.frame("red")
    return _red(batch, SLOT[codes(red, "target_host")], on_host=True)


def _red_in_zones(batch: Batch) -> list[_Part]:
    zone = codes(batch.frame("red"), "target_zone")
    return _red(batch, agents.BLUE_OF_ZONE[zone].astype(np.int64), on_host=False)


def _red(batch: Batch, place: Int64Array, *, on_host: bool) -> list[_Part]:
    red = batch.frame("red")
    outcome = codes(red, "outcome")
    executed = (codes(red, "event") == _DONE) & (outcome != OUTCOME_NAMES.index("DROPPED"))
    action, detected = red["action"].to_numpy(), red["detected"].to_numpy()
    succeeded = outcome == Outcome.SUCCESS
    row, step = red["row"].to_numpy(), red["step"].to_numpy() + 1
    parts = []
    for i, event in enumerate(EVENTS):
        if event.source != RED or event.on_host != on_host:
            continue
        chosen = executed & (action == event.action)
        if event.succeeded is not None:
            chosen &= succeeded == event.succeeded
        if event.detected is not None:
            chosen &= detected == event.detected
        parts.append(_picked(i, chosen, row, step, place))
    return parts


def _messages(batch: Batch) -> list[_Part]:
    """Steps at which an agent finds a message with a bit set: each is sent the step before."""
    blue = batch.frame("blue")
    sent = blue["message"].to_numpy() != 0
    sender, row = codes(blue, "agent")[sent], blue["row"].to_numpy()[sent]
    step = blue["step"].to_numpy()[sent] + 1
    kind = _NAMED["message of another agent"]
    return [
        _picked(kind, sender != agent, row, step, np.full(len(row), agent))
        for agent in range(agents.N_BLUE)
    ]


def _picked(kind: int, chosen: npt.NDArray[np.bool_], row: Any, step: Any, place: Any) -> _Part:
    return (
        np.full(np.count_nonzero(chosen), kind),
        row[chosen].astype(np.int64),
        step[chosen].astype(np.int64),
        place[chosen].astype(np.int64),
    )
