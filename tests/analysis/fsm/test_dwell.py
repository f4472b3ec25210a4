from collections import Counter
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from cagexplain.analysis.fsm.dwell import DwellCounter, Dwelling
from cagexplain.cc4 import network, phases
from cagexplain.cc4.red_fsm import STATE_NAMES, State
from cagexplain.facts.batch import Batch, batches, run
from cagexplain.facts.places import PLACE_OF_HOST, PLACES
from cagexplain.facts.runs import runs_of
from cagexplain.stats.durations import MIN_EPISODES
from cagexplain.tracing.trace import Trace
from tests.support.traces import record


def dwelling(trace: Trace) -> Dwelling:
    counter = DwellCounter()
    run(trace, [counter])
    return counter.result()


def test_spells_of_the_handmade_trace(handmade: Trace) -> None:
    """Every host is unknown at first; what lasts into the last step is not seen to end."""
    states = dwelling(handmade).states
    assert (states[State.UNKNOWN].n, states[State.UNKNOWN].ended) == (6, 4)
    assert (states[State.K].n, states[State.K].ended) == (2, 2)
    assert (states[State.KD].n, states[State.KD].ended) == (2, 0)
    assert (states[State.F].n, states[State.F].enough) == (0, False)
    assert states[State.UNKNOWN].median.value is None  # too few


def test_places_and_phases_divide_the_spells(handmade: Trace) -> None:
    found = dwelling(handmade)
    ours = found.of(place=4)
    assert ours is not None
    assert (ours[State.UNKNOWN].n, ours[State.U].n, ours[State.KD].n) == (4, 1, 2)
    begun = found.of(phase=1)
    assert begun is not None
    assert [s.n for s in begun] == [
        sum(s == name for name in ["K", "U", "R", "K"]) for s in STATE_NAMES
    ]
    assert found.of() == found.states
    assert found.of(place=4, phase=1) is None


def test_runs_agree_with_a_search_host_by_host(trace: Trace) -> None:
    for batch in batches(trace, {}):
        expected: Counter[tuple[int, int, int, int, int]] = Counter()
        for row, host in zip(*np.nonzero(batch.exists), strict=True):
            if network.HOST_KIND[host] not in (network.USER, network.SERVER):
                continue
            start = 0
            for state, spell in groupby(batch.states[row, :, host].tolist()):
                length = len(list(spell))
                expected[int(row), int(host), start, length, state] += 1
                start += length
        runs = runs_of(batch.states, batch.exists)
        columns = (runs.row, runs.host, runs.start, runs.length, runs.code)
        assert expected == Counter(zip(*(c.tolist() for c in columns), strict=True))


def test_spells_cover_every_host_and_step(trace: Trace) -> None:
    found = dwelling(trace)
    for parts in (found.by_place, found.by_phase):
        for state in State:
            assert sum(part[state].n for part in parts.values()) == found.states[state].n
            assert sum(part[state].ended for part in parts.values()) == found.states[state].ended
    assert list(found.by_place) == list(PLACES)
    assert list(found.by_phase) == list(phases.PHASE_NAMES)


def test_nobody_evicts_red_while_blue_sleeps(tmp_path: Path) -> None:
    """So a host that is held with root stays so, and no time is known after which that ends."""
    trace = record(tmp_path / "sleep", "sleep", MIN_EPISODES, steps=200)
    found = dwelling(trace).states[State.RD]
    assert found.enough and found.n >= 20
    assert found.ended == 0
    assert found.median.value is None
    known = dwelling(trace).states[State.UD]
    assert known.ended > 0 and known.median.value is not None


def test_the_median_is_that_of_the_spells_where_none_is_censored(tmp_path: Path) -> None:
    trace = record(tmp_path / "random", "random", MIN_EPISODES, steps=150)
    lengths = []
    for batch in batches(trace, {}):
        runs = runs_of(batch.states, batch.exists)
        chosen = (runs.code == State.K) & (PLACE_OF_HOST[runs.host] == 5)
        lengths.append(runs.length[chosen])
        censored = (runs.start + runs.length == batch.steps)[chosen]
        assert not censored.any()
    found = dwelling(trace).of(place=5)
    assert found is not None
    every = np.sort(np.concatenate(lengths))
    assert found[State.K].median.value == pytest.approx(every[(len(every) - 1) // 2])


def test_what_lasts_into_the_last_step_is_followed_one_step_less() -> None:
    """Spells of three steps that end, and spells of which only three steps are seen: whether these
    end then is not known, so they say nothing about the hazard after three steps."""
    n, steps, host = 40, 10, int(np.flatnonzero(network.HOST_KIND == network.USER)[0])
    states = np.zeros((n, steps, network.N_HOSTS), dtype=np.int8)
    states[: n // 2, 4:7, host] = State.K
    states[n // 2 :, 7:, host] = State.K
    exists = np.zeros((n, network.N_HOSTS), dtype=np.bool_)
    exists[:, host] = True
    phase = np.zeros((n, steps), dtype=np.int8)
    counter = DwellCounter()
    batch = SimpleNamespace(states=states, exists=exists, phase=phase, steps=steps, n=n)
    counter.add(cast(Batch, batch))
    found = counter.result().states[State.K]
    assert (found.n, found.ended) == (n, n // 2)
    assert (found.at(2), found.at(3)) == (1.0, 0.0)
