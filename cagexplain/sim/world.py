"""World generation: what exists after a reset, drawn in CybORG's order."""

import numpy as np

from cagexplain.cc4.agents import BLUE_ZONES_DECLARED, N_BLUE, N_RED, RED_ZONES
from cagexplain.cc4.network import (
    FIRST_SERVER_SLOT,
    FIRST_USER_SLOT,
    HOSTS_PER_ZONE,
    INTERNET_HOST,
    N_CIDR_BLOCKS,
    N_REAL_ZONES,
    N_ZONES,
    OPERATIONAL_ZONES,
    ROUTER_SLOT,
    USABLE_ADDRESSES,
)
from cagexplain.cc4.services import (
    ADDONS,
    MAX_PID_INCREMENT,
    MAX_RELIABILITY,
    MAX_SERVICE_PID,
    MIN_SERVICE_PID,
    OS_NAMES,
    Service,
)
from cagexplain.sim import green, hosts, rng, sessions
from cagexplain.sim.jit import jit
from cagexplain.sim.state import NAMED, WITH_SESSION
from cagexplain.sim.types import Array, Record

_ADDONS = np.array(ADDONS, dtype=np.int64)
_N_ADDONS = len(ADDONS)
_N_OS = len(OS_NAMES)
_SSHD = int(Service.SSHD)
_OTSERVICE = int(Service.OTSERVICE)
_OPERATIONAL = np.array([zone in OPERATIONAL_ZONES for zone in range(N_ZONES)])
_N_PIDS = MAX_SERVICE_PID - MIN_SERVICE_PID + 1


def _padded(rows: tuple[tuple[int, ...], ...]) -> np.ndarray:
    width = max(len(row) for row in rows)
    return np.array([[*row, *[-1] * (width - len(row))] for row in rows], dtype=np.int64)


_BLUE_ZONES = _padded(BLUE_ZONES_DECLARED)
_RED_ZONES = _padded(RED_ZONES)
_N_BLUE_ZONES = np.array([len(zones) for zones in BLUE_ZONES_DECLARED])
_N_RED_ZONES = np.array([len(zones) for zones in RED_ZONES])


@jit
def _take(s: Record, free: Array, n_free: int) -> int:
    """Draws one of the entries that are still free, kept in ascending order."""
    k = rng.below(s.rng, n_free)
    for value in range(free.size):
        if free[value]:
            if k == 0:
                free[value] = False
                return value
            k -= 1
    return -1


@jit
def _highest(free: Array) -> int:
    """The highest entry that is still free."""
    value = free.size - 1
    while not free[value]:
        value -= 1
    free[value] = False
    return value


@jit
def _service_pid(s: Record, used: Array) -> int:
    """A pid that no process of this world has had yet."""
    while True:
        pid = rng.below(s.rng, _N_PIDS)
        if not used[pid]:
            used[pid] = True
            return MIN_SERVICE_PID + pid


@jit
def _add_service(s: Record, host: int, service: int, pid: int) -> None:
    s.services[host] |= 1 << service
    s.svc_order[host, s.svc_n[host]] = service
    s.svc_n[host] += 1
    s.svc_reliability[host, service] = MAX_RELIABILITY
    s.svc_pid[host, service] = pid
    s.base_pid[host] = max(s.base_pid[host], pid)


@jit
def _make_host(
    s: Record, host: int, address: int, with_services: bool, operational: bool, used_pids: Array
) -> None:
    """One host. Pids are drawn for all add-on services, chosen or not."""
    s.exists[host] = True
    s.ip[host] = address
    s.os[host] = rng.below(s.rng, _N_OS)
    if not with_services:
        return
    _add_service(s, host, _SSHD, _service_pid(s, used_pids))
    if operational:
        _add_service(s, host, _OTSERVICE, _service_pid(s, used_pids))
    pid_0 = _service_pid(s, used_pids)
    pid_1 = _service_pid(s, used_pids)
    pid_2 = _service_pid(s, used_pids)
    n_addons = rng.between(s.rng, 0, _N_ADDONS)
    remaining = 0b111
    for k in range(n_addons):
        pick = rng.below(s.rng, _N_ADDONS - k)
        for addon in range(_N_ADDONS):
            if remaining >> addon & 1:
                if pick == 0:
                    remaining &= ~(1 << addon)
                    pid = pid_0 if addon == 0 else pid_1 if addon == 1 else pid_2
                    _add_service(s, host, _ADDONS[addon], pid)
                    break
                pick -= 1
    for _ in range(s.svc_n[host]):
        # Meant to make some services vulnerable, but compared with a number it never exceeds.
        rng.uniform(s.rng)
    s.n_real[host] = s.svc_n[host]
    s.original_processes[host] = s.svc_n[host]


