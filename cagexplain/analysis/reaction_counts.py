"""Counts of what blue did after each kind of event, episode by episode.

Of a batch of episodes only small arrays are kept, about 90 kilobytes an episode.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis import association as test
from cagexplain.analysis import reaction_events as events
from cagexplain.analysis.passes import Batch, Tables
from cagexplain.analysis.reaction_events import N_EVENTS, N_SLOTS, OWNER, SLOT, ZONE, Occurrences
from cagexplain.analysis.survival import tally
from cagexplain.cc4 import actions, agents, phases
from cagexplain.cc4.actions import ActionKind

MAX_LAG: Final = 15
LAGS: Final = np.arange(-5, MAX_LAG + 1)
"""Steps between an event and a decision; negative ones show what was there before the event."""
N_PLACEBO: Final = int(np.count_nonzero(LAGS < 0))
N_TESTED: Final = len(LAGS) - N_PLACEBO

HOST_RESPONSES: Final = (
    ActionKind.ANALYSE,
    ActionKind.REMOVE,
    ActionKind.RESTORE,
    ActionKind.DECOY,
)
N_HOST: Final = len(HOST_RESPONSES)
ZONE_RESPONSES: Final = (*HOST_RESPONSES, ActionKind.ALLOW, ActionKind.BLOCK, ActionKind.SLEEP)
"""Anywhere in the zones of the agent; Monitor counts as Sleep, which does the same."""
N_ZONE: Final = len(ZONE_RESPONSES)
ANSWERS: Final = (ActionKind.ANALYSE, ActionKind.REMOVE, ActionKind.RESTORE)
"""What counts as a response to an event on a host when its time is taken."""
FOLLOW: Final = 200
"""Steps that a response or an eviction is waited for; longer ones are censored there."""

N_ZONES: Final = len(events.ZONES)
N_GROUPS: Final = N_ZONES + phases.N_PHASES
"""Parts that reactions are broken down into: the zones, then the phases."""
BROKEN_DOWN: Final = 4
"""That many first kinds of events are: alerts and compromises."""
N_PATTERNS: Final = 4
"""None, process, connection, both: what alerts an agent's zones show."""
WINDOWS: Final = (1, 6)
"""Observations that a pattern is made of: the one decided on; with the five before."""

_N_CELLS: Final = N_ZONES * phases.N_PHASES  # a stratum of the base rate: zone and phase
_N_GAPS: Final = test.LONGEST + 2
_ZONE_POSITION: Final = np.full(actions.N_KINDS, -1, dtype=np.int64)
_ZONE_POSITION[list(ZONE_RESPONSES)] = np.arange(N_ZONE)
_ZONE_POSITION[ActionKind.MONITOR] = ZONE_RESPONSES.index(ActionKind.SLEEP)

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Counts:
    """Counts by episode (first axis). ``host`` arrays are about the host of the event, ``zone``
    arrays about the agent that defends it.

    Attributes:
        host_exposed: ``int16[e, event, lag]`` (host, decision) pairs so long after an event there.
        host_found: ``int16[e, event, lag, response]`` of those, responses on that host.
        host_base: ``float32[e, event, lag, response]`` responses expected of them from decisions on
            hosts without the event, matched by zone and phase.
        host_expected: ``float32[e, event, tested lag, response]`` expected from the strata of the
            test, see `association`.
        zone_exposed, zone_found, zone_base, zone_expected: the same for decisions of an agent so
            long after an event anywhere in its zones.
        part_exposed, part_found, part_base: of the host arrays, for the first `BROKEN_DOWN` events
            and the tested lags, by zone and by phase: ``[e, event, lag, group(, response)]``.
        answered, unanswered: ``int16[e, event, duration]`` steps until a response on the host, seen
            or censored.
        evicted, stayed: ``int16[e, event, duration]`` steps until the host was clean, for events
            that found it compromised.
        patterns: ``int32[e, window, agent, pattern, response]`` decisions.
        patterns_expected: ``float32``, the same if kinds of actions depended on habits only.
        decisions: ``int32[e]``.
    """

    host_exposed: Array
    host_found: Array
    host_base: Array
    host_expected: Array
    zone_exposed: Array
    zone_found: Array
    zone_base: Array
    zone_expected: Array
    part_exposed: Array
    part_found: Array
    part_base: Array
    answered: Array
    unanswered: Array
    evicted: Array
    stayed: Array
    patterns: Array
    patterns_expected: Array
    decisions: Array

    def of(self, episodes: slice) -> Counts:
        """The counts of some episodes."""
        return Counts(*(getattr(self, field.name)[episodes] for field in fields(self)))


