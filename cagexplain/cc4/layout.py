"""The tables of blue's actions and observations: which entry belongs to which agent, host and link.

The agents' 570 actions and 578 observation entries lie side by side, agent after agent. What an
agent can act on and what it is told about is one of

* the 112 *agent slots*: an agent and a host of its zones, existing or not, in the order of
  :data:`cagexplain.cc4.observations.HOSTS`;
* the 56 *links*: traffic into a zone of the agent from another zone, in the order of its traffic
  actions.

An action's *index* is its place in its agent's own layout, as the environments take it; its
*position* is its place among the 570. Tables are ``int64`` where nothing else is said, so that they
serve as indices at once.
"""

from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE

_Table = npt.NDArray[np.int64]

NONE: Final = -1
"""No action, no agent slot, no link, no host, no zone."""

HOST_ACTIONS: Final = tuple(sorted(actions.HOST_KINDS))
"""Action types that have a target host."""
RESPONSES: Final = (ActionKind.ANALYSE, ActionKind.REMOVE, ActionKind.RESTORE)
"""Action types that answer red's presence on the host that they target."""
EVICTIONS: Final = (ActionKind.REMOVE, ActionKind.RESTORE)
"""Action types that end red's sessions on a host, if they work."""
WAITS: Final = (ActionKind.SLEEP, ActionKind.MONITOR)
"""Action types that do nothing: CC4 monitors in every step anyway."""

# Agent slots and links.


def _starts(counts: list[int]) -> _Table:
    return np.cumsum([0, *counts])


_PAIRS: Final = [
    [(to, frm) for to in zones for frm in network.ALPHABETICAL if frm != to] for zones in BLUE_ZONES
]

SLOT_HOST: Final = np.concatenate(observations.HOSTS).astype(np.int64)
"""Host of each agent slot: ``int64[112]``."""
SLOT_START: Final = _starts([len(hosts) for hosts in observations.HOSTS])
"""First slot of each agent, and the number of slots: ``int64[6]``."""
SLOT_AGENT: Final[_Table] = np.repeat(np.arange(N_BLUE), np.diff(SLOT_START))
SLOT_ZONE: Final = network.HOST_ZONE[SLOT_HOST].astype(np.int64)
SLOT_IS_SERVER: Final[npt.NDArray[np.bool_]] = network.HOST_KIND[SLOT_HOST] == network.SERVER
SLOT_IS_USER: Final[npt.NDArray[np.bool_]] = network.HOST_KIND[SLOT_HOST] == network.USER
N_SLOTS: Final = len(SLOT_HOST)

LINK_TO, LINK_FROM = (np.array(zones, np.int64) for zones in zip(*chain(*_PAIRS), strict=True))
"""Zones to and from which the traffic of each link goes: ``int64[56]``."""
LINK_START: Final = _starts([len(pairs) for pairs in _PAIRS])
"""First link of each agent, and the number of links: ``int64[6]``."""
LINK_AGENT: Final[_Table] = np.repeat(np.arange(N_BLUE), np.diff(LINK_START))
N_LINKS: Final = len(LINK_TO)

IS_GATE: Final[npt.NDArray[np.bool_]] = np.isin(
    SLOT_HOST,
    [
        zone * network.HOSTS_PER_ZONE + network.FIRST_SERVER_SLOT
        for zone in (network.RZA, network.RZB, network.PAZ)
    ],
)
"""Whether red enters over it from the contractor network: the first servers of the restricted zones
and of public access: ``bool[112]``."""
SLOT_OF_HOST: Final = np.full(network.N_HOSTS, NONE, np.int64)
"""Agent slot of each host, `NONE` for routers and for hosts that no agent defends: ``[137]``."""
SLOT_OF_HOST[SLOT_HOST] = np.arange(N_SLOTS)

# Actions, by position.

OFFSETS: Final = np.array(actions.OFFSETS, np.int64)
"""Position less index of an agent's actions: ``int64[5]``."""
SLEEP_INDEX: Final = np.array(actions.SLEEP_INDEX, np.int64)
"""Index of each agent's Sleep: ``int64[5]``."""
SLEEP: Final = SLEEP_INDEX + OFFSETS
"""Position of each agent's Sleep: ``int64[5]``."""


