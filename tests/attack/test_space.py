"""Red tables as vectors, and which part of a table matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cagexplain.attack.ablation import put_back
from cagexplain.attack.results import Rules
from cagexplain.attack.rules import RULES, offence, support
from cagexplain.attack.space import Space
from cagexplain.cc4.red_fsm import State
from cagexplain.cc4.reds import REDS, STANDARD

STARTS: dict[Rules, str] = {"official": "greedy", "fenced": "silent_mixed", "free": "silent_own"}
SIZES: dict[Rules, int] = {"official": 18 + 8, "fenced": 22 + 8, "free": 34 + 8}


@pytest.mark.parametrize("rules", RULES)
def test_the_size_is_the_number_of_actions_and_states(rules: Rules) -> None:
    space = Space(REDS[STARTS[rules]], rules)
    assert space.size == SIZES[rules] == len(space.vector())


@pytest.mark.parametrize("rules", RULES)
@given(data=st.data())
def test_every_vector_is_a_red_within_the_rules(rules: Rules, data: st.DataObject) -> None:
    start = REDS[STARTS[rules]]
    space = Space(start, rules)
    vector = data.draw(arrays(np.float64, space.size, elements=st.floats(-1e3, 1e3)))
    red = space.table(vector, "drawn", "drawn by a test")
    assert not (red.probability > 0)[~support(rules)].any()
    np.testing.assert_allclose(red.probability[State.K :].sum(axis=1), 1)
    assert (red.own_sessions, red.source) == (start.own_sessions, start.source)
    if rules != "free":
        assert offence(red, rules) is None


def test_the_first_vector_is_next_to_the_start() -> None:
    start = REDS["greedy"]
    red = Space(start, "fenced").table(Space(start, "fenced").vector(), "first", "the first")
    assert np.array_equal(
        red.probability[State.K :].argmax(1), start.probability[State.K :].argmax(1)
    )
    assert np.abs(red.probability - start.probability).max() < 0.05
    assert red.state_weight is not None
    assert red.state_weight[State.RD] == red.state_weight.max()


def test_parts_are_put_back_one_by_one() -> None:
    red, standard = REDS["silent_mixed"], REDS[STANDARD]
    parts = put_back(red, standard)
    assert set(parts) == {
        *("K", "KD", "S", "SD", "U", "R", "RD"),  # UD is as in the standard red
        *("state_weight", "own_sessions", "source", "impacts"),
    }
    assert np.array_equal(parts["RD"].probability[State.RD], standard.probability[State.RD])
    assert np.array_equal(parts["RD"].probability[State.R], red.probability[State.R])
    assert parts["state_weight"].state_weight is None
    assert parts["own_sessions"].own_sessions is False
    assert parts["own_sessions"].source == "live"
    assert put_back(standard, standard) == {}
