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

What only raw observations tell comes last among a host's and an agent's features; it is 0 for those
who do not read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.layout import (
    ACTION_AGENT,
    ACTION_LINK,
    ACTION_SLOT,
    ACTION_TYPE,
    HOST_ACTIONS,
    IS_GATE,
    LINK_AGENT,
    LINK_START,
    N_LINKS,
    N_SLOTS,
    NONE,
    SLOT_AGENT,
    SLOT_IS_SERVER,
    SLOT_START,
    SLOT_ZONE,
)
from cagexplain.cc4.reward import RIA, TABLE, ZONE_WEIGHT
from cagexplain.cc4.services import EXPLOITED_PORTS
from cagexplain.common.arrays import BoolArray, Float32Array, Int32Array, Int64Array
from cagexplain.policies.jit import STORE, njit
from cagexplain.policies.knowledge import (
    FAR,
    Knowledge,
    count,
    scanned_hosts,
    stakes_of,
    steps_left,
)

Scope = Literal["action", "host", "link", "agent"]

ABSENT: Final = -1.0
"""Value of a feature that an action does not have; all others are at least 0."""
NEVER: Final = 1000.0
"""Steps since something that has not been so far."""


@dataclass(frozen=True)
class Feature:
    """A feature.

    Attributes:
        name: as rules print it: "a NAME", "no NAME", or as a sentence with "is", "was" or "has".
        scope: what it tells about.
        flag: whether it is 0 or 1.
        causal: whether it tells what happened or what something is, rather than what the clock
            shows or which place it has in a list.
        raw: whether it is for those alone who read raw observations.
    """

    name: str
    scope: Scope
    flag: bool = False
    causal: bool = True
    raw: bool = False


def _names(kinds: Iterable[ActionKind]) -> list[str]:
    return [actions.KIND_NAMES[kind] for kind in kinds]


_ACTION: Final = tuple(Feature(f"action is {kind}", "action", True) for kind in actions.KIND_NAMES)
_HOST: Final = (
    *(Feature(name, "host", True) for name in ("is a server", "is in the agent's second zone")),
    Feature("is in the agent's third zone", "host", True),
    Feature("position", "host", causal=False),
    *(Feature(f"{alert} alert now", "host", True) for alert in ("process", "connection")),
    *(Feature(f"steps since {alert} alert", "host") for alert in ("process", "connection")),
    *(Feature(f"{alert} alerts since Restore", "host") for alert in ("process", "connection")),
    *(Feature(f"steps since {kind}", "host") for kind in _names(HOST_ACTIONS)),
    Feature("decoys since Restore", "host"),
    Feature("Remove since process alert", "host", True),
    Feature("coincidence of both alerts since Restore", "host", True),
    Feature("connection alert beside an exploited host since Restore", "host", True),
    Feature("process alert after a scan since Restore", "host", True),
    *(Feature(f"unanswered {alert} alert", "host", True) for alert in ("process", "connection")),
    Feature("penalty weight of its subnet", "host"),
    Feature("hosts like it longer without Restore", "host"),
    Feature("was the last target", "host", True),
    *(
        Feature(f"hosts before it with {alert} alert now", "host", causal=False)
        for alert in ("process", "connection")
    ),
    Feature("hosts with a later process alert", "host", causal=False),
    *(
        Feature(f"hosts longer without {kind}", "host", causal=False)
        for kind in _names(HOST_ACTIONS)
    ),
    *(
        Feature(name, "host", True, raw=True)
        for name in (
            "exploit since Restore or Remove",
            "Remove since Restore",
            "root or an unseen exploit was listed",
            "is a source of attacks",
            "is where red begins its work",
            "is what red may still take for its own",
            "is without Analyse since Remove or its first attack",
            "was scanned since the last exploit",
            "is covered by decoys on all exploited ports",
            "is a gate out of the contractor network",
        )
    ),
    *(
        Feature(name, "host", raw=True)
        for name in (
            "steps since exploit",
            "steps from exploit to its first attack",
            "steps since its first attack",
            "steps since Analyse or Restore",
            "per cent of hosts that can be exploited from it",
            "worth of evicting it",
            "points that Impacts could still cost",
            "points that an Impact costs now",
            "subnets of the agent with more at stake",
        )
    ),
    *(
        Feature(name, "host", causal=False, raw=True)
        for name in (
            "hosts longer without Analyse or Restore",
            "hosts of its kind longer without Analyse or Restore",
            "hosts with a Remove longer without Analyse",
            "sources longer without Analyse",
            "hosts with fewer decoys",
        )
    ),
)
_LINK: Final = (
    Feature("position of the link", "link", causal=False),
    Feature("link is blocked", "link", True),
    Feature("link is prohibited", "link", True),
    Feature("link is set wrongly", "link", True),
    Feature("wrong links before it", "link", causal=False),
)
_AGENT: Final = (
    Feature("mission phase", "agent"),
    Feature("step", "agent", causal=False),
    Feature("hosts", "agent"),
    *(Feature(f"hosts with {alert} alert now", "agent") for alert in ("process", "connection")),
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
    Feature("sign of red seen", "agent", True, raw=True),
    Feature("sources of attacks", "agent", raw=True),
    Feature("most sources of attacks at a time", "agent", raw=True),
)
FEATURES: Final = (*_ACTION, *_HOST, *_LINK, *_AGENT)
"""All features, in the order of the columns."""
NAMES: Final = tuple(feature.name for feature in FEATURES)
RAW: Final = np.array([feature.raw for feature in FEATURES])
"""``bool[features]``: which are for those alone who read raw observations."""

