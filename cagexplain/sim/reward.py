"""The reward. Green's part arises where green fails (``green``), the action cost where blue submits
(``blue``); here red's part and the sum."""

import numpy as np

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE, N_RED
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.cc4.reward import INVALID_COST, RIA, TABLE
from cagexplain.sim.jit import jit
from cagexplain.sim.types import Record

_IMPACT = int(RedAction.IMPACT)
_INVALID_ACTION = np.array(actions.INVALID_ACTION)


@jit
def clear(s: Record) -> None:
    """Starts a step's account."""
    s.reward_parts[:, :] = 0


@jit
def impacts(s: Record) -> None:
    """Charges every Impact that came due, successful, failed or dropped, if its agent still has a
    session at the end of the step."""
    for agent in range(N_RED):
        if s.red_done[agent] == _IMPACT and s.map_n[agent] > 0:
            zone = s.red_done_zone[agent]
            s.reward_parts[RIA, zone] += TABLE[s.phase, zone, RIA]


@jit
def team(s: Record) -> float:
    """The team reward of the step, which every blue agent gets."""
    total = float(s.reward_parts.sum() + s.action_cost.sum())
    for agent in range(N_BLUE):
        if s.blue_submitted[agent] == _INVALID_ACTION[agent]:
            total -= INVALID_COST
    return total
