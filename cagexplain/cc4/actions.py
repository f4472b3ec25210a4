"""Blue's action layouts: 82 actions for agents 0 to 3, 242 for agent 4.

An index means the same here as in CybORG's ``BlueFlatWrapper``: Analyse, Monitor, Remove, Restore,
Sleep, AllowTrafficZone, BlockTrafficZone, DeployDecoy; host actions by subnet (alphabetical), then
servers 0..5, then user hosts 0..9; traffic actions by own subnet, then the eight others.
"""

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import network
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE


class ActionKind(IntEnum):
    """Blue's action classes in layout order."""

    ANALYSE = 0
    MONITOR = 1
    REMOVE = 2
    RESTORE = 3
    SLEEP = 4
    ALLOW = 5
    BLOCK = 6
    DECOY = 7


KIND_NAMES: Final = (
    "Analyse",
    "Monitor",
    "Remove",
    "Restore",
    "Sleep",
    "AllowTrafficZone",
    "BlockTrafficZone",
    "DeployDecoy",
)
N_KINDS: Final = len(KIND_NAMES)
HOST_KINDS: Final = frozenset(
    {ActionKind.ANALYSE, ActionKind.REMOVE, ActionKind.RESTORE, ActionKind.DECOY}
)
TRAFFIC_KINDS: Final = frozenset({ActionKind.ALLOW, ActionKind.BLOCK})

DURATION: Final[npt.NDArray[np.int8]] = np.array([2, 1, 3, 5, 1, 1, 1, 2], dtype=np.int8)
"""Steps an action takes, by :class:`ActionKind`: submitted in step t, it takes effect in step
t + duration - 1, and the agent's next submission counts in step t + duration."""

SLOTS: Final = (
    *range(network.FIRST_SERVER_SLOT, network.HOSTS_PER_ZONE),
    *range(network.FIRST_USER_SLOT, network.FIRST_SERVER_SLOT),
)
"""Host slots of a zone in the wrappers' order: servers, then user hosts; no router."""

_Row = tuple[ActionKind, int, int, int]
"""Kind, host, zone that traffic goes to, zone that it comes from; -1 where there is none."""


def _layout(zones: tuple[int, ...]) -> list[_Row]:
    hosts = [zone * network.HOSTS_PER_ZONE + slot for zone in zones for slot in SLOTS]
    pairs = [(to, frm) for to in zones for frm in network.ALPHABETICAL if frm != to]
    rows: list[_Row] = []
    for kind in ActionKind:
        if kind in HOST_KINDS:
            rows += [(kind, host, -1, -1) for host in hosts]
        elif kind in TRAFFIC_KINDS:
            rows += [(kind, -1, to, frm) for to, frm in pairs]
        else:
            rows.append((kind, -1, -1, -1))
    return rows


_LAYOUTS: Final = tuple(_layout(zones) for zones in BLUE_ZONES)
_INDEX: Final = tuple({row: i for i, row in enumerate(layout)} for layout in _LAYOUTS)

SIZES: Final = tuple(len(layout) for layout in _LAYOUTS)
OFFSETS: Final = tuple(int(sum(SIZES[:agent])) for agent in range(N_BLUE))
"""Where an agent's actions begin in the concatenation over agents."""
TOTAL: Final = sum(SIZES)

KIND: Final = tuple(np.array([row[0] for row in rows], dtype=np.int8) for rows in _LAYOUTS)
HOST: Final = tuple(np.array([row[1] for row in rows], dtype=np.int16) for rows in _LAYOUTS)
TO_ZONE: Final = tuple(np.array([row[2] for row in rows], dtype=np.int8) for rows in _LAYOUTS)
FROM_ZONE: Final = tuple(np.array([row[3] for row in rows], dtype=np.int8) for rows in _LAYOUTS)

SLEEP_INDEX: Final = tuple(index[(ActionKind.SLEEP, -1, -1, -1)] for index in _INDEX)
MONITOR_INDEX: Final = tuple(index[(ActionKind.MONITOR, -1, -1, -1)] for index in _INDEX)


def slice_of(agent: int) -> slice:
    """An agent's part of the concatenation over agents (of masks, say)."""
    return slice(OFFSETS[agent], OFFSETS[agent] + SIZES[agent])


def index(
    agent: int, kind: ActionKind, *, host: int = -1, to_zone: int = -1, from_zone: int = -1
) -> int:
    """Index of an action in its agent's layout; ``KeyError`` if the agent has no such action."""
    return _INDEX[agent][(kind, host, to_zone, from_zone)]


def label(
    agent: int, action: int, *, exists: bool = True, cidr: tuple[str, ...] | None = None
) -> str:
    """The wrappers' label of an action.

    ``exists``: whether the target host exists in this world; ``cidr``: the nine subnets' blocks in
    generation order, which the labels of traffic actions quote.
    """
    kind, host, to_zone, from_zone = _LAYOUTS[agent][action]
    name = KIND_NAMES[kind]
    if host >= 0:
        return f"{'' if exists else '[Invalid] '}{name} {network.HOST_NAMES[host]}"
    if to_zone >= 0:
        to, frm = (
            network.ZONES[zone] + (f" ({cidr[zone]})" if cidr else "")
            for zone in (to_zone, from_zone)
        )
        return f"{name} {to} <- {frm}"
    return name