class Collector:
    """Counts what `reactions.reactions` needs while a trace passes by.

    Attributes:
        observed: whether the trace holds what blue saw.
    """

    tables: Tables = events.TABLES

    def __init__(self) -> None:
        self._parts: list[Counts] = []
        self.observed = True

    def add(self, batch: Batch) -> None:
        """Count some episodes."""
        self.observed = batch.process is not None
        self._parts.append(_count(batch))

    @property
    def counts(self) -> Counts:
        """Of all episodes so far."""
        return Counts(
            *(np.concatenate([getattr(p, f.name) for p in self._parts]) for f in fields(Counts))
        )


def _count(batch: Batch) -> Counts:
    hosts = events.on_hosts(batch)
    zones = events.in_zones(batch, hosts)
    deeds = _deeds(batch)
    return Counts(
        **_on_hosts(batch, hosts, deeds),
        **_in_zones(batch, zones),
        **_times(batch, hosts, deeds),
        decisions=batch.started.sum(axis=(1, 2), dtype=np.int32),
    )


def _deeds(batch: Batch) -> npt.NDArray[np.int8]:
    """Kind of the action that started on each host: ``int8[n, T, slot]``, -1 for none."""
    deeds = np.full((batch.n, batch.steps, N_SLOTS), -1, dtype=np.int8)
    slot = SLOT[batch.target]
    row, step, _ = at = np.nonzero(batch.started & (slot >= 0))
    deeds[row, step, slot[at]] = batch.kind[at]
    return deeds


class _Tally:
    """Exposed decisions and responses by event, episode, lag and stratum of the base rate."""

    def __init__(self, n: int, cells: int, responses: int) -> None:
        self._shape = (N_EVENTS, n, cells)
        shape = (len(LAGS), *self._shape)
        self.exposed = np.zeros(shape, dtype=np.int32)
        self.found = np.zeros((*shape, responses), dtype=np.int32)
        self.expected = np.zeros((N_TESTED, N_EVENTS, n, responses), dtype=np.float32)

    def add(self, lag: int, kind: Ints, row: Ints, cell: Ints, response: Array) -> None:
        """Count the exposed decisions of a lag; `response` is -1 where there was none."""
        size = int(np.prod(self._shape))
        place = np.ravel_multi_index((kind, row, cell), self._shape)
        self.exposed[lag] = np.bincount(place, minlength=size).reshape(self._shape)
        for r in range(self.found.shape[-1]):
            hits = np.bincount(place[response == r], minlength=size)
            self.found[lag, ..., r] = hits.reshape(self._shape)

    def expect(self, lag: int, kind: Ints, row: Ints, r: int, shares: Array) -> None:
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
        weight, alone = self._weights(every)
        base = np.einsum("lenc,lencr->lenr", weight, responses - self.found)
        # Where all decisions are exposed nothing can be compared: their own rate is no surplus.
        base += np.einsum("lenc,lencr->lenr", alone, self.found)
        return base.astype(np.float32)

    def base_by_cell(self, every: Array, responses: Array, kept: tuple[slice, slice]) -> Array:
        """The same without the sum over cells, for some lags and events."""
        weight, alone = (array[kept][..., None] for array in self._weights(every))
        found = self.found[kept]
        result: Array = np.where(alone, found, weight * (responses - found)).astype(np.float32)
        return result

    def _weights(self, every: Array) -> tuple[Array, Array]:
        """Exposed decisions per other one; where there are no others."""
        others = every - self.exposed
        weight = np.where(others > 0, self.exposed / np.maximum(others, 1), 0.0)
        return weight, others == 0

    def summary(self, place: str, base: Array) -> dict[str, Array]:
        """The counts without the strata, as fields of `Counts`."""
        return {
            f"{place}_exposed": _by_episode(self.exposed.sum(axis=3)).astype(np.int16),
            f"{place}_found": _by_episode(self.found.sum(axis=3)).astype(np.int16),
            f"{place}_base": _by_episode(base),
            f"{place}_expected": _by_episode(self.expected),
        }


def _by_episode(array: Array) -> Array:
    """From ``[lag, event, n, ...]`` to ``[n, event, lag, ...]``."""
    return np.moveaxis(array, 2, 0).swapaxes(1, 2)


