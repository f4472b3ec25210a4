"""Blue's observation layouts: 92 entries for agents 0 to 3, 210 for agent 4.

``[phase]``, then per own zone (alphabetical) a block of 59: which zone (9), blocked from (9),
should be blocked (9), malicious process per host (16), network connection per host (16); then 32
message bits, 8 from each other agent in ascending order. Zones alphabetical everywhere, hosts
servers 0..5 then users 0..9, as in CybORG's ``BlueFlatWrapper``.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.actions import SLOTS
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.network import ALPHABETICAL, HOSTS_PER_ZONE, N_ZONES, zone_of

HOSTS_PER_BLOCK: Final = len(SLOTS)
BLOCK: Final = 3 * N_ZONES + 2 * HOSTS_PER_BLOCK
"""Entries per zone."""
ONE_HOT, BLOCKED, POLICY = (i * N_ZONES for i in range(3))
PROCESS: Final = 3 * N_ZONES
CONNECTION: Final = PROCESS + HOSTS_PER_BLOCK
"""Offsets inside a zone's block."""

MESSAGE_BITS: Final = 8
N_MESSAGE_ENTRIES: Final = MESSAGE_BITS * (N_BLUE - 1)

PHASE: Final = 0
SIZES: Final = tuple(1 + BLOCK * len(zones) + N_MESSAGE_ENTRIES for zones in BLUE_ZONES)
OFFSETS: Final = tuple(int(sum(SIZES[:agent])) for agent in range(N_BLUE))
"""Where an agent's vector begins in the concatenation over agents."""
TOTAL: Final = sum(SIZES)

RANK: Final = tuple(ALPHABETICAL.index(zone) for zone in range(N_ZONES))
"""Position of a zone in the nine-entry groups."""

HOSTS: Final[tuple[npt.NDArray[np.int16], ...]] = tuple(
    np.array([zone * HOSTS_PER_ZONE + slot for zone in zones for slot in SLOTS], dtype=np.int16)
    for zones in BLUE_ZONES
)
"""Per agent: host index by position of its process (connection) bits, zone after zone."""


def slice_of(agent: int) -> slice:
    """An agent's part of the concatenated vector."""
    return slice(OFFSETS[agent], OFFSETS[agent] + SIZES[agent])


def block_start(agent: int, zone: int) -> int:
    """First entry of a zone's block in its agent's vector."""
    return 1 + BLOCK * BLUE_ZONES[agent].index(zone)


def process_bit(agent: int, host: int) -> int:
    """Entry that tells a malicious process event on a host, in its agent's vector."""
    return block_start(agent, zone_of(host)) + PROCESS + SLOTS.index(host % HOSTS_PER_ZONE)


def connection_bit(agent: int, host: int) -> int:
    """Entry that tells a network connection event on a host, in its agent's vector."""
    return block_start(agent, zone_of(host)) + CONNECTION + SLOTS.index(host % HOSTS_PER_ZONE)


def blocked_bit(agent: int, to_zone: int, from_zone: int) -> int:
    """Entry that tells that traffic ``from_zone`` -> ``to_zone`` (own) is blocked."""
    return block_start(agent, to_zone) + BLOCKED + RANK[from_zone]


def policy_bit(agent: int, to_zone: int, from_zone: int) -> int:
    """Entry that tells that this traffic should be blocked in the current phase."""
    return block_start(agent, to_zone) + POLICY + RANK[from_zone]


def message_slice(agent: int) -> slice:
    """The 32 message entries of an agent's vector."""
    return slice(SIZES[agent] - N_MESSAGE_ENTRIES, SIZES[agent])
