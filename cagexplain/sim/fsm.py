"""Red's decisions: how an agent's state machine digests what it observed, and what it does next."""

import numpy as np

from cagexplain.cc4.agents import N_RED, RED_OF_HOST
from cagexplain.cc4.network import HOST_KIND, HOST_ZONE, N_HOSTS, N_REAL_ZONES, SERVER
from cagexplain.cc4.red_fsm import (
    CHOICE_ORDER,
    KNOWN_SERVER_PREFERENCE,
    N_RED_ACTIONS,
    SUCCESS,
    RedAction,
    State,
)
from cagexplain.sim import rng, sessions
from cagexplain.sim.jit import jit
from cagexplain.sim.state import NAMED, TRANSITIONS, WITH_SESSION, Error, RecordStatus
from cagexplain.sim.types import Record

FIRST_OBSERVED = 2 * N_RED_ACTIONS
SESSION_LOST = FIRST_OBSERVED + 1
REASSIGNED = FIRST_OBSERVED + 2
"""Causes of a transition beside an action that succeeded (its number) or failed (9 + number)."""

_CHOICE_ORDER = np.array(CHOICE_ORDER, dtype=np.int64)
_UNKNOWN, _F, _K, _KD, _U, _R = (
    int(State.UNKNOWN),
    int(State.F),
    int(State.K),
    int(State.KD),
    int(State.U),
    int(State.R),
)
_DISCOVER = int(RedAction.DISCOVER_SYSTEMS)
_TRUE, _FALSE = int(RecordStatus.TRUE), int(RecordStatus.FALSE)
_TRANSITIONS_ERROR = int(Error.TRANSITIONS)


@jit
def _move(s: Record, agent: int, host: int, to: int, cause: int) -> None:
    """Sets a host's state and writes the evaluation down, also when the state stays."""
    n = s.trans_n
    if n >= TRANSITIONS:
        s.error = _TRANSITIONS_ERROR
        return
    before = s.fsm_state[agent, host]
    transition = s.transitions[n]
    transition.agent = agent
    transition.host = host
    transition.before = before
    transition.after = to
    transition.cause = cause
    s.trans_n = n + 1
    s.fsm_state[agent, host] = to
    if to == _F and before != _F:
        s.fsm_finished[agent] += 1


@jit
def _evaluate(s: Record, agent: int, host: int, action: int, success: bool) -> None:
    """Applies the transition table to one host. A failure leaves the state; a host outside the
    agent's zones that would become U becomes F: its session goes to the owner of its zone."""
    state = s.fsm_state[agent, host]
    to = SUCCESS[state, action]
    if to < 0 or not success:
        to = state
    cause = action if success else N_RED_ACTIONS + action
    if to == _U and SUCCESS[state, action] >= 0 and RED_OF_HOST[host] != agent:
        to = _F
        cause = REASSIGNED
    _move(s, agent, host, to, cause)


@jit
def _is_lost(s: Record, agent: int, host: int) -> bool:
    """Whether the agent believes to hold a host on which it sees no session any more."""
    believes = s.fsm_state[agent, host] >= _U
    return believes & (s.sight_flags[agent, host] & WITH_SESSION == 0)


@jit
def _any_lost(s: Record, agent: int) -> bool:
    """Spares most steps the walk over the table: without branches, all hosts are compared at once
    by vector instructions."""
    lost = False
    for host in range(N_HOSTS):
        lost |= _is_lost(s, agent, host)
    return lost


@jit
def _digest(s: Record, agent: int) -> None:
    """Updates the table from the last observation: transition, new hosts, lost sessions."""
    status = s.record_status[agent]
    action = s.record_action[agent]
    if action >= 0 and status in (_TRUE, _FALSE):
        if action == _DISCOVER:
            zone = s.record_zone[agent]
            for k in range(s.fsm_n[agent]):
                host = s.fsm_order[agent, k]
                if HOST_ZONE[host] == zone:
                    _evaluate(s, agent, host, action, status == _TRUE)
        elif s.fsm_state[agent, s.record_host[agent]] != _UNKNOWN:
            _evaluate(s, agent, s.record_host[agent], action, status == _TRUE)

    for k in range(s.sight_n[agent]):
        host = s.sight_host[agent, k]
        if s.fsm_state[agent, host] == _UNKNOWN:
            s.fsm_order[agent, s.fsm_n[agent]] = host
            s.fsm_n[agent] += 1
            _move(s, agent, host, _K if s.fsm_called[agent] else _U, FIRST_OBSERVED)
        if s.sight_flags[agent, host] & NAMED:
            s.fsm_named[agent, host] = True

    if _any_lost(s, agent):
        for k in range(s.fsm_n[agent]):
            host = s.fsm_order[agent, k]
            if _is_lost(s, agent, host):
                _move(s, agent, host, _KD, SESSION_LOST)
    s.fsm_called[agent] = True


@jit
def _uniform_host(s: Record, agent: int) -> int:
    """Any host of the table that is not F."""
    pick = rng.below(s.rng, s.fsm_n[agent] - s.fsm_finished[agent])
    for k in range(s.fsm_n[agent]):
        host = s.fsm_order[agent, k]
        if s.fsm_state[agent, host] != _F:
            if pick == 0:
                return host
            pick -= 1
    return -1