_BLOCKS: Final = tuple(map(len, (_ACTION, _HOST, _LINK, _AGENT)))
STARTS: Final = tuple(int(sum(_BLOCKS[:i])) for i in range(5))
"""First column of the action's, host's, link's and agent's features, and the number of columns."""


_RAW_OF_HOST: Final = len(_HOST) - sum(feature.raw for feature in _HOST)
_RAW_OF_AGENT: Final = len(_AGENT) - sum(feature.raw for feature in _AGENT)
"""Where those for readers of raw observations begin."""
_NEVER: Final = int(NEVER)
"""The last step of an episode of usual length."""
_EVICT_STEPS: Final = 400
"""Future steps that count for the worth of evicting a host, at most."""
_IMPACT: Final = np.ascontiguousarray(-TABLE[:, :, RIA]).astype(np.int64)


def _fixed_host_columns() -> Float32Array:
    """Server, second zone, third zone, position: ``[112, 4]``."""
    columns = np.zeros((N_SLOTS, 4), np.float32)
    columns[:, 0] = SLOT_IS_SERVER
    for agent, zones in enumerate(BLUE_ZONES):
        for nth, zone in enumerate(zones[1:], 1):
            columns[:, nth] += (agent == SLOT_AGENT) & (zone == SLOT_ZONE)
    columns[:, 3] = np.arange(N_SLOTS) - SLOT_START[SLOT_AGENT]
    return columns


_FIXED: Final = _fixed_host_columns()
_ALIKE: Final = tuple(
    np.flatnonzero((agent == SLOT_AGENT) & (zone == SLOT_ZONE) & (server == SLOT_IS_SERVER))
    for agent, zones in enumerate(BLUE_ZONES)
    for zone in zones
    for server in (False, True)
)
"""Agent slots by agent, subnet and kind of host."""
_LINK_POSITION: Final = (np.arange(N_LINKS) - LINK_START[LINK_AGENT]).astype(np.float32)


@dataclass(frozen=True)
class ActionFacts:
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
        rows[:, : STARTS[1]] = ACTION_TYPE[action][:, None] == np.arange(actions.N_KINDS)
        for start, target, values in (
            (STARTS[1], ACTION_SLOT[action], self.host),
            (STARTS[2], ACTION_LINK[action], self.link),
        ):
            has = target != NONE
            rows[has, start : start + values.shape[2]] = values[env[has], target[has]]
        rows[:, STARTS[3] :] = self.agent[env, ACTION_AGENT[action]]
        return rows


def facts_of(now: Knowledge, *, raw: bool = False) -> ActionFacts:
    """The features at a decision, as a view of what the agents know.

    Args:
        now: what they know.
        raw: whether they read raw observations.
    """
    wrong = now.blocked != now.prohibited
    facts = ActionFacts(_host_facts(now), _link_facts(now, wrong), _agent_facts(now, wrong))
    if raw:
        _write_raw(now, facts.host[..., _RAW_OF_HOST:], facts.agent[..., _RAW_OF_AGENT:])
    return facts


def _capped(now: Knowledge, at: Int32Array) -> Float32Array:
    """Steps since events, at most `NEVER`: ``float32[n, 112]``."""
    return np.minimum(now.since(at), NEVER).astype(np.float32)


