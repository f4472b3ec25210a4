"""Subnets, host slots, physical links and info links of CC4.

Hosts have fixed slots, so that an index means the same host name in every world; which slots exist
differs from world to world. ``host = zone * HOSTS_PER_ZONE + slot`` with slot 0 the router, slots
1..10 user hosts 0..9 and slots 11..16 servers 0..5; the last index is the internet host. Ascending
index is CybORG's generation order, the order of every list of hosts in the simulator.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

ZONES: Final = (
    "restricted_zone_a_subnet",
    "operational_zone_a_subnet",
    "restricted_zone_b_subnet",
    "operational_zone_b_subnet",
    "contractor_network_subnet",
    "public_access_zone_subnet",
    "admin_network_subnet",
    "office_network_subnet",
    "internet_subnet",
)
"""Subnet names in generation order; a zone id is an index into this tuple."""

ZONE_SHORT: Final = ("RZA", "OZA", "RZB", "OZB", "CON", "PAZ", "ADM", "OFF", "INT")
RZA, OZA, RZB, OZB, CON, PAZ, ADM, OFF, INT = range(9)

N_ZONES: Final = 9
N_REAL_ZONES: Final = 8
"""Zones with generated hosts: all but the internet."""

ALPHABETICAL: Final = tuple(sorted(range(N_ZONES), key=lambda zone: ZONES[zone]))
"""Zone ids in alphabetical order of their names, the order of the blue wrappers."""

OPERATIONAL_ZONES: Final = (OZA, OZB)

MIN_USERS: Final = 3
MAX_USERS: Final = 10
MIN_SERVERS: Final = 1
MAX_SERVERS: Final = 6
ROUTER_SLOT: Final = 0
FIRST_USER_SLOT: Final = 1
FIRST_SERVER_SLOT: Final = FIRST_USER_SLOT + MAX_USERS
HOSTS_PER_ZONE: Final = 1 + MAX_USERS + MAX_SERVERS
INTERNET_HOST: Final = N_REAL_ZONES * HOSTS_PER_ZONE
N_HOSTS: Final = INTERNET_HOST + 1

ROUTER, USER, SERVER, INTERNET = range(4)
KIND_NAMES: Final = ("router", "user", "server", "internet")

N_CIDR_BLOCKS: Final = 256
"""Size of the pool of /24 networks, 10.0.0.0/24 to 10.0.255.0/24."""
USABLE_ADDRESSES: Final = 254


def _slot_name(slot: int) -> str:
    if slot == ROUTER_SLOT:
        return "router"
    if slot < FIRST_SERVER_SLOT:
        return f"user_host_{slot - FIRST_USER_SLOT}"
    return f"server_host_{slot - FIRST_SERVER_SLOT}"


def _slot_kind(slot: int) -> int:
    if slot == ROUTER_SLOT:
        return ROUTER
    return USER if slot < FIRST_SERVER_SLOT else SERVER


HOST_NAMES: Final = (
    *(f"{ZONES[z]}_{_slot_name(s)}" for z in range(N_REAL_ZONES) for s in range(HOSTS_PER_ZONE)),
    "root_internet_host_0",
)

HOST_KIND: Final[npt.NDArray[np.int8]] = np.array(
    [_slot_kind(s) for _ in range(N_REAL_ZONES) for s in range(HOSTS_PER_ZONE)] + [INTERNET],
    dtype=np.int8,
)
"""Per host index: ROUTER, USER, SERVER or INTERNET."""

HOST_ZONE: Final[npt.NDArray[np.int8]] = np.array(
    [z for z in range(N_REAL_ZONES) for _ in range(HOSTS_PER_ZONE)] + [INT], dtype=np.int8
)
"""Per host index: its zone id."""

_INDEX_OF_NAME: Final = {name: index for index, name in enumerate(HOST_NAMES)}


def host_name(host: int) -> str:
    """Full CybORG name of a host index."""
    return HOST_NAMES[host]


def host_index(name: str) -> int:
    """Host index of a full CybORG host name; ``KeyError`` if CC4 has no such name."""
    return _INDEX_OF_NAME[name]


def zone_of(host: int) -> int:
    """Zone id of a host index."""
    return int(HOST_ZONE[host])


def router_of(zone: int) -> int:
    """Host index of a zone's router; the internet's only host stands for its router."""
    return INTERNET_HOST if zone == INT else zone * HOSTS_PER_ZONE + ROUTER_SLOT


def server(zone: int, number: int = 0) -> int:
    """Host index of ``server_host_<number>`` of a zone."""
    return zone * HOSTS_PER_ZONE + FIRST_SERVER_SLOT + number


def user(zone: int, number: int = 0) -> int:
    """Host index of ``user_host_<number>`` of a zone."""
    return zone * HOSTS_PER_ZONE + FIRST_USER_SLOT + number


ROUTER_LINKS: Final = (
    (INT, RZA),
    (INT, RZB),
    (INT, CON),
    (INT, PAZ),
    (RZA, OZA),
    (RZB, OZB),
    (PAZ, ADM),
    (PAZ, OFF),
)
"""Links between routers. The graph is a tree: exactly one path joins any two hosts."""


def _router_paths() -> npt.NDArray[np.int8]:
    parent = {child: mother for mother, child in ROUTER_LINKS}

    def to_root(zone: int) -> list[int]:
        return [zone] if zone == INT else [zone, *to_root(parent[zone])]

    paths = np.full((N_ZONES, N_ZONES, N_ZONES), -1, dtype=np.int8)
    for a in range(N_ZONES):
        for b in range(N_ZONES):
            up, down = to_root(a), to_root(b)
            meet = next(zone for zone in up if zone in down)
            path = [*up[: up.index(meet) + 1], *reversed(down[: down.index(meet)])]
            paths[a, b, : len(path)] = path
    return paths


ROUTER_PATH: Final = _router_paths()
"""``int8[9, 9, 9]``: zones whose routers lie on the path between two zones, ends included,
padded with -1. Inside one zone the path crosses that zone's router."""

INFO_LINKS: Final[dict[int, tuple[int, ...]]] = {
    CON: (RZA, RZB, PAZ),
    RZA: (OZA, CON),
    OZA: (RZA,),
    RZB: (OZB, CON),
    OZB: (RZB,),
    PAZ: (CON, ADM, OFF),
    ADM: (PAZ,),
    OFF: (PAZ,),
}
"""Zones whose ``server_host_0`` becomes known to red when it has root on a zone's
``server_host_0``, in host order."""