def _on_hosts(batch: Batch, found: Occurrences, deeds: npt.NDArray[np.int8]) -> dict[str, Array]:
    # Of the slots only those whose host exists are kept: arrays are [T, pair of episode and slot].
    pair_row, pair_slot = np.nonzero(batch.exists[:, events.HOSTS])
    pair = np.full((batch.n, N_SLOTS), -1, dtype=np.int64)
    pair[pair_row, pair_slot] = np.arange(len(pair_row))
    owner = pair_row * agents.N_BLUE + OWNER[pair_slot]
    started = batch.started.swapaxes(0, 1).reshape(batch.steps, -1)
    free = np.take(started, owner, axis=1)
    number = np.take(np.cumsum(started, axis=0, dtype=np.int16), owner, axis=1)
    position = np.full(actions.N_KINDS + 1, -1, dtype=np.int8)  # the last one is for no action
    position[list(HOST_RESPONSES)] = np.arange(N_HOST)
    response = np.ascontiguousarray(position[deeds[pair_row, :, pair_slot]].T)
    place = (pair_row * _N_CELLS + ZONE[pair_slot] * phases.N_PHASES).astype(np.int32)
    cell = place + np.take(batch.phase.T, pair_row, axis=1)

    size = batch.n * _N_CELLS
    table = _Tally(batch.n, _N_CELLS, N_HOST)
    exposed = []
    for lag, shift in enumerate(LAGS):
        step = found.step + shift
        known = (step >= 0) & (step < batch.steps)
        at = step[known] * len(pair_row) + pair[found.row[known], found.place[known]]
        open_ = free.ravel()[at]
        at, kind, row = at[open_], found.kind[known][open_], found.row[known][open_]
        table.add(lag, kind, row, cell.ravel()[at] - row * _N_CELLS, response.ravel()[at])
        exposed.append((at, kind, row))
    responses = np.zeros((size, N_HOST))
    for r in range(N_HOST):
        does = response == r
        responses[:, r] = np.bincount(cell[does], minlength=size)
        if not does.any():
            continue
        stratum = cell * np.int32(_N_GAPS) + test.gap(number, does)
        share = test.shares(stratum[free], stratum[does], size * _N_GAPS)
        for lag in range(N_PLACEBO, len(LAGS)):
            at, kind, row = exposed[lag]
            table.expect(lag, kind, row, r, share[stratum.ravel()[at]])
    every = np.bincount(cell[free], minlength=size).reshape(batch.n, _N_CELLS)
    responses = responses.reshape(batch.n, _N_CELLS, N_HOST)
    kept = (slice(N_PLACEBO, None), slice(BROKEN_DOWN))
    return {
        **table.summary("host", table.base(every, responses)),
        "part_exposed": _grouped(table.exposed[kept]).astype(np.int16),
        "part_found": _grouped(table.found[kept]).astype(np.int16),
        "part_base": _grouped(table.base_by_cell(every, responses, kept)),
    }


def _grouped(kept: Array) -> Array:
    """The breakdown by zone and by phase: ``[n, event, lag, group, ...]``."""
    cells = kept.reshape(*kept.shape[:3], N_ZONES, phases.N_PHASES, *kept.shape[4:])
    return _by_episode(np.concatenate([cells.sum(axis=4), cells.sum(axis=3)], axis=3))


@dataclass(frozen=True)
class Decisions:
    """All decisions of a batch: agent after agent, episode after episode.

    Attributes:
        row, step, agent: ``int64[m]`` which.
        response: ``int64[m]`` position of the kind of action in `ZONE_RESPONSES`.
        stratum: ``int64[m]`` same for decisions of the same episode, agent, phase and habit: the
            kind of the decision before and how often it came in a row.
    """

    row: Ints
    step: Ints
    agent: Ints
    response: Ints
    stratum: Ints

    def shares(self, chosen: Ints | slice = slice(None)) -> npt.NDArray[np.float32]:
        """Share of each kind among the chosen decisions of the same stratum.

        Args:
            chosen: which decisions; all by default.

        Returns:
            ``float32[response, chosen]``.
        """
        stratum, response = self.stratum[chosen], self.response[chosen]
        size = int(self.stratum.max(initial=-1)) + 1
        return np.stack(
            [test.shares(stratum, stratum[response == r], size)[stratum] for r in range(N_ZONE)]
        )


def decisions(batch: Batch) -> Decisions:
    """The decisions of some episodes."""
    agent, row, step = np.nonzero(batch.started.transpose(2, 0, 1))
    response = _ZONE_POSITION[batch.kind[row, step, agent]]
    run = test.run_length(response, agent * batch.n + row)
    before = np.where(run > 0, np.roll(response, 1), N_ZONE)
    cell = (row * agents.N_BLUE + agent) * phases.N_PHASES + batch.phase[row, step]
    return Decisions(row, step, agent, response, (cell * (N_ZONE + 1) + before) * _N_GAPS + run)


