"""The one memory: what blue's agents have seen and done, per agent slot and link.

Everything here follows from what an agent was shown, from its action mask and from the actions that
it started itself; the true state never enters. What it was shown is the flat vector and, for those
who read them, its raw observation (``cagexplain.cc4.sightings``): without it the fields named "raw"
stay as they begin. Networks' features, the named features of trees,
remedies and scripted policies are views of it.

Events are kept as the step in which they happened last, so that "how long ago" and "since the last
Restore" are one subtraction and one comparison. Steps are counted by decisions, the first is 0. A
Restore that its agent has completed makes a host as good as new, and so does the beginning of an
episode. Blue acts before red within a step, so an alert that is shown with the completion of an
action came after it.

The tables of slots, links and actions are those of ``cagexplain.cc4.layout``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import phases
from cagexplain.cc4.actions import SIZES, ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import (
    ACTION_LINK,
    ACTION_SLOT,
    ACTION_TYPE,
    BLOCKED,
    CONNECTION,
    MESSAGES,
    N_LINKS,
    N_SLOTS,
    NONE,
    OFFSETS,
    ON_SLOT,
    PHASE,
    PROCESS,
    PROHIBITED,
    SLEEP_INDEX,
    SLOT_AGENT,
    SLOT_START,
)
from cagexplain.cc4.reward import RIA, STAKES, STAKES_DELAY, STAKES_HORIZON, TABLE
from cagexplain.cc4.services import FILE_NAMES, SERVICE_PORT_BIT
from cagexplain.cc4.sightings import UNKNOWN, Sightings
from cagexplain.common.arrays import (
    BoolArray,
    Int8Array,
    Int32Array,
    Int64Array,
    IntArray,
)
from cagexplain.policies.jit import STORE, njit

FAR: Final = 1_000_000
"""Steps since something that has not been so far, or more."""
NEVER: Final = -FAR
"""The step of what has not been so far."""

_N_HEARD: Final = MESSAGES.shape[1]
_SIZES: Final = np.array(SIZES)
_EXISTS: Final = ON_SLOT[ActionKind.ANALYSE]
_ANALYSE: Final = int(ActionKind.ANALYSE)
_REMOVE: Final = int(ActionKind.REMOVE)
_RESTORE: Final = int(ActionKind.RESTORE)
_DECOY: Final = int(ActionKind.DECOY)
_LAST_STEP: Final = phases.calls(phases.DEFAULT_STEPS) - 1
_PHASE_AT: Final = np.array(
    [phases.of_step(t, phases.DEFAULT_STEPS) for t in range(_LAST_STEP + 1)], np.int64
)
_PHASE_STEPS: Final = phases.lengths(phases.DEFAULT_STEPS)[0]
_IMPACT: Final = np.ascontiguousarray(-TABLE[:, :, RIA]).astype(np.int64)
_CMD: Final = 1 << FILE_NAMES.index("cmd.sh")
_ESCALATE: Final = 1 << FILE_NAMES.index("escalate.sh")


class Knowledge(NamedTuple):
    """What the agents of ``n`` environments know; call `observe` before and `acted` after every
    decision. The arrays are those of the decision at hand, and are changed in place.

    Attributes:
        clock: ``int32[n]`` decisions before this one; -1 before the first.
        phase_of: ``int8[n, 5]`` mission phase, as each agent is shown it.
        free: ``bool[n, 5]`` agents whose submission will start.
        messages: ``bool[n, 5, 32]`` what each agent hears.
        action: ``int64[n, 5]`` position of the action that an agent started last, or `NONE`.
        action_at: ``int32[n, 5]`` when.
        work: ``int64[n, 5]`` the last of them on a host or a link, or `NONE`.
        work_at: ``int32[n, 5]`` when that was started.
        restores: ``int32[n, 5]`` Restores started in this episode.
        restore_at: ``int32[n, 5]`` when the last of them was started; 0 without one.
        exists: ``bool[n, 112]`` hosts of this world.
        process, connection: ``bool[n, 112]`` alerts of this step.
        process_at, connection_at: ``int32[n, 112]`` the last alerts.
        process_alerts, connection_alerts: ``int32[n, 112]`` steps with one since the last Restore.
        scanned_at: ``int32[n, 112]`` the first connection alert since the last Restore; `FAR`
            without one.
        coincided_at: ``int32[n, 112]`` the last coincidence: both alerts in one step, which only an
            exploit through SSH makes.
        source_at: ``int32[n, 112]`` the last connection alert alone in the step of a coincidence on
            another host of the agent: an exploit through SSH lights the host that it came from.
        analysed_at, removed_at, decoyed_at: ``int32[n, 112]`` the last completed Analyse, Remove
            and DeployDecoy.
        restored_at: ``int32[n, 112]`` the last completed Restore; 0 without one.
        decoys: ``int32[n, 112]`` decoys deployed since the last Restore.
        listed: ``int8[n, 112]`` raw: what the last Analyse since the last Restore listed, one bit
            per entry of ``services.FILE_NAMES``; `UNKNOWN` without one.
        exploited_at: ``int32[n, 112]`` raw: the last exploit, a process with only its id.
        scanned_from_at: ``int32[n, 112]`` raw: the last scan of the host whose source was shown.
        source_from: ``int32[n, 112]`` raw: when the host was first seen as the source of an attack
            since its last Restore; `FAR` without one. Here one agent tells nothing to another.
        targets: ``int64[n, 112]`` raw: hosts that it was seen scanning since its last Restore, a
            bit per slot of its agent.
        ports: ``int8[n, 112]`` raw: ports that decoys deployed since the last Restore listen on, as
            ``services.PORT_BITS``.
        rooted: ``bool[n, 112]`` raw: an Analyse since the last Restore listed what an escalation
            leaves, or what an exploit leaves though none was seen, which no Remove ends.
        first: ``bool[n, 112]`` raw: the host is one that red begins its work on: it was the
            agent's first sign of red, or red came back to it (see `stale`). Red's machine takes a
            host that it begins on for its own, and uses it without another exploit.
        stale: ``bool[n, 112]`` raw: it was restored while it was `rooted`, `first` or exploited,
            and no other host of the agent has been a source since. While red has no other session
            there it learns of nothing, so its machine still takes the host for its own.
        called: ``bool[n, 5]`` raw: the agent has seen a source, an exploit or a rooted host.
        most_sources: ``int32[n, 5]`` raw: the most sources that it knew at a time.
        blocked, prohibited: ``bool[n, 56]`` traffic that is stopped, that the phase forbids.
        switched_at: ``int32[n, 56]`` when a link was last seen to be blocked or opened.
    """

    clock: Int32Array
    phase_of: Int8Array
    free: BoolArray
    messages: BoolArray
    action: Int64Array
    action_at: Int32Array
    work: Int64Array
    work_at: Int32Array
    restores: Int32Array
    restore_at: Int32Array
    exists: BoolArray
    process: BoolArray
    connection: BoolArray
    process_at: Int32Array
    connection_at: Int32Array
    process_alerts: Int32Array
    connection_alerts: Int32Array
    scanned_at: Int32Array
    coincided_at: Int32Array
    source_at: Int32Array
    analysed_at: Int32Array
    removed_at: Int32Array
    decoyed_at: Int32Array
    restored_at: Int32Array
    decoys: Int32Array
    listed: Int8Array
    exploited_at: Int32Array
    scanned_from_at: Int32Array
    source_from: Int32Array
    targets: Int64Array
    ports: Int8Array
    rooted: BoolArray
    first: BoolArray
    stale: BoolArray
    called: BoolArray
    most_sources: Int32Array
    blocked: BoolArray
    prohibited: BoolArray
    switched_at: Int32Array

    @classmethod
    def fresh(cls, n: int) -> Knowledge:
        """Of agents at the beginning of ``n`` episodes, before they have seen anything."""

        def flags(width: int) -> BoolArray:
            return np.zeros((n, width), np.bool_)

        def steps(width: int, first: int = NEVER) -> Int32Array:
            return np.full((n, width), first, np.int32)

        return cls(
            clock=np.full(n, -1, np.int32),
            phase_of=np.zeros((n, N_BLUE), np.int8),
            free=flags(N_BLUE),
            messages=np.zeros((n, N_BLUE, _N_HEARD), np.bool_),
            action=np.full((n, N_BLUE), NONE, np.int64),
            action_at=steps(N_BLUE),
            work=np.full((n, N_BLUE), NONE, np.int64),
            work_at=steps(N_BLUE),
            restores=steps(N_BLUE, 0),
            restore_at=steps(N_BLUE, 0),
            exists=flags(N_SLOTS),
            process=flags(N_SLOTS),
            connection=flags(N_SLOTS),
            process_at=steps(N_SLOTS),
            connection_at=steps(N_SLOTS),
            process_alerts=steps(N_SLOTS, 0),
            connection_alerts=steps(N_SLOTS, 0),
            scanned_at=steps(N_SLOTS, FAR),
            coincided_at=steps(N_SLOTS),
            source_at=steps(N_SLOTS),
            analysed_at=steps(N_SLOTS),
            removed_at=steps(N_SLOTS),
            decoyed_at=steps(N_SLOTS),
            restored_at=steps(N_SLOTS, 0),
            decoys=steps(N_SLOTS, 0),
            listed=np.full((n, N_SLOTS), UNKNOWN, np.int8),
            exploited_at=steps(N_SLOTS),
            scanned_from_at=steps(N_SLOTS),
            source_from=steps(N_SLOTS, FAR),
            targets=np.zeros((n, N_SLOTS), np.int64),
            ports=np.zeros((n, N_SLOTS), np.int8),
            rooted=flags(N_SLOTS),
            first=flags(N_SLOTS),
            stale=flags(N_SLOTS),
            called=flags(N_BLUE),
            most_sources=steps(N_BLUE, 0),
            blocked=flags(N_LINKS),
            prohibited=flags(N_LINKS),
            switched_at=steps(N_LINKS),
        )

    def observe(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        sightings: Sightings | None = None,
    ) -> None:
        """Take in what the agents are shown at a decision.

        Args:
            obs: ``int8[n, 578]`` the official vectors.
            mask: ``bool[n, 570]`` valid actions.
            free: ``bool[n, 5]`` whether an agent's submission will start.
            sightings: what the raw observations tell; None for those who do not read them.
        """
        _observe(
            self,
            np.ascontiguousarray(obs, np.int8),
            np.ascontiguousarray(mask, np.bool_),
            np.ascontiguousarray(free, np.bool_),
        )
        if sightings is not None:
            _sight(self, sightings)

    def acted(self, chosen: IntArray, free: BoolArray) -> None:
        """Remember the actions that the agents that were free have started.

        Args:
            chosen: ``int[n, 5]`` indices of the actions.
            free: ``bool[n, 5]``.
        """
        _act(self, np.ascontiguousarray(chosen, np.int64), np.ascontiguousarray(free, np.bool_))

    def branch(self, rows: IntArray) -> Knowledge:
        """The same for copies of some environments, ``int[m]``."""
        return Knowledge._make(field[rows] for field in self)

    @property
    def phase(self) -> Int8Array:
        """``int8[n]`` mission phase."""
        return self.phase_of[:, 0]

    @property
    def running(self) -> Int64Array:
        """``int64[n, 5]`` index of the action that an agent started last; Sleep before the first.
        While the agent is busy it is in progress."""
        return np.where(self.action == NONE, SLEEP_INDEX, self.action - OFFSETS)

    def since(self, at: Int32Array) -> Int32Array:
        """Steps since events, 0 for now, `FAR` or more for never: ``int32[n, k]``.

        Args:
            at: ``int32[n, k]`` one of the arrays of steps.
        """
        return self.clock[:, None] - at

    @property
    def alerted_at(self) -> Int32Array:
        """``int32[n, 112]`` the last alert of either kind."""
        return np.maximum(self.process_at, self.connection_at)

    @property
    def open(self) -> BoolArray:
        """``bool[n, 112]`` a process alert was shown since the last Restore."""
        return self.process_at >= self.restored_at

    @property
    def flagged(self) -> BoolArray:
        """``bool[n, 112]`` a process alert was shown since the last Restore or Remove."""
        return self.process_at >= np.maximum(self.restored_at, self.removed_at)

    @property
    def removed(self) -> BoolArray:
        """``bool[n, 112]`` a Remove was completed since the last Restore."""
        return self.removed_at > self.restored_at

    @property
    def quiet_since_removed(self) -> BoolArray:
        """``bool[n, 112]`` likewise, and no process alert was shown since then."""
        return self.removed_at > np.maximum(self.restored_at, self.process_at)

    @property
    def exploited(self) -> BoolArray:
        """``bool[n, 112]`` raw: an exploit was seen since the last Restore or Remove."""
        return self.exploited_at >= np.maximum(self.restored_at, self.removed_at)

    @property
    def source(self) -> BoolArray:
        """``bool[n, 112]`` raw: it was seen as the source of an attack since the last Restore."""
        source: BoolArray = self.source_from != FAR
        return source

    @property
    def rebuilt(self) -> BoolArray:
        """``bool[n, 112]`` there was a Restore at all."""
        return self.restored_at > 0


@njit(nogil=True)
def scanned_hosts(now: Knowledge, e: int, agent: int) -> tuple[int, int]:
    """How many hosts an agent has, and the set of those that a scan was seen of since the last
    exploit on them; red never scans a host twice, and only a session that did can exploit it."""
    start, hosts, scanned = SLOT_START[agent], 0, 0
    for slot in range(start, SLOT_START[agent + 1]):
        if now.exists[e, slot]:
            hosts += 1
            if now.scanned_from_at[e, slot] > now.exploited_at[e, slot]:
                scanned |= 1 << (slot - start)
    return hosts, scanned


@njit(nogil=True)
def _is_official(now: Knowledge, e: int, agent: int) -> bool:
    """Whether the episode has the official length, as far as its step and phase tell."""
    step, phase = now.clock[e], now.phase_of[e, agent]
    if step > len(_PHASE_AT):
        return False
    return bool(phase in (_PHASE_AT[max(0, step - 1)], _PHASE_AT[min(step + 1, _LAST_STEP)]))


@njit(nogil=True)
def stakes_of(now: Knowledge, e: int, agent: int, zone: int) -> int:
    """Points that one Impact per step on a host of a subnet would cost in the steps after a Restore
    that begins now. Episodes of another length are taken to stay in their phase."""
    if _is_official(now, e, agent):
        return int(STAKES[zone, min(now.clock[e], _LAST_STEP)])
    return int(_IMPACT[now.phase_of[e, agent], zone] * (STAKES_HORIZON + 1))


@njit(nogil=True)
def steps_left(now: Knowledge, e: int, agent: int) -> int:
    """Steps that are left after a Restore that begins now; those of a phase if nobody knows."""
    if _is_official(now, e, agent):
        return int(max(0, _LAST_STEP - STAKES_DELAY - now.clock[e]))
    return _PHASE_STEPS


@njit(nogil=True)
def count(bits: int) -> int:
    """Number of hosts in a set."""
    number = 0
    while bits:
        bits &= bits - 1
        number += 1
    return number


@STORE.keep
@njit(nogil=True)
def _observe(
    now: Knowledge,
    obs: npt.NDArray[np.int8],
    mask: BoolArray,
    free: BoolArray,
) -> None:
    coincidence = np.zeros(N_BLUE, np.bool_)
    for e in range(len(obs)):
        now.clock[e] += 1
        step, vector = now.clock[e], obs[e]
        coincidence[:] = False
        for agent in range(N_BLUE):
            now.phase_of[e, agent] = vector[PHASE[agent]]
            now.free[e, agent] = free[e, agent]
            if free[e, agent] and now.action[e, agent] != NONE:
                _complete(now, e, step, now.action[e, agent])
            heard, entries = now.messages[e, agent], vector[MESSAGES[agent, 0] :]
            for i in range(_N_HEARD):
                heard[i] = entries[i] != 0
        exists, process, connection = now.exists[e], now.process[e], now.connection[e]
        for slot in range(N_SLOTS):
            exists[slot] = mask[e, _EXISTS[slot]]
            process[slot] = vector[PROCESS[slot]] != 0
            connection[slot] = vector[CONNECTION[slot]] != 0
        for slot in range(N_SLOTS):
            if process[slot]:
                now.process_at[e, slot] = step
                now.process_alerts[e, slot] += 1
            if connection[slot]:
                now.connection_at[e, slot] = step
                now.connection_alerts[e, slot] += 1
                now.scanned_at[e, slot] = min(now.scanned_at[e, slot], step)
            if process[slot] and connection[slot]:
                now.coincided_at[e, slot] = step
                coincidence[SLOT_AGENT[slot]] = True
        if coincidence.any():
            for slot in range(N_SLOTS):
                if connection[slot] and not process[slot] and coincidence[SLOT_AGENT[slot]]:
                    now.source_at[e, slot] = step
        blocked, prohibited = now.blocked[e], now.prohibited[e]
        for link in range(N_LINKS):
            stopped = vector[BLOCKED[link]] != 0
            if stopped != blocked[link]:
                now.switched_at[e, link] = step
            blocked[link] = stopped
            prohibited[link] = vector[PROHIBITED[link]] != 0


@njit(nogil=True)
def _complete(now: Knowledge, e: int, step: int, action: int) -> None:
    """Apply an action that has just ended."""
    action_type, slot = ACTION_TYPE[action], ACTION_SLOT[action]
    if action_type == _ANALYSE:
        now.analysed_at[e, slot] = step
        now.listed[e, slot] = UNKNOWN
    elif action_type == _REMOVE:
        now.removed_at[e, slot] = step
    elif action_type == _DECOY:
        now.decoyed_at[e, slot] = step
        now.decoys[e, slot] += 1
    elif action_type == _RESTORE:
        exploited = now.exploited_at[e, slot] >= max(
            now.restored_at[e, slot], now.removed_at[e, slot]
        )
        if exploited or now.rooted[e, slot] or now.first[e, slot]:
            now.stale[e, slot] = True
        now.restored_at[e, slot] = step
        now.process_alerts[e, slot] = 0
        now.connection_alerts[e, slot] = 0
        now.scanned_at[e, slot] = FAR
        now.decoys[e, slot] = 0
        now.listed[e, slot] = UNKNOWN
        now.scanned_from_at[e, slot] = NEVER
        now.source_from[e, slot] = FAR
        now.targets[e, slot] = 0
        now.ports[e, slot] = 0
        now.rooted[e, slot] = False
        now.first[e, slot] = False


@STORE.keep
@njit(nogil=True)
def _sight(now: Knowledge, sightings: Sightings) -> None:
    # Most steps show an agent nothing, and handing on so many arrays takes time.
    for e in range(len(now.clock)):
        for agent in range(N_BLUE):
            if sightings.listed[e, agent] != UNKNOWN or sightings.decoy[e, agent] != NONE:
                _results(now, sightings, e, agent)
            signs = sightings.passed_by[e, agent]
            for slot in range(SLOT_START[agent], SLOT_START[agent + 1]):
                signs |= sightings.attacked_by[e, slot] | sightings.exploited[e, slot]
            if signs:
                _attacks(now, sightings, e, agent)


@njit(nogil=True)
def _results(now: Knowledge, sightings: Sightings, e: int, agent: int) -> None:
    """Take in what the agent's last action has told, if it has just ended."""
    action = now.action[e, agent]
    if not now.free[e, agent] or action == NONE:
        return
    files, service, slot = (
        sightings.listed[e, agent],
        sightings.decoy[e, agent],
        ACTION_SLOT[action],
    )
    if ACTION_TYPE[action] == _ANALYSE and files != UNKNOWN:
        now.listed[e, slot] = files
        unseen = files & _CMD != 0 and now.exploited_at[e, slot] < now.restored_at[e, slot]
        if files & _ESCALATE or unseen:
            now.rooted[e, slot] = True
            now.called[e, agent] = True
    elif ACTION_TYPE[action] == _DECOY and service != NONE:
        now.ports[e, slot] |= SERVICE_PORT_BIT[service]


