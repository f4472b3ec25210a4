"""Hosts: processes, services, ephemeral ports, files and the events that blue's Monitor sees."""

import numpy as np

from cagexplain.cc4.services import (
    END_EPHEMERAL_PORT,
    FIRST_EPHEMERAL_PORT,
    MAX_PID_INCREMENT,
    MAX_RELIABILITY,
    SERVICE_PORT_BIT,
    Service,
)
from cagexplain.sim import rng
from cagexplain.sim.jit import jit
from cagexplain.sim.state import (
    EVENTS,
    PORT_WORDS,
    PROCESSES,
    RED_SESSION,
    SUSPICIOUS,
    Error,
    Event,
)
from cagexplain.sim.types import Array, Record

_OTSERVICE = int(Service.OTSERVICE)
_OT_PLACE = 1
"""Hosts that have the OT service list it second, after sshd."""
_ONE = np.uint64(1)
_PROCESSES_ERROR = int(Error.PROCESSES)
_SUSPICIOUS_ERROR = int(Error.SUSPICIOUS)
_EVENTS_ERROR = int(Error.EVENTS)
_EXPLOIT_SESSION = int(Event.EXPLOIT_SESSION)
_FALSE_POSITIVE = int(Event.LOCAL_WORK_FALSE_POSITIVE)


# --- processes ---------------------------------------------------------------------------------


@jit
def new_pid(s: Record, host: int) -> int:
    """Largest pid on the host plus 1..9. New pids only grow, so a host's list is sorted."""
    tail = s.proc_tail[host]
    largest = s.base_pid[host] if tail < 0 else s.proc_pid[tail]
    return largest + rng.between(s.rng, 1, MAX_PID_INCREMENT)


@jit
def add_process(s: Record, host: int, pid: int, kind: int, session: int) -> int:
    """Appends a process to the host's list and returns its node."""
    node = s.proc_free
    if node >= 0:
        s.proc_free = s.proc_next[node]
    elif s.proc_top < PROCESSES:
        node = s.proc_top
        s.proc_top += 1
    else:
        s.error = _PROCESSES_ERROR
        return 0
    s.proc_pid[node] = pid
    s.proc_kind[node] = kind
    s.proc_session[node] = session
    s.proc_next[node] = -1
    tail = s.proc_tail[host]
    if tail < 0:
        s.proc_head[host] = node
    else:
        s.proc_next[tail] = node
    s.proc_tail[host] = node
    return node


@jit
def remove_process(s: Record, host: int, node: int) -> None:
    """Takes a process off the host's list."""
    previous = -1
    current = s.proc_head[host]
    while current != node:
        previous = current
        current = s.proc_next[current]
    following = s.proc_next[node]
    if previous < 0:
        s.proc_head[host] = following
    else:
        s.proc_next[previous] = following
    if s.proc_tail[host] == node:
        s.proc_tail[host] = previous
    s.proc_next[node] = s.proc_free
    s.proc_free = node


@jit
def find_process(s: Record, host: int, pid: int) -> int:
    """Node of a live process made after reset, or -1."""
    node = s.proc_head[host]
    while node >= 0 and s.proc_pid[node] != pid:
        node = s.proc_next[node]
    return node


@jit
def listening_ports(s: Record, host: int) -> int:
    """Bit set of the ports that any process of the host listens on, orphaned decoys included."""
    bits = 0
    for k in range(s.n_real[host]):
        service = s.svc_order[host, k]
        if is_active(s, host, service):
            bits |= SERVICE_PORT_BIT[service]
    node = s.proc_head[host]
    while node >= 0:
        kind = s.proc_kind[node]
        if kind != RED_SESSION:
            bits |= SERVICE_PORT_BIT[kind]
        node = s.proc_next[node]
    return bits


@jit
def first_decoy_on(s: Record, host: int, port_bit: int) -> int:
    """Node of the first decoy process that listens on a port, or -1."""
    node = s.proc_head[host]
    while node >= 0:
        kind = s.proc_kind[node]
        if kind != RED_SESSION and SERVICE_PORT_BIT[kind] == port_bit:
            return node
        node = s.proc_next[node]
    return -1


# --- services ----------------------------------------------------------------------------------


@jit
def is_active(s: Record, host: int, service: int) -> bool:
    """Whether a service that the host has is active: only the OT service can be stopped."""
    return service != _OTSERVICE or not s.ot_stopped[host]


@jit
def runs(s: Record, host: int, service: int) -> bool:
    """Whether the host has a real service and it is active."""
    return (s.services[host] >> service) & 1 == 1 and is_active(s, host, service)


@jit
def active_service(s: Record, host: int, k: int) -> int:
    """The k-th active service of the host in order of creation."""
    if s.ot_stopped[host] and k >= _OT_PLACE:
        k += 1
    return s.svc_order[host, k]


