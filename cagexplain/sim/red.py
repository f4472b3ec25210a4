"""Red's actions."""

import numpy as np

from cagexplain.cc4.agents import BLUE_OF_HOST, N_RED
from cagexplain.cc4.network import (
    FIRST_USER_SLOT,
    HOST_ZONE,
    HOSTS_PER_ZONE,
    INFO_LINKS,
    N_ZONES,
    ROUTER_PATH,
    router_of,
    server,
)
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.cc4.services import (
    BRUTE_FORCE_ATTEMPTS,
    DEGRADE_STEP,
    EXPLOIT_WEIGHT,
    PORT,
    PORT_BITS,
    Exploit,
    Service,
)
from cagexplain.sim import hosts, rng, sessions
from cagexplain.sim.jit import jit
from cagexplain.sim.state import NAMED, RED_SESSION, SIGHTED, WITH_SESSION, Event, RecordStatus
from cagexplain.sim.types import Record

_DISCOVER = int(RedAction.DISCOVER_SYSTEMS)
_AGGRESSIVE = int(RedAction.AGGRESSIVE_SCAN)
_STEALTH = int(RedAction.STEALTH_SCAN)
_DECEPTION = int(RedAction.DISCOVER_DECEPTION)
_EXPLOIT = int(RedAction.EXPLOIT)
_ESCALATE = int(RedAction.ESCALATE)
_IMPACT = int(RedAction.IMPACT)
_DEGRADE = int(RedAction.DEGRADE)

_SUCCESS, _FAILURE, _DROPPED = int(Outcome.SUCCESS), int(Outcome.FAILURE), int(Outcome.DROPPED)
_TRUE, _FALSE = int(RecordStatus.TRUE), int(RecordStatus.FALSE)
_IN_PROGRESS = int(RecordStatus.IN_PROGRESS)

_SCAN, _PROBED = int(Event.SCAN), int(Event.DECOY_PROBED)
_DECOY_EXPLOITED = int(Event.DECOY_EXPLOITED)
_PATH, _BRUTE_FORCE = int(Event.BRUTE_FORCE_PATH), int(Event.BRUTE_FORCE)

_OTSERVICE, _MYSQLD = int(Service.OTSERVICE), int(Service.MYSQLD)
_APACHE2 = int(Service.APACHE2)
_22, _80, _443, _25, _3390 = [PORT_BITS[port] for port in (22, 80, 443, 25, 3390)]
_SSH_PORT = 22

_HTTP, _HTTPS = int(Exploit.HTTP_RFI), int(Exploit.HTTPS_RFI)
_SSH, _SQL = int(Exploit.SSH_BRUTE_FORCE), int(Exploit.SQL_INJECTION)
_N_EXPLOITS = len(Exploit)
_WEIGHT = EXPLOIT_WEIGHT

_FIRST_SERVER = server(0)
_ROUTER = np.array([router_of(zone) for zone in range(N_ZONES)], dtype=np.int64)
_CMD_FILE, _ESCALATE_FILE = 0, 1


def _info_links() -> np.ndarray:
    table = np.full((N_ZONES, 3), -1, dtype=np.int64)
    for zone, partners in INFO_LINKS.items():
        table[zone, : len(partners)] = [server(other) for other in partners]
    return table


_LINKED = _info_links()


@jit
def tick(s: Record) -> int:
    """Counts running actions down, finds out which are due and which of these are dropped because
    their session does not exist; returns the number of dropped ones.

    A busy agent observes IN_PROGRESS, an agent without an action (inactive) a Sleep.
    """
    n_dropped = 0
    for agent in range(N_RED):
        s.red_done[agent] = -1
        s.red_outcome[agent] = 0
        s.red_done_host[agent] = -1
        s.red_done_zone[agent] = -1
        s.red_done_source[agent] = -1
        s.red_detected[agent] = False
        s.red_exploit[agent] = -1
        if s.red_action[agent] < 0:
            continue
        s.red_left[agent] -= 1
        if s.red_left[agent] >= 1:
            s.record_status[agent] = _IN_PROGRESS
            continue
        s.red_done[agent] = s.red_action[agent]
        s.red_done_host[agent] = s.red_host[agent]
        s.red_done_zone[agent] = s.red_zone[agent]
        s.red_action[agent] = -1
        source = sessions.find(s, agent, s.red_session[agent])
        if source < 0:
            s.red_outcome[agent] = _DROPPED
            n_dropped += 1
        else:
            s.red_done_source[agent] = s.ses[source].host
    return n_dropped


