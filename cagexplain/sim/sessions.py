"""Red sessions: creation, loss, hand-over to zone owners, activation, what red learns."""

from cagexplain.cc4.agents import N_RED, RED_OF_HOST, RED_OF_ZONE
from cagexplain.cc4.network import HOST_ZONE, N_HOSTS
from cagexplain.sim import hosts, rng
from cagexplain.sim.jit import jit
from cagexplain.sim.state import (
    NAMED,
    RED_SESSION,
    SESSION_IDS,
    SESSIONS,
    SESSIONS_PER_AGENT,
    SIGHTED,
    WITH_SESSION,
    Error,
    RecordStatus,
)
from cagexplain.sim.types import Record

_SESSIONS_ERROR = int(Error.SESSIONS)
_PER_AGENT_ERROR = int(Error.SESSIONS_PER_AGENT)
_UNKNOWN = int(RecordStatus.UNKNOWN)
_IDS_ERROR = int(Error.SESSION_IDS)


@jit
def find(s: Record, agent: int, ident: int) -> int:
    """Slot of an agent's session by id, or -1."""
    for k in range(s.map_n[agent]):
        slot = s.map_slot[k, agent]
        if s.ses[slot].id == ident:
            return slot
    return -1


@jit
def find_root_on(s: Record, agent: int, host: int) -> int:
    """Slot of a root session of the agent on a host, or -1."""
    for k in range(s.map_n[agent]):
        slot = s.map_slot[k, agent]
        if s.ses[slot].host == host and s.ses[slot].root:
            return slot
    return -1


@jit
def count_on(s: Record, agent: int, host: int) -> int:
    """Number of sessions of the agent on a host."""
    count = 0
    for k in range(s.map_n[agent]):
        if s.ses[s.map_slot[k, agent]].host == host:
            count += 1
    return count


@jit
def next_id(s: Record, agent: int) -> int:
    """The agent's largest session id plus one; 0 if it has no session."""
    largest = -1
    for k in range(s.map_n[agent]):
        largest = max(largest, s.ses[s.map_slot[k, agent]].id)
    return largest + 1


@jit
def _enter(s: Record, agent: int, slot: int, ident: int) -> None:
    """Puts a session at the end of the agent's map."""
    n = s.map_n[agent]
    if n >= SESSIONS_PER_AGENT:
        s.error = _PER_AGENT_ERROR
        return
    s.map_slot[n, agent] = slot
    s.map_n[agent] = n + 1
    s.ses[slot].agent = agent
    s.ses[slot].id = ident
    s.host_agent[s.ses[slot].host] = agent


@jit
def _leave(s: Record, slot: int) -> None:
    """Takes a session out of its agent's map; the order of the others stays."""
    agent = s.ses[slot].agent
    n = s.map_n[agent]
    k = 0
    while s.map_slot[k, agent] != slot:
        k += 1
    for j in range(k, n - 1):
        s.map_slot[j, agent] = s.map_slot[j + 1, agent]
    s.map_n[agent] = n - 1


@jit
def create(s: Record, agent: int, host: int, pid: int, abstract: bool) -> int:
    """New user-level session with its process; returns its slot."""
    slot = s.ses_free
    if slot >= 0:
        s.ses_free = s.ses[slot].next_free
    elif s.ses_top < SESSIONS:
        slot = s.ses_top
        s.ses_top += 1
    else:
        s.error = _SESSIONS_ERROR
        return 0
    ident = next_id(s, agent)
    s.ses[slot].host = host
    s.ses[slot].root = False
    s.ses[slot].abstract = abstract
    s.ses[slot].exploited = False
    s.ses[slot].process = hosts.add_process(s, host, pid, RED_SESSION, slot)
    forget_scans(s, slot)
    _enter(s, agent, slot, ident)
    s.host_sessions[host] += 1
    return slot


@jit
def forget_scans(s: Record, slot: int) -> None:
    """Port knowledge belongs to one session object; a new one knows nothing."""
    for host in range(N_HOSTS):
        s.ses_ports[slot, host] = 0


@jit
def delete(s: Record, slot: int) -> None:
    """Ends a session and its process."""
    host = s.ses[slot].host
    hosts.remove_process(s, host, s.ses[slot].process)
    _leave(s, slot)
    s.host_sessions[host] -= 1
    if s.ses[slot].root:
        s.host_roots[host] -= 1
    s.ses[slot].next_free = s.ses_free
    s.ses_free = slot


