"""How long hosts stay in a state of the attacker's machine.

A *spell* is a maximal run of steps in which a user or server host is in one state (attributed as in
``cagexplain.tracing.host_states``). One that lasts until the episode ends is censored.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import phases, red_fsm
from cagexplain.common.results import Result
from cagexplain.facts.batch import Batch
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
    """Finds the spells; a collector for `passes.run`. A spell takes 12 bytes."""

    tables: Mapping[str, Sequence[str]] = {}

    def __init__(self) -> None:
        self._n = 0
        self._spells: list[npt.NDArray[np.void]] = []

    def add(self, batch: Batch) -> None:
        """Find the spells of a batch."""
        runs = runs_of(batch.states, batch.exists)
        spells = np.empty(len(runs.row), dtype=_SPELL)
        spells["episode"] = self._n + runs.row
        spells["state"] = runs.code
        spells["place"] = PLACE_OF_HOST[runs.host]
        spells["phase"] = batch.phase[runs.row, runs.start]
        ended = runs.start + runs.length < batch.steps
        # What lasts into the last step may end right after it: it is longer than one step less.
        spells["length"] = runs.length - ~ended
        spells["ended"] = ended
        self._spells.append(spells)
        self._n += batch.n

    def result(self) -> Dwelling:
        """Estimates over all batches."""
        spells = np.concatenate(self._spells)
        spells = spells[np.argsort(spells["state"], kind="stable")]
        edges = np.searchsorted(spells["state"], np.arange(red_fsm.N_STATES + 1))
        of_state = [spells[a:b] for a, b in itertools.pairwise(edges)]

        def part(column: str, code: int) -> tuple[Survival, ...]:
            parts = (rows[rows[column] == code] for rows in of_state)
            return tuple(
                self._survival(rows, with_curve=False, resamples=_FEWER_RESAMPLES) for rows in parts
            )

        return Dwelling(
            states=tuple(self._survival(rows) for rows in of_state),
            by_place={name: part("place", code) for code, name in enumerate(PLACES)},
            by_phase={name: part("phase", code) for code, name in enumerate(phases.PHASE_NAMES)},
        )

    def _survival(self, spells: npt.NDArray[np.void], **options: Any) -> Survival:
        numbers = (spells[name] for name in ("length", "ended", "episode"))
        return estimate(*tally(*numbers, n_clusters=self._n), **options)


_FEWER_RESAMPLES: Final = 200  # for many estimates of small parts
_SPELL: Final = np.dtype(
    [
        ("episode", np.int32),
        ("state", np.int8),
        ("place", np.int8),
        ("phase", np.int8),
        ("length", np.int32),
        ("ended", np.bool_),
    ]
)
