"""What the agents know when they decide: the memory that remedies judge by.

Everything here follows from what an agent has seen, from its action mask and from what it has
started itself; the true state never enters. Hosts and links of all agents lie side by side, as in
``named_features``: 112 *seats* (hosts that an agent can act on, existing or not) and 56 *links*
(traffic into a zone of the agent). Actions are positions in the concatenation over agents.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, network, observations, reward
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.common.arrays import BoolArray, FloatArray, Int64Array, IntArray
from cagexplain.policies.trees.named_features import KIND, LINK, SEAT

LONG: Final = 1_000_000
"""Steps since something that has not been so far."""
NONE: Final = -1
OFFSETS: Final = np.array(actions.OFFSETS, np.int64)
SLEEP: Final = np.array(actions.SLEEP_INDEX, np.int64) + OFFSETS
"""Each agent's Sleep: ``int64[5]``."""

SEAT_HOST: Final = np.concatenate(observations.HOSTS).astype(np.int64)
SEAT_AGENT: Final = np.repeat(np.arange(N_BLUE), [len(hosts) for hosts in observations.HOSTS])
SEAT_ZONE: Final = network.HOST_ZONE[SEAT_HOST].astype(np.int64)
IS_USER: Final = network.HOST_KIND[SEAT_HOST] == network.USER
_PAIRS: Final = [
    (agent, to, frm)
    for agent, zones in enumerate(BLUE_ZONES)
    for to in zones
    for frm in network.ALPHABETICAL
    if frm != to
]
LINK_AGENT: Final = np.array([agent for agent, _, _ in _PAIRS])
N_SEATS: Final = len(SEAT_HOST)
N_LINKS: Final = len(_PAIRS)

ZONE_WEIGHT: Final[npt.NDArray[np.int64]] = -reward.TABLE.sum(axis=2)
"""``int64[phase, zone]``: how much the mission suffers in a zone, as the sum of its penalties."""


def _by_place(
    place: Int64Array, kinds: frozenset[ActionKind], n: int
) -> Mapping[ActionKind, Int64Array]:
    found = {}
    for kind in sorted(kinds):
        of_kind = np.flatnonzero(kind == KIND)
        table = np.empty(n, np.int64)
        table[place[of_kind]] = of_kind
        found[kind] = table
    return MappingProxyType(found)


ON_SEAT: Final = _by_place(SEAT, actions.HOST_KINDS, N_SEATS)
"""Position of the action of a kind on each seat: ``int64[112]``."""
ON_LINK: Final = _by_place(LINK, actions.TRAFFIC_KINDS, N_LINKS)
"""Position of Allow and Block of each link: ``int64[56]``."""


def _owned(owner: Int64Array) -> Int64Array:
    """Places of each agent, padded with the number of places: ``int64[5, most]``."""
    own = [np.flatnonzero(owner == agent) for agent in range(N_BLUE)]
    table = np.full((N_BLUE, max(map(len, own))), len(owner))
    for agent, places in enumerate(own):
        table[agent, : len(places)] = places
    return table


_SEATS_OF: Final = _owned(SEAT_AGENT)
_LINKS_OF: Final = _owned(LINK_AGENT)


def _entries(bit: Callable[[int, int], int]) -> Int64Array:
    return np.array(
        [
            observations.OFFSETS[agent] + bit(int(agent), int(host))
            for agent, host in zip(SEAT_AGENT, SEAT_HOST, strict=True)
        ]
    )


PROCESS: Final = _entries(observations.process_bit)
CONNECTION: Final = _entries(observations.connection_bit)
"""Where the alert bits of each seat stand in the concatenated observation: ``int64[112]``."""
_BLOCKED: Final = np.array(
    [observations.OFFSETS[a] + observations.blocked_bit(a, to, frm) for a, to, frm in _PAIRS]
)
_PROHIBITED: Final = np.array(
    [observations.OFFSETS[a] + observations.policy_bit(a, to, frm) for a, to, frm in _PAIRS]
)


