"""Named features of every action that an agent may choose: what decision trees decide on.

Everything here follows from what the agent itself has seen and done: its observation vectors, its
action mask, the actions it started and whether it is busy. The history is short and explicit, one
number per fact, so that a rule reads as a sentence. What a recurrent network can use of the past is
reachable through the same facts.

An action has the features of its kind, of the host or link that it targets, and of its agent.
Features that make no sense for it (a host's for Sleep, say) are `ABSENT`.

"Steps since" are at most `NEVER`, which also says that there was none; but steps since Restore
count from the beginning of the episode, when hosts are as good as restored. Alerts and actions
count up to the decision at hand. A Restore that the agent has completed on a host resets what was
counted on that host; blue acts before red within a step, so an alert that arrives with the
completion is new.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE, BLUE_ZONES, N_BLUE
from cagexplain.common.arrays import BoolArray, Float32Array, Int64Array

Scope = Literal["action", "host", "link", "agent"]

ABSENT: Final = -1.0
"""Value of a feature that an action does not have; all others are at least 0."""
NEVER: Final = 1000.0
"""Steps since something that has not been so far."""


@dataclass(frozen=True)
class Feature:
    """A feature.

    Attributes:
        name: as rules print it.
        scope: what it tells about.
        flag: whether it is 0 or 1.
    """

    name: str
    scope: Scope
    flag: bool = False


_AGED: Final = (ActionKind.ANALYSE, ActionKind.REMOVE, ActionKind.RESTORE, ActionKind.DECOY)
"""Kinds of which it is remembered when they were last completed on a host."""


def _names(kinds: Iterable[ActionKind]) -> list[str]:
    return [actions.KIND_NAMES[kind] for kind in kinds]


_ACTION: Final = tuple(Feature(f"action is {kind}", "action", True) for kind in actions.KIND_NAMES)
_HOST: Final = (
    *(Feature(name, "host", True) for name in ("is a server", "is in the agent's second zone")),
    Feature("is in the agent's third zone", "host", True),
    Feature("position", "host"),
    *(Feature(f"{what} alert now", "host", True) for what in ("process", "connection")),
    *(Feature(f"steps since {what} alert", "host") for what in ("process", "connection")),
    *(Feature(f"{what} alerts since Restore", "host") for what in ("process", "connection")),
    *(Feature(f"steps since {kind}", "host") for kind in _names(_AGED)),
    Feature("decoys since Restore", "host"),
    Feature("Remove since process alert", "host", True),
    Feature("was the last target", "host", True),
    *(
        Feature(f"hosts before it with {what} alert now", "host")
        for what in ("process", "connection")
    ),
    Feature("hosts with a later process alert", "host"),
    *(Feature(f"hosts longer without {kind}", "host") for kind in _names(_AGED)),
)
_LINK: Final = (
    Feature("position of the link", "link"),
    Feature("link is blocked", "link", True),
    Feature("link is prohibited", "link", True),
    Feature("link is set wrongly", "link", True),
    Feature("wrong links before it", "link"),
)
_AGENT: Final = (
    Feature("mission phase", "agent"),
    Feature("step", "agent"),
    Feature("hosts", "agent"),
    *(Feature(f"hosts with {what} alert now", "agent") for what in ("process", "connection")),
    Feature("hosts with process alert since Restore", "agent"),
    Feature("links set wrongly", "agent"),
    *(Feature(f"last action was {kind}", "agent", True) for kind in actions.KIND_NAMES),
    Feature("last target has process alert since Restore", "agent", True),
    Feature("last target has connection alert since Restore", "agent", True),
    *(
        Feature(f"bit {bit} of the {nth} other agent's message", "agent", True)
        for nth in ("first", "second", "third", "fourth")
        for bit in range(observations.MESSAGE_BITS)
    ),
)
FEATURES: Final = (*_ACTION, *_HOST, *_LINK, *_AGENT)
"""All features, in the order of the columns."""
NAMES: Final = tuple(feature.name for feature in FEATURES)

_BLOCKS: Final = tuple(map(len, (_ACTION, _HOST, _LINK, _AGENT)))
STARTS: Final = tuple(int(sum(_BLOCKS[:i])) for i in range(5))
"""First column of the action's, host's, link's and agent's features, and the number of columns."""

_SEATS: Final = np.concatenate(observations.HOSTS).astype(np.int64)
"""Hosts of all agents side by side: [112]."""
_SEAT_OFFSETS: Final = np.cumsum([0, *map(len, observations.HOSTS)])
_SEAT_AGENT: Final = np.repeat(np.arange(N_BLUE), np.diff(_SEAT_OFFSETS))
_LINK_PAIRS: Final = [
    [(to, frm) for to in zones for frm in network.ALPHABETICAL if frm != to] for zones in BLUE_ZONES
]
_LINK_OFFSETS: Final = np.cumsum([0, *map(len, _LINK_PAIRS)])


def _seats_of(agent: int) -> slice:
    return slice(int(_SEAT_OFFSETS[agent]), int(_SEAT_OFFSETS[agent + 1]))


def _links_of(agent: int) -> slice:
    return slice(int(_LINK_OFFSETS[agent]), int(_LINK_OFFSETS[agent + 1]))


def _host_entries(bit: Callable[[int, int], int]) -> Int64Array:
    return np.array(
        [
            observations.OFFSETS[agent] + bit(int(agent), int(host))
            for agent, host in zip(_SEAT_AGENT, _SEATS, strict=True)
        ]
    )


def _link_entries(bit: Callable[[int, int, int], int]) -> Int64Array:
    return np.array(
        [
            observations.OFFSETS[agent] + bit(agent, to, frm)
            for agent, pairs in enumerate(_LINK_PAIRS)
            for to, frm in pairs
        ]
    )


_PROCESS: Final = _host_entries(observations.process_bit)
_CONNECTION: Final = _host_entries(observations.connection_bit)
_BLOCKED: Final = _link_entries(observations.blocked_bit)
_PROHIBITED: Final = _link_entries(observations.policy_bit)
_MESSAGES: Final = np.stack(
    [
        observations.OFFSETS[agent] + np.arange(observations.SIZES[agent])[part]
        for agent in range(N_BLUE)
        for part in [observations.message_slice(agent)]
    ]
)
_PHASES: Final = np.array(observations.OFFSETS) + observations.PHASE


def _places() -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
    """Agent, kind, seat (or -1) and link (or -1) of each of the 570 actions."""
    agent = np.repeat(np.arange(N_BLUE), actions.SIZES)
    kind = np.concatenate(actions.KIND).astype(np.int64)
    seat, link = np.full(actions.TOTAL, -1), np.full(actions.TOTAL, -1)
    for a in range(N_BLUE):
        seat_of = {int(h): i + _SEAT_OFFSETS[a] for i, h in enumerate(observations.HOSTS[a])}
        link_of = {pair: i + _LINK_OFFSETS[a] for i, pair in enumerate(_LINK_PAIRS[a])}
        for i in range(actions.SIZES[a]):
            seat[actions.OFFSETS[a] + i] = seat_of.get(int(actions.HOST[a][i]), -1)
            pair = (int(actions.TO_ZONE[a][i]), int(actions.FROM_ZONE[a][i]))
            link[actions.OFFSETS[a] + i] = link_of.get(pair, -1)
    return agent, kind, seat, link


AGENT, KIND, SEAT, LINK = _places()
"""Per action of the concatenation over agents, ``int64[570]``: its agent, its kind, the host and
the link that it targets as rows of `Facts.host` and `Facts.link`, -1 where it has none."""

_ANALYSE_OF_SEAT: Final = np.array(
    [
        actions.OFFSETS[agent] + actions.index(int(agent), ActionKind.ANALYSE, host=int(host))
        for agent, host in zip(_SEAT_AGENT, _SEATS, strict=True)
    ]
)
_SLEEP: Final = np.array(actions.SLEEP_INDEX) + np.array(actions.OFFSETS)


def _fixed_host_columns() -> Float32Array:
    """Server, second zone, third zone, position: ``[112, 4]``."""
    columns = np.zeros((len(_SEATS), 4), np.float32)
    columns[:, 0] = network.HOST_KIND[_SEATS] == network.SERVER
    for agent, zones in enumerate(BLUE_ZONES):
        seats = _seats_of(agent)
        for place, zone in enumerate(zones[1:]):
            columns[seats, 1 + place] = network.HOST_ZONE[_SEATS[seats]] == zone
        columns[seats, 3] = np.arange(seats.stop - seats.start)
    return columns


_FIXED: Final = _fixed_host_columns()
_LINK_POSITION: Final = np.concatenate([np.arange(len(p)) for p in _LINK_PAIRS]).astype(np.float32)


@dataclass(frozen=True)
class Facts:
    """The features of all actions of all agents at one step, in parts that repeat.

    Attributes:
        host: ``float32[n, 112, h]`` of every agent's hosts side by side.
        link: ``float32[n, 56, l]`` of every agent's links.
        agent: ``float32[n, 5, a]``.
    """

    host: Float32Array
    link: Float32Array
    agent: Float32Array

    def matrix(self, env: Int64Array, action: Int64Array) -> Float32Array:
        """The features of some actions.

        Args:
            env: ``int64[m]`` environments.
            action: ``int64[m]`` actions, as positions in the concatenation over agents.

        Returns:
            ``float32[m, len(FEATURES)]``.
        """
        rows = np.full((len(env), STARTS[4]), ABSENT, np.float32)
        rows[:, : STARTS[1]] = KIND[action][:, None] == np.arange(actions.N_KINDS)
        for start, place, values in ((STARTS[1], SEAT, self.host), (STARTS[2], LINK, self.link)):
            has = place[action] >= 0
            rows[has, start : start + values.shape[2]] = values[env[has], place[action][has]]
        rows[:, STARTS[3] :] = self.agent[env, AGENT[action]]
        return rows


class History:
    """What the agents of ``n`` environments have noticed; call `observe` before and `acted` after
    every decision, as ``policies.features.Features``."""

    def __init__(self, n: int) -> None:
        seats = (n, len(_SEATS))
        self._since_alert = np.full((2, *seats), NEVER, np.float32)
        self._alerts = np.zeros((2, *seats), np.float32)
        self._since = np.full((len(_AGED), *seats), NEVER, np.float32)
        self._since[_AGED.index(ActionKind.RESTORE)] = 0
        self._decoys = np.zeros(seats, np.float32)
        self._removed = np.zeros(seats, np.bool_)
        self._running = np.tile(_SLEEP, (n, 1))
        self._started = np.zeros((n, N_BLUE), np.bool_)
        self._step = 0

    def branch(self, rows: Int64Array) -> History:
        """A history that goes on with copies of these environments; this one stays as it is."""
        twin = copy.copy(self)
        for name in ("_since_alert", "_alerts", "_since"):
            setattr(twin, name, getattr(self, name)[:, rows])
        for name in ("_decoys", "_removed", "_running", "_started"):
            setattr(twin, name, getattr(self, name)[rows])
        return twin

    def observe(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Facts:
        """The features at this step.

        Args:
            obs: ``int8[n, 578]``, mask: ``bool[n, 570]``, free: ``bool[n, 5]``.
        """
        self._complete(free)
        alert = np.stack([obs[:, _PROCESS], obs[:, _CONNECTION]]) != 0
        self._since_alert[alert] = 0
        self._alerts += alert
        self._removed &= ~alert[0]
        exists = mask[:, _ANALYSE_OF_SEAT]
        facts = Facts(
            self._host_facts(alert, exists), self._link_facts(obs), np.empty((0, 0, 0), np.float32)
        )
        facts = Facts(facts.host, facts.link, self._agent_facts(obs, alert, exists, facts.link))
        for since in (self._since_alert, self._since):
            since += 1
            np.minimum(since, NEVER, out=since)
        self._step += 1
        return facts

    def acted(self, chosen: Int64Array, free: BoolArray) -> None:
        """Remember the actions ``int64[n, 5]`` that the agents that were `free` started."""
        position = np.asarray(chosen) + np.array(actions.OFFSETS)
        self._running = np.where(free, position, self._running)
        self._started |= free

    def _complete(self, free: BoolArray) -> None:
        """Apply the actions that have just ended."""
        env, agent = np.nonzero(free & self._started)
        action = self._running[env, agent]
        seat, kind = SEAT[action], KIND[action]
        on_host = seat >= 0
        env, seat, kind = env[on_host], seat[on_host], kind[on_host]
        for i, aged in enumerate(_AGED):
            self._since[i, env[kind == aged], seat[kind == aged]] = 0
        restored = (env[kind == ActionKind.RESTORE], seat[kind == ActionKind.RESTORE])
        self._alerts[:, *restored] = 0
        self._decoys[restored] = 0
        self._removed[restored] = False
        self._removed[env[kind == ActionKind.REMOVE], seat[kind == ActionKind.REMOVE]] = True
        self._decoys[env[kind == ActionKind.DECOY], seat[kind == ActionKind.DECOY]] += 1

    def _host_facts(self, alert: BoolArray, exists: BoolArray) -> Float32Array:
        n = len(exists)
        last = np.zeros(exists.shape, np.bool_)
        env, agent = np.nonzero(SEAT[self._running] >= 0)
        last[env, SEAT[self._running[env, agent]]] = True
        columns = [
            *(np.broadcast_to(column, exists.shape) for column in _FIXED.T),
            *alert,
            *self._since_alert,
            *self._alerts,
            *self._since,
            self._decoys,
            self._removed,
            last,
            *(_before(flags) for flags in alert),
            _rank(-self._since_alert[0], exists),
            *(_rank(age, exists) for age in self._since),
        ]
        out = np.empty((n, len(_SEATS), len(columns)), np.float32)
        for i, column in enumerate(columns):
            out[..., i] = column
        return out

    def _link_facts(self, obs: npt.NDArray[np.int8]) -> Float32Array:
        blocked, prohibited = obs[:, _BLOCKED] != 0, obs[:, _PROHIBITED] != 0
        wrong = blocked != prohibited
        before = np.empty(wrong.shape, np.float32)
        for agent in range(N_BLUE):
            own = wrong[:, _links_of(agent)]
            before[:, _links_of(agent)] = np.cumsum(own, axis=1) - own
        position = np.broadcast_to(_LINK_POSITION, wrong.shape)
        return np.stack([position, blocked, prohibited, wrong, before], axis=2).astype(np.float32)

    def _agent_facts(
        self, obs: npt.NDArray[np.int8], alert: BoolArray, exists: BoolArray, link: Float32Array
    ) -> Float32Array:
        n = len(obs)
        out = np.empty((n, N_BLUE, _BLOCKS[3]), np.float32)
        out[..., 0] = obs[:, _PHASES]
        out[..., 1] = self._step
        suspicious = self._alerts > 0
        per_host = (exists, *alert, suspicious[0])
        for i, flags in enumerate(per_host):
            out[..., 2 + i] = np.add.reduceat(flags, _SEAT_OFFSETS[:-1], axis=1, dtype=np.float32)
        out[..., 6] = np.add.reduceat(link[..., 3], _LINK_OFFSETS[:-1], axis=1)
        kind = np.where(self._started, KIND[self._running], -1)
        out[..., 7 : 7 + actions.N_KINDS] = kind[..., None] == np.arange(actions.N_KINDS)
        seat = SEAT[self._running]
        for i in range(2):
            flags = np.take_along_axis(suspicious[i], np.maximum(seat, 0), axis=1) & (seat >= 0)
            out[..., 7 + actions.N_KINDS + i] = flags
        out[..., 9 + actions.N_KINDS :] = obs[:, _MESSAGES]
        return out


def _before(flags: BoolArray) -> Float32Array:
    """Number of the agent's flagged hosts before each host: ``[n, 112]``."""
    total: Int64Array = np.cumsum(flags, axis=1) - flags
    return (total - total[:, _SEAT_OFFSETS[:-1]][:, _SEAT_AGENT]).astype(np.float32)


def _rank(age: Float32Array, exists: BoolArray) -> Float32Array:
    """Number of the agent's existing hosts with a larger age, earlier ones first among equals."""
    ranks = np.empty(age.shape, np.float32)
    key = np.where(exists, -age, np.inf)
    for agent in range(N_BLUE):
        seats = _seats_of(agent)
        order = np.argsort(key[:, seats], axis=1, kind="stable")
        np.put_along_axis(
            ranks[:, seats], order, np.arange(order.shape[1], dtype=np.float32)[None], axis=1
        )
    return ranks


def other_agents(agent: int) -> tuple[str, ...]:
    """Names of the agents whose messages an agent hears, in the order of the message features."""
    return tuple(name for i, name in enumerate(BLUE) if i != agent)
