"""How long hosts stay in a state of the attacker's machine.

A *spell* is a maximal run of steps in which a user or server host is in one state (attributed as in
``cagexplain.tracing.host_states``). One that lasts until the episode ends is censored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cagexplain.cc4 import phases, red_fsm
from cagexplain.common.arrays import Array
from cagexplain.common.results import Result
from cagexplain.facts.batch import Batch
from cagexplain.facts.compact import CompactArray
from cagexplain.facts.places import PLACE_OF_HOST, PLACES
from cagexplain.facts.runs import runs_of
from cagexplain.stats.durations import Survival, estimate, tally


@dataclass(frozen=True)
class Dwelling(Result):
    """Durations of the spells, in steps, per state.

    Attributes:
        states: over all hosts.
        by_place: in the zones of a blue agent, and elsewhere; without curves.
        by_phase: of the spells that began in a mission phase; without curves.
    """

    states: tuple[Survival, ...]
    by_place: dict[str, tuple[Survival, ...]]
    by_phase: dict[str, tuple[Survival, ...]]

    def of(self, place: int | None = None, phase: int | None = None) -> tuple[Survival, ...] | None:
        """Per state, of all hosts, a place or a phase; None for a place in a phase."""
        if place is None:
            return self.states if phase is None else self.by_phase[phases.PHASE_NAMES[phase]]
        return self.by_place[PLACES[place]] if phase is None else None


class DwellCounter:
    """Finds the spells; a collector for `passes.run`. It keeps about 2 kilobytes an episode."""

    tables: Mapping[str, Sequence[str]] = {}

    def __init__(self) -> None:
        self._n = 0
        self._spells = [CompactArray() for _ in range(red_fsm.N_STATES)]

    def add(self, batch: Batch) -> None:
        """Find the spells of a batch."""
        runs = runs_of(batch.states, batch.exists)
        ended = runs.start + runs.length < batch.steps
        columns: dict[str, Array] = {
            "episode": self._n + runs.row,
            "place": PLACE_OF_HOST[runs.host],
            "phase": batch.phase[runs.row, runs.start],
            # What lasts into the last step may end right after it: it is longer than one step less.
            "length": runs.length - ~ended,
            "ended": ended,
        }
        spells = np.stack([columns[name] for name in _COLUMNS], axis=1).astype(np.int32)
        for state, of_state in enumerate(self._spells):
            of_state.add(spells[runs.code == state])
        self._n += batch.n

    def result(self) -> Dwelling:
        """Estimates over all batches."""
        states, by_place, by_phase = zip(*map(self._of_state, self._spells), strict=True)
        return Dwelling(
            states=states,
            by_place=dict(zip(PLACES, zip(*by_place, strict=True), strict=True)),
            by_phase=dict(zip(phases.PHASE_NAMES, zip(*by_phase, strict=True), strict=True)),
        )

    def _of_state(self, spells: CompactArray) -> tuple[Survival, list[Survival], list[Survival]]:
        """Durations of the spells of a state: of all, by place, by phase."""
        columns = {name: spells.part(number) for number, name in enumerate(_COLUMNS)}
        length, ended, episode = columns["length"], columns["ended"] > 0, columns["episode"]

        def survival(rows: Any, **options: Any) -> Survival:
            lengths = tally(length[rows], ended[rows], episode[rows], n_clusters=self._n)
            return estimate(*lengths, **options)

        def parts(column: str, n: int) -> list[Survival]:
            few = {"with_curve": False, "resamples": _FEWER_RESAMPLES}
            return [survival(columns[column] == code, **few) for code in range(n)]

        by_place, by_phase = parts("place", len(PLACES)), parts("phase", phases.N_PHASES)
        return survival(slice(None)), by_place, by_phase


_FEWER_RESAMPLES: Final = 200  # for many estimates of small parts
_COLUMNS: Final = ("episode", "place", "phase", "length", "ended")
"""What is kept of a spell."""
