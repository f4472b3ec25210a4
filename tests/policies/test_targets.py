"""Choosing hosts and links, and the actions on them."""

import numpy as np

from cagexplain.cc4 import layout
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import NONE
from cagexplain.policies import targets


def test_the_best_slot_of_each_agent_is_its_first_of_the_highest_rank() -> None:
    rng = np.random.default_rng(0)
    eligible = rng.random((40, layout.N_SLOTS)) < 0.05
    rank = rng.integers(0, 3, eligible.shape)
    best = targets.best_slot(eligible, rank)
    for e in range(len(eligible)):
        for agent in range(N_BLUE):
            slots = np.flatnonzero(eligible[e] & (agent == layout.SLOT_AGENT))
            wanted = max(slots, key=lambda s, e=e: (rank[e, s], -s), default=NONE)
            assert best[e, agent] == wanted
    assert (best == NONE).any()


def test_without_ranks_it_is_the_first() -> None:
    links = np.zeros((1, layout.N_LINKS), np.bool_)
    links[0, [3, 5, layout.N_LINKS - 1]] = True
    assert targets.best_link(links).tolist() == [[3, NONE, NONE, NONE, layout.N_LINKS - 1]]


def test_actions_on_targets() -> None:
    restore = layout.ON_SLOT[ActionKind.RESTORE]
    position = targets.act_on(restore, np.array([[NONE, 17, NONE, NONE, 111]]))
    assert position.tolist() == [[NONE, restore[17], NONE, NONE, restore[111]]]
    flags = np.zeros((1, layout.N_SLOTS), np.bool_)
    flags[0, 111] = True
    assert targets.at_target(flags, position).tolist() == [[False] * 4 + [True]]
    assert targets.at_target(flags, layout.SLEEP[None]).tolist() == [[False] * 5]
    on = targets.on_slots(ActionKind.RESTORE, flags)
    assert np.flatnonzero(on[0]).tolist() == [restore[111]]
    links = np.zeros((1, layout.N_LINKS), np.bool_)
    links[0, 2] = True
    blocks = targets.on_links(ActionKind.BLOCK, links)
    assert np.flatnonzero(blocks[0]).tolist() == [layout.ON_LINK[ActionKind.BLOCK][2]]