def _host_facts(now: Knowledge) -> Float32Array:
    process, connection = (_capped(now, at) for at in (now.process_at, now.connection_at))
    answered = np.maximum.reduce([now.analysed_at, now.removed_at, now.restored_at])
    # In the order of `HOST_ACTIONS`.
    last_actions = now.analysed_at, now.removed_at, now.restored_at, now.decoyed_at
    aged = [_capped(now, at) for at in last_actions]
    shape = now.exists.shape
    last = np.zeros(shape, np.bool_)
    target = _last_target(now)
    env, agent = np.nonzero(target != NONE)
    last[env, target[env, agent]] = True
    columns = [
        *(np.broadcast_to(column, shape) for column in _FIXED.T),
        now.process,
        now.connection,
        process,
        connection,
        now.process_alerts,
        now.connection_alerts,
        *aged,
        now.decoys,
        now.quiet_since_removed,
        now.coincided_at >= now.restored_at,
        now.source_at >= now.restored_at,
        now.open & (now.scanned_at < now.process_at),
        now.process_at >= answered,
        now.connection_at >= answered,
        ZONE_WEIGHT[now.phase][:, SLOT_ZONE],
        _longer_without_restore(now),
        last,
        _before(now.process),
        _before(now.connection),
        _rank(-process, now.exists),
        *(_rank(age, now.exists) for age in aged),
    ]
    facts = np.zeros((*shape, _BLOCKS[1]), np.float32)
    for i, column in enumerate(columns):
        facts[..., i] = column
    return facts


def _longer_without_restore(now: Knowledge) -> Float32Array:
    """Number of existing hosts of the same agent, subnet and kind that were restored before each
    host was: ``[n, 112]``."""
    restored_at = np.where(now.exists, now.restored_at, FAR)
    longer = np.empty(restored_at.shape, np.float32)
    for alike in _ALIKE:
        at = restored_at[:, alike]
        longer[:, alike] = (at[:, None, :] < at[:, :, None]).sum(axis=2)
    return longer


def _link_facts(now: Knowledge, wrong: BoolArray) -> Float32Array:
    before = np.empty(wrong.shape, np.float32)
    for agent in range(N_BLUE):
        links = slice(LINK_START[agent], LINK_START[agent + 1])
        before[:, links] = np.cumsum(wrong[:, links], axis=1) - wrong[:, links]
    position = np.broadcast_to(_LINK_POSITION, wrong.shape)
    columns = [position, now.blocked, now.prohibited, wrong, before]
    return np.stack(columns, axis=2).astype(np.float32)


def _agent_facts(now: Knowledge, wrong: BoolArray) -> Float32Array:
    facts = np.zeros((len(wrong), N_BLUE, _BLOCKS[3]), np.float32)
    facts[..., 0] = now.phase_of
    facts[..., 1] = now.clock[:, None]
    suspicious = now.process_alerts > 0, now.connection_alerts > 0
    for i, flags in enumerate((now.exists, now.process, now.connection, suspicious[0])):
        facts[..., 2 + i] = np.add.reduceat(flags, SLOT_START[:-1], axis=1, dtype=np.float32)
    facts[..., 6] = np.add.reduceat(wrong, LINK_START[:-1], axis=1, dtype=np.float32)
    action_type = np.where(now.action != NONE, ACTION_TYPE[now.action], NONE)
    facts[..., 7 : 7 + actions.N_KINDS] = action_type[..., None] == np.arange(actions.N_KINDS)
    target = _last_target(now)
    for i, flags in enumerate(suspicious):
        at_target = np.take_along_axis(flags, np.maximum(target, 0), axis=1) & (target != NONE)
        facts[..., 7 + actions.N_KINDS + i] = at_target
    facts[..., 9 + actions.N_KINDS : _RAW_OF_AGENT] = now.messages
    return facts


@STORE.keep
@njit(nogil=True)
def _write_raw(now: Knowledge, host: Float32Array, agent: Float32Array) -> None:
    """Write the features of those who read raw observations: [n, 112, h] and [n, 5, a]."""
    for e in range(len(now.clock)):
        for a in range(N_BLUE):
            start, end = SLOT_START[a], SLOT_START[a + 1]
            hosts, scanned = scanned_hosts(now, e, a)
            sources = 0
            for slot in range(start, end):
                sources += now.source_from[e, slot] != FAR
                if now.exists[e, slot]:
                    _write_host(now, e, a, slot, hosts, scanned, host[e, slot])
            agent[e, a, 0] = now.called[e, a]
            agent[e, a, 1] = sources
            agent[e, a, 2] = now.most_sources[e, a]