@jit
def act(s: Record, prm: Record) -> None:
    """Executes the due actions in agent order. The source session is looked up again: blue may have
    ended it earlier in this step."""
    for agent in range(N_RED):
        action = s.red_done[agent]
        if action < 0 or s.red_outcome[agent] == _DROPPED:
            continue
        host = s.red_done_host[agent]
        source = sessions.find(s, agent, s.red_session[agent])
        first_event = s.event_n
        success = _perform(s, prm, agent, action, host, source)
        for n in range(first_event, s.event_n):
            if BLUE_OF_HOST[s.events[n].host] >= 0:
                s.red_detected[agent] = True
        s.red_outcome[agent] = _SUCCESS if success else _FAILURE
        s.record_status[agent] = _TRUE if success else _FALSE
        s.record_action[agent] = action
        s.record_host[agent] = host
        s.record_zone[agent] = s.red_done_zone[agent]


@jit
def _perform(s: Record, prm: Record, agent: int, action: int, host: int, source: int) -> bool:
    if action == _DISCOVER:
        return _discover_systems(s, agent, s.red_done_zone[agent], source)
    if action == _AGGRESSIVE:
        return _scan(s, agent, host, source, prm.aggressive_detection)
    if action == _STEALTH:
        return _scan(s, agent, host, source, prm.stealth_detection)
    if action == _DECEPTION:
        return _discover_deception(s, prm, agent, host, source)
    if action == _EXPLOIT:
        return _exploit(s, prm, agent, host, source)
    if action == _ESCALATE:
        return _escalate(s, agent, host, source)
    if action == _IMPACT:
        return _impact(s, agent, host, source)
    if action == _DEGRADE:
        return _degrade(s, agent, host)
    return _withdraw(s, agent, host, source)


@jit
def _blocked(s: Record, source: int, host: int) -> bool:
    """Blocks stop scans and exploits in one direction; only the end zones count."""
    zone, source_zone = HOST_ZONE[host], HOST_ZONE[s.ses[source].host]
    return s.blocks[zone, source_zone] != 0


@jit
def _discover_systems(s: Record, agent: int, zone: int, source: int) -> bool:
    """Reveals all user hosts and servers of a zone, from any session, through any block, unseen."""
    if source < 0:
        return False
    first = zone * HOSTS_PER_ZONE
    for host in range(first + FIRST_USER_SLOT, first + HOSTS_PER_ZONE):
        if s.exists[host]:
            sessions.sight(s, agent, host, SIGHTED)
    return True


@jit
def _scan(s: Record, agent: int, host: int, source: int, detection: float) -> bool:
    """Notes the ports a host listens on, in this session only. One draw decides whether all of them
    raise an event; a decoy's port always does."""
    if source < 0 or not s.ses[source].abstract or _blocked(s, source, host):
        return False
    detected = rng.uniform(s.rng) <= detection
    from_host = s.ses[source].host
    for k in range(s.n_real[host]):
        service = s.svc_order[host, k]
        if detected and hosts.is_active(s, host, service):
            port = hosts.ephemeral_port(s, host)
            hosts.connection_event(s, _SCAN, host, from_host, PORT[service], port, 1)
    node = s.proc_head[host]
    while node >= 0:
        kind = s.proc_kind[node]
        if kind != RED_SESSION:
            port = hosts.ephemeral_port(s, host)
            hosts.connection_event(s, _SCAN, host, from_host, PORT[kind], port, 1)
        node = s.proc_next[node]
    s.ses_ports[source, host] = hosts.listening_ports(s, host)
    sessions.sight(s, agent, host, SIGHTED)
    return True


@jit
def _probe(s: Record, prm: Record, decoy: bool) -> bool:
    """Whether DiscoverDeception flags one process, rightly or wrongly. The second number is drawn
    even where it cannot matter."""
    if rng.uniform(s.rng) <= prm.deception_true_positive and decoy:
        return True
    return rng.uniform(s.rng) <= prm.deception_false_positive and not decoy


