"""The three tables in which the study looked for reactions (Rigoni et al. 2025), and their verdict.

1. *after red*: the blue action of the agent that defends the target's zone, the red action's
   duration + 1 steps after red started it;
2. *by alerts*: blue actions by the numbers of hosts of the agent with process and with connection
   alerts;
3. *before blue*: the action of the host's green user in the step before a blue action on it.

The study counted every step. While an agent is busy its submissions are ignored, so that what they
are says little: each table is also given over decisions alone, and tested there. A red action is
due ``duration`` - 1 steps after its start, and the first decision that can know of it comes one
step later. The study's offset looks one step after that, when an agent that responded at once is
busy. So the first table is also given at the offset ``duration``.

The paper found "no meaningful or consistent correlations". A correlation is called consistent if it
is significant beyond habits, and meaningful if its bias-corrected Cramér's V (Bergsma 2013) is at
least 0.1, what Cohen (1988) calls small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from cagexplain.analysis.reactions.events import HOSTS, OWNER
from cagexplain.analysis.reactions.exposure import N_ZONE, DecisionStream, decisions
from cagexplain.cc4 import actions, agents
from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, RED_DURATION
from cagexplain.common.arrays import Array, Int64Array
from cagexplain.common.results import Result
from cagexplain.facts.batch import Batch, Tables, codes, run
from cagexplain.facts.compact import CompactArray
from cagexplain.stats import matched, means
from cagexplain.stats.adjust import holm
from cagexplain.stats.distribution import Distribution, distributions
from cagexplain.tracing import schema
from cagexplain.tracing.trace import Trace

ALPHA: Final = 0.05
MEANINGFUL: Final = 0.1
MIN_DECISIONS: Final = 100
MIN_EPISODES: Final = means.MIN_EPISODES
FLIPS: Final = 1_999
MOST_HOSTS: Final = 3
"""Hosts with an alert are told apart up to this number; the last group holds more as well."""

_OFFSETS: Final = {"after red": 1, "after red, first decision": 0}
"""Steps beyond red's duration."""
_COUNT_NAMES: Final = tuple(f"{n}+" if n == MOST_HOSTS else str(n) for n in range(MOST_HOSTS + 1))
_ALERT_GROUPS: Final = tuple(
    f"{process} process, {connection} connection"
    for process in _COUNT_NAMES
    for connection in _COUNT_NAMES
)
_GROUPS: Final = {
    **dict.fromkeys(_OFFSETS, RED_ACTION_NAMES),
    "by alerts": _ALERT_GROUPS,
    "before blue": schema.GREEN_ACTIONS,
}
_STARTED: Final = schema.RED_EVENTS.index("started")
_TABLES: Final = {
    "red": ("step", "event", "action", "target_zone"),
    "blue": ("green_before",),
}
_NO_ALERTS: Final = "The trace was recorded without observations, so blue's alerts are not known"

_FIRST_SLOT: Final = np.searchsorted(OWNER, np.arange(agents.N_BLUE))


@dataclass(frozen=True)
class StudyTable(Result):
    """Blue actions by what came before.

    Attributes:
        name: which of the tables.
        groups: what came before.
        every_step: per group the submitted actions of all steps, as the study counted.
        decisions: per group the actions of free agents.
        n: decisions.
        strength: bias-corrected Cramér's V of the decisions, 0 to 1; None with too few.
        p: of the table being due to habits and chance; by sign-flips of whole episodes; likewise.
        adjusted_p: adjusted for the number of tables.
        missing: why there is nothing; None if there is.
    """

    name: str
    groups: tuple[str, ...]
    every_step: tuple[Distribution, ...]
    decisions: tuple[Distribution, ...]
    n: int
    strength: float | None
    p: float | None
    adjusted_p: float | None
    missing: str | None

    @property
    def significant(self) -> bool:
        """Whether the correlation is consistent."""
        return self.adjusted_p is not None and self.adjusted_p < ALPHA

    @property
    def meaningful(self) -> bool:
        """Whether it is strong as well."""
        return self.significant and self.strength is not None and self.strength >= MEANINGFUL


