"""What red agents know before they choose: see ``cc4.red_views``."""

from cagexplain.cc4.agents import N_RED
from cagexplain.cc4.network import N_REAL_ZONES
from cagexplain.cc4.red_views import ROOT, USER
from cagexplain.sim import fsm
from cagexplain.sim.jit import entry
from cagexplain.sim.state import RecordStatus
from cagexplain.sim.types import Array, Batch

_TRUE, _FALSE = int(RecordStatus.TRUE), int(RecordStatus.FALSE)


@entry
def view_batch(
    states: Batch,
    params: Batch,
    which: Array,
    active: Array,
    free: Array,
    state: Array,
    named: Array,
    session: Array,
    scanned_by: Array,
    ready: Array,
    zone: Array,
    done: Array,
    success: Array,
    done_host: Array,
    done_zone: Array,
    first: int,
    last: int,
) -> None:
    """Has red in environments first..last-1 digest its last observations, and writes what it knows
    into a view of nothing. The arrays are those of `RedView`; ``which``: ``int64[n]`` the record of
    parameters of each."""
    for e in range(first, last):
        s = states[e]
        fsm.digest(s, params[which[e]])
        for agent in range(N_RED):
            if not s.red_active[agent]:
                continue
            active[e, agent] = True
            free[e, agent] = s.red_action[agent] < 0
            for k in range(s.fsm_n[agent]):
                host = s.fsm_order[agent, k]
                state[e, agent, host] = s.fsm_state[agent, host]
                named[e, agent, host] = s.fsm_named[agent, host] != 0
                ident = s.scan_session[agent, host]
                scanned_by[e, agent, host] = ident
                ready[e, agent, host] = ident >= 0 and fsm.is_live(s, agent, ident)
            for k in range(s.map_n[agent]):
                slot = s.map_slot[k, agent]
                host = s.ses[slot].host
                best = ROOT if s.ses[slot].root else USER
                session[e, agent, host] = max(session[e, agent, host], best)
            for other in range(N_REAL_ZONES):
                zone[e, agent, other] = s.known_zone[agent, other] != 0
            status = s.record_status[agent]
            if s.record_action[agent] >= 0 and status in (_TRUE, _FALSE):
                done[e, agent] = s.record_action[agent]
                success[e, agent] = status == _TRUE
                done_host[e, agent] = s.record_host[agent]
                done_zone[e, agent] = s.record_zone[agent]
