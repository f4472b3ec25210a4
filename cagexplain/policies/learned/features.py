"""Observation profiles: what a network gets to see of what its agent has observed.

``flat`` is the official vector and nothing else. ``memory`` adds what the agent can remember by
itself, since the vector shows an alert for a single step and never tells what the agent did:
everything in it follows from the agent's own vectors, its own action mask and its own actions.

Memory entries, per host position of the agent's process bits, one group of entries after another:

=============  =====================================================================================
exists         the host exists in this world (the action mask tells)
alerted        a process alert was seen since the agent last restored the host
process        trace of process alerts, 1 when seen, times 0.9 per step
connection     trace of connection alerts, 1 when seen, times 0.95 per step
staleness      steps since the agent restored the host (or the episode began), in hundreds, up to 5
removed        the agent completed a Remove on the host since its last process alert
decoys         decoys the agent deployed since it last restored the host, in thirds, up to 1
=============  =====================================================================================

and one last entry, the clock: steps seen in this episode, in 500ths.

``raw`` adds instead what the agent's raw observations tell and it remembers, in numbers that follow
from red's machine (see ``policies.knowledge`` and the rules of ``champion``). Per host:

=============  =====================================================================================
exists         the host exists in this world
user           it is a user's
exploited      an exploit was seen since its last Restore or Remove
exploit        trace of exploits, 1 when seen, times 0.9 per step
removed        a Remove was completed since its last Restore
rooted         an Analyse listed what an escalation, or an exploit that was not seen, leaves
clean          the last Analyse listed nothing, and no exploit was seen since
source         it was seen as the source of an attack since its last Restore
known          steps since that was first seen, in hundreds, up to 5
got through    that was within 40 steps of an exploit on it
first          red begins its work on this host
stale          red's machine may still take it for its own
unchecked      it is a source, or was answered by a Remove, and no Analyse ended since
scanned        a scan of it was seen since the last exploit on it
danger         share of the agent's hosts that it scanned and that are still scanned
eviction       the same per source that the agent knew, times the steps that are left, in hundreds
looked         steps since the last Analyse or Restore, in twenties, up to 5
staleness      steps since the last Restore, in hundreds, up to 5
decoys         decoys deployed since the last Restore, in thirds, up to 1
covered        decoys listen on all ports that exploits use
stakes         what Impacts on it could still cost after a Restore, in hundreds of points
critical       what an Impact on it costs now, in tens of points
gate           it is a server over which red leaves the contractor network
=============  =====================================================================================

and of the agent: whether it has seen a sign of red, the sources that it knows and the most that it
knew at a time, in tens, its hosts, in fiftieths, and the clock.
"""

from __future__ import annotations

import copy
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.agents import BLUE, BLUE_ZONES, N_BLUE
from cagexplain.cc4.layout import (
    CONNECTION,
    IS_GATE,
    NONE,
    PROCESS,
    SLOT_IS_USER,
    SLOT_START,
    SLOT_ZONE,
)
from cagexplain.cc4.reward import RIA, TABLE
from cagexplain.cc4.services import EXPLOITED_PORTS
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import Float32Array, Int64Array
from cagexplain.policies.jit import STORE, njit
from cagexplain.policies.knowledge import (
    FAR,
    Knowledge,
    count,
    scanned_hosts,
    stakes_of,
    steps_left,
)

GROUPS: Final[tuple[tuple[int, ...], ...]] = tuple(
    tuple(members)
    for _, members in groupby(
        range(N_BLUE), key=lambda agent: (observations.SIZES[agent], actions.SIZES[agent])
    )
)
"""Agents of equal observation and action layouts, which can share a batched product."""

Profile = Literal["flat", "memory", "raw"]
PROFILES: Final[tuple[str, ...]] = get_args(Profile)


class _Added(NamedTuple):
    """What a profile adds to the official vector: names and units of its entries.

    Attributes:
        host: per host, group after group; the first tells whether the host exists.
        agent: behind them; the last is the clock.
    """

    host: tuple[tuple[str, float], ...] = ()
    agent: tuple[tuple[str, float], ...] = ()