@jit
def _nth_state(s: Record, agent: int, n: int) -> int:
    """The n-th state among the hosts that are not F, in order of first appearance; -1 if there are
    fewer. The draw depends on this order."""
    listed = 1 << _F
    for k in range(s.fsm_n[agent]):
        state = s.fsm_state[agent, s.fsm_order[agent, k]]
        if listed >> state & 1 == 0:
            if n == 0:
                return state
            listed |= 1 << state
            n -= 1
    return -1


@jit
def _weighted_state(s: Record, prm: Record, agent: int) -> int:
    """A state present in the table, by weight; uniform if all weights are zero."""
    total = 0.0
    n = 0
    while _nth_state(s, agent, n) >= 0:
        total += prm.state_weight[_nth_state(s, agent, n)]
        n += 1
    if total == 0.0:
        return _nth_state(s, agent, rng.below(s.rng, n))
    # The cumulative sum is divided by its own last entry, as NumPy does it: it may differ from 1.
    whole = 0.0
    for j in range(n):
        whole += prm.state_weight[_nth_state(s, agent, j)] / total
    u = rng.uniform(s.rng)
    running = 0.0
    for j in range(n):
        running += prm.state_weight[_nth_state(s, agent, j)] / total
        if running / whole > u:
            return _nth_state(s, agent, j)
    return -1


@jit
def _is_known_server(s: Record, agent: int, host: int) -> bool:
    return HOST_KIND[host] == SERVER and s.fsm_named[agent, host] != 0


@jit
def _pick_in_state(s: Record, agent: int, state: int, wanted: int) -> int:
    """A uniform host in a state; wanted: 1 known servers only, 0 all others only, -1 any."""
    n = 0
    for k in range(s.fsm_n[agent]):
        host = s.fsm_order[agent, k]
        if s.fsm_state[agent, host] == state and (
            wanted < 0 or _is_known_server(s, agent, host) == (wanted == 1)
        ):
            n += 1
    pick = rng.below(s.rng, n)
    for k in range(s.fsm_n[agent]):
        host = s.fsm_order[agent, k]
        if s.fsm_state[agent, host] == state and (
            wanted < 0 or _is_known_server(s, agent, host) == (wanted == 1)
        ):
            if pick == 0:
                return host
            pick -= 1
    return -1


@jit
def _weighted_host(s: Record, prm: Record, agent: int) -> int:
    """DiscoveryFSRed: first a state, then a host in it, servers known by name preferred."""
    state = _weighted_state(s, prm, agent)
    n = 0
    n_servers = 0
    for k in range(s.fsm_n[agent]):
        host = s.fsm_order[agent, k]
        if s.fsm_state[agent, host] == state:
            n += 1
            if _is_known_server(s, agent, host):
                n_servers += 1
    wanted = -1
    if n > 1 and n_servers > 0:
        prefer = rng.uniform(s.rng) <= KNOWN_SERVER_PREFERENCE
        wanted = 1 if prefer or n_servers == n else 0
    return _pick_in_state(s, agent, state, wanted)


@jit
def _decide(s: Record, prm: Record, agent: int) -> None:
    """Draws host, action and parameters, and starts the action."""
    host = _weighted_host(s, prm, agent) if prm.weighted_hosts else _uniform_host(s, agent)
    state = s.fsm_state[agent, host]
    u = rng.uniform(s.rng)
    k = 0
    while k < N_RED_ACTIONS - 1 and prm.action_cdf[state, k] <= u:
        k += 1
    action = _CHOICE_ORDER[k]
    zone = int(np.int64(HOST_ZONE[host]))
    if action == _DISCOVER:
        # The zone to sweep is drawn among those red knows, whatever the chosen host.
        n_zones = 0
        for other in range(N_REAL_ZONES):
            if s.known_zone[agent, other]:
                n_zones += 1
        pick = rng.below(s.rng, n_zones)
        host = -1
        for other in range(N_REAL_ZONES):
            if s.known_zone[agent, other]:
                if pick == 0:
                    zone = other
                pick -= 1
    # The source session is drawn blindly: ids of sessions long gone are among them.
    ident = s.known_ids[rng.below(s.rng, s.known_n[agent]), agent]
    source = sessions.find(s, agent, ident)
    s.red_action[agent] = action
    s.red_left[agent] = prm.red_duration[action]
    s.red_host[agent] = host
    s.red_zone[agent] = zone
    s.red_session[agent] = ident
    s.red_started[agent] = action
    s.red_start_host[agent] = host
    s.red_start_zone[agent] = zone
    s.red_start_source[agent] = s.ses[source].host if source >= 0 else -1


@jit
def choose(s: Record, prm: Record) -> None:
    """Every active agent digests what it observed, also while busy; free ones decide."""
    s.trans_n = 0
    for agent in range(N_RED):
        s.red_started[agent] = -1
        s.red_start_host[agent] = -1
        s.red_start_zone[agent] = -1
        s.red_start_source[agent] = -1
        if s.red_active[agent]:
            _digest(s, agent)
            if s.red_action[agent] < 0:
                _decide(s, prm, agent)
