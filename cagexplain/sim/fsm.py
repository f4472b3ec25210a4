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
from cagexplain.cc4.red_table import CHOICES, UNHELD
from cagexplain.cc4.red_views import AUTOMATIC, TABLE
from cagexplain.sim import rng, sessions
from cagexplain.sim.jit import jit
from cagexplain.sim.state import (
    NAMED,
    SESSION_IDS,
    TRANSITIONS,
    WITH_SESSION,
    Error,
    RecordStatus,
)
from cagexplain.sim.types import Array, Record

FIRST_OBSERVED = 2 * N_RED_ACTIONS
SESSION_LOST = FIRST_OBSERVED + 1
REASSIGNED = FIRST_OBSERVED + 2
OWN_SESSION = FIRST_OBSERVED + 3
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
_UNHELD = np.array([UNHELD.get(state, state) for state in State], dtype=np.int64)
_FOOTHOLD = np.zeros(len(State), dtype=np.int64)
_FOOTHOLD[[State.K, State.S]], _FOOTHOLD[[State.KD, State.SD]] = State.U, State.UD
"""By state, what a host becomes on which a session of its own is news to the agent; 0: nothing."""
_DISCOVER, _AGGRESSIVE, _STEALTH, _EXPLOIT = (
    int(RedAction.DISCOVER_SYSTEMS),
    int(RedAction.AGGRESSIVE_SCAN),
    int(RedAction.STEALTH_SCAN),
    int(RedAction.EXPLOIT),
)
_ANY_STATE = -1
_SERVERS, _OTHERS, _EITHER = 1, 0, -1
_PERCENT = 100.0
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
def _is_own_session(s: Record, agent: int, host: int) -> bool:
    """Whether the agent sees a session of its own on a host that it does not hold yet."""
    with_session = s.sight_flags[agent, host] & WITH_SESSION != 0
    return with_session & (_FOOTHOLD[s.fsm_state[agent, host]] != 0)


@jit
def _any_own_session(s: Record, agent: int) -> bool:
    own = False
    for k in range(s.sight_n[agent]):
        own |= _is_own_session(s, agent, s.sight_host[agent, k])
    return own


@jit
def _digest(s: Record, prm: Record, agent: int) -> None:
    """Updates the table from the last observation: transition, new hosts, lost and own sessions."""
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
        if prm.live_source and status == _TRUE and action in (_AGGRESSIVE, _STEALTH):
            s.scan_session[agent, s.record_host[agent]] = s.red_session[agent]

    for k in range(s.sight_n[agent]):
        host = s.sight_host[agent, k]
        if s.fsm_state[agent, host] == _UNKNOWN:
            s.fsm_order[agent, s.fsm_n[agent]] = host
            s.fsm_n[agent] += 1
            _move(s, agent, host, _K if s.fsm_called[agent] else _U, FIRST_OBSERVED)
        if s.sight_flags[agent, host] & NAMED:
            s.fsm_named[agent, host] |= s.sight_flags[agent, host] & (NAMED | WITH_SESSION)

    own = prm.own_sessions and _any_own_session(s, agent)
    if own or _any_lost(s, agent):
        for k in range(s.fsm_n[agent]):
            host = s.fsm_order[agent, k]
            if _is_lost(s, agent, host):
                _move(s, agent, host, _KD, SESSION_LOST)
            elif own and _is_own_session(s, agent, host):
                _move(s, agent, host, _FOOTHOLD[s.fsm_state[agent, host]], OWN_SESSION)
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
    # The probabilities and their cumulative sum, which is divided by its own last entry, are
    # calculated as CybORG and NumPy do it: each may differ from the exact one in the last bit.
    scale = 1.0 / (total / _PERCENT)
    whole = 0.0
    for j in range(n):
        whole += prm.state_weight[_nth_state(s, agent, j)] / _PERCENT * scale
    u = rng.uniform(s.rng)
    running = 0.0
    for j in range(n):
        running += prm.state_weight[_nth_state(s, agent, j)] / _PERCENT * scale
        if running / whole > u:
            return _nth_state(s, agent, j)
    return -1


@jit
def _is_known_server(s: Record, agent: int, host: int) -> bool:
    return HOST_KIND[host] == SERVER and s.fsm_named[agent, host] != 0


@jit
def _fits(s: Record, agent: int, host: int, state: int, wanted: int) -> bool:
    """Whether a host that is not F is of a state (_ANY_STATE) and kind (_EITHER)."""
    of_host = s.fsm_state[agent, host]
    if of_host == _F or (state != _ANY_STATE and of_host != state):
        return False
    return wanted == _EITHER or _is_known_server(s, agent, host) == (wanted == _SERVERS)


@jit
def _count(s: Record, agent: int, state: int, wanted: int) -> int:
    """Number of hosts of a state and kind."""
    n = 0
    for k in range(s.fsm_n[agent]):
        if _fits(s, agent, s.fsm_order[agent, k], state, wanted):
            n += 1
    return n


@jit
def _pick(s: Record, agent: int, state: int, wanted: int) -> int:
    """A uniform host of a state and kind."""
    pick = rng.below(s.rng, _count(s, agent, state, wanted))
    for k in range(s.fsm_n[agent]):
        host = s.fsm_order[agent, k]
        if _fits(s, agent, host, state, wanted):
            if pick == 0:
                return host
            pick -= 1
    return -1