@jit
def set_decoy_service(s: Record, host: int, service: int, pid: int) -> None:
    """Enters a fresh decoy under its name; an older entry is overwritten and keeps its place."""
    known = False
    for k in range(s.svc_n[host]):
        known = known or s.svc_order[host, k] == service
    if not known:
        s.svc_order[host, s.svc_n[host]] = service
        s.svc_n[host] += 1
    s.svc_reliability[host, service] = MAX_RELIABILITY
    s.svc_pid[host, service] = pid


@jit
def restore_services(s: Record, host: int) -> None:
    """All original services active and reliable, no decoys."""
    s.svc_n[host] = s.n_real[host]
    s.ot_stopped[host] = False
    for k in range(s.n_real[host]):
        s.svc_reliability[host, s.svc_order[host, k]] = MAX_RELIABILITY


@jit
def count_processes(s: Record, host: int) -> int:
    """Number of live processes that no decoy has: services, blue, green; without red's."""
    return s.original_processes[host] - s.ot_stopped[host]


# --- ephemeral ports ---------------------------------------------------------------------------


@jit
def ephemeral_port(s: Record, host: int) -> int:
    """A port of the host's ephemeral range, drawn a second time (only) if it was used before."""
    span = END_EPHEMERAL_PORT - FIRST_EPHEMERAL_PORT
    port = rng.below(s.rng, span)
    used = s.ports_used[host]
    if used[port >> 6] >> np.uint64(port & 63) & _ONE:
        port = rng.below(s.rng, span)
    used[port >> 6] |= _ONE << np.uint64(port & 63)
    return FIRST_EPHEMERAL_PORT + port


@jit
def forget_ports(s: Record, host: int) -> None:
    """Restore empties the list of used ephemeral ports."""
    for word in range(PORT_WORDS):
        s.ports_used[host, word] = np.uint64(0)


# --- files ---------------------------------------------------------------------------------------


@jit
def leave_file(s: Record, host: int, file: int) -> None:
    """Red leaves a file. Analyse lists the kind last that was left last."""
    s.file_count[host, file] += 1
    s.file_newest[host] = file


# --- events ------------------------------------------------------------------------------------


@jit
def _log(
    s: Record,
    kind: int,
    host: int,
    other: int,
    pid: int,
    local_port: int,
    remote_port: int,
    count: int,
) -> None:
    n = s.event_n
    if n >= EVENTS:
        s.error = _EVENTS_ERROR
        return
    event = s.events[n]
    event.kind = kind
    event.host = host
    event.other = other
    event.pid = pid
    event.local_port = local_port
    event.remote_port = remote_port
    event.count = count
    s.event_n = n + 1


@jit
def connection_event(
    s: Record, kind: int, host: int, other: int, local_port: int, remote_port: int, count: int
) -> None:
    """Records ``count`` equal network-connection events on a host."""
    s.connection_events[host] += count
    _log(s, kind, host, other, -1, local_port, remote_port, count)


@jit
def false_process_event(s: Record, host: int, local_port: int) -> None:
    """Records a process event without pid: a false alarm of green local work."""
    s.process_events[host] += 1
    _log(s, _FALSE_POSITIVE, host, host, -1, local_port, -1, 1)


@jit
def session_event(s: Record, host: int, source: int, pid: int, port: int) -> None:
    """Records the process event of an exploit's new session, which uses a port of the host."""
    s.process_events[host] += 1
    _log(s, _EXPLOIT_SESSION, host, source, pid, port, -1, 1)


@jit
def remember_suspicious(s: Record, host: int, pid: int) -> None:
    """Appends a pid to blue's memory of suspicious processes of the host, for good."""
    node = s.sus_n
    if node >= SUSPICIOUS:
        s.error = _SUSPICIOUS_ERROR
        return
    s.sus_n = node + 1
    s.sus_pid[node] = pid
    s.sus_next[node] = -1
    tail = s.sus_tail[host]
    if tail < 0:
        s.sus_head[host] = node
    else:
        s.sus_next[tail] = node
    s.sus_tail[host] = node


@jit
def monitor(s: Record, defended: Array) -> None:
    """End-of-turn Monitor of the blue agents: remembers the pids among this step's events.

    ``defended`` (``bool[137]``) tells per host whether a blue agent watches it. The events
    themselves stay for the observation of this step and are cleared when the next step begins.
    """
    for n in range(s.event_n):
        event = s.events[n]
        if event.pid >= 0 and defended[event.host]:
            remember_suspicious(s, event.host, event.pid)


@jit
def clear_events(s: Record) -> None:
    """Forgets the events of the last step."""
    for n in range(s.event_n):
        host = s.events[n].host
        s.process_events[host] = 0
        s.connection_events[host] = 0
    s.event_n = 0
