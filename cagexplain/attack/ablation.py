"""Which part of a red matters: its parts put back, one by one, to what another red has."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from cagexplain.cc4.red_fsm import STATE_NAMES
from cagexplain.cc4.red_table import STATES
from cagexplain.cc4.reds import RedTable

HABITS: Final = ("durations", "prefer_servers", "own_sessions", "source", "impacts")
WEIGHTS: Final = "state_weight"


def put_back(red: RedTable, to: RedTable) -> dict[str, RedTable]:
    """The red with a part of another one, by the part: a state's name for its row, or the field of
    the table. Only parts in which they differ."""
    changed: dict[str, RedTable] = {}
    for state in STATES:
        if not np.allclose(red.probability[state], to.probability[state]):
            table = red.probability.copy()
            table[state] = to.probability[state]
            changed[STATE_NAMES[state]] = _replaced(red, probability=table)
    if red.state_weight is not None and to.state_weight is None:
        changed[WEIGHTS] = _replaced(red, state_weight=None)
    for habit in HABITS:
        if getattr(red, habit) != getattr(to, habit):
            changed[habit] = _replaced(red, **{habit: getattr(to, habit)})
    return changed


def _replaced(red: RedTable, **changes: object) -> RedTable:
    return replace(red, name=f"{red.name}-ablated", **changes)  # type: ignore[arg-type]
