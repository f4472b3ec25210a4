"""Blue's action layouts: 82 actions for agents 0 to 3, 242 for agent 4.

An index means the same here as in CybORG's ``BlueFlatWrapper``: Analyse, Monitor, Remove, Restore,
Sleep, AllowTrafficZone, BlockTrafficZone, DeployDecoy; host actions by subnet (alphabetical), then
servers 0..5, then user hosts 0..9; traffic actions by own subnet, then the eight others.

CybORG also takes action *objects*, and with them actions that its wrappers have no index for: on
the agent's routers, on traffic between any two subnets, and such as it answers with
``InvalidAction``. Here their indices lie behind each agent's layout, from ``SIZES[agent]`` to
``ALL_SIZES[agent]`` (:func:`extra_index`). Masks, networks and trained policies know the layout
only.
"""

from enum import IntEnum
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import network
from cagexplain.cc4.agents import BLUE_OF_HOST, BLUE_ZONES, N_BLUE


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


# Behind the layout.


def _extras(agent: int) -> list[_Row]:
    """What only an action object can say: a host action on any host; traffic between zones that the
    layout does not pair; and, without host or zones, an action that names something else (an
    unknown host or zone, another session or agent). Of kind Sleep, the last is an ``InvalidAction``
    that was itself submitted."""
    pairs = product(range(network.N_ZONES), range(network.N_ZONES))
    rows: list[_Row] = [
        *((kind, host, -1, -1) for kind in sorted(HOST_KINDS) for host in range(network.N_HOSTS)),
        *((kind, -1, to, frm) for to, frm in pairs for kind in sorted(TRAFFIC_KINDS)),
    ]
    nameless = [(kind, -1, -1, -1) for kind in ActionKind]
    return [row for row in rows if row[1] >= 0 or row not in _INDEX[agent]] + nameless


_EXTRAS: Final = tuple(_extras(agent) for agent in range(N_BLUE))
_EXTRA_INDEX: Final = tuple(
    {row: SIZES[agent] + i for i, row in enumerate(rows)} for agent, rows in enumerate(_EXTRAS)
)
_ALL: Final = tuple([*layout, *extras] for layout, extras in zip(_LAYOUTS, _EXTRAS, strict=True))

ALL_SIZES: Final = tuple(len(rows) for rows in _ALL)
"""Indices of each agent: its layout and what lies behind."""


def _column(number: int, *, fill: int) -> npt.NDArray[np.int16]:
    table = np.full((N_BLUE, max(ALL_SIZES)), fill, dtype=np.int16)
    for agent, rows in enumerate(_ALL):
        table[agent, : len(rows)] = [row[number] for row in rows]
    return table


ALL_KIND: Final = _column(0, fill=ActionKind.SLEEP)
ALL_HOST: Final = _column(1, fill=-1)
ALL_TO_ZONE: Final = _column(2, fill=-1)
ALL_FROM_ZONE: Final = _column(3, fill=-1)
"""``int16[5, n]`` by agent and index, the layout and what lies behind: what was submitted, whether
or not it is accepted."""

INVALID_ACTION: Final = tuple(index[(ActionKind.SLEEP, -1, -1, -1)] for index in _EXTRA_INDEX)
"""Index of an ``InvalidAction`` that is submitted as such: the only one that costs a fraction."""


def _accepted() -> npt.NDArray[np.bool_]:
    """Layout; behind it, hosts of the agent and traffic between zones."""
    behind = np.arange(max(ALL_SIZES)) >= np.array(SIZES)[:, None]
    of_agent = BLUE_OF_HOST[ALL_HOST] == np.arange(N_BLUE)[:, None]
    accepted: npt.NDArray[np.bool_] = ~behind | ((ALL_HOST >= 0) & of_agent) | (ALL_TO_ZONE >= 0)
    return accepted


ACCEPTED: Final = _accepted()
"""``bool[5, n]`` by agent and index: whether CybORG plays it, given that its host exists. What it
does not accept takes one step, fails and changes nothing."""


def slice_of(agent: int) -> slice:
    """An agent's part of the concatenation over agents (of masks, say)."""
    return slice(OFFSETS[agent], OFFSETS[agent] + SIZES[agent])


def index(
    agent: int, kind: ActionKind, *, host: int = -1, to_zone: int = -1, from_zone: int = -1
) -> int:
    """Index of an action in its agent's layout; ``KeyError`` if the agent has no such action."""
    return _INDEX[agent][(kind, host, to_zone, from_zone)]


def extra_index(
    agent: int, kind: ActionKind, *, host: int = -1, to_zone: int = -1, from_zone: int = -1
) -> int:
    """Index, behind the layout, of an action that only an object can express.

    That is a host action on one of the agent's routers, on a host of its zones that does not exist,
    or on any other host; Allow or Block between zones that the layout does not pair; and without
    host and zones an action that names something unknown. ``KeyError`` if it is none of these.
    """
    return _EXTRA_INDEX[agent][(kind, host, to_zone, from_zone)]


def label(
    agent: int, action: int, *, exists: bool = True, cidr: tuple[str, ...] | None = None
) -> str:
    """The wrappers' label of an action; those behind the layout are labelled alike.

    ``exists``: whether the target host exists in this world; ``cidr``: the nine subnets' blocks in
    generation order, which the labels of traffic actions quote.
    """
    kind, host, to_zone, from_zone = _ALL[agent][action]
    if action == INVALID_ACTION[agent]:
        return "InvalidAction"
    valid = exists and ACCEPTED[agent, action]
    name = f"{'' if valid else '[Invalid] '}{KIND_NAMES[kind]}"
    if host >= 0:
        return f"{name} {network.HOST_NAMES[host]}"
    if to_zone >= 0:
        to, frm = (
            network.ZONES[zone] + (f" ({cidr[zone]})" if cidr else "")
            for zone in (to_zone, from_zone)
        )
        return f"{name} {to} <- {frm}"
    return name
