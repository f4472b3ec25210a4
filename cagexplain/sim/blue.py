"""Blue's actions."""

import numpy as np

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import DURATION, ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.reward import RESTORE_COST
from cagexplain.cc4.services import PORT_BITS, Service
from cagexplain.sim import hosts, rng, sessions
from cagexplain.sim.jit import jit
from cagexplain.sim.state import RED_SESSION
from cagexplain.sim.types import Array, Record

_SIZE = np.array(actions.SIZES)
_HOST, _TO_ZONE, _FROM_ZONE = actions.ALL_HOST, actions.ALL_TO_ZONE, actions.ALL_FROM_ZONE
_INVALID = actions.N_KINDS
"""What CybORG makes of an action object that it does not accept."""
_GIVEN_KIND = actions.ALL_KIND
_KIND = np.where(actions.ACCEPTED, actions.ALL_KIND, _INVALID).astype(np.int16)
_DURATION = np.append(DURATION, np.int8(1))

_ANALYSE, _REMOVE, _RESTORE = (
    int(ActionKind.ANALYSE),
    int(ActionKind.REMOVE),
    int(ActionKind.RESTORE),
)
_SLEEP, _DECOY = int(ActionKind.SLEEP), int(ActionKind.DECOY)
_ALLOW, _BLOCK = int(ActionKind.ALLOW), int(ActionKind.BLOCK)
_SUCCESS, _FAILURE = int(Outcome.SUCCESS), int(Outcome.FAILURE)

_DECOY_APACHE, _DECOY_TOMCAT = int(Service.DECOY_APACHE), int(Service.DECOY_TOMCAT)
_DECOY_HARAKA, _DECOY_VSFTPD = int(Service.DECOY_HARAKA), int(Service.DECOY_VSFTPD)
_PORT_80, _PORT_443, _PORT_25 = PORT_BITS[80], PORT_BITS[443], PORT_BITS[25]


@jit
def effective_kind(s: Record, agent: int, action: int) -> int:
    """Kind of a submitted index; on a host that does not exist, an action of the layout is a Sleep
    and one behind it invalid."""
    host = _HOST[agent, action]
    if host >= 0 and not s.exists[host]:
        return _SLEEP if action < _SIZE[agent] else _INVALID
    return _KIND[agent, action]


@jit
def submit(s: Record, submitted: Array) -> None:
    """Takes the submissions, submitted ``int64[5]``. A busy agent's is ignored, but a Restore is
    charged all the same; so is one that is invalid.
    """
    for agent in range(N_BLUE):
        action = submitted[agent]
        kind = effective_kind(s, agent, action)
        s.blue_submitted[agent] = action
        restores = _GIVEN_KIND[agent, action] == _RESTORE and kind != _SLEEP
        s.action_cost[agent] = -RESTORE_COST if restores else 0
        s.blue_started[agent] = s.blue_action[agent] < 0
        if s.blue_started[agent]:
            s.blue_action[agent] = action
            s.blue_left[agent] = _DURATION[kind]


@jit
def tick(s: Record) -> None:
    """Counts running actions down; what is due moves to ``blue_done``."""
    for agent in range(N_BLUE):
        s.blue_done[agent] = -1
        s.blue_outcome[agent] = 0
        s.blue_decoy[agent] = -1
        s.blue_left[agent] -= 1
        if s.blue_left[agent] < 1:
            s.blue_done[agent] = s.blue_action[agent]
            s.blue_action[agent] = -1


@jit
def control_traffic(s: Record) -> None:
    """Due AllowTrafficZone and BlockTrafficZone: before everything else in the step."""
    for agent in range(N_BLUE):
        action = s.blue_done[agent]
        if action < 0:
            continue
        kind = _KIND[agent, action]
        if kind in (_BLOCK, _ALLOW):
            to_zone, from_zone = _TO_ZONE[agent, action], _FROM_ZONE[agent, action]
            changes = (s.blocks[to_zone, from_zone] != 0) == (kind == _ALLOW)
            s.blocks[to_zone, from_zone] = kind == _BLOCK
            s.blue_outcome[agent] = _SUCCESS if changes else _FAILURE


@jit
def act(s: Record) -> None:
    """Executes the other due actions. Monitor as an action sees nothing: it runs before green and
    red, when the step's events are still to come."""
    for agent in range(N_BLUE):
        action = s.blue_done[agent]
        if action < 0:
            continue
        kind = effective_kind(s, agent, action)
        if kind in (_BLOCK, _ALLOW):
            continue
        host = _HOST[agent, action]
        if kind == _ANALYSE:
            s.blue_files[agent, 0] = s.file_count[host, 0]
            s.blue_files[agent, 1] = s.file_count[host, 1]
            s.blue_files_newest[agent] = s.file_newest[host]
        elif kind == _REMOVE:
            _remove(s, host)
        elif kind == _RESTORE:
            _restore(s, host)
        elif kind == _DECOY:
            _deploy_decoy(s, agent, host)
        s.blue_outcome[agent] = _FAILURE if kind == _INVALID else _SUCCESS


@jit
def _remove(s: Record, host: int) -> None:
    """Stops the remembered suspicious pids of the host that do not run as root.

    The process of a service (only decoys can be hit, by reuse of a pid) comes back with a new pid;
    an orphaned decoy process is gone for good.
    """
    memory = s.sus_head[host]
    while memory >= 0:
        node = hosts.find_process(s, host, s.sus_pid[memory])
        memory = s.sus_next[memory]
        if node < 0:
            continue
        kind = s.proc_kind[node]
        if kind == RED_SESSION:
            if not s.ses[s.proc_session[node]].root:
                sessions.delete(s, s.proc_session[node])
        else:
            serves = s.svc_pid[host, kind] == s.proc_pid[node]
            hosts.remove_process(s, host, node)
            if serves:
                pid = hosts.new_pid(s, host)
                hosts.add_process(s, host, pid, kind, -1)
                s.svc_pid[host, kind] = pid


@jit
def _restore(s: Record, host: int) -> None:
    """Brings the host back to its state after reset; what blue and red remember stays."""
    sessions.delete_all_on(s, host)
    while s.proc_head[host] >= 0:
        hosts.remove_process(s, host, s.proc_head[host])
    hosts.restore_services(s, host)
    hosts.forget_ports(s, host)
    s.file_count[host, 0] = 0
    s.file_count[host, 1] = 0


@jit
def _deploy_decoy(s: Record, agent: int, host: int) -> None:
    """One of the decoys whose port is unused. vsftpd is always possible (its test looks at port 21,
    while it listens on 80), so this never fails."""
    used = hosts.listening_ports(s, host)
    apache = used & _PORT_80 == 0
    tomcat = used & _PORT_443 == 0
    haraka = used & _PORT_25 == 0
    n = 1 + (1 if apache else 0) + (1 if tomcat else 0) + (1 if haraka else 0)
    pick = rng.below(s.rng, n)
    service = _DECOY_VSFTPD
    for candidate, possible in (
        (_DECOY_APACHE, apache),
        (_DECOY_TOMCAT, tomcat),
        (_DECOY_HARAKA, haraka),
    ):
        if possible:
            if pick == 0:
                service = candidate
            pick -= 1
    pid = hosts.new_pid(s, host)
    hosts.add_process(s, host, pid, service, -1)
    hosts.set_decoy_service(s, host, service, pid)
    s.blue_decoy[agent] = service
    s.blue_decoy_pid[agent] = pid