@jit
def delete_all_on(s: Record, host: int) -> None:
    """Ends every red session on a host, whoever owns it."""
    for agent in range(N_RED):
        k = 0
        while k < s.map_n[agent] and s.host_sessions[host] > 0:
            slot = s.map_slot[k, agent]
            if s.ses[slot].host == host:
                delete(s, slot)
            else:
                k += 1


@jit
def make_root(s: Record, slot: int) -> None:
    """Raises a session and its process to root."""
    s.ses[slot].root = True
    s.host_roots[s.ses[slot].host] += 1


# --- what red observes ---------------------------------------------------------------------------


@jit
def sight(s: Record, agent: int, host: int, flags: int) -> None:
    """Adds a host to the agent's observation of this step, in order of first appearance."""
    if s.sight_flags[agent, host] == 0:
        s.sight_host[agent, s.sight_n[agent]] = host
        s.sight_n[agent] += 1
    s.sight_flags[agent, host] |= flags | SIGHTED


@jit
def clear_records(s: Record) -> None:
    """Discards the observations of the last step."""
    for agent in range(N_RED):
        for k in range(s.sight_n[agent]):
            s.sight_flags[agent, s.sight_host[agent, k]] = 0
        s.sight_n[agent] = 0
        s.forwarded_n[agent] = 0
        s.record_status[agent] = _UNKNOWN
        s.record_action[agent] = -1


@jit
def _learn_id(s: Record, agent: int, ident: int) -> None:
    """Ids are learnt once and never forgotten, not even when the session is gone."""
    if ident >= SESSION_IDS:
        s.error = _IDS_ERROR
        return
    if not s.known_has[ident, agent]:
        s.known_has[ident, agent] = True
        s.known_ids[s.known_n[agent], agent] = ident
        s.known_n[agent] += 1


# --- end of the step -----------------------------------------------------------------------------


@jit
def hand_over(s: Record) -> None:
    """Gives every session outside its agent's zones to the owner of the zone, as a new abstract
    session without port knowledge, and recomputes who is active."""
    n_foreign = 0
    for agent in range(N_RED):
        for k in range(s.map_n[agent]):
            if RED_OF_HOST[s.ses[s.map_slot[k, agent]].host] != agent:
                n_foreign += 1
    for agent in range(N_RED):
        k = 0
        # A session that was handed over sits in its owner's zone, so it is not seen again.
        while n_foreign > 0 and k < s.map_n[agent]:
            slot = s.map_slot[k, agent]
            host = s.ses[slot].host
            owner = RED_OF_ZONE[HOST_ZONE[host]]
            if owner == agent:
                k += 1
                continue
            ident = next_id(s, owner)
            _leave(s, slot)
            _enter(s, owner, slot, ident)
            s.ses[slot].abstract = True
            forget_scans(s, slot)
            n_foreign -= 1
            if s.ses[slot].exploited:
                s.forwarded_id[owner, s.forwarded_n[owner]] = ident
                s.forwarded_n[owner] += 1
                sight(s, owner, host, NAMED | WITH_SESSION)
    for agent in range(N_RED):
        s.red_active[agent] = s.map_n[agent] > 0


@jit
def check(s: Record) -> None:
    """End-of-turn RedSessionCheck of every active agent: someone must have id 0, and every session
    is reported."""
    for agent in range(N_RED):
        if not s.red_active[agent]:
            continue
        if find(s, agent, 0) < 0:
            slot = s.map_slot[rng.below(s.rng, s.map_n[agent]), agent]
            _leave(s, slot)
            _enter(s, agent, slot, 0)
        for k in range(s.map_n[agent]):
            slot = s.map_slot[k, agent]
            s.ses[slot].exploited = False
            sight(s, agent, s.ses[slot].host, NAMED | WITH_SESSION)


@jit
def learn(s: Record) -> None:
    """Extends what each agent may use as source session (abstract ones) and as zone to sweep."""
    for agent in range(N_RED):
        for k in range(s.forwarded_n[agent]):
            _learn_id(s, agent, s.forwarded_id[agent, k])
        for k in range(s.map_n[agent]):
            slot = s.map_slot[k, agent]
            if s.ses[slot].abstract:
                _learn_id(s, agent, s.ses[slot].id)
            s.known_zone[agent, HOST_ZONE[s.ses[slot].host]] = True
