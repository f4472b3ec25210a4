"""What comes back to blue: flat observations and action masks."""

import numpy as np

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.network import (
    ALPHABETICAL,
    FIRST_SERVER_SLOT,
    FIRST_USER_SLOT,
    HOSTS_PER_ZONE,
    MAX_SERVERS,
    MAX_USERS,
    N_ZONES,
)
from cagexplain.cc4.observations import (
    BLOCK,
    BLOCKED,
    CONNECTION,
    MESSAGE_BITS,
    ONE_HOT,
    POLICY,
    PROCESS,
)
from cagexplain.cc4.phases import COMMS_POLICY
from cagexplain.sim.jit import jit
from cagexplain.sim.types import Array, Record

_OFFSET = np.array(observations.OFFSETS)
_RANKED = np.array(ALPHABETICAL)
_ZONE_COUNT = np.array([len(zones) for zones in BLUE_ZONES])
_ZONE = np.array([[*zones, *[-1] * (3 - len(zones))] for zones in BLUE_ZONES])
_POLICY = np.ascontiguousarray(COMMS_POLICY[:, :, list(ALPHABETICAL)])
"""Policy rows in the order in which they are shown."""

_ACTION_HOST = np.concatenate(actions.HOST)


@jit
def write_mask(s: Record, mask: Array) -> None:
    """Valid actions, mask ``bool[570]``: all but those on hosts that do not exist. Fixed for an
    episode.
    """
    for k in range(mask.size):
        host = _ACTION_HOST[k]
        mask[k] = host < 0 or s.exists[host]


@jit
def write(s: Record, obs: Array) -> None:
    """The five vectors, side by side: obs ``int8[578]``."""
    for agent in range(N_BLUE):
        start = _OFFSET[agent]
        obs[start] = s.phase
        for j in range(_ZONE_COUNT[agent]):
            _write_zone(s, obs, start + 1 + BLOCK * j, _ZONE[agent, j])
        k = start + 1 + BLOCK * _ZONE_COUNT[agent]
        for sender in range(N_BLUE):
            if sender != agent:
                for bit in range(MESSAGE_BITS):
                    obs[k] = s.messages[sender, bit]
                    k += 1


@jit
def _write_zone(s: Record, obs: Array, start: int, zone: int) -> None:
    first = zone * HOSTS_PER_ZONE
    for k in range(N_ZONES):
        other = _RANKED[k]
        obs[start + ONE_HOT + k] = other == zone
        obs[start + BLOCKED + k] = s.blocks[zone, other]
        obs[start + POLICY + k] = _POLICY[s.phase, zone, k]
    # Servers come first, then users; each loop runs over neighbours and is vectorised.
    for k in range(MAX_SERVERS):
        host = first + FIRST_SERVER_SLOT + k
        obs[start + PROCESS + k] = s.process_events[host] > 0
        obs[start + CONNECTION + k] = s.connection_events[host] > 0
    for k in range(MAX_USERS):
        host = first + FIRST_USER_SLOT + k
        obs[start + PROCESS + MAX_SERVERS + k] = s.process_events[host] > 0
        obs[start + CONNECTION + MAX_SERVERS + k] = s.connection_events[host] > 0
