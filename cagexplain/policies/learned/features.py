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
"""

from __future__ import annotations

import copy
from itertools import groupby
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.agents import BLUE, BLUE_ZONES, N_BLUE
from cagexplain.cc4.layout import CONNECTION, PROCESS, SLOT_START
from cagexplain.common.arrays import Float32Array, Int64Array
from cagexplain.policies.jit import STORE, njit
from cagexplain.policies.knowledge import Knowledge

GROUPS: Final[tuple[tuple[int, ...], ...]] = tuple(
    tuple(members)
    for _, members in groupby(
        range(N_BLUE), key=lambda agent: (observations.SIZES[agent], actions.SIZES[agent])
    )
)
"""Agents of equal observation and action layouts, which can share a batched product."""

Profile = Literal["flat", "memory"]
PROFILES: Final[tuple[str, ...]] = get_args(Profile)
_MEMORY_NAMES: Final = (
    "existence of",
    "process alert since the last Restore of",
    "fading trace of process alerts on",
    "fading trace of connection alerts on",
    "steps since the last Restore of",
    "Remove since the last process alert on",
    "decoys on",
)
"""Of the entries per host, in their order."""
_MEMORY_UNITS: Final = (1, 1, 1, 1, 100, 1, 3)
_HOST_ENTRIES: Final = len(_MEMORY_NAMES)
_MAX_STALENESS: Final = 500
_MAX_DECOYS: Final = 3
_CLOCK: Final = 500.0


def sizes(profile: str) -> tuple[int, ...]:
    """Width of each agent's input under a profile."""
    if profile == "flat":
        return observations.SIZES
    return tuple(
        observations.SIZES[agent] + _HOST_ENTRIES * len(observations.HOSTS[agent]) + 1
        for agent in range(N_BLUE)
    )


def host_columns(profile: str, agent: int) -> npt.NDArray[np.int64]:
    """Which inputs tell about each of an agent's hosts: (hosts, inputs per host)."""
    slots = slice(SLOT_START[agent], SLOT_START[agent + 1])
    bits = np.stack([PROCESS[slots], CONNECTION[slots]], axis=1) - observations.OFFSETS[agent]
    if profile == "flat":
        return bits
    hosts = len(bits)
    memory = np.arange(_HOST_ENTRIES * hosts).reshape(_HOST_ENTRIES, hosts).T
    return np.hstack([bits, observations.SIZES[agent] + memory])


def global_columns(profile: str, agent: int) -> npt.NDArray[np.int64]:
    """Which of an agent's inputs are about no host, link or message: the mission phase, and what a
    profile adds for the whole, such as the clock."""
    added = np.arange(observations.SIZES[agent], sizes(profile)[agent])
    of_hosts = host_columns(profile, agent)
    return np.concatenate([[observations.PHASE], np.setdiff1d(added, of_hosts)])


def exists_column(profile: str) -> int:
    """Which of the columns of `host_columns` tells that the host exists; -1 if none does."""
    return -1 if profile == "flat" else 2


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
    if profile == "memory":
        named += [f"{entry} {host}" for entry in _MEMORY_NAMES for host in hosts]
        named.append("clock (steps of the episode)")
    return tuple(named)


def units(profile: str, agent: int) -> npt.NDArray[np.float64]:
    """What a 1 stands for in each entry of an agent's input, such as 100 of the named steps."""
    scale = np.ones(sizes(profile)[agent])
    if profile == "memory":
        hosts = len(observations.HOSTS[agent])
        scale[observations.SIZES[agent] : -1] = np.repeat(_MEMORY_UNITS, hosts)
        scale[-1] = _CLOCK
    return scale


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

    The mission phase (and the clock of ``memory``) is the same for all agents, and each message
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
        if profile == "memory":
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
    ) -> None:
        """Write the inputs of this step to `out`, per group (members, n, width).

        Args:
            obs: (n, 578), the agents' vectors side by side.
            mask: (n, 570), the agents' action masks side by side.
            free: (n, 5), the agents that are not busy.
            out: as `empty` makes them.
        """
        remembers = self._profile == "memory"
        if remembers:  # flat inputs need nothing of it
            self._now.observe(obs, mask, free)
        for group, tensor in zip(GROUPS, out, strict=True):
            target = tensor.numpy()
            vectors = _members(obs, group, observations.OFFSETS, observations.SIZES)
            width = vectors.shape[-1]
            target[..., :width] = vectors
            if remembers:
                _write_memory(self._now, group[0], target[..., width:])

    def acted(self, chosen: npt.NDArray[np.int64], free: npt.NDArray[np.bool_]) -> None:
        """Remember what was chosen ``int64[n, 5]`` by those that were free ``bool[n, 5]``."""
        self._now.acted(chosen, free)

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
            entries[_HOST_ENTRIES * hosts] = step / _CLOCK