_CLOCK: Final = 500.0
_CLOCK_ENTRY: Final = ("clock (steps of the episode)", _CLOCK)
_ADDED: Final[dict[str, _Added]] = {
    "flat": _Added(),
    "memory": _Added(
        host=(
            ("existence of", 1),
            ("process alert since the last Restore of", 1),
            ("fading trace of process alerts on", 1),
            ("fading trace of connection alerts on", 1),
            ("steps since the last Restore of", 100),
            ("Remove since the last process alert on", 1),
            ("decoys on", 3),
        ),
        agent=(_CLOCK_ENTRY,),
    ),
    "raw": _Added(
        host=(
            ("existence of", 1),
            ("user's host:", 1),
            ("exploit since the last Restore or Remove of", 1),
            ("fading trace of exploits on", 1),
            ("Remove since the last Restore of", 1),
            ("root or an unseen exploit listed on", 1),
            ("nothing listed on", 1),
            ("attacks seen from", 1),
            ("steps since attacks were first seen from", 100),
            ("attacks soon after an exploit seen from", 1),
            ("red begins its work on", 1),
            ("red may still take for its own", 1),
            ("no Analyse yet of", 1),
            ("scan since the last exploit on", 1),
            ("share of hosts that can be exploited from", 1),
            ("weight of what can be exploited from", 100),
            ("steps since the last look at", 20),
            ("steps since the last Restore of", 100),
            ("decoys on", 3),
            ("decoys on all exploited ports of", 1),
            ("points that Impacts could still cost on", 100),
            ("points that an Impact costs now on", 10),
            ("gate out of the contractor network:", 1),
        ),
        agent=(
            ("a sign of red was seen", 1),
            ("sources of attacks", 10),
            ("most sources of attacks at a time", 10),
            ("hosts", 50),
            _CLOCK_ENTRY,
        ),
    ),
}
_MAX_STALENESS: Final = 500
_MAX_DECOYS: Final = 3
_SOON: Final = 40
"""Steps from an exploit on a host to attacks from it that tell that it got through."""


def reads(profile: str) -> bool:
    """Whether a profile needs what the raw observations tell."""
    return profile == "raw"


def repeats(profile: str) -> bool:
    """Whether an agent sees the same again and again: the official vector without a clock."""
    return not _ADDED[profile].agent


def sizes(profile: str) -> tuple[int, ...]:
    """Width of each agent's input under a profile."""
    added = _ADDED[profile]
    return tuple(
        observations.SIZES[agent]
        + len(added.host) * len(observations.HOSTS[agent])
        + len(added.agent)
        for agent in range(N_BLUE)
    )


def host_columns(profile: str, agent: int) -> npt.NDArray[np.int64]:
    """Which inputs tell about each of an agent's hosts: (hosts, inputs per host)."""
    slots = slice(SLOT_START[agent], SLOT_START[agent + 1])
    bits = np.stack([PROCESS[slots], CONNECTION[slots]], axis=1) - observations.OFFSETS[agent]
    hosts, entries = len(bits), len(_ADDED[profile].host)
    memory = np.arange(entries * hosts).reshape(entries, hosts).T
    return np.hstack([bits, observations.SIZES[agent] + memory])


def global_columns(profile: str, agent: int) -> npt.NDArray[np.int64]:
    """Which of an agent's inputs are about no host, link or message: the mission phase, and what a
    profile adds for the whole, such as the clock."""
    added = np.arange(observations.SIZES[agent], sizes(profile)[agent])
    of_hosts = host_columns(profile, agent)
    return np.concatenate([[observations.PHASE], np.setdiff1d(added, of_hosts)])


def exists_column(profile: str) -> int:
    """Which of the columns of `host_columns` tells that the host exists; -1 if none does."""
    return 2 if _ADDED[profile].host else -1


_GIVEN: Final = frozenset(
    {
        "existence of",
        "user's host:",
        "points that Impacts could still cost on",
        "points that an Impact costs now on",
        "gate out of the contractor network:",
        "hosts",
        _CLOCK_ENTRY[0],
    }
)
"""Entries that tell what world it is, and when, not what was seen or done."""


def given_columns(profile: str, agent: int) -> npt.NDArray[np.int64]:
    """Which inputs behind the official vector tell what world it is, and when, not what an agent
    has seen or done."""
    added, hosts = _ADDED[profile], len(observations.HOSTS[agent])
    entries = [entry for entry, _ in added.host for _ in range(hosts)]
    entries += [entry for entry, _ in added.agent]
    return observations.SIZES[agent] + np.flatnonzero([entry in _GIVEN for entry in entries])