@jit
def _choose_host(s: Record, prm: Record, agent: int) -> int:
    """A host of a state drawn by weight, or any; servers known by name preferred."""
    if not prm.weighted_hosts and not prm.prefer_servers:
        return _uniform_host(s, agent)
    state = _weighted_state(s, prm, agent) if prm.weighted_hosts else _ANY_STATE
    wanted = _EITHER
    if prm.prefer_servers:
        n, n_servers = _count(s, agent, state, _EITHER), _count(s, agent, state, _SERVERS)
        if n > 1 and n_servers > 0:
            prefer = rng.uniform(s.rng) <= KNOWN_SERVER_PREFERENCE
            wanted = _SERVERS if prefer or n_servers == n else _OTHERS
    return _pick(s, agent, state, wanted)


@jit
def _choose_action(s: Record, prm: Record, agent: int, host: int) -> int:
    """An action by the row of the host's state (see ``RedTable``)."""
    state = s.fsm_state[agent, host]
    if prm.held_impacts and state >= _R and sessions.find_root_on(s, agent, host) < 0:
        state = _UNHELD[state]
    # Each agent is told beforehand of one host, which only the first of them starts on.
    named = s.fsm_named[agent, host]
    visited = named & WITH_SESSION != 0 or (named != 0 and host == s.red_start[agent])
    cdf = prm.action_cdf if visited else prm.unvisited_cdf
    u = rng.uniform(s.rng)
    k = 0
    while k < N_RED_ACTIONS - 1 and cdf[state, k] <= u:
        k += 1
    return _CHOICE_ORDER[k]


@jit
def is_live(s: Record, agent: int, ident: int) -> bool:
    """Whether an id is that of a session that can scan, exploit and escalate."""
    slot = sessions.find(s, agent, ident)
    return slot >= 0 and s.ses[slot].abstract != 0


@jit
def _live_source(s: Record, agent: int, action: int, host: int) -> int:
    """Id of a live session, for an Exploit that which scanned the host; -1 if none is live."""
    if action == _EXPLOIT:
        ident = s.scan_session[agent, host]
        if ident >= 0 and is_live(s, agent, ident):
            return ident
    n = 0
    for k in range(s.known_n[agent]):
        if is_live(s, agent, s.known_ids[k, agent]):
            n += 1
    if n == 0:
        return -1
    pick = rng.below(s.rng, n)
    for k in range(s.known_n[agent]):
        if is_live(s, agent, s.known_ids[k, agent]):
            if pick == 0:
                return s.known_ids[k, agent]
            pick -= 1
    return -1


@jit
def _choose_source(s: Record, prm: Record, agent: int, action: int, host: int) -> int:
    """Id of the session to act from. CC4's red draws it blindly: ids of sessions long gone are
    among them."""
    ident = _live_source(s, agent, action, host) if prm.live_source else -1
    return ident if ident >= 0 else s.known_ids[rng.below(s.rng, s.known_n[agent]), agent]


@jit
def _decide(s: Record, prm: Record, agent: int) -> None:
    """Draws host, action and parameters by red's table, and starts the action."""
    host = _choose_host(s, prm, agent)
    action = _choose_action(s, prm, agent, host)
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
    ident = _choose_source(s, prm, agent, action, host)
    _start(s, prm, agent, action, host, zone, ident)


@jit
def may(s: Record, agent: int, choice: Array) -> bool:
    """Whether a choice made for an agent (``int64[3]``, see `choose`) is one that it has."""
    action, target, ident = choice
    if action == TABLE:
        return True
    if not 0 <= action < N_RED_ACTIONS or ident < AUTOMATIC or ident >= SESSION_IDS:
        return False
    if ident != AUTOMATIC and not s.known_has[ident, agent]:
        return False
    if action == _DISCOVER:
        return 0 <= target < N_REAL_ZONES and s.known_zone[agent, target] != 0
    if not 0 <= target < N_HOSTS:
        return False
    root = int(sessions.find_root_on(s, agent, target) >= 0)
    return CHOICES[root, s.fsm_state[agent, target], action]


@jit
def _obey(s: Record, prm: Record, agent: int, choice: Array) -> None:
    """Starts what was chosen for an agent."""
    action, host, ident = choice
    zone = host if action == _DISCOVER else int(np.int64(HOST_ZONE[host]))
    if action == _DISCOVER:
        host = -1
    if ident == AUTOMATIC:
        ident = _choose_source(s, prm, agent, action, host)
    _start(s, prm, agent, action, host, zone, ident)


@jit
def _start(
    s: Record, prm: Record, agent: int, action: int, host: int, zone: int, ident: int
) -> None:
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
def digest(s: Record, prm: Record) -> None:
    """Has every active agent digest what it observed ahead of the next step, for whoever chooses
    by what the agents then know."""
    if s.fsm_digested:
        return
    s.fsm_digested = True
    s.trans_n = 0
    for agent in range(N_RED):
        if s.red_active[agent]:
            _digest(s, prm, agent)


@jit
def choose(s: Record, prm: Record, choices: Array) -> None:
    """Every active agent digests what it observed, also while busy; free ones decide.

    ``choices`` is ``int64[6, 3]``: action, host (or zone, to sweep) and id of the source session of
    each agent. With the action TABLE, it decides by red's table; with the source AUTOMATIC, it
    draws one as the table would.
    """
    digested = s.fsm_digested
    s.fsm_digested = False
    if not digested:
        s.trans_n = 0
    for agent in range(N_RED):
        s.red_started[agent] = -1
        s.red_start_host[agent] = -1
        s.red_start_zone[agent] = -1
        s.red_start_source[agent] = -1
        if s.red_active[agent]:
            if not digested:
                _digest(s, prm, agent)
            if s.red_action[agent] < 0:
                if choices[agent, 0] == TABLE:
                    _decide(s, prm, agent)
                else:
                    _obey(s, prm, agent, choices[agent])
