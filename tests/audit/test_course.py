"""How the cases of a number go over the episode."""

import numpy as np

from cagexplain.audit.parts import CELL, EVERYBODY, Criterion, Pieces
from cagexplain.audit.results import Part, Place, WorstPart
from cagexplain.audit.stretches import course
from cagexplain.cc4 import agents
from cagexplain.stats.estimates import HitShare

EPISODES, CELLS = 6, 21
"""The last stretch of time has one cell only."""


def pieces() -> Pieces:
    """One case per agent and cell; those of agent 2 are bad from the 11th cell on."""
    counted = Pieces(Criterion(HitShare(), "lower", 0.5))
    for _ in range(2):  # batches
        cells = np.zeros((EPISODES // 2, agents.N_BLUE + 1, CELLS, 2), np.uint16)
        cells[:, :EVERYBODY, :, 1] = 1
        cells[:, 2, 10:, 0] = 1
        cells[:, EVERYBODY] = cells[:, :EVERYBODY].sum(axis=1)
        counted.cells.add(cells)
    return counted


def test_all_cases_are_counted_by_stretches_of_time() -> None:
    drawn = course(pieces(), None)
    assert drawn.agent is None and drawn.width == 25 and drawn.width % CELL == 0
    assert drawn.n == (150, 150, 150, 150, 30)
    assert drawn.bad == (0, 0, 30, 30, 6)


def test_of_an_agent_that_fails_only_its_own_are() -> None:
    place = (Place("agent", "blue_agent_2"), Place("zone", "restricted_zone_b_subnet"))
    drawn = course(pieces(), WorstPart("value", Part("agent", "blue_agent_2", 66, 126), place))
    assert drawn.agent == "blue_agent_2"
    assert drawn.n == (30, 30, 30, 30, 6) and drawn.bad == (0, 0, 30, 30, 6)