def names(profile: str, agent: int) -> tuple[str, ...]:
    """What each entry of an agent's input tells, such as "process alert on user_host_3 (RZA)"."""
    hosts = [host_label(int(h)) for h in observations.HOSTS[agent]]
    named = ["mission phase"]
    for i, zone in enumerate(BLUE_ZONES[agent]):
        block_zone = network.ZONE_SHORT[zone]
        zones = [network.ZONE_SHORT[z] for z in network.ALPHABETICAL]
        block = hosts[i * observations.HOSTS_PER_BLOCK :][: observations.HOSTS_PER_BLOCK]
        named += [f"this block is about {other}: {block_zone}" for other in zones]
        named += [f"traffic {other} to {block_zone} is blocked" for other in zones]
        named += [f"traffic {other} to {block_zone} should be blocked" for other in zones]
        named += [f"process alert on {host}" for host in block]
        named += [f"connection alert on {host}" for host in block]
    others = [name for i, name in enumerate(BLUE) if i != agent]
    named += [
        f"message of {name}, bit {bit}"
        for name in others
        for bit in range(observations.MESSAGE_BITS)
    ]
    added = _ADDED[profile]
    named += [f"{entry} {host}" for entry, _ in added.host for host in hosts]
    named += [entry for entry, _ in added.agent]
    return tuple(named)


def units(profile: str, agent: int) -> npt.NDArray[np.float64]:
    """What a 1 stands for in each entry of an agent's input, such as 100 of the named steps."""
    added, hosts = _ADDED[profile], len(observations.HOSTS[agent])
    official = np.ones(observations.SIZES[agent])
    of_hosts = np.repeat([unit for _, unit in added.host], hosts)
    return np.concatenate([official, of_hosts, [unit for _, unit in added.agent]])


def host_label(host: int) -> str:
    """Short name of a host, such as "user_host_3 (RZA)"."""
    zone = network.zone_of(host)
    name = network.HOST_NAMES[host].removeprefix(network.ZONES[zone] + "_")
    return f"{name} ({network.ZONE_SHORT[zone]})"


def action_label(agent: int, action: int) -> str:
    """Short name of an action: "Restore user_host_3 (RZA)", "BlockTrafficZone RZA <- OZA"."""
    kind = actions.KIND_NAMES[actions.ALL_KIND[agent, action]]
    if not actions.ACCEPTED[agent, action]:
        kind = f"[Invalid] {kind}"
    host, to_zone, from_zone = (
        int(table[agent, action])
        for table in (actions.ALL_HOST, actions.ALL_TO_ZONE, actions.ALL_FROM_ZONE)
    )
    if host >= 0:
        return f"{kind} {host_label(host)}"
    if to_zone >= 0:
        return f"{kind} {network.ZONE_SHORT[to_zone]} <- {network.ZONE_SHORT[from_zone]}"
    return kind


def compact_columns(profile: str) -> npt.NDArray[np.int64]:
    """Entries of all agents' inputs side by side without what repeats another's.

    The mission phase (and the clock) is the same for all agents, and each message
    reaches four agents: one copy of each stays. For ``flat`` these are 454 of 578 entries (the
    compact state of the study's C_MAPPO).
    """
    widths = sizes(profile)
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    keep = np.ones(sum(widths), np.bool_)
    bits = observations.MESSAGE_BITS
    for agent in range(1, N_BLUE):
        start = int(starts[agent])
        keep[start + observations.PHASE] = False
        received = observations.message_slice(agent)
        keep[start + received.start : start + received.stop] = False
        if _ADDED[profile].agent:
            keep[start + widths[agent] - 1] = False
    # Agent 0 hears agents 1 to 4; its own message comes first in what agent 1 hears.
    own_message = int(starts[1]) + observations.message_slice(1).start
    keep[own_message : own_message + bits] = True
    return np.flatnonzero(keep)