def positions(index: npt.NDArray[Any]) -> _Table:
    """Positions of actions ``int[..., 5]``. One behind an agent's layout has none: it gets that of
    Sleep, as whoever looks at positions knows of nothing that such an action does."""
    inside = index < np.array(actions.SIZES)
    return np.where(inside, index, SLEEP_INDEX) + OFFSETS


ACTION_AGENT: Final[_Table] = np.repeat(np.arange(N_BLUE), actions.SIZES)
ACTION_TYPE: Final = np.concatenate(actions.KIND).astype(np.int64)
ACTION_HOST: Final = np.concatenate(actions.HOST).astype(np.int64)
"""Agent, type and target host of each action: ``int64[570]``, `NONE` without a host."""
ACTION_FROM: Final = np.concatenate(actions.FROM_ZONE).astype(np.int64)
ACTION_TO: Final = np.concatenate(actions.TO_ZONE).astype(np.int64)
"""Zones between which each action switches traffic: ``int64[570]``, `NONE` where it does not."""
ACTION_SLOT: Final[_Table] = np.where(ACTION_HOST != NONE, SLOT_OF_HOST[ACTION_HOST], NONE)
"""Agent slot that each action is aimed at: ``int64[570]``, `NONE` without one."""


def _links() -> _Table:
    link_of = np.full((network.N_ZONES, network.N_ZONES), NONE, np.int64)
    link_of[LINK_TO, LINK_FROM] = np.arange(N_LINKS)
    return np.where(ACTION_TO != NONE, link_of[ACTION_TO, ACTION_FROM], NONE)


ACTION_LINK: Final = _links()
"""Link that each action switches: ``int64[570]``, `NONE` without one."""


def _on(target: _Table, types: frozenset[ActionKind], n: int) -> Mapping[ActionKind, _Table]:
    tables = {}
    for action_type in sorted(types):
        positions = np.flatnonzero(action_type == ACTION_TYPE)
        table = np.empty(n, np.int64)
        table[target[positions]] = positions
        tables[action_type] = table
    return MappingProxyType(tables)


ON_SLOT: Final = _on(ACTION_SLOT, actions.HOST_KINDS, N_SLOTS)
"""Position of the action of a type on each agent slot: ``int64[112]``."""
ON_LINK: Final = _on(ACTION_LINK, actions.TRAFFIC_KINDS, N_LINKS)
"""Position of Allow and of Block of each link: ``int64[56]``."""

# Entries of the observations.


def _of_slots(bit: Callable[[int, int], int]) -> _Table:
    pairs = zip(SLOT_AGENT.tolist(), SLOT_HOST.tolist(), strict=True)
    return np.array([observations.OFFSETS[agent] + bit(agent, host) for agent, host in pairs])


def _of_links(bit: Callable[[int, int, int], int]) -> _Table:
    links = zip(LINK_AGENT.tolist(), LINK_TO.tolist(), LINK_FROM.tolist(), strict=True)
    return np.array([observations.OFFSETS[agent] + bit(agent, to, frm) for agent, to, frm in links])


PROCESS: Final = _of_slots(observations.process_bit)
CONNECTION: Final = _of_slots(observations.connection_bit)
"""Entries with the process alert and with the connection alert of each agent slot: ``[112]``."""
BLOCKED: Final = _of_links(observations.blocked_bit)
PROHIBITED: Final = _of_links(observations.policy_bit)
"""Entries that say whether each link is blocked, and whether the phase forbids it: ``[56]``."""
PHASE: Final = np.array(observations.OFFSETS, np.int64) + observations.PHASE
"""Entry with the mission phase of each agent: ``int64[5]``."""
MESSAGES: Final = np.stack(
    [
        observations.OFFSETS[agent] + np.arange(size)[observations.message_slice(agent)]
        for agent, size in enumerate(observations.SIZES)
    ]
)
"""Entries with the messages that each agent hears: ``int64[5, 32]``."""
