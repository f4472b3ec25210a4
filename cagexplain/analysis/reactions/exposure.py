"""Exposed decisions and responses: how often blue did what so long after an event.

*Exposed* is a decision that comes a certain number of steps after an event: on hosts, a pair of a
host with the event and a free decision of its owner; in zones, a decision of an agent that had the
event anywhere in its zones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.reactions import events
from cagexplain.analysis.reactions.events import N_EVENTS, N_SLOTS, OWNER, ZONE, Occurrences
from cagexplain.cc4 import actions, agents, phases
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import HOST_ACTIONS
from cagexplain.common.arrays import Array, Int64Array
from cagexplain.facts.batch import Batch
from cagexplain.stats import matched

MAX_LAG: Final = 15
LAGS: Final = np.arange(-5, MAX_LAG + 1)
"""Steps between an event and a decision; negative ones show what was there before the event."""
N_PLACEBO: Final = int(np.count_nonzero(LAGS < 0))
N_TESTED: Final = len(LAGS) - N_PLACEBO

HOST_RESPONSES: Final = HOST_ACTIONS
N_HOST: Final = len(HOST_RESPONSES)
ZONE_RESPONSES: Final = (*HOST_RESPONSES, ActionKind.ALLOW, ActionKind.BLOCK, ActionKind.SLEEP)
"""Anywhere in the zones of the agent; Monitor counts as Sleep, which does the same."""
N_ZONE: Final = len(ZONE_RESPONSES)

N_ZONES: Final = len(events.ZONES)
BROKEN_DOWN: Final = 4
"""That many first kinds of events, alerts and compromises, are counted by zone and by phase."""

_N_CELLS: Final = N_ZONES * phases.N_PHASES  # a stratum of the base rate: zone and phase
_N_GAPS: Final = matched.LONGEST + 2
_ZONE_POSITION: Final = np.full(actions.N_KINDS, -1, dtype=np.int64)
_ZONE_POSITION[list(ZONE_RESPONSES)] = np.arange(N_ZONE)
_ZONE_POSITION[ActionKind.MONITOR] = ZONE_RESPONSES.index(ActionKind.SLEEP)


class _Tally:
    """Exposed decisions and responses by event, episode, lag and stratum of the base rate."""

    def __init__(self, n: int, cells: int, responses: int) -> None:
        self._shape = (N_EVENTS, n, cells)
        shape = (len(LAGS), *self._shape)
        self.exposed = np.zeros(shape, dtype=np.int32)
        self.hits = np.zeros((*shape, responses), dtype=np.int32)
        self.expected = np.zeros((N_TESTED, N_EVENTS, n, responses), dtype=np.float32)

    def add(
        self, lag: int, kind: Int64Array, row: Int64Array, cell: Int64Array, response: Array
    ) -> None:
        """Count the exposed decisions of a lag; `response` is -1 where there was none."""
        size = int(np.prod(self._shape))
        place = np.ravel_multi_index((kind, row, cell), self._shape)
        self.exposed[lag] = np.bincount(place, minlength=size).reshape(self._shape)
        for r in range(self.hits.shape[-1]):
            hits = np.bincount(place[response == r], minlength=size)
            self.hits[lag, ..., r] = hits.reshape(self._shape)

    def expect(self, lag: int, kind: Int64Array, row: Int64Array, r: int, shares: Array) -> None:
        """Add up the shares of the exposed decisions' strata."""
        shape = self._shape[:2]
        sums = np.bincount(kind * shape[1] + row, shares, minlength=shape[0] * shape[1])
        self.expected[lag - N_PLACEBO, ..., r] = sums.reshape(shape)

    def base(self, every: Array, responses: Array) -> Array:
        """Responses that the exposed decisions would hold at the rate of the others.

        Args:
            every: ``[n, cell]`` decisions.
            responses: ``[n, cell, response]`` of them.

        Returns:
            ``float32[lag, event, n, response]``.
        """
        return _base(every, responses, self.exposed, self.hits)

    def summary(self, place: str, base: Array) -> dict[str, Array]:
        """The counts without the strata, as fields of `Counts`."""
        return {
            f"{place}_exposed": _by_episode(self.exposed.sum(axis=3)).astype(np.uint16),
            f"{place}_found": _by_episode(self.hits.sum(axis=3)).astype(np.uint16),
            f"{place}_base": _by_episode(base),
            f"{place}_expected": _by_episode(self.expected),
        }


