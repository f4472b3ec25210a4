"""From hosts and links to the actions on them, by the tables of ``cagexplain.cc4.layout``.

Actions are positions among the 570 of all agents; `NONE` stands for no action, slot or link.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import ACTION_SLOT, LINK_START, NONE, ON_LINK, ON_SLOT, SLOT_START
from cagexplain.common.arrays import BoolArray, FloatArray, Int64Array
from cagexplain.policies.jit import STORE, njit


def on_slots(action_type: ActionKind, slots: BoolArray) -> BoolArray:
    """The actions ``bool[n, 570]`` of a type on the agent slots that are flagged.

    Args:
        action_type: one that has a target host.
        slots: ``bool[n, 112]``.
    """
    return _on(ON_SLOT[action_type], slots)


def on_links(action_type: ActionKind, links: BoolArray) -> BoolArray:
    """The actions ``bool[n, 570]`` of a type on the links that are flagged.

    Args:
        action_type: Allow or Block.
        links: ``bool[n, 56]``.
    """
    return _on(ON_LINK[action_type], links)


def best_slot(eligible: BoolArray, rank: npt.ArrayLike = 0) -> Int64Array:
    """Each agent's eligible slot of the highest rank, the first of equals: ``int64[n, 5]``.

    Args:
        eligible: ``bool[n, 112]``; an agent that has none gets `NONE`.
        rank: numbers ``[n, 112]``, or what broadcasts to them.
    """
    return _best(eligible, rank, SLOT_START)


def best_link(eligible: BoolArray, rank: npt.ArrayLike = 0) -> Int64Array:
    """Each agent's eligible link of the highest rank, the first of equals: ``int64[n, 5]``.

    Args:
        eligible: ``bool[n, 56]``; an agent that has none gets `NONE`.
        rank: numbers ``[n, 56]``, or what broadcasts to them.
    """
    return _best(eligible, rank, LINK_START)


def act_on(table: Int64Array, target: Int64Array) -> Int64Array:
    """The actions on some slots or links: ``int64[n, 5]``, `NONE` on none.

    Args:
        table: of `ON_SLOT` or `ON_LINK`, ``int64[112]`` or ``int64[56]``.
        target: ``int64[n, 5]`` slots or links.
    """
    return np.where(target != NONE, table[target], NONE)


def at_target(flags: BoolArray, position: Int64Array) -> BoolArray:
    """What is said about the hosts that actions are aimed at: ``bool[n, 5]``, False without one.

    Args:
        flags: ``bool[n, 112]``.
        position: ``int64[n, 5]`` actions, or `NONE`.
    """
    slot = np.where(position != NONE, ACTION_SLOT[position], NONE)
    flag: BoolArray = np.take_along_axis(flags, np.maximum(slot, 0), axis=1) & (slot != NONE)
    return flag


def _on(table: Int64Array, flags: BoolArray) -> BoolArray:
    actions_on = np.zeros((len(flags), actions.TOTAL), np.bool_)
    actions_on[:, table] = flags
    return actions_on


def _best(eligible: BoolArray, rank: npt.ArrayLike, start: Int64Array) -> Int64Array:
    best = np.full((len(eligible), N_BLUE), NONE, np.int64)
    ranks = np.empty(eligible.shape, np.float64)
    ranks[:] = rank
    _find_best(np.ascontiguousarray(eligible), ranks, start, best)
    return best


@STORE.keep
@njit(nogil=True)
def _find_best(eligible: BoolArray, rank: FloatArray, start: Int64Array, best: Int64Array) -> None:
    for e in range(len(eligible)):
        for agent in range(N_BLUE):
            top = -np.inf
            for place in range(start[agent], start[agent + 1]):
                if eligible[e, place] and rank[e, place] > top:
                    top = rank[e, place]
                    best[e, agent] = place