@jit
def _make_subnets(s: Record) -> None:
    free_blocks = np.ones(N_CIDR_BLOCKS, dtype=np.bool_)
    for zone in range(N_ZONES):
        s.cidr[zone] = _take(s, free_blocks, N_CIDR_BLOCKS - zone)


@jit
def _make_hosts(s: Record, prm: Record) -> None:
    used_pids = np.zeros(_N_PIDS, dtype=np.bool_)
    for zone in range(N_REAL_ZONES):
        free = np.ones(USABLE_ADDRESSES, dtype=np.bool_)
        first = zone * HOSTS_PER_ZONE
        operational = _OPERATIONAL[zone]
        address = 1 + _take(s, free, USABLE_ADDRESSES)
        _make_host(s, first + ROUTER_SLOT, address, False, operational, used_pids)
        s.n_users[zone] = rng.between(s.rng, prm.users_per_zone[0], prm.users_per_zone[1])
        for i in range(s.n_users[zone]):
            host = first + FIRST_USER_SLOT + i
            address = 1 + _take(s, free, USABLE_ADDRESSES - 1 - i)
            _make_host(s, host, address, True, operational, used_pids)
            s.green_host[s.n_green] = host
            s.n_green += 1
        servers = prm.servers_per_zone
        s.n_servers[zone] = rng.between(s.rng, servers[0], servers[1])
        for i in range(s.n_servers[zone]):
            address = 1 + _highest(free)
            _make_host(s, first + FIRST_SERVER_SLOT + i, address, True, operational, used_pids)
    address = 1 + rng.below(s.rng, USABLE_ADDRESSES)
    _make_host(s, INTERNET_HOST, address, False, False, used_pids)


@jit
def _zone_host(s: Record, zone: int, k: int, with_router: bool) -> int:
    """The k-th existing host of a zone in host order."""
    slot = ROUTER_SLOT if with_router else FIRST_USER_SLOT
    while True:
        host = zone * HOSTS_PER_ZONE + slot
        if s.exists[host]:
            if k == 0:
                return host
            k -= 1
        slot += 1


@jit
def _place_agents(s: Record) -> None:
    """Where blue's parent sessions and red's start knowledge lie."""
    for agent in range(N_BLUE):
        n_zones = _N_BLUE_ZONES[agent]
        rng.below(s.rng, n_zones)  # drawn and not used by the original
        n_hosts = 0
        for j in range(n_zones):
            zone = _BLUE_ZONES[agent, j]
            n_hosts += 1 + s.n_users[zone] + s.n_servers[zone]
        k = rng.below(s.rng, n_hosts)
        for j in range(n_zones):
            zone = _BLUE_ZONES[agent, j]
            size = 1 + s.n_users[zone] + s.n_servers[zone]
            if k < size:
                s.blue_parent[agent] = _zone_host(s, zone, k, True)
                break
            k -= size
    for agent in range(N_RED):
        zone = _RED_ZONES[agent, rng.below(s.rng, _N_RED_ZONES[agent])]
        k = rng.below(s.rng, s.n_users[zone] + s.n_servers[zone])
        s.red_start[agent] = _zone_host(s, zone, k, False)
        s.known_zone[agent, zone] = True


@jit
def _blue_session(s: Record, host: int) -> None:
    s.base_pid[host] += rng.between(s.rng, 1, MAX_PID_INCREMENT)
    s.blue_pid[host] = s.base_pid[host]
    s.original_processes[host] += 1


@jit
def _start_sessions(s: Record) -> None:
    """Initial sessions: blue (parent first, then by host), green, red agent 0."""
    for agent in range(N_BLUE):
        parent = s.blue_parent[agent]
        _blue_session(s, parent)
        for j in range(_N_BLUE_ZONES[agent]):
            first = _BLUE_ZONES[agent, j] * HOSTS_PER_ZONE
            for host in range(first, first + HOSTS_PER_ZONE):
                if s.exists[host] and host != parent:
                    _blue_session(s, host)
    for k in range(s.n_green):
        host = s.green_host[k]
        s.base_pid[host] += rng.between(s.rng, 1, MAX_PID_INCREMENT)
        s.green_pid[host] = s.base_pid[host]
        s.original_processes[host] += 1
    start = s.red_start[0]
    sessions.create(s, 0, start, hosts.new_pid(s, start), True)
    s.red_active[0] = True
    sessions.sight(s, 0, start, NAMED | WITH_SESSION)
    sessions.learn(s)


@jit
def generate(s: Record, prm: Record) -> None:
    """Makes a new world from the environment's generator, in a blank state."""
    _make_subnets(s)
    _make_hosts(s, prm)
    _place_agents(s)
    _start_sessions(s)
    green.update_reach(s)
