"""What one environment is made of: a single record of arrays, so that a batch is one NumPy array.

Cloning, saving and restoring an environment is copying its record. Hosts are indexed by the fixed
slots of :mod:`cagexplain.cc4.network`. -1 stands for "none" everywhere.

Capacities: where CC4 has a maximum, it is the capacity. Where it has none (sessions, processes,
remembered pids pile up) the capacity is generous and exceeding it sets ``error``, which the caller
turns into an exception: nothing is ever truncated silently. ``benchmarks/capacity.py`` measures how
far ordinary and extreme play stay below.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np

from cagexplain.cc4.agents import N_BLUE, N_RED
from cagexplain.cc4.network import MAX_SERVERS, MAX_USERS, N_HOSTS, N_REAL_ZONES, N_ZONES
from cagexplain.cc4.reward import CAUSES
from cagexplain.cc4.services import END_EPHEMERAL_PORT, FIRST_EPHEMERAL_PORT, N_SERVICES
from cagexplain.sim import rng

MAX_GREEN: Final = N_REAL_ZONES * MAX_USERS
PORT_WORDS: Final = -(-(END_EPHEMERAL_PORT - FIRST_EPHEMERAL_PORT) // 64)

SESSIONS: Final = 320
"""Live red sessions of all agents. The FSM cannot reach 300 (see tests/sim/test_capacity.py)."""
SESSIONS_PER_AGENT: Final = 256
SESSION_IDS: Final = 2048
"""Ids a red agent can learn (about 31 are seen in 500 steps)."""
PROCESSES: Final = 8192
"""Live processes that did not exist at reset: decoys and red sessions. Five agents that deploy
nothing but decoys make 1,250 in 500 steps."""
SUSPICIOUS: Final = 4096
"""Pids that blue's Monitor remembers (about 60 are seen in 500 steps)."""
EVENTS: Final = 2048
"""Event details of one step."""
TRANSITIONS: Final = 1024
"""FSM table evaluations of one step."""
FORWARDED: Final = N_RED
"""Exploited sessions handed to one agent in one step: at most one from each agent."""


class Error(IntEnum):
    """Capacity that an environment exceeded."""

    NONE = 0
    SESSIONS = 1
    SESSIONS_PER_AGENT = 2
    SESSION_IDS = 3
    PROCESSES = 4
    SUSPICIOUS = 5
    EVENTS = 6
    TRANSITIONS = 7


class Event(IntEnum):
    """Kinds of entries in the event log of a step (what blue's raw observation is made of)."""

    LOCAL_WORK_FALSE_POSITIVE = 0
    ACCESS_FALSE_POSITIVE = 1
    ACCESS_BLOCKED = 2
    SCAN = 3
    BRUTE_FORCE_PATH = 4
    BRUTE_FORCE = 5
    EXPLOIT_SESSION = 6
    DECOY_PROBED = 7
    DECOY_EXPLOITED = 8


class RecordStatus(IntEnum):
    """``success`` of the first record of a red agent's observation."""

    UNKNOWN = 0
    TRUE = 1
    FALSE = 2
    IN_PROGRESS = 3


SIGHTED, NAMED, WITH_SESSION = 1, 2, 4
"""What a red observation tells of a host (bits)."""

RED_SESSION: Final = N_SERVICES
"""Kind of a dynamic process that is no decoy; decoys have their service code."""

i1, i2, i4, u8 = np.int8, np.int16, np.int32, np.uint64
b1 = np.int8
"""Flags are bytes of 0 and 1: compiled records cannot hold arrays of bool."""

_EVENT: Final = np.dtype(
    [
        ("pid", i4),
        ("local_port", i4),
        ("remote_port", i4),
        ("host", i2),
        ("other", i2),  # the other end of the connection
        ("kind", i1),
        ("count", i1),
    ],
    align=True,
)

_TRANSITION: Final = np.dtype(
    [("host", i2), ("agent", i1), ("before", i1), ("after", i1), ("cause", i1)], align=True
)

_SESSION: Final = np.dtype(
    [
        ("host", i2),
        ("id", i2),
        ("process", i2),
        ("next_free", i2),
        ("agent", i1),
        ("root", b1),
        ("abstract", b1),
        ("exploited", b1),  # made by an exploit in this step
    ],
    align=True,
)