def _base(every: Array, responses: Array, exposed: Array, hits: Array) -> Array:
    """Responses that exposed decisions would hold at the rate of the others of their cell.

    Args:
        every: ``[n, cell]`` decisions.
        responses: ``[n, cell, response]`` of them.
        exposed: ``[..., n, cell]``.
        hits: ``[..., n, cell, response]`` of them.

    Returns:
        ``float32[..., n, response]``.
    """
    weight, alone = _weights(every, exposed)
    base: Array = np.einsum("...nc,...ncr->...nr", weight, responses - hits)
    # Where all decisions are exposed nothing can be compared: their own rate is no surplus.
    base += np.einsum("...nc,...ncr->...nr", alone, hits)
    return np.asarray(base, dtype=np.float32)


def _weights(every: Array, exposed: Array) -> tuple[Array, Array]:
    """Exposed decisions per other one; where there are no others."""
    others = every - exposed
    weight = np.where(others > 0, exposed / np.maximum(others, 1), 0.0)
    return weight, others == 0


def _by_episode(array: Array) -> Array:
    """From ``[lag, event, n, ...]`` to ``[n, event, lag, ...]``."""
    return np.moveaxis(array, 2, 0).swapaxes(1, 2)


class _Pairs:
    """Pairs of an episode and a host that exists in it; arrays are ``[T, pair]``.

    Attributes:
        free: whether the host's owner decides.
        number: decisions of the owner up to and with the step.
        response: position in `HOST_RESPONSES` of the action that starts on the host, or -1.
        cell: stratum of the base rate: episode, zone and phase.
    """

    def __init__(self, batch: Batch, deeds: npt.NDArray[np.int8]) -> None:
        row, slot = np.nonzero(batch.exists[:, events.HOSTS])
        self._pair = np.full((batch.n, N_SLOTS), -1, dtype=np.int64)
        self._pair[row, slot] = np.arange(len(row))
        owner = row * agents.N_BLUE + OWNER[slot]
        started = batch.started.swapaxes(0, 1).reshape(batch.steps, -1)
        self.free = np.take(started, owner, axis=1)
        self.number = np.take(np.cumsum(started, axis=0, dtype=np.int16), owner, axis=1)
        position = np.full(actions.N_KINDS + 1, -1, dtype=np.int8)  # the last one: no action
        position[list(HOST_RESPONSES)] = np.arange(N_HOST)
        self.response = np.ascontiguousarray(position[deeds[row, :, slot]].T)
        place = (row * _N_CELLS + ZONE[slot] * phases.N_PHASES).astype(np.int32)
        self.cell = place + np.take(batch.phase.T, row, axis=1)
        self.n_cells = batch.n * _N_CELLS

    def exposed(
        self, occurrences: Occurrences, shift: int
    ) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Free decisions so many steps after the events: their place, the event, the episode."""
        steps, pairs = self.free.shape
        step = occurrences.step + shift
        known = (step >= 0) & (step < steps)
        at = step[known] * pairs + self._pair[occurrences.row[known], occurrences.place[known]]
        free = self.free.ravel()[at]
        return at[free], occurrences.kind[known][free], occurrences.row[known][free]

    def count(self, where: npt.NDArray[np.bool_]) -> Array:
        """Number of places by episode and cell: ``int64[n, cell]``."""
        return np.bincount(self.cell[where], minlength=self.n_cells).reshape(-1, _N_CELLS)


def on_hosts(
    batch: Batch, occurrences: Occurrences, deeds: npt.NDArray[np.int8]
) -> dict[str, Array]:
    """Responses on the hosts of events: fields of `ReactionCounts`.

    Args:
        batch: the episodes.
        occurrences: events on their hosts.
        deeds: ``int8[n, T, slot]`` kind of the action that started on each host, -1 for none.
    """
    pairs = _Pairs(batch, deeds)
    table = _Tally(batch.n, _N_CELLS, N_HOST)
    exposed = []
    for lag, shift in enumerate(LAGS.tolist()):
        at, kind, row = pairs.exposed(occurrences, shift)
        cell = pairs.cell.ravel()[at] - row * _N_CELLS
        table.add(lag, kind, row, cell, pairs.response.ravel()[at])
        exposed.append((at, kind, row))
    responses = np.zeros((batch.n, _N_CELLS, N_HOST))
    for r in range(N_HOST):
        does = pairs.response == r
        if not does.any():
            continue
        responses[..., r] = pairs.count(does)
        stratum = pairs.cell * np.int32(_N_GAPS) + matched.gap(pairs.number, does)
        share = matched.shares(stratum[pairs.free], stratum[does], pairs.n_cells * _N_GAPS)
        for lag in range(N_PLACEBO, len(LAGS)):
            at, kind, row = exposed[lag]
            table.expect(lag, kind, row, r, share[stratum.ravel()[at]])
    every = pairs.count(pairs.free)
    tested = (slice(N_PLACEBO, None), slice(BROKEN_DOWN))
    few_exposed, few_hits = table.exposed[tested], table.hits[tested]
    weight, alone = (array[..., None] for array in _weights(every, few_exposed))
    few_base = np.where(alone, few_hits, weight * (responses - few_hits))
    return {
        **table.summary("host", table.base(every, responses)),
        **_in_windows(pairs, exposed[N_PLACEBO], batch.n),
        "part_exposed": _grouped(few_exposed).astype(np.uint16),
        "part_found": _grouped(few_hits).astype(np.uint16),
        "part_base": _grouped(few_base).astype(np.float32),
    }


def _in_windows(
    pairs: _Pairs, exposed: tuple[Int64Array, Int64Array, Int64Array], n: int
) -> dict[str, Array]:
    """Whether a response comes at any of the tested lags.

    Args:
        pairs: of the episodes.
        exposed: at lag 0.
        n: episodes.
    """
    steps = len(pairs.free)
    usable = pairs.free.copy()
    usable[max(steps - MAX_LAG, 0) :] = False  # the episode ends within the window
    at, kind, row = exposed
    at, kind, row = (array[usable.ravel()[exposed[0]]] for array in (at, kind, row))
    shape = (N_EVENTS, n, _N_CELLS)
    place = (kind * n + row) * _N_CELLS + pairs.cell.ravel()[at] - row * _N_CELLS
    size = int(np.prod(shape))
    counts = np.bincount(place, minlength=size).reshape(shape)
    within = np.zeros((*shape, N_HOST), dtype=np.int32)
    responses = np.zeros((n, _N_CELLS, N_HOST))
    now = np.arange(steps, dtype=np.int16)[:, None]
    for r in range(N_HOST):
        does = pairs.response == r
        if not does.any():
            continue
        following = np.where(does, now, np.int16(steps + MAX_LAG))[::-1]
        following = np.minimum.accumulate(following, axis=0, out=following)[::-1]
        soon = usable & (following - now <= MAX_LAG)
        responses[..., r] = pairs.count(soon)
        hits = np.bincount(place[soon.ravel()[at]], minlength=size)
        within[..., r] = hits.reshape(shape)
    base = _base(pairs.count(usable), responses, counts, within)
    return {
        "window_exposed": counts.sum(axis=2).T.astype(np.uint16),
        "window_found": within.sum(axis=2).swapaxes(0, 1).astype(np.uint16),
        "window_base": base.swapaxes(0, 1),
    }


def _grouped(counts: Array) -> Array:
    """The breakdown by zone and by phase: ``[n, event, lag, group, ...]``."""
    cells = counts.reshape(*counts.shape[:3], N_ZONES, phases.N_PHASES, *counts.shape[4:])
    return _by_episode(np.concatenate([cells.sum(axis=4), cells.sum(axis=3)], axis=3))


@dataclass(frozen=True)
class DecisionStream:
    """All decisions of a batch: agent after agent, episode after episode.

    Attributes:
        row, step, agent: ``int64[m]`` which.
        response: ``int64[m]`` position of the kind of action in `ZONE_RESPONSES`.
        stratum: ``int64[m]`` same for decisions of the same episode, agent, phase and habit: the
            kind of the decision before and how often it came in a row.
    """

    row: Int64Array
    step: Int64Array
    agent: Int64Array
    response: Int64Array
    stratum: Int64Array

    def shares(self, chosen: Int64Array | slice = slice(None)) -> npt.NDArray[np.float32]:
        """Share of each kind among the chosen decisions of the same stratum.

        Args:
            chosen: which decisions; all by default.

        Returns:
            ``float32[response, chosen]``.
        """
        return np.ascontiguousarray(_shares(self.stratum[chosen], self.response[chosen]).T)


def _shares(stratum: Int64Array, response: Int64Array) -> npt.NDArray[np.float32]:
    """Share of each response in the stratum of each decision: ``float32[m, response]``."""
    size = int(stratum.max(initial=-1)) + 1
    counts = np.bincount(stratum * N_ZONE + response, minlength=size * N_ZONE)
    table = counts.reshape(size, N_ZONE).astype(np.float32)
    table /= np.maximum(table.sum(axis=1, keepdims=True), 1)
    of_decisions: npt.NDArray[np.float32] = table[stratum]
    return of_decisions


def decisions(batch: Batch) -> DecisionStream:
    """The decisions of some episodes."""
    agent, row, step = np.nonzero(batch.started.transpose(2, 0, 1))
    response = _ZONE_POSITION[batch.kind[row, step, agent]]
    run = matched.run_length(response, agent * batch.n + row)
    before = np.where(run > 0, np.roll(response, 1), N_ZONE)
    cell = (agent * batch.n + row) * phases.N_PHASES + batch.phase[row, step]
    stratum = (cell * (N_ZONE + 1) + before) * _N_GAPS + run
    used = np.bincount(stratum) > 0
    return DecisionStream(row, step, agent, response, (np.cumsum(used) - 1)[stratum])


def in_zones(
    batch: Batch, occurrences: Occurrences, stream: DecisionStream, share: npt.NDArray[np.float32]
) -> dict[str, Array]:
    """Responses anywhere in the zones of events: fields of `ReactionCounts`.

    Args:
        batch: the episodes.
        occurrences: events in their zones.
        stream: their decisions.
        share: ``float32[response, m]`` of those, from `DecisionStream.shares`.
    """
    number = np.full((batch.n, batch.steps, agents.N_BLUE), -1, dtype=np.int64)
    number[stream.row, stream.step, stream.agent] = np.arange(len(stream.row))
    n_cells = agents.N_BLUE * phases.N_PHASES
    cell = stream.agent * phases.N_PHASES + batch.phase[stream.row, stream.step]
    place = stream.row * n_cells + cell
    every = np.bincount(place, minlength=batch.n * n_cells).reshape(batch.n, n_cells)
    responses = np.bincount(
        place * N_ZONE + stream.response, minlength=batch.n * n_cells * N_ZONE
    ).reshape(batch.n, n_cells, N_ZONE)
    table = _Tally(batch.n, n_cells, N_ZONE)
    for lag, shift in enumerate(LAGS):
        step = occurrences.step + shift
        known = (step >= 0) & (step < batch.steps)
        at = number[occurrences.row[known], step[known], occurrences.place[known]]
        kind, at = occurrences.kind[known][at >= 0], at[at >= 0]
        row = stream.row[at]
        table.add(lag, kind, row, cell[at], stream.response[at])
        for r in range(N_ZONE if shift >= 0 else 0):
            table.expect(lag, kind, row, r, share[r, at])
    return table.summary("zone", table.base(every, responses))
