"""Counts of what blue did after each kind of event, episode by episode.

Of a batch of episodes only small arrays are kept, compressed: about 20 kilobytes an episode.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.reactions import events
from cagexplain.analysis.reactions.events import N_EVENTS, N_SLOTS, OWNER, SLOT, Occurrences
from cagexplain.analysis.reactions.exposure import (
    N_ZONE,
    DecisionStream,
    decisions,
    in_zones,
    on_hosts,
)
from cagexplain.cc4 import agents
from cagexplain.cc4.layout import RESPONSES
from cagexplain.common.arrays import Array
from cagexplain.facts.batch import Batch, Tables
from cagexplain.facts.compact import CompactArray
from cagexplain.stats.durations import tally

FOLLOW: Final = 200
"""Steps that a response or an eviction is waited for; longer ones are censored there."""
N_PATTERNS: Final = 4
"""None, process, connection, both: what alerts an agent's zones show."""
WINDOWS: Final = (1, 6)
"""Observations that a pattern is made of: the one decided on; with the five before."""


@dataclass(frozen=True)
class ReactionCounts:
    """Counts by episode (first axis). ``host`` arrays are about the host of the event, ``zone``
    arrays about the agent that defends it. All but the decisions are compact, by the second axis.

    Attributes:
        host_exposed: ``uint16[e, event, lag]`` (host, decision) pairs so long after an event there.
        host_found: ``uint16[e, event, lag, response]`` of those, responses on that host.
        host_base: ``float32[e, event, lag, response]`` responses expected of them from decisions on
            hosts without the event, matched by zone and phase.
        host_expected: ``float32[e, event, tested lag, response]`` expected from the strata of the
            test, see `association`.
        zone_exposed, zone_found, zone_base, zone_expected: the same for decisions of an agent so
            long after an event anywhere in its zones.
        window_exposed, window_found, window_base: ``[e, event(, response)]`` as the host arrays at
            lag 0, for responses at any tested lag; without the ends of episodes.
        part_exposed, part_found, part_base: of the host arrays, for the first `BROKEN_DOWN` events
            and the tested lags, by zone and by phase: ``[e, event, lag, group(, response)]``.
        answered, unanswered: ``uint16[e, event, duration]`` steps until a response on the host,
            seen or censored.
        evicted, stayed: ``uint16[e, event, duration]`` steps until the host was clean, for events
            that found it compromised.
        patterns: ``int32[e, window, agent, pattern, response]`` decisions.
        patterns_expected: ``float32``, the same if kinds of actions depended on habits only.
        decisions: ``int32[e]``.
    """

    host_exposed: CompactArray
    host_found: CompactArray
    host_base: CompactArray
    host_expected: CompactArray
    zone_exposed: CompactArray
    zone_found: CompactArray
    zone_base: CompactArray
    zone_expected: CompactArray
    window_exposed: CompactArray
    window_found: CompactArray
    window_base: CompactArray
    part_exposed: CompactArray
    part_found: CompactArray
    part_base: CompactArray
    answered: CompactArray
    unanswered: CompactArray
    evicted: CompactArray
    stayed: CompactArray
    patterns: CompactArray
    patterns_expected: CompactArray
    decisions: Array

    def sets(self, size: int) -> Iterator[ReactionCounts]:
        """The counts of so many episodes, and of as many that follow, as long as there are any."""
        plain = {name: np.asarray(getattr(self, name)) for name in _COMPACT}
        for first in range(0, len(self.decisions) - size + 1, size):
            episodes = slice(first, first + size)
            compact = {name: CompactArray.of(array[episodes]) for name, array in plain.items()}
            yield ReactionCounts(**compact, decisions=self.decisions[episodes])


_COMPACT: Final = tuple(f.name for f in fields(ReactionCounts) if f.name != "decisions")


class Collector:
    """Counts what `reactions.reactions` needs while a trace passes by.

    Attributes:
        observed: whether the trace holds what blue saw.
    """

    tables: Tables = events.TABLES

    def __init__(self) -> None:
        self._compact = {name: CompactArray() for name in _COMPACT}
        self._decisions: list[Array] = []
        self.observed = True

    def add(self, batch: Batch) -> None:
        """Count some episodes."""
        self.observed = batch.process is not None
        for name, counted in _count(batch).items():
            self._compact[name].add(counted)
        self._decisions.append(batch.started.sum(axis=(1, 2), dtype=np.int32))

    @property
    def counts(self) -> ReactionCounts:
        """Of all episodes so far."""
        return ReactionCounts(**self._compact, decisions=np.concatenate(self._decisions))