_BUSY_FIELDS: Final[list[tuple[Any, ...]]] = [
    # --- clock ---
    ("rng", u8, (rng.WORDS,)),
    ("step", i4),
    ("phase", i1),
    ("done", b1),
    ("error", i1),
    # --- blue agents ---
    ("blue_left", i1, (N_BLUE,)),
    ("blue_action", i2, (N_BLUE,)),  # in progress, index
    ("blue_submitted", i2, (N_BLUE,)),
    ("blue_done", i2, (N_BLUE,)),
    ("blue_started", b1, (N_BLUE,)),
    ("blue_outcome", i1, (N_BLUE,)),
    ("blue_decoy", i1, (N_BLUE,)),  # service code deployed by a finished DeployDecoy
    ("blue_decoy_pid", i4, (N_BLUE,)),
    ("blue_files", i2, (N_BLUE, 2)),  # found by a finished Analyse
    ("blue_files_newest", i1, (N_BLUE,)),
    ("action_cost", i4, (N_BLUE,)),
    ("reward_parts", i4, (len(CAUSES), N_ZONES)),
    ("messages", b1, (N_BLUE, 8)),
    ("blocks", b1, (N_ZONES, N_ZONES)),  # [destination, source]
    # --- red agents ---
    ("red_active", b1, (N_RED,)),
    ("red_action", i1, (N_RED,)),  # in progress
    ("red_left", i1, (N_RED,)),
    ("red_zone", i1, (N_RED,)),
    ("red_host", i2, (N_RED,)),
    ("red_session", i2, (N_RED,)),
    ("red_started", i1, (N_RED,)),
    ("red_start_zone", i1, (N_RED,)),
    ("red_start_host", i2, (N_RED,)),
    ("red_start_source", i2, (N_RED,)),
    ("red_done", i1, (N_RED,)),
    ("red_outcome", i1, (N_RED,)),
    ("red_done_zone", i1, (N_RED,)),
    ("red_detected", b1, (N_RED,)),
    ("red_exploit", i1, (N_RED,)),  # exploit that a finished ExploitRemoteService used
    ("red_done_host", i2, (N_RED,)),
    ("red_done_source", i2, (N_RED,)),
    ("record_status", i1, (N_RED,)),
    ("record_action", i1, (N_RED,)),
    ("record_zone", i1, (N_RED,)),
    ("record_host", i2, (N_RED,)),
    ("forwarded_n", i1, (N_RED,)),
    ("forwarded_id", i2, (N_RED, FORWARDED)),
    ("known_zone", b1, (N_RED, N_ZONES)),
    ("known_n", i2, (N_RED,)),
    ("map_n", i2, (N_RED,)),
    ("sight_n", i2, (N_RED,)),
    ("fsm_n", i2, (N_RED,)),
    ("fsm_finished", i2, (N_RED,)),  # hosts in state F, which is never left
    ("fsm_called", b1, (N_RED,)),
    ("fsm_digested", b1),  # the last observations, ahead of the next step
    ("fsm_state", i1, (N_RED, N_HOSTS)),
    ("fsm_named", i1, (N_RED, N_HOSTS)),  # NAMED, WITH_SESSION: seen so at any time
    ("sight_flags", i1, (N_RED, N_HOSTS)),
    ("fsm_order", i2, (N_RED, N_HOSTS)),
    ("sight_host", i2, (N_RED, N_HOSTS)),
    # --- green agents: where they sit, and the servers within reach of a zone's users ---
    ("n_green", i2),
    ("green_host", i2, (MAX_GREEN,)),
    ("reach_n", i2, (N_REAL_ZONES,)),
    ("reach_server", i2, (N_REAL_ZONES, N_REAL_ZONES * MAX_SERVERS)),
    ("green_action", i1, (N_HOSTS,)),
    ("green_failure", i1, (N_HOSTS,)),
    ("green_target", i2, (N_HOSTS,)),
    ("phished", b1, (N_HOSTS,)),
    # --- services of hosts: real ones, then decoys, in order of creation ---
    ("svc_n", i1, (N_HOSTS,)),
    ("ot_stopped", b1, (N_HOSTS,)),  # the only service that can be stopped
    ("svc_order", i1, (N_HOSTS, N_SERVICES)),
    ("svc_reliability", i1, (N_HOSTS, N_SERVICES)),
    # --- events and sessions of hosts ---
    ("event_n", i2),
    ("trans_n", i2),
    ("process_events", i2, (N_HOSTS,)),
    ("connection_events", i2, (N_HOSTS,)),
    ("host_sessions", i2, (N_HOSTS,)),
    ("host_roots", i2, (N_HOSTS,)),
    ("host_agent", i1, (N_HOSTS,)),  # owner of the newest session on the host
]
"""What nearly every step reads or writes, side by side."""