@njit(nogil=True)
def _write_host(
    now: Knowledge, e: int, agent: int, slot: int, hosts: int, scanned: int, out: Float32Array
) -> None:
    step, zone, phase = now.clock[e], SLOT_ZONE[slot], now.phase_of[e, agent]
    stakes = stakes_of(now, e, agent, zone)
    restored, removed = now.restored_at[e, slot], now.removed_at[e, slot]
    exploit, analysed = now.exploited_at[e, slot], now.analysed_at[e, slot]
    source = now.source_from[e, slot]
    is_source, answered = source != FAR, removed > restored
    looked = max(analysed, restored)
    targets = count(now.targets[e, slot] & scanned)
    steps = min(steps_left(now, e, agent), _EVICT_STEPS)
    out[0] = exploit >= max(restored, removed)
    out[1] = answered
    out[2] = now.rooted[e, slot]
    out[3] = is_source
    out[4] = now.first[e, slot]
    out[5] = now.stale[e, slot]
    out[6] = (answered and analysed < removed) or (is_source and analysed <= source)
    out[7] = now.scanned_from_at[e, slot] > exploit
    out[8] = now.ports[e, slot] & EXPLOITED_PORTS == EXPLOITED_PORTS
    out[9] = IS_GATE[slot]
    out[10] = min(step - exploit, _NEVER)
    out[11] = min(max(source - exploit, 0), _NEVER) if is_source else _NEVER
    out[12] = min(step - source, _NEVER) if is_source else _NEVER
    out[13] = min(step - looked, _NEVER)
    out[14] = 100 * targets // hosts
    out[15] = np.ceil(targets * steps / (hosts * max(1, now.most_sources[e, agent])))
    out[16] = stakes
    out[17] = _IMPACT[phase, zone]
    out[18] = _zones_with_more_at_stake(now, e, agent, stakes)
    out[19:] = 0
    for other in range(SLOT_START[agent], SLOT_START[agent + 1]):
        if other == slot or not now.exists[e, other]:
            continue
        last = now.analysed_at[e, other]
        longer = _before_it(max(last, now.restored_at[e, other]), looked, other, slot)
        unanalysed = _before_it(last, analysed, other, slot)
        out[19] += longer
        out[20] += longer and SLOT_IS_SERVER[other] == SLOT_IS_SERVER[slot]
        out[21] += unanalysed and now.removed_at[e, other] > now.restored_at[e, other]
        out[22] += unanalysed and now.source_from[e, other] != FAR
        out[23] += now.decoys[e, other] < now.decoys[e, slot]


@njit(nogil=True)
def _before_it(at: int, other_at: int, slot: int, other: int) -> bool:
    """Whether something of a slot was before that of another, whose slot counts among equals."""
    return at < other_at or (at == other_at and slot < other)


@njit(nogil=True)
def _zones_with_more_at_stake(now: Knowledge, e: int, agent: int, stakes: int) -> int:
    """Subnets of an agent in which Impacts could still cost more."""
    more, zone = 0, -1
    for slot in range(SLOT_START[agent], SLOT_START[agent + 1]):
        if SLOT_ZONE[slot] != zone:
            zone = SLOT_ZONE[slot]
            more += stakes_of(now, e, agent, zone) > stakes
    return more


def _last_target(now: Knowledge) -> Int64Array:
    """Slot that each agent's last action was aimed at: ``int64[n, 5]``, `NONE` without one."""
    return np.where(now.action != NONE, ACTION_SLOT[now.action], NONE)


def _before(flags: BoolArray) -> Float32Array:
    """Number of the agent's flagged hosts before each host: ``[n, 112]``."""
    total: Int64Array = np.cumsum(flags, axis=1) - flags
    return (total - total[:, SLOT_START[:-1]][:, SLOT_AGENT]).astype(np.float32)


def _rank(age: Float32Array, exists: BoolArray) -> Float32Array:
    """Number of the agent's existing hosts with a larger age, earlier ones first among equals."""
    ranks = np.empty(age.shape, np.float32)
    key = np.where(exists, -age, np.inf)
    for agent in range(N_BLUE):
        slots = slice(SLOT_START[agent], SLOT_START[agent + 1])
        order = np.argsort(key[:, slots], axis=1, kind="stable")
        np.put_along_axis(
            ranks[:, slots], order, np.arange(order.shape[1], dtype=np.float32)[None], axis=1
        )
    return ranks