def _in_zones(batch: Batch, found: Occurrences) -> dict[str, Array]:
    made = decisions(batch)
    share = made.shares()
    number = np.full((batch.n, batch.steps, agents.N_BLUE), -1, dtype=np.int64)
    number[made.row, made.step, made.agent] = np.arange(len(made.row))
    n_cells = agents.N_BLUE * phases.N_PHASES
    cell = made.agent * phases.N_PHASES + batch.phase[made.row, made.step]
    place = made.row * n_cells + cell
    every = np.bincount(place, minlength=batch.n * n_cells).reshape(batch.n, n_cells)
    responses = np.bincount(
        place * N_ZONE + made.response, minlength=batch.n * n_cells * N_ZONE
    ).reshape(batch.n, n_cells, N_ZONE)
    table = _Tally(batch.n, n_cells, N_ZONE)
    for lag, shift in enumerate(LAGS):
        step = found.step + shift
        known = (step >= 0) & (step < batch.steps)
        at = number[found.row[known], step[known], found.place[known]]
        kind, at = found.kind[known][at >= 0], at[at >= 0]
        row = made.row[at]
        table.add(lag, kind, row, cell[at], made.response[at])
        for r in range(N_ZONE if shift >= 0 else 0):
            table.expect(lag, kind, row, r, share[r, at])
    return {**table.summary("zone", table.base(every, responses)), **_patterns(batch, made, share)}


def _patterns(batch: Batch, made: Decisions, share: Array) -> dict[str, Array]:
    """Decisions by the pattern of alerts and the kind of action, and what habits lead to expect."""
    shape = (batch.n, agents.N_BLUE, N_PATTERNS, N_ZONE)
    counts = np.zeros((len(WINDOWS), *shape), dtype=np.int32)
    expected = np.zeros((len(WINDOWS), *shape), dtype=np.float32)
    if batch.process is not None and batch.connection is not None:
        at = (made.row, made.step, made.agent)
        for w, window in enumerate(WINDOWS):
            shown = [_in_window(bits, window)[at] for bits in (batch.process, batch.connection)]
            pattern = shown[0] + 2 * shown[1]
            place = (made.row * agents.N_BLUE + made.agent) * N_PATTERNS + pattern
            size = int(np.prod(shape[:3]))
            for r in range(N_ZONE):
                hits = np.bincount(place[made.response == r], minlength=size)
                counts[w, ..., r] = hits.reshape(shape[:3])
                sums = np.bincount(place, share[r], minlength=size)
                expected[w, ..., r] = sums.reshape(shape[:3])
    return {"patterns": counts.swapaxes(0, 1), "patterns_expected": expected.swapaxes(0, 1)}


def _in_window(bits: npt.NDArray[np.bool_], window: int) -> npt.NDArray[np.int64]:
    """Whether an agent's zones showed an alert in the last steps: ``int64[n, T, agent]`` 0 or 1."""
    own = np.stack([bits[:, :, events.HOSTS[a == OWNER]].any(axis=2) for a in range(agents.N_BLUE)])
    shown = own.transpose(1, 2, 0).copy()
    for back in range(1, window):
        shown[:, back:] |= own.transpose(1, 2, 0)[:, :-back]
    return shown.astype(np.int64)


def _times(batch: Batch, found: Occurrences, deeds: npt.NDArray[np.int8]) -> dict[str, Array]:
    """How long it took until blue responded on the host, and until the host was clean."""
    clean = np.take(batch.levels, events.HOSTS, axis=2) == 0
    compromised = ~clean[found.row, found.step, found.place]
    every = np.ones(len(found.row), dtype=np.bool_)
    answered, unanswered = _until(found, np.isin(deeds, ANSWERS), every)
    evicted, stayed = _until(found, clean, compromised)
    return {
        "answered": answered,
        "unanswered": unanswered,
        "evicted": evicted,
        "stayed": stayed,
    }


def _until(
    found: Occurrences, happens: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Numbers of durations, ended and censored: ``int16[n, event, duration]``.

    Args:
        found: the events; each duration begins at its step.
        happens: ``bool[n, T, slot]`` what is waited for.
        chosen: which events count.
    """
    n, steps = happens.shape[:2]
    when = np.where(happens, np.arange(steps, dtype=np.int16)[:, None], np.int16(steps))
    following = np.minimum.accumulate(when[:, ::-1], axis=1)[:, ::-1]
    row, step, kind = found.row[chosen], found.step[chosen], found.kind[chosen]
    end = following[row, step, found.place[chosen]].astype(np.int64)
    # What has not happened in the last step either takes longer than up to that step.
    waited = np.minimum(np.minimum(end, steps - 1) - step, FOLLOW)
    seen = (end < steps) & (end - step <= FOLLOW)
    counts = tally(waited, seen, row * N_EVENTS + kind, n_clusters=n * N_EVENTS, longest=FOLLOW)
    ended, censored = (c.reshape(n, N_EVENTS, FOLLOW + 1).astype(np.int16) for c in counts)
    return ended, censored
