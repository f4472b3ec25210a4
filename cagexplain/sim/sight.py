"""What blue's raw observations tell beyond the flat vectors: see ``cc4.sightings``."""

import numpy as np

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE
from cagexplain.cc4.layout import N_SLOTS, SLOT_AGENT, SLOT_OF_HOST, SLOT_START
from cagexplain.cc4.services import FIRST_EPHEMERAL_PORT
from cagexplain.cc4.sightings import SSH_PORT, UNKNOWN
from cagexplain.sim.jit import entry, jit
from cagexplain.sim.state import Event
from cagexplain.sim.types import Array, Batch, Record

_EXPLOIT_SESSION = int(Event.EXPLOIT_SESSION)
_LOCAL_WORK = int(Event.LOCAL_WORK_FALSE_POSITIVE)
_ACCESS = int(Event.ACCESS_FALSE_POSITIVE)
_PATH = int(Event.BRUTE_FORCE_PATH)
_TELLS = (ActionKind.ANALYSE == actions.ALL_KIND) & actions.ACCEPTED
"""``bool[5, k]``: actions whose end tells of files, unless their host does not exist."""
_HOST = actions.ALL_HOST
_PLACE = np.arange(N_SLOTS) - SLOT_START[SLOT_AGENT]
"""Which of its agent's slots each slot is."""


@entry
def sight_batch(
    states: Batch,
    exploited: Array,
    scanned_by: Array,
    attacked_by: Array,
    outside: Array,
    passed_by: Array,
    listed: Array,
    decoy: Array,
    first: int,
    last: int,
) -> None:
    """Writes the sightings of environments first..last-1 into those of nothing.

    The arrays are the fields of ``Sightings`` of n environments: exploited ``bool[n, 112]``,
    scanned_by ``int64[n, 112]``, attacked_by ``int64[n, 112]``, outside ``bool[n, 112]``, passed_by
    ``int64[n, 5]``, listed ``int8[n, 5]``, decoy ``int8[n, 5]``.
    """
    for e in range(first, last):
        _results(states[e], listed[e], decoy[e])
        _events(states[e], exploited[e], scanned_by[e], attacked_by[e], outside[e], passed_by[e])


@jit
def _results(s: Record, listed: Array, decoy: Array) -> None:
    """What the actions told that have just ended."""
    for agent in range(N_BLUE):
        listed[agent], decoy[agent] = UNKNOWN, -1
        if s.step == 0:  # the observation after the reset tells of no action
            continue
        decoy[agent] = s.blue_decoy[agent]
        done = s.blue_done[agent]
        if done >= 0 and _TELLS[agent, done] and s.exists[_HOST[agent, done]]:
            files = 0
            for file in range(2):
                if s.blue_files[agent, file] > 0:
                    files |= 1 << file
            listed[agent] = files


@jit
def _events(
    s: Record,
    exploited: Array,
    scanned_by: Array,
    attacked_by: Array,
    outside: Array,
    passed_by: Array,
) -> None:
    """What the step's events told."""
    if s.step == 0:
        return
    for n in range(s.event_n):
        event = s.events[n]
        agent, slot = BLUE_OF_HOST[event.host], SLOT_OF_HOST[event.host]
        kind = event.kind
        if agent < 0 or kind in (_LOCAL_WORK, _ACCESS):
            continue
        if kind == _EXPLOIT_SESSION:
            if slot >= 0:
                exploited[slot] = True
            continue
        # In the event of a host on the path of a brute force, the local port's field holds the
        # target.
        port = -1 if kind == _PATH else event.local_port
        if port < 0 and event.remote_port != SSH_PORT:
            continue
        source = SLOT_OF_HOST[event.other]
        if source < 0 or SLOT_AGENT[source] != agent:
            if slot >= 0:
                outside[slot] = True
            continue
        bit = 1 << _PLACE[source]
        if slot < 0:
            passed_by[agent] |= bit
            continue
        attacked_by[slot] |= bit
        if 0 <= port < FIRST_EPHEMERAL_PORT:
            scanned_by[slot] |= bit