def _count(batch: Batch) -> dict[str, Array]:
    """Compact fields of `ReactionCounts`."""
    hosts = events.on_hosts(batch)
    deeds = _deeds(batch)
    stream = decisions(batch)
    share = stream.shares()
    return {
        **on_hosts(batch, hosts, deeds),
        **in_zones(batch, events.in_zones(batch, hosts), stream, share),
        **_times(batch, hosts, deeds),
        **_patterns(batch, stream, share),
    }


def _deeds(batch: Batch) -> npt.NDArray[np.int8]:
    """Kind of the action that started on each host: ``int8[n, T, slot]``, -1 for none."""
    deeds = np.full((batch.n, batch.steps, N_SLOTS), -1, dtype=np.int8)
    slot = SLOT[batch.target]
    row, step, _ = at = np.nonzero(batch.started & (slot >= 0))
    deeds[row, step, slot[at]] = batch.kind[at]
    return deeds


def _times(batch: Batch, occurrences: Occurrences, deeds: npt.NDArray[np.int8]) -> dict[str, Array]:
    """How long it took until blue responded on the host, and until the host was clean."""
    clean = np.take(batch.levels, events.HOSTS, axis=2) == 0
    compromised = ~clean[occurrences.row, occurrences.step, occurrences.place]
    every = np.ones(len(occurrences.row), dtype=np.bool_)
    answered, unanswered = _until(occurrences, np.isin(deeds, RESPONSES), every)
    evicted, stayed = _until(occurrences, clean, compromised)
    return {
        "answered": answered,
        "unanswered": unanswered,
        "evicted": evicted,
        "stayed": stayed,
    }


def _until(
    occurrences: Occurrences, happens: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Numbers of durations, ended and censored: ``uint16[n, event, duration]``.

    Args:
        occurrences: the events; each duration begins at its step.
        happens: ``bool[n, T, slot]`` what is waited for.
        chosen: which events count.
    """
    n, steps = happens.shape[:2]
    when = np.where(happens, np.arange(steps, dtype=np.int16)[:, None], np.int16(steps))
    following = np.minimum.accumulate(when[:, ::-1], axis=1)[:, ::-1]
    row, step, kind = occurrences.row[chosen], occurrences.step[chosen], occurrences.kind[chosen]
    end = following[row, step, occurrences.place[chosen]].astype(np.int64)
    # What has not happened in the last step either takes longer than up to that step.
    waited = np.minimum(np.minimum(end, steps - 1) - step, FOLLOW)
    happened = (end < steps) & (end - step <= FOLLOW)
    counts = tally(waited, happened, row * N_EVENTS + kind, n_clusters=n * N_EVENTS, longest=FOLLOW)
    ended, censored = (c.reshape(n, N_EVENTS, FOLLOW + 1).astype(np.uint16) for c in counts)
    return ended, censored


def _patterns(batch: Batch, stream: DecisionStream, share: Array) -> dict[str, Array]:
    """Decisions by the pattern of alerts and the kind of action, and what habits lead to expect."""
    shape = (batch.n, agents.N_BLUE, N_PATTERNS, N_ZONE)
    counts = np.zeros((len(WINDOWS), *shape), dtype=np.int32)
    expected = np.zeros((len(WINDOWS), *shape), dtype=np.float32)
    if batch.process is not None and batch.connection is not None:
        at = (stream.row, stream.step, stream.agent)
        for w, window in enumerate(WINDOWS):
            shown = [_in_window(bits, window)[at] for bits in (batch.process, batch.connection)]
            pattern = shown[0] + 2 * shown[1]
            place = (stream.row * agents.N_BLUE + stream.agent) * N_PATTERNS + pattern
            size = int(np.prod(shape[:3]))
            for r in range(N_ZONE):
                hits = np.bincount(place[stream.response == r], minlength=size)
                counts[w, ..., r] = hits.reshape(shape[:3])
                sums = np.bincount(place, share[r], minlength=size)
                expected[w, ..., r] = sums.reshape(shape[:3])
    return {"patterns": counts.swapaxes(0, 1), "patterns_expected": expected.swapaxes(0, 1)}


def _in_window(bits: npt.NDArray[np.bool_], window: int) -> npt.NDArray[np.int64]:
    """Whether an agent's zones showed an alert in the last steps: ``int64[n, T, agent]`` 0 or 1."""
    by_agent = np.stack(
        [bits[:, :, events.HOSTS[a == OWNER]].any(axis=2) for a in range(agents.N_BLUE)]
    )
    shown = by_agent.transpose(1, 2, 0).copy()
    for back in range(1, window):
        shown[:, back:] |= by_agent.transpose(1, 2, 0)[:, :-back]
    return shown.astype(np.int64)