@dataclass(frozen=True)
class StudyTables(Result):
    """The tables and what they say about the paper's finding.

    Attributes:
        tables: all, also those that could not be made.
        supported: whether no correlation is both meaningful and consistent, as the paper found;
            None if no table has enough data.
        against: names of the tables that contradict it.
        episodes: of the trace.
    """

    tables: tuple[StudyTable, ...]
    supported: bool | None
    against: tuple[str, ...]
    episodes: int

    def table(self, name: str) -> StudyTable:
        """Look a table up; ``KeyError`` if there is no such."""
        return {table.name: table for table in self.tables}[name]


class Collector:
    """Counts the tables while a trace passes by.

    Attributes:
        observed: whether the trace holds what blue saw.
    """

    tables: Tables = _TABLES

    def __init__(self) -> None:
        self.observed = True
        self._counts: dict[str, list[CompactArray]] = {}

    def add(self, batch: Batch) -> None:
        """Count some episodes."""
        self.observed = batch.process is not None
        stream = decisions(batch)
        cells = {name: _after_red(batch, extra) for name, extra in _OFFSETS.items()}
        cells["before blue"] = _before_blue(batch)
        if self.observed:
            cells["by alerts"] = _by_alerts(batch)
        for name, chosen in cells.items():
            kept = self._counts.setdefault(name, [CompactArray() for _ in _Counts._fields])
            counted = _count(batch, stream, chosen, len(_GROUPS[name]))
            for compact, array in zip(kept, counted, strict=True):
                compact.add(array[:, None])

    def result(self) -> StudyTables:
        """The tables of all episodes so far."""
        counts = {
            name: _Counts(*(compact.part(0) for compact in kept))
            for name, kept in self._counts.items()
        }
        p = np.array([_p(counts[name]) if name in counts else np.nan for name in _GROUPS])
        adjusted = holm(p)
        tables = tuple(
            _table(name, counts.get(name), *numbers)
            for name, *numbers in zip(_GROUPS, p, adjusted, strict=True)
        )
        against = tuple(table.name for table in tables if table.meaningful)
        known = any(table.p is not None for table in tables)
        return StudyTables(
            tables=tables,
            supported=not against if known else None,
            against=against,
            episodes=len(next(iter(counts.values())).every) if counts else 0,
        )


def study_tables(trace: Trace) -> StudyTables:
    """Make the study's tables of a trace."""
    collector = Collector()
    run(trace, [collector])
    return collector.result()


class _Counts(NamedTuple):
    """Counts of one table by episode.

    Attributes:
        every: ``int32[e, group, kind]`` actions of all steps.
        decisions: ``int32[e, group, kind]`` of free agents.
        responses: ``int32[e, group, response]`` the same, with Monitor as Sleep.
        expected: ``float32[e, group, response]`` what habits alone would give.
    """

    every: Array
    decisions: Array
    responses: Array
    expected: Array


class _Cells(NamedTuple):
    """What came before an agent's step: group, episode, step, agent (``int64[m]`` each)."""

    group: Int64Array
    row: Int64Array
    step: Int64Array
    agent: Int64Array


def _after_red(batch: Batch, extra: int) -> _Cells:
    """Red's starts, at the step that is red's duration and `extra` steps later."""
    red = batch.frame("red")
    action = red["action"].to_numpy().astype(np.int64)
    agent = agents.BLUE_OF_ZONE[codes(red, "target_zone")].astype(np.int64)
    step = red["step"].to_numpy() + RED_DURATION[action] + extra
    inside = (codes(red, "event") == _STARTED) & (agent >= 0) & (step < batch.steps)
    columns = (action, red["row"].to_numpy(), step, agent)
    return _Cells(*(column[inside].astype(np.int64) for column in columns))