class Features:
    """Turns the vectors of `n` environments into network inputs, step by step.

    Call `observe` before every decision and `acted` after it.
    """

    def __init__(self, profile: str, n: int) -> None:
        self._profile = profile
        self._now = Knowledge.fresh(n)
        self.shapes = [(len(group), n, sizes(profile)[group[0]]) for group in GROUPS]

    def empty(self, *leading: int) -> list[Tensor]:
        """Tensors to observe into: per group (*leading, members, n, width)."""
        return [torch.zeros(*leading, *shape) for shape in self.shapes]

    def observe(
        self,
        obs: npt.NDArray[np.int8],
        mask: npt.NDArray[np.bool_],
        free: npt.NDArray[np.bool_],
        out: list[Tensor],
        sightings: Sightings | None = None,
    ) -> None:
        """Write the inputs of this step to `out`, per group (members, n, width).

        Args:
            obs: (n, 578), the agents' vectors side by side.
            mask: (n, 570), the agents' action masks side by side.
            free: (n, 5), the agents that are not busy.
            out: as `empty` makes them.
            sightings: what the raw observations tell, for a profile that `reads` them.
        """
        write = _WRITE.get(self._profile)
        if write is not None:  # flat inputs need nothing of it
            self._now.observe(obs, mask, free, sightings)
        for group, tensor in zip(GROUPS, out, strict=True):
            target = tensor.numpy()
            vectors = _members(obs, group, observations.OFFSETS, observations.SIZES)
            width = vectors.shape[-1]
            target[..., :width] = vectors
            if write is not None:
                write(self._now, group[0], target[..., width:])

    def acted(self, chosen: npt.NDArray[np.int64], free: npt.NDArray[np.bool_]) -> None:
        """Remember what was chosen ``int64[n, 5]`` by those that were free ``bool[n, 5]``."""
        self._now.acted(chosen, free)

    @property
    def reads(self) -> bool:
        """Whether the profile needs what the raw observations tell."""
        return reads(self._profile)

    @property
    def running(self) -> Int64Array:
        """Index of the action that each agent is at (n, 5), Sleep before the first."""
        return self._now.running

    def branch(self, rows: npt.NDArray[np.int64]) -> Features:
        """The same for copies of some environments (m), with what is remembered of them."""
        twin = copy.copy(self)
        twin._now = self._now.branch(rows)
        twin.shapes = [(members, len(rows), width) for members, _, width in self.shapes]
        return twin


def _members(
    array: npt.NDArray[Any],
    group: tuple[int, ...],
    offsets: tuple[int, ...],
    widths: tuple[int, ...],
) -> npt.NDArray[Any]:
    """A group's columns of (n, total) as (members, n, width)."""
    start, width = offsets[group[0]], widths[group[0]]
    part = array[:, start : start + width * len(group)]
    return part.reshape(len(array), len(group), width).transpose(1, 0, 2)


_FADED: Final = 4096


def _fading(decay: float) -> Float32Array:
    """Trace of an alert by steps since: 1, times `decay` per step, until it changes no more."""
    factors = np.full(_FADED, decay, np.float32)
    factors[0] = 1
    return np.multiply.accumulate(factors)


_PROCESS_TRACE: Final = _fading(0.9)
_CONNECTION_TRACE: Final = _fading(0.95)
_DECOY_SHARE: Final = np.minimum(
    np.add.accumulate(np.array([0, *[1 / _MAX_DECOYS] * _MAX_DECOYS], np.float32)), np.float32(1)
)


_RAW_ENTRIES: Final = len(_ADDED["raw"].host)
_IMPACT: Final = np.ascontiguousarray(-TABLE[:, :, RIA]).astype(np.int64)


@STORE.keep
@njit(nogil=True)
def _write_memory(now: Knowledge, first: int, out: Float32Array) -> None:
    """Write the memory entries of the agents from `first` on: out (members, n, width)."""
    for member in range(out.shape[0]):
        start, end = SLOT_START[first + member], SLOT_START[first + member + 1]
        hosts = end - start
        for e in range(out.shape[1]):
            step, entries = now.clock[e], out[member, e]
            for host in range(hosts):
                slot = start + host
                restored = now.restored_at[e, slot]
                process, connection = now.process_at[e, slot], now.connection_at[e, slot]
                alerted = process >= restored
                entries[host] = now.exists[e, slot]
                entries[hosts + host] = alerted
                entries[2 * hosts + host] = (
                    _PROCESS_TRACE[min(step - process, _FADED - 1)] if alerted else np.float32(0)
                )
                entries[3 * hosts + host] = (
                    _CONNECTION_TRACE[min(step - connection, _FADED - 1)]
                    if connection >= restored
                    else np.float32(0)
                )
                entries[4 * hosts + host] = np.float32(
                    min(step - restored, _MAX_STALENESS)
                ) * np.float32(0.01)
                entries[5 * hosts + host] = now.removed_at[e, slot] > max(restored, process)
                entries[6 * hosts + host] = _DECOY_SHARE[min(now.decoys[e, slot], _MAX_DECOYS)]
            entries[7 * hosts] = step / _CLOCK


