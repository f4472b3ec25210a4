"""Green users: what they choose, and their work."""

from cagexplain.cc4.green import GreenAction, GreenFailure
from cagexplain.cc4.network import (
    FIRST_SERVER_SLOT,
    FIRST_USER_SLOT,
    HOST_ZONE,
    HOSTS_PER_ZONE,
    N_HOSTS,
    N_REAL_ZONES,
)
from cagexplain.cc4.phases import GREEN_REACH
from cagexplain.cc4.reward import ASF, LWF, TABLE
from cagexplain.cc4.services import GREEN_ACCESS_PORT
from cagexplain.sim import hosts, rng, sessions
from cagexplain.sim.jit import jit
from cagexplain.sim.state import Event
from cagexplain.sim.types import Record

_ACCESS, _LOCAL_WORK = int(GreenAction.ACCESS), int(GreenAction.LOCAL_WORK)
_N_ACTIONS = len(GreenAction)
_DEGRADED = int(GreenFailure.SERVICE_DEGRADED)
_BLOCKED = int(GreenFailure.TRAFFIC_BLOCKED)
_ACCESS_FALSE_POSITIVE = int(Event.ACCESS_FALSE_POSITIVE)
_ACCESS_BLOCKED = int(Event.ACCESS_BLOCKED)
_PERCENT = 100


@jit
def update_reach(s: Record) -> None:
    """Lists the servers within reach of each zone's users in the current phase, in host order."""
    for zone in range(N_REAL_ZONES):
        n = 0
        for other in range(N_REAL_ZONES):
            if GREEN_REACH[s.phase, zone, other]:
                first = other * HOSTS_PER_ZONE + FIRST_SERVER_SLOT
                for server in range(first, first + s.n_servers[other]):
                    s.reach_server[zone, n] = server
                    n += 1
        s.reach_n[zone] = n


@jit
def choose(s: Record) -> None:
    """Every user draws what to do."""
    s.green_failure[:] = 0
    s.green_target[:] = -1
    s.phished[:] = False
    for k in range(s.n_green):
        s.green_action[s.green_host[k]] = rng.below(s.rng, _N_ACTIONS)


@jit
def act(s: Record, prm: Record) -> None:
    """Executes the users' actions in host order."""
    for k in range(s.n_green):
        host = s.green_host[k]
        if s.green_action[host] == _ACCESS:
            _access_service(s, prm, host)
        elif s.green_action[host] == _LOCAL_WORK:
            _local_work(s, prm, host)


@jit
def _access_service(s: Record, prm: Record, host: int) -> None:
    """Access to a server. The state of the server's services plays no part; only blocks do, in
    either direction. The penalty falls on the user's zone, the event on the server."""
    zone = HOST_ZONE[host]
    server = s.reach_server[zone, rng.below(s.rng, s.reach_n[zone])]
    s.green_target[host] = server
    port = hosts.ephemeral_port(s, server)
    other = HOST_ZONE[server]
    if s.blocks[zone, other] or s.blocks[other, zone]:
        hosts.connection_event(s, _ACCESS_BLOCKED, server, host, -1, GREEN_ACCESS_PORT, 1)
        s.green_failure[host] = _BLOCKED
        s.reward_parts[ASF, zone] += TABLE[s.phase, zone, ASF]
    elif rng.uniform(s.rng) < prm.green_false_positive:
        hosts.connection_event(s, _ACCESS_FALSE_POSITIVE, server, host, -1, port, 1)


@jit
def _local_work(s: Record, prm: Record, host: int) -> None:
    """Work with one of the host's active services, decoys included; it fails if that service is
    unreliable. Only work that succeeds can raise a false alarm or open a phishing mail."""
    n_active = s.svc_n[host] - s.ot_stopped[host]
    service = hosts.active_service(s, host, rng.below(s.rng, n_active))
    if rng.below(s.rng, _PERCENT) >= s.svc_reliability[host, service]:
        zone = HOST_ZONE[host]
        s.green_failure[host] = _DEGRADED
        s.reward_parts[LWF, zone] += TABLE[s.phase, zone, LWF]
        return
    if rng.uniform(s.rng) < prm.green_false_positive:
        hosts.false_process_event(s, host, hosts.ephemeral_port(s, host))
    if rng.uniform(s.rng) < prm.phishing:
        _phishing_email(s, host)


@jit
def _phishing_email(s: Record, host: int) -> None:
    """Opens a red session on a host that red does not hold yet. Blocks do not stop it.

    The nominal sender is the agent on the last red-held host of the same zone, else one drawn over
    all red-held hosts; at the end of the step the session goes to the owner of the zone anyway.
    """
    if s.host_sessions[host] > 0:
        return
    first = HOST_ZONE[host] * HOSTS_PER_ZONE
    sender = -1
    for other in range(first + FIRST_USER_SLOT, first + HOSTS_PER_ZONE):
        if s.host_sessions[other] > 0:
            sender = s.host_agent[other]
    if sender < 0:
        n_held = 0
        for other in range(N_HOSTS):
            if s.host_sessions[other] > 0:
                n_held += 1
        if n_held == 0:
            return  # nobody there to send it
        pick = rng.below(s.rng, n_held)
        for other in range(N_HOSTS):
            if s.host_sessions[other] > 0:
                if pick == 0:
                    sender = s.host_agent[other]
                    break
                pick -= 1
    sessions.create(s, sender, host, hosts.new_pid(s, host), True)
    s.phished[host] = True