_OTHER_FIELDS: Final[list[tuple[Any, ...]]] = [
    # --- red sessions: a pool, and per agent the slots in the order of CybORG's map ---
    ("map_slot", i2, (SESSIONS_PER_AGENT, N_RED)),
    ("ses", _SESSION, (SESSIONS,)),
    ("ses_free", i2),
    ("ses_top", i2),
    # --- what a successful exploit that finished in the last step connected ---
    ("exploit_pid", i4, (N_RED,)),  # process of the session that it came from
    ("exploit_port", i4, (N_RED,)),  # port of the target that its new session uses
    # --- ids that red agents learnt ---
    ("known_ids", i2, (SESSION_IDS, N_RED)),
    ("known_has", b1, (SESSION_IDS, N_RED)),
    # --- world, fixed in an episode ---
    ("cidr", i2, (N_ZONES,)),  # third octet of 10.0.x.0/24
    ("n_users", i1, (N_ZONES,)),
    ("n_servers", i1, (N_ZONES,)),
    ("blue_parent", i2, (N_BLUE,)),
    ("red_start", i2, (N_RED,)),
    ("ip", i2, (N_HOSTS,)),  # last octet
    ("os", i1, (N_HOSTS,)),
    ("exists", b1, (N_HOSTS,)),
    ("services", i2, (N_HOSTS,)),  # bit mask of real services
    ("n_real", i1, (N_HOSTS,)),
    ("original_processes", i2, (N_HOSTS,)),
    ("base_pid", i4, (N_HOSTS,)),  # largest pid among the original processes
    ("blue_pid", i4, (N_HOSTS,)),
    ("green_pid", i4, (N_HOSTS,)),
    ("svc_pid", i4, (N_HOSTS, N_SERVICES)),
    ("file_count", i2, (N_HOSTS, 2)),  # cmd.sh, escalate.sh
    ("file_newest", i1, (N_HOSTS,)),  # kind of the file left last
    # --- processes made after reset: a linked list per host, pids ascending ---
    ("proc_head", i2, (N_HOSTS,)),
    ("proc_tail", i2, (N_HOSTS,)),
    ("proc_free", i2),
    ("proc_top", i2),
    ("proc_pid", i4, (PROCESSES,)),
    ("proc_kind", i1, (PROCESSES,)),
    ("proc_session", i2, (PROCESSES,)),
    ("proc_next", i2, (PROCESSES,)),
    # --- blue's memory of suspicious pids, a linked list per host ---
    ("sus_head", i2, (N_HOSTS,)),
    ("sus_tail", i2, (N_HOSTS,)),
    ("sus_n", i2),
    ("sus_pid", i4, (SUSPICIOUS,)),
    ("sus_next", i2, (SUSPICIOUS,)),
    # --- what happened in the last step; ``event_n`` and ``trans_n`` entries count ---
    ("events", _EVENT, (EVENTS,)),
    ("transitions", _TRANSITION, (TRANSITIONS,)),
    # --- the id whose session scanned a host last; kept for reds that choose live sources ---
    ("scan_session", i2, (N_RED, N_HOSTS)),
    # --- large and sparse ---
    ("ses_ports", i1, (SESSIONS, N_HOSTS)),  # ports that scans of this session found
    ("ports_used", u8, (N_HOSTS, PORT_WORDS)),  # ephemeral ports since the last Restore
]

STATE: Final = np.dtype(_BUSY_FIELDS + _OTHER_FIELDS, align=True)

_OFTEN_USED_ENTRIES: Final = {
    "map_slot": 16,
    "ses": 64,
    "known_ids": 32,
    "known_has": 32,
    "events": 8,
    "transitions": 16,
}
"""Of these long arrays, the first entries are what an ordinary step uses."""


def _often_used_lines(line: int = 64) -> np.ndarray[Any, np.dtype[np.int64]]:
    layout: Any = STATE.fields
    spans = [(0, layout[_OTHER_FIELDS[0][0]][1])]
    for name, entries in _OFTEN_USED_ENTRIES.items():
        dtype, start = layout[name][:2]
        spans.append((start, start + entries * dtype.itemsize // dtype.shape[0]))
    return np.concatenate([np.arange(start, stop, line) for start, stop in spans])


OFTEN_USED: Final = _often_used_lines()
"""A byte of each cache line of a record that nearly every step needs."""


_NONE_FIELDS: Final = (
    "proc_head",
    "proc_tail",
    "proc_free",
    "sus_head",
    "sus_tail",
    "ses_free",
    "red_action",
    "red_host",
    "red_zone",
    "red_session",
    "scan_session",
    "blue_action",
    "blue_submitted",
    "blue_done",
    "blue_decoy",
    "red_started",
    "red_start_host",
    "red_start_zone",
    "red_start_source",
    "red_done",
    "red_done_host",
    "red_done_zone",
    "red_done_source",
    "red_exploit",
    "record_action",
    "record_host",
    "record_zone",
    "green_action",
    "green_target",
    "host_agent",
)


def blank() -> np.ndarray[Any, np.dtype[np.void]]:
    """A one-element batch in which nothing exists: what a reset starts from."""
    record = np.zeros(1, dtype=STATE)
    for name in _NONE_FIELDS:
        record[name] = -1
    return record