@jit
def _discover_deception(s: Record, prm: Record, agent: int, host: int, source: int) -> bool:
    """Probes every process of a host. The findings are never used (they are stored under names and
    looked up under addresses); all that lasts is the host's name."""
    if source < 0:
        return False
    flagged = False
    for _ in range(hosts.count_processes(s, host)):
        flagged |= _probe(s, prm, False)
    node = s.proc_head[host]
    while node >= 0:
        flagged |= _probe(s, prm, s.proc_kind[node] != RED_SESSION)
        node = s.proc_next[node]
    if flagged:
        sessions.sight(s, agent, host, NAMED)
    return True


@jit
def _option(ports: int, exploit: int) -> bool:
    """Whether the ports found by the scan make an exploit an option."""
    if exploit == _HTTP:
        return ports & _80 != 0
    if exploit == _HTTPS:
        return ports & _443 != 0
    if exploit == _SSH:
        return ports & _22 != 0
    if exploit == _SQL:
        return ports & _3390 != 0 and ports & (_80 | _443) != 0
    return ports & _25 != 0


@jit
def _select_exploit(s: Record, ports: int) -> int:
    """A single option is taken. Of several, the one of the largest weight never is; the others are
    equally likely."""
    n = 0
    heaviest = -1
    for exploit in range(_N_EXPLOITS):
        if _option(ports, exploit):
            n += 1
            if heaviest < 0 or _WEIGHT[exploit] > _WEIGHT[heaviest]:
                heaviest = exploit
    if n == 1:
        return heaviest
    pick = rng.below(s.rng, n - 1)
    rng.uniform(s.rng)  # drawn and not used by the original
    for exploit in range(_N_EXPLOITS):
        if exploit != heaviest and _option(ports, exploit):
            if pick == 0:
                return exploit
            pick -= 1
    return heaviest


@jit
def _exploit(s: Record, prm: Record, agent: int, host: int, source: int) -> bool:
    """Uses what *this* session found out about the host when it scanned it, however long ago."""
    if source < 0 or not s.ses[source].abstract or _blocked(s, source, host):
        return False
    ports = s.ses_ports[source, host]
    if ports == 0:
        return False
    exploit = _select_exploit(s, ports)
    s.red_exploit[agent] = exploit
    if exploit == _SSH:
        return _brute_force(s, prm, agent, host, source)
    if exploit == _SQL:
        return _sql_injection(s, prm, agent, host, source)
    if exploit == _HTTP:
        return _file_inclusion(s, agent, host, source, _80)
    return _file_inclusion(s, agent, host, source, _443)


@jit
def _open_session(s: Record, agent: int, host: int, source: int, port: int) -> int:
    """The new session of a successful exploit: plain, user level. Returns its slot."""
    s.exploit_pid[agent] = s.proc_pid[s.ses[source].process]
    s.exploit_port[agent] = port
    slot = sessions.create(s, agent, host, hosts.new_pid(s, host), False)
    s.ses[slot].exploited = True
    hosts.leave_file(s, host, _CMD_FILE)
    sessions.sight(s, agent, host, NAMED | WITH_SESSION)
    sessions.sight(s, agent, s.ses[source].host, SIGHTED)
    return slot


@jit
def _path_event(s: Record, prm: Record, on_host: int, target: int, from_host: int) -> None:
    """Each host on the path of a brute force notices it with the detection probability."""
    if 1.0 - prm.exploit_detection < rng.uniform(s.rng):
        hosts.connection_event(s, _PATH, on_host, from_host, target, _SSH_PORT, 1)


@jit
def _brute_force(s: Record, prm: Record, agent: int, host: int, source: int) -> bool:
    """SSH: always works, and shows on the target; mostly on the source and the way too."""
    from_host = s.ses[source].host
    _path_event(s, prm, from_host, host, from_host)
    if from_host != host:
        from_zone, zone = HOST_ZONE[from_host], HOST_ZONE[host]
        k = 0
        while k < N_ZONES and ROUTER_PATH[from_zone, zone, k] >= 0:
            _path_event(s, prm, _ROUTER[ROUTER_PATH[from_zone, zone, k]], host, from_host)
            k += 1
        _path_event(s, prm, host, host, from_host)
    port = hosts.ephemeral_port(s, host)
    hosts.connection_event(s, _BRUTE_FORCE, host, from_host, _SSH_PORT, port, BRUTE_FORCE_ATTEMPTS)
    slot = _open_session(s, agent, host, source, port)
    hosts.session_event(s, host, from_host, s.proc_pid[s.ses[slot].process], port)
    return True