@njit(nogil=True)
def _attacks(now: Knowledge, sightings: Sightings, e: int, agent: int) -> None:
    """Take in what the agent saw of attacks on its hosts and from them."""
    step, start, end = now.clock[e], SLOT_START[agent], SLOT_START[agent + 1]
    sources = sightings.passed_by[e, agent]
    for slot in range(start, end):
        sources |= sightings.attacked_by[e, slot]
        if sightings.exploited[e, slot]:
            now.exploited_at[e, slot] = step
        scanners = sightings.scanned_by[e, slot]
        if scanners:
            now.scanned_from_at[e, slot] = step
            for place in range(end - start):
                if scanners >> place & 1:
                    now.targets[e, start + place] |= 1 << (slot - start)
    if sources:
        for slot in range(start, end):
            if sources >> (slot - start) & 1 and now.source_from[e, slot] == FAR:
                now.source_from[e, slot] = step
                if not now.called[e, agent] or now.stale[e, slot]:
                    now.first[e, slot] = True
            if sources & ~(1 << (slot - start)):
                now.stale[e, slot] = False
        known = 0
        for slot in range(start, end):
            known += now.source_from[e, slot] != FAR
        now.most_sources[e, agent] = max(now.most_sources[e, agent], known)
    now.called[e, agent] = True


@STORE.keep
@njit(nogil=True)
def _act(now: Knowledge, chosen: Int64Array, free: BoolArray) -> None:
    for e in range(len(chosen)):
        step = now.clock[e]
        for agent in range(N_BLUE):
            if not free[e, agent]:
                continue
            index = chosen[e, agent]
            if index >= _SIZES[agent]:  # behind the layout: like a wait, it changes nothing here
                index = SLEEP_INDEX[agent]
            action = index + OFFSETS[agent]
            now.action[e, agent] = action
            now.action_at[e, agent] = step
            if ACTION_SLOT[action] != NONE or ACTION_LINK[action] != NONE:
                now.work[e, agent] = action
                now.work_at[e, agent] = step
            if ACTION_TYPE[action] == _RESTORE:
                now.restores[e, agent] += 1
                now.restore_at[e, agent] = step