def _by_alerts(batch: Batch) -> _Cells:
    """Every step of every agent, by the numbers of hosts with alerts."""
    counts = []
    for bits in (batch.process, batch.connection):
        assert bits is not None
        of_slots = np.take(bits, HOSTS, axis=2)
        alerted = np.add.reduceat(of_slots, _FIRST_SLOT, axis=2, dtype=np.int64)
        counts.append(np.minimum(alerted, MOST_HOSTS))
    group = counts[0] * len(_COUNT_NAMES) + counts[1]
    row, step, agent = (axis.ravel() for axis in np.indices(group.shape))
    return _Cells(group.ravel(), row, step, agent)


def _before_blue(batch: Batch) -> _Cells:
    """Blue's actions on hosts with a green user, by what that user did in the step before."""
    blue = batch.frame("blue")
    group = codes(blue, "green_before")
    columns = (group, blue["row"].to_numpy(), blue["step"].to_numpy(), codes(blue, "agent"))
    return _Cells(*(column[group >= 0].astype(np.int64) for column in columns))


def _count(batch: Batch, stream: DecisionStream, cells: _Cells, groups: int) -> _Counts:
    kind = batch.kind[cells.row, cells.step, cells.agent]
    place = cells.row * groups + cells.group
    number = np.full(batch.started.shape, -1, dtype=np.int64)
    number[stream.row, stream.step, stream.agent] = np.arange(len(stream.row))
    at = number[cells.row, cells.step, cells.agent]
    free = at >= 0
    size = batch.n * groups
    # Compared among themselves: whether a decision is in the table may depend on its action.
    share = stream.shares(at[free])
    expected = [np.bincount(place[free], s, minlength=size) for s in share]
    shape = (batch.n, groups, -1)
    return _Counts(
        _crossed(place, kind, size, actions.N_KINDS).reshape(shape),
        _crossed(place[free], kind[free], size, actions.N_KINDS).reshape(shape),
        _crossed(place[free], stream.response[at[free]], size, N_ZONE).reshape(shape),
        np.stack(expected, axis=-1).astype(np.float32).reshape(shape),
    )


def _crossed(place: Int64Array, kind: Array, places: int, kinds: int) -> Array:
    counts = np.bincount(place * kinds + kind, minlength=places * kinds)
    return counts.reshape(places, kinds).astype(np.int32)


def _p(counts: _Counts) -> float:
    """P-value of a table; NaN without enough data in two groups."""
    taken = counts.decisions
    often = taken.sum(axis=(0, 2)) >= MIN_DECISIONS
    if np.count_nonzero(often) < 2 or np.count_nonzero(taken.any(axis=(1, 2))) < MIN_EPISODES:
        return float("nan")
    observed, expected = (
        table[:, often].reshape(len(table), -1) for table in (counts.responses, counts.expected)
    )
    return matched.sign_flip(observed, expected, flips=FLIPS)


def cramers_v(table: Array) -> float:
    """Bias-corrected strength of association of a table of counts (Bergsma 2013): 0 to 1."""
    used = table[np.ix_(table.any(axis=1), table.any(axis=0))].astype(np.float64)
    n, (rows, columns) = used.sum(), used.shape
    if min(rows, columns) < 2:
        return 0.0
    expected = used.sum(axis=1, keepdims=True) * used.sum(axis=0) / n
    phi2 = ((used - expected) ** 2 / expected).sum() / n
    least = (rows - 1) * (columns - 1) / (n - 1)
    fewer = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1))
    return float(np.sqrt(max(phi2 - least, 0.0) / (fewer - 1)))


def _table(name: str, counts: _Counts | None, p: float, adjusted: float) -> StudyTable:
    groups = _GROUPS[name]
    if counts is None:
        return StudyTable(name, groups, (), (), 0, None, None, None, _NO_ALERTS)
    taken = counts.decisions.sum(axis=0)
    known = not np.isnan(p)
    return StudyTable(
        name=name,
        groups=groups,
        every_step=distributions(counts.every, groups, actions.KIND_NAMES),
        decisions=distributions(counts.decisions, groups, actions.KIND_NAMES),
        n=int(taken.sum()),
        strength=cramers_v(taken) if known else None,
        p=float(p) if known else None,
        adjusted_p=float(adjusted) if known else None,
        missing=None,
    )