@jit
def _sql_injection(s: Record, prm: Record, agent: int, host: int, source: int) -> bool:
    """Works on every MySQL server that still runs; the new session is detected mostly."""
    if not hosts.runs(s, host, _MYSQLD):
        return False
    rng.uniform(s.rng)  # compared with a success rate of 1
    port = hosts.ephemeral_port(s, host)
    slot = _open_session(s, agent, host, source, port)
    if rng.uniform(s.rng) > 1.0 - prm.exploit_detection:
        from_host = s.ses[source].host
        hosts.session_event(s, host, from_host, s.proc_pid[s.ses[slot].process], port)
    return True


@jit
def _file_inclusion(s: Record, agent: int, host: int, source: int, port_bit: int) -> bool:
    """HTTP or HTTPS: no genuine server is vulnerable, and a decoy raises events. The first web
    server in the process list is tried, so a genuine one shields the decoys behind it."""
    if port_bit == _80 and hosts.runs(s, host, _APACHE2):
        sessions.sight(s, agent, host, SIGHTED)
        return False
    node = hosts.first_decoy_on(s, host, port_bit)
    if node < 0:
        return False
    from_host = s.ses[source].host
    port = PORT[s.proc_kind[node]]
    probe_port = hosts.ephemeral_port(s, host)
    hosts.connection_event(s, _PROBED, host, from_host, port, probe_port, 1)
    rng.uniform(s.rng)  # compared with a success rate of 1
    local_port = hosts.ephemeral_port(s, host)
    remote_port = hosts.ephemeral_port(s, host)
    hosts.connection_event(s, _DECOY_EXPLOITED, host, from_host, local_port, remote_port, 1)
    sessions.sight(s, agent, host, SIGHTED)
    return False


@jit
def _escalate(s: Record, agent: int, host: int, source: int) -> bool:
    """Raises one of the agent's sessions on the host to root; root on a zone's first server reveals
    the first servers of linked zones."""
    n = sessions.count_on(s, agent, host)
    if n == 0:
        return False
    if sessions.find_root_on(s, agent, host) < 0:
        pick = rng.below(s.rng, n)
        if source < 0 or not s.ses[source].abstract:
            return False
        for k in range(s.map_n[agent]):
            slot = s.map_slot[k, agent]
            if s.ses[slot].host == host:
                if pick == 0:
                    sessions.make_root(s, slot)
                    break
                pick -= 1
        hosts.leave_file(s, host, _ESCALATE_FILE)
    if source >= 0:
        sessions.sight(s, agent, host, NAMED)
        zone = HOST_ZONE[host]
        if host == zone * HOSTS_PER_ZONE + _FIRST_SERVER:
            for k in range(_LINKED.shape[1]):
                if _LINKED[zone, k] >= 0:
                    sessions.sight(s, agent, _LINKED[zone, k], NAMED)
    return True


@jit
def _impact(s: Record, agent: int, host: int, source: int) -> bool:
    """Stops the OT service until Restore. The penalty does not ask whether it succeeded."""
    if source < 0 or sessions.find_root_on(s, agent, host) < 0:
        return False
    if not hosts.runs(s, host, _OTSERVICE):
        return False
    s.ot_stopped[host] = True
    sessions.sight(s, agent, host, NAMED)
    return True


@jit
def _degrade(s: Record, agent: int, host: int) -> bool:
    """Takes reliability from every active service, decoys included. The source plays no part."""
    if sessions.find_root_on(s, agent, host) < 0:
        return False
    for k in range(s.svc_n[host]):
        service = s.svc_order[host, k]
        if hosts.is_active(s, host, service):
            s.svc_reliability[host, service] = max(
                0, s.svc_reliability[host, service] - DEGRADE_STEP
            )
    sessions.sight(s, agent, host, NAMED)
    return True


@jit
def _withdraw(s: Record, agent: int, host: int, source: int) -> bool:
    """Ends all sessions of the agent on a host. No official variant ever chooses it."""
    if source < 0 or sessions.count_on(s, agent, host) == 0:
        return False
    k = 0
    while k < s.map_n[agent]:
        slot = s.map_slot[k, agent]
        if s.ses[slot].host == host:
            sessions.delete(s, slot)
        else:
            k += 1
    return True