@STORE.keep
@njit(nogil=True)
def _write_raw(now: Knowledge, first: int, out: Float32Array) -> None:
    """Write the entries of ``raw`` of the agents from `first` on: out (members, n, width)."""
    for member in range(out.shape[0]):
        agent = first + member
        for e in range(out.shape[1]):
            _write_agent(now, e, agent, out[member, e])


@njit(nogil=True)
def _write_agent(now: Knowledge, e: int, agent: int, entries: Float32Array) -> None:
    # One loop with all in it: handing `now` to a function takes longer than a host's entries.
    start, width = SLOT_START[agent], SLOT_START[agent + 1] - SLOT_START[agent]
    step, phase, most_sources = now.clock[e], now.phase_of[e, agent], now.most_sources[e, agent]
    hosts, scanned = scanned_hosts(now, e, agent)
    left = steps_left(now, e, agent)
    sources, zone, stakes = 0, NONE, 0.0
    for host in range(width):
        slot = start + host
        of_host = entries[host::width]  # every `width`-th entry is of this host
        source = now.source_from[e, slot]
        is_source = source != FAR
        sources += is_source
        if not now.exists[e, slot]:
            of_host[:_RAW_ENTRIES] = 0
            continue
        if SLOT_ZONE[slot] != zone:
            zone = SLOT_ZONE[slot]
            stakes = stakes_of(now, e, agent, zone) / 100
        restored, removed = now.restored_at[e, slot], now.removed_at[e, slot]
        exploit, analysed = now.exploited_at[e, slot], now.analysed_at[e, slot]
        was_exploited = removed > restored
        danger = count(now.targets[e, slot] & scanned) / max(1, hosts)
        of_host[0] = 1.0
        of_host[1] = SLOT_IS_USER[slot]
        of_host[2] = exploit >= max(restored, removed)
        of_host[3] = _PROCESS_TRACE[min(step - exploit, _FADED - 1)] if exploit >= restored else 0.0
        of_host[4] = was_exploited
        of_host[5] = now.rooted[e, slot]
        of_host[6] = now.listed[e, slot] == 0 and exploit < analysed
        of_host[7] = is_source
        of_host[8] = min(step - source, _MAX_STALENESS) / 100 if is_source else 0.0
        of_host[9] = is_source and exploit >= restored and source - exploit < _SOON
        of_host[10] = now.first[e, slot]
        of_host[11] = now.stale[e, slot]
        of_host[12] = (was_exploited and analysed < removed) or (is_source and analysed <= source)
        of_host[13] = now.scanned_from_at[e, slot] > exploit
        of_host[14] = danger
        of_host[15] = danger / max(1, most_sources) * left / 100
        of_host[16] = min((step - max(analysed, restored)) / 20, 5.0)
        of_host[17] = min(step - restored, _MAX_STALENESS) / 100
        of_host[18] = _DECOY_SHARE[min(now.decoys[e, slot], _MAX_DECOYS)]
        of_host[19] = now.ports[e, slot] & EXPLOITED_PORTS == EXPLOITED_PORTS
        of_host[20] = stakes
        of_host[21] = _IMPACT[phase, zone] / 10
        of_host[22] = IS_GATE[slot]
    at = _RAW_ENTRIES * width
    entries[at] = now.called[e, agent]
    entries[at + 1] = sources / 10
    entries[at + 2] = most_sources / 10
    entries[at + 3] = hosts / 50
    entries[at + 4] = step / _CLOCK


_WRITE: Final = {"memory": _write_memory, "raw": _write_raw}
"""What writes the entries of a profile."""