class Situation:
    """What the agents of ``n`` environments know; call `observe` before and `acted` after every
    decision. Arrays have a row per environment and are those of the decision at hand.

    A Restore that its agent has completed makes a host as good as new. Blue acts before red within
    a step, so an alert that arrives with the completion counts.

    Attributes:
        phase: ``int64[n]`` mission phase.
        free: ``bool[n, 5]`` agents whose submission will start.
        exists: ``bool[n, 112]`` hosts of this world.
        process, connection: ``bool[n, 112]`` alerts of this step.
        since_process, since_connection: ``int64[n, 112]`` steps since the last alert, 0 for now.
        open: ``bool[n, 112]`` a process alert was shown since the last Restore.
        flagged: ``bool[n, 112]`` the same since the last Restore or Remove.
        removed: ``bool[n, 112]`` a Remove was completed since the last Restore.
        decoys: ``int64[n, 112]`` decoys deployed since the last Restore.
        since_restored: ``int64[n, 112]`` steps since the last Restore, or since the beginning.
        rebuilt: ``bool[n, 112]`` there was a Restore at all.
        blocked, prohibited: ``bool[n, 56]`` traffic that is stopped, that the phase forbids.
        since_switched: ``int64[n, 56]`` steps since a link was blocked or opened.
        last: ``int64[n, 5]`` the action that an agent started last, or `NONE`.
        work: ``int64[n, 5]`` the last of them on a host or a link, or `NONE`.
        since_work: ``int64[n, 5]`` steps since that was started.
        restores: ``int64[n, 5]`` Restores started in this episode.
        since_restore: ``int64[n, 5]`` steps since the agent started one, or since the beginning.
    """

    def __init__(self, n: int) -> None:
        self.phase = np.zeros(n, np.int64)
        self.free = np.zeros((n, N_BLUE), np.bool_)
        self.exists = np.zeros((n, N_SEATS), np.bool_)
        self.process, self.connection = (np.zeros((n, N_SEATS), np.bool_) for _ in range(2))
        self.since_process, self.since_connection = (
            np.full((n, N_SEATS), LONG, np.int64) for _ in range(2)
        )
        self.open, self.flagged, self.removed, self.rebuilt = (
            np.zeros((n, N_SEATS), np.bool_) for _ in range(4)
        )
        self.decoys = np.zeros((n, N_SEATS), np.int64)
        self.since_restored = np.full((n, N_SEATS), -1, np.int64)
        self.blocked, self.prohibited = (np.zeros((n, N_LINKS), np.bool_) for _ in range(2))
        self.since_switched = np.full((n, N_LINKS), LONG, np.int64)
        self.last = np.full((n, N_BLUE), NONE, np.int64)
        self.work = np.full((n, N_BLUE), NONE, np.int64)
        self.since_work = np.full((n, N_BLUE), LONG, np.int64)
        self.restores = np.zeros((n, N_BLUE), np.int64)
        self.since_restore = np.full((n, N_BLUE), -1, np.int64)

    def observe(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> None:
        """Take in obs ``int8[n, 578]``, mask ``bool[n, 570]`` and free ``bool[n, 5]``."""
        for since in (
            *(self.since_process, self.since_connection, self.since_restored),
            *(self.since_switched, self.since_work, self.since_restore),
        ):
            since += 1
        self._complete(free)
        self.phase = obs[:, observations.PHASE].astype(np.int64)
        self.free = free.copy()
        self.exists = mask[:, ON_SEAT[ActionKind.ANALYSE]]
        self.process, self.connection = obs[:, PROCESS] != 0, obs[:, CONNECTION] != 0
        self.since_process[self.process] = 0
        self.since_connection[self.connection] = 0
        self.open |= self.process
        self.flagged |= self.process
        blocked = obs[:, _BLOCKED] != 0
        self.since_switched[blocked != self.blocked] = 0
        self.blocked, self.prohibited = blocked, obs[:, _PROHIBITED] != 0

    def acted(self, chosen: Int64Array, free: BoolArray) -> None:
        """Remember the actions ``int64[n, 5]`` that the agents that were `free` started."""
        self.last = np.where(free, chosen + OFFSETS, self.last)
        works = free & ((SEAT[self.last] >= 0) | (LINK[self.last] >= 0))
        self.work = np.where(works, self.last, self.work)
        self.since_work[works] = 0
        restores = free & (KIND[self.last] == ActionKind.RESTORE)
        self.restores += restores
        self.since_restore[restores] = 0

    def branch(self, rows: IntArray) -> Situation:
        """The same for copies of some environments."""
        twin = copy.copy(self)
        for name, value in vars(self).items():
            setattr(twin, name, value[rows])
        return twin

    def _complete(self, free: BoolArray) -> None:
        """Apply the actions that have just ended."""
        env, agent = np.nonzero(free & (self.last != NONE))
        action = self.last[env, agent]
        kind, seat = KIND[action], SEAT[action]

        def of(wanted: ActionKind) -> tuple[Int64Array, Int64Array]:
            return env[kind == wanted], seat[kind == wanted]

        restored, removed = of(ActionKind.RESTORE), of(ActionKind.REMOVE)
        for flags in (self.open, self.flagged, self.removed):
            flags[restored] = False
        self.decoys[restored] = 0
        self.since_restored[restored] = 0
        self.rebuilt[restored] = True
        self.flagged[removed] = False
        self.removed[removed] = True
        self.decoys[of(ActionKind.DECOY)] += 1


def on_seats(kind: ActionKind, seats: BoolArray) -> BoolArray:
    """The actions ``bool[n, 570]`` of a kind on the hosts that are flagged, ``bool[n, 112]``."""
    found = np.zeros((len(seats), actions.TOTAL), np.bool_)
    found[:, ON_SEAT[kind]] = seats
    return found


def on_links(kind: ActionKind, links: BoolArray) -> BoolArray:
    """The actions ``bool[n, 570]`` of a kind on the links that are flagged, ``bool[n, 56]``."""
    found = np.zeros((len(links), actions.TOTAL), np.bool_)
    found[:, ON_LINK[kind]] = links
    return found


def best_seat(eligible: BoolArray, rank: FloatArray | Int64Array) -> Int64Array:
    """Each agent's eligible host of the highest rank, the first of equals: ``int64[n, 5]``.

    Args:
        eligible: ``bool[n, 112]``; an agent that has none gets `NONE`.
        rank: ``[n, 112]``.
    """
    return _best(eligible, rank, _SEATS_OF)


def best_link(eligible: BoolArray, rank: FloatArray | Int64Array) -> Int64Array:
    """Each agent's eligible link of the highest rank; see `best_seat`."""
    return _best(eligible, rank, _LINKS_OF)


def act_on(table: Int64Array, place: Int64Array) -> Int64Array:
    """The actions of a table of `ON_SEAT` or `ON_LINK` on some places, `NONE` on none."""
    return np.where(place != NONE, table[place], NONE)


def at_target(values: npt.NDArray[np.bool_], position: Int64Array) -> BoolArray:
    """What ``bool[n, 112]`` says about the hosts that actions ``int64[n, 5]`` are aimed at."""
    seat = SEAT[position]
    return np.take_along_axis(values, np.maximum(seat, 0), axis=1) & (seat >= 0)


def _best(eligible: BoolArray, rank: FloatArray | Int64Array, owned: Int64Array) -> Int64Array:
    score = np.full((len(eligible), eligible.shape[1] + 1), -np.inf)
    np.copyto(score[:, :-1], rank, where=eligible)
    own = score[:, owned]
    first = own.argmax(axis=-1)
    highest = np.take_along_axis(own, first[..., None], axis=-1)[..., 0]
    return np.where(highest > -np.inf, owned[np.arange(len(owned)), first], NONE)
