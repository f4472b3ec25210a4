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
        slot = s.map_slot[agent, k]
        if s.ses_id[slot] == ident:
            return slot
    return -1


@jit
def find_root_on(s: Record, agent: int, host: int) -> int:
    """Slot of a root session of the agent on a host, or -1."""
    for k in range(s.map_n[agent]):
        slot = s.map_slot[agent, k]
        if s.ses_host[slot] == host and s.ses_root[slot]:
            return slot
    return -1


@jit
def count_on(s: Record, agent: int, host: int) -> int:
    """Number of sessions of the agent on a host."""
    count = 0
    for k in range(s.map_n[agent]):
        if s.ses_host[s.map_slot[agent, k]] == host:
            count += 1
    return count


@jit
def next_id(s: Record, agent: int) -> int:
    """The agent's largest session id plus one; 0 if it has no session."""
    largest = -1
    for k in range(s.map_n[agent]):
        largest = max(largest, s.ses_id[s.map_slot[agent, k]])
    return largest + 1


@jit
def _enter(s: Record, agent: int, slot: int, ident: int) -> None:
    """Puts a session at the end of the agent's map."""
    n = s.map_n[agent]
    if n >= SESSIONS_PER_AGENT:
        s.error = _PER_AGENT_ERROR
        return
    s.map_slot[agent, n] = slot
    s.map_n[agent] = n + 1
    s.ses_agent[slot] = agent
    s.ses_id[slot] = ident
    s.host_agent[s.ses_host[slot]] = agent


@jit
def _leave(s: Record, slot: int) -> None:
    """Takes a session out of its agent's map; the order of the others stays."""
    agent = s.ses_agent[slot]
    n = s.map_n[agent]
    k = 0
    while s.map_slot[agent, k] != slot:
        k += 1
    for j in range(k, n - 1):
        s.map_slot[agent, j] = s.map_slot[agent, j + 1]
    s.map_n[agent] = n - 1


@jit
def create(s: Record, agent: int, host: int, pid: int, abstract: bool) -> int:
    """New user-level session with its process; returns its slot."""
    slot = s.ses_free
    if slot >= 0:
        s.ses_free = s.ses_next_free[slot]
    elif s.ses_top < SESSIONS:
        slot = s.ses_top
        s.ses_top += 1
    else:
        s.error = _SESSIONS_ERROR
        return 0
    ident = next_id(s, agent)
    s.ses_host[slot] = host
    s.ses_root[slot] = False
    s.ses_abstract[slot] = abstract
    s.ses_exploited[slot] = False
    s.ses_process[slot] = hosts.add_process(s, host, pid, RED_SESSION, slot)
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
    host = s.ses_host[slot]
    hosts.remove_process(s, host, s.ses_process[slot])
    _leave(s, slot)
    s.host_sessions[host] -= 1
    if s.ses_root[slot]:
        s.host_roots[host] -= 1
    s.ses_next_free[slot] = s.ses_free
    s.ses_free = slot


@jit
def delete_all_on(s: Record, host: int) -> None:
    """Ends every red session on a host, whoever owns it."""
    for agent in range(N_RED):
        k = 0
        while k < s.map_n[agent] and s.host_sessions[host] > 0:
            slot = s.map_slot[agent, k]
            if s.ses_host[slot] == host:
                delete(s, slot)
            else:
                k += 1


@jit
def make_root(s: Record, slot: int) -> None:
    """Raises a session and its process to root."""
    s.ses_root[slot] = True
    s.host_roots[s.ses_host[slot]] += 1


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
            if RED_OF_HOST[s.ses_host[s.map_slot[agent, k]]] != agent:
                n_foreign += 1
    for agent in range(N_RED):
        k = 0
        # A session that was handed over sits in its owner's zone, so it is not seen again.
        while n_foreign > 0 and k < s.map_n[agent]:
            slot = s.map_slot[agent, k]
            host = s.ses_host[slot]
            owner = RED_OF_ZONE[HOST_ZONE[host]]
            if owner == agent:
                k += 1
                continue
            ident = next_id(s, owner)
            _leave(s, slot)
            _enter(s, owner, slot, ident)
            s.ses_abstract[slot] = True
            forget_scans(s, slot)
            n_foreign -= 1
            if s.ses_exploited[slot]:
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
            slot = s.map_slot[agent, rng.below(s.rng, s.map_n[agent])]
            _leave(s, slot)
            _enter(s, agent, slot, 0)
        for k in range(s.map_n[agent]):
            slot = s.map_slot[agent, k]
            s.ses_exploited[slot] = False
            sight(s, agent, s.ses_host[slot], NAMED | WITH_SESSION)


@jit
def learn(s: Record) -> None:
    """Extends what each agent may use as source session (abstract ones) and as zone to sweep."""
    for agent in range(N_RED):
        for k in range(s.forwarded_n[agent]):
            _learn_id(s, agent, s.forwarded_id[agent, k])
        for k in range(s.map_n[agent]):
            slot = s.map_slot[agent, k]
            if s.ses_abstract[slot]:
                _learn_id(s, agent, s.ses_id[slot])
            s.known_zone[agent, HOST_ZONE[s.ses_host[slot]]] = True
