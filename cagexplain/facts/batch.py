"""One pass over a trace for all analyses.

A trace may be larger than memory. It is read a few episodes at a time; every analysis is a
`Collector` that takes from each `Batch` what it counts. What several of them need (who is in which
state when, what blue saw) is computed once per batch, and only if somebody asks for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cagexplain.cc4 import agents, network, observations
from cagexplain.cc4.layout import CONNECTION, NONE, PROCESS, SLOT_OF_HOST
from cagexplain.cc4.red_fsm import State
from cagexplain.common import machine
from cagexplain.common.arrays import BoolArray, Int8Array, Int16Array, Int64Array
from cagexplain.common.errors import CagexplainError
from cagexplain.tracing.manifest import RECORD_AGAIN, TracePart
from cagexplain.tracing.trace import Trace

MAX_EPISODES: Final = 64
"""Episodes of a batch: a dense ``int8[n, T, 137]`` of as many takes 4.4 MB at CC4's length."""

_TRIMMED: Final = 8
"""Batches after which memory is given back: what is kept of each lies scattered among the arrays
that are not."""

Tables = Mapping[str, Sequence[str]]

_NEEDED: Final[Tables] = {
    "steps": ("episode", "step", "phase"),
    "blue": ("episode", "step", "agent", "action_type", "target_host", "started", "zone_state"),
    "red": ("episode",),
    "transitions": ("episode", "step", "agent", "host", "to_state"),
    "levels": ("episode", "step", "host", "to_level"),
    "services": ("episode", "step", "host"),
    "green": ("episode",),
    "green_work": ("episode",),
    "hosts": ("episode", "host", "level"),
    "masks": ("episode",),
    "observations": ("episode", "step", "agent"),
}
"""Columns of each table that a batch itself needs."""

_NO_BIT: Final = observations.TOTAL
"""An entry behind the agents' concatenated observations that is never set."""


def _of_hosts(entries: Int64Array) -> Int64Array:
    """Entry of the concatenated observations that tells of each host: ``int64[137]``."""
    return np.where(SLOT_OF_HOST != NONE, entries[SLOT_OF_HOST], _NO_BIT)


_PROCESS: Final = _of_hosts(PROCESS)
_CONNECTION: Final = _of_hosts(CONNECTION)
_OWNER: Final = agents.RED_OF_HOST.astype(np.int64)


class Collector(Protocol):
    """An analysis that a trace passes by."""

    @property
    def tables(self) -> Tables:
        """Columns that `add` wants through `Batch.frame`, by table, beside `_NEEDED`."""

    def add(self, batch: Batch) -> None:
        """Take what is needed from some whole episodes."""


def run(trace: Trace, collectors: Sequence[Collector]) -> None:
    """Show a trace to all collectors, in one pass.

    Raises:
        CagexplainError: a file of the trace is damaged, or a collector needs a table that was not
            recorded.
    """
    wanted: dict[str, list[str]] = {}
    for collector in collectors:
        for name, columns in collector.tables.items():
            wanted.setdefault(name, []).extend(columns)
    for number, batch in enumerate(batches(trace, wanted), start=1):
        for collector in collectors:
            collector.add(batch)
        if number % _TRIMMED == 0:
            machine.trim()
    machine.trim()


def batches(trace: Trace, tables: Tables) -> Iterator[Batch]:
    """The episodes of a trace, at most `MAX_EPISODES` at a time, with these columns at hand."""
    for part in trace.manifest.parts:
        yield from _cut(_Part(trace, part, tables))


def in_memory(tables: Mapping[str, pa.Table]) -> Iterator[Batch]:
    """The episodes of a recording that was not written, as `batches` has those of a trace.

    Args:
        tables: all of them with all their columns, as `cagexplain.tracing.recorder` makes them.
    """
    return _cut(_Recorded(tables))


def _cut(source: _Source) -> Iterator[Batch]:
    episodes = source.episodes
    for start in range(0, len(episodes), MAX_EPISODES):
        yield Batch(source, episodes[start : start + MAX_EPISODES])


class _Source(ABC):
    """Tables of some episodes, each read when first asked for."""

    def __init__(self) -> None:
        self._frames: dict[str, pd.DataFrame] = {}

    @cached_property
    def episodes(self) -> Int64Array:
        return np.unique(self.frame("steps")["episode"].to_numpy()).astype(np.int64)

    @cached_property
    def steps(self) -> int:
        return int(self.frame("steps")["step"].max()) + 1

    @property
    @abstractmethod
    def has_observations(self) -> bool:
        """Whether the tables tell what blue saw."""

    def frame(self, name: str) -> pd.DataFrame:
        if name not in self._frames:
            self._frames[name] = self._read(name)
        return self._frames[name]

    @abstractmethod
    def _read(self, name: str) -> pd.DataFrame:
        """A table of these episodes."""

    @property
    @abstractmethod
    def packed(self) -> pa.Array:
        """Observations as packed bits, row by row; not through pandas, which makes objects."""

    @abstractmethod
    def damaged(self, name: str, field: str) -> CagexplainError:
        """The error about bytes that cannot be observations."""


class _Recorded(_Source):
    """Tables as they come from a recorder."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        super().__init__()
        self._tables = tables

    @property
    def has_observations(self) -> bool:
        return "observations" in self._tables

    def _read(self, name: str) -> pd.DataFrame:
        binary = [c for c in ("bits",) if c in self._tables[name].column_names]
        frame: pd.DataFrame = self._tables[name].drop_columns(binary).to_pandas()
        return frame

    @cached_property
    def packed(self) -> pa.Array:
        return self._tables["observations"].column("bits").combine_chunks()

    def damaged(self, name: str, field: str) -> CagexplainError:
        return CagexplainError(
            "the recording does not hold what the schema says", field=field, remedy=RECORD_AGAIN
        )


class _Part(_Source):
    """The tables of a part of a trace on disk."""

    def __init__(self, trace: Trace, part: TracePart, tables: Tables) -> None:
        super().__init__()
        self._trace, self._part = trace, part
        self._wanted = {
            name: tuple(dict.fromkeys([*needed, *tables.get(name, ())]))
            for name, needed in _NEEDED.items()
        }

    @property
    def has_observations(self) -> bool:
        return "observations" in self._trace.tables

    def _read(self, name: str) -> pd.DataFrame:
        return self._trace.read(self._part, name, self._wanted[name])

    @cached_property
    def packed(self) -> pa.Array:
        bits = self._trace.read_arrow(self._part, "observations", ["bits"]).column("bits")
        return bits.combine_chunks()

    def damaged(self, name: str, field: str) -> CagexplainError:
        return CagexplainError(
            "the column does not hold what the schema says",
            where=self._part.path(self._trace.path, name),
            field=field,
            remedy=RECORD_AGAIN,
        )


class Batch:
    """Some whole episodes. Index 0 of every array is the episode's place within the batch, ``T``
    the number of steps, hosts are the slots of `cagexplain.cc4.network`.

    A row of step ``t`` tells the state that its decisions were made on, and what the step did.

    Attributes:
        episodes: ``int64[n]`` numbers of the episodes, ascending.
    """

    def __init__(self, source: _Source, episodes: Int64Array) -> None:
        self._source = source
        self._frames: dict[str, pd.DataFrame] = {}
        self.episodes = episodes

    @property
    def n(self) -> int:
        """Number of episodes."""
        return len(self.episodes)

    @property
    def steps(self) -> int:
        """Steps of an episode."""
        return self._source.steps

    def frame(self, name: str) -> pd.DataFrame:
        """Rows of a table, with the columns that the collectors asked for and ``row``: the index
        of the episode within the batch."""
        if name not in self._frames:
            whole = self._source.frame(name)
            rows = self._rows(name)
            frame = whole.iloc[rows].reset_index(drop=True)
            row = np.searchsorted(self.episodes, frame["episode"].to_numpy())
            self._frames[name] = frame.assign(row=row)
        return self._frames[name]

    def _rows(self, name: str) -> slice:
        """Where the batch's rows lie in the file: they are sorted by episode."""
        episode = self._source.frame(name)["episode"].to_numpy()
        first, last = self.episodes[[0, -1]]
        return slice(
            int(np.searchsorted(episode, first)), int(np.searchsorted(episode, last, side="right"))
        )

    @cached_property
    def phase(self) -> Int8Array:
        """``int8[n, T]`` mission phase."""
        steps = self.frame("steps")
        return self._dense(steps, steps["phase"], np.int8(0))

    @cached_property
    def exists(self) -> BoolArray:
        """``bool[n, 137]`` hosts of the episode's world."""
        hosts = self.frame("hosts")
        exists = np.zeros((self.n, network.N_HOSTS), dtype=np.bool_)
        exists[hosts["row"], codes(hosts, "host")] = True
        return exists

    @cached_property
    def states(self) -> Int8Array:
        """``int8[n, T, 137]`` FSM state of each host, attributed as in
        `cagexplain.tracing.host_states`; codes of `cagexplain.cc4.red_fsm.State`."""
        moves = self.frame("transitions")
        host, agent = codes(moves, "host"), codes(moves, "agent")
        place = moves["row"].to_numpy() * network.N_HOSTS + host
        step, state = moves["step"].to_numpy(), codes(moves, "to_state")
        by_owner = agent == _OWNER[host]
        first = np.zeros(self.n * network.N_HOSTS, dtype=np.int8)
        states = _fill(place[by_owner], step[by_owner], state[by_owner], first, self.steps)
        # What the others believe counts as long as the owner knows nothing; few hosts have both.
        foreign, slot = np.unique(place[~by_owner], return_inverse=True)
        beliefs = np.zeros((len(foreign), self.steps), dtype=np.int8)
        for red in range(agents.N_RED):
            of_red = agent[~by_owner] == red
            unknown = np.zeros(len(foreign), dtype=np.int8)
            belief = _fill(
                slot[of_red], step[~by_owner][of_red], state[~by_owner][of_red], unknown, self.steps
            )
            np.maximum(beliefs, belief, out=beliefs)
        known = states[foreign]
        states[foreign] = np.where(known != State.UNKNOWN, known, beliefs)
        return self._by_step(states)

    @cached_property
    def levels(self) -> Int8Array:
        """``int8[n, T, 137]`` true compromise: 0 none, 1 a red user session, 2 one of root."""
        hosts, changes = self.frame("hosts"), self.frame("levels")
        first = np.zeros((self.n, network.N_HOSTS), dtype=np.int8)
        first[hosts["row"], codes(hosts, "host")] = hosts["level"]
        place = changes["row"].to_numpy() * network.N_HOSTS + codes(changes, "host")
        filled = _fill(
            place,
            changes["step"].to_numpy(),
            changes["to_level"].to_numpy(),
            first.ravel(),
            self.steps,
        )
        return self._by_step(filled)

    @cached_property
    def process(self) -> BoolArray | None:
        """``bool[n, T, 137]`` malicious-process bit of each defended host in the observation that
        was decided on; None if the trace has no observations."""
        return self._alerts(_PROCESS)

    @cached_property
    def connection(self) -> BoolArray | None:
        """``bool[n, T, 137]`` network-connection bit; None if the trace has no observations."""
        return self._alerts(_CONNECTION)

    @cached_property
    def started(self) -> BoolArray:
        """``bool[n, T, 5]`` whether the agent was free, so that this is a decision."""
        return self._of_blue(self.frame("blue")["started"].to_numpy(), np.False_)

    @cached_property
    def kind(self) -> Int8Array:
        """``int8[n, T, 5]`` `ActionKind` submitted; an invalid index is a Sleep."""
        return self._of_blue(codes(self.frame("blue"), "action_type").astype(np.int8), np.int8(-1))

    @cached_property
    def target(self) -> Int16Array:
        """``int16[n, T, 5]`` host that it targets; -1 for other actions."""
        return self._of_blue(
            codes(self.frame("blue"), "target_host").astype(np.int16), np.int16(-1)
        )

    @cached_property
    def zone_state(self) -> Int8Array:
        """``int8[n, T, 5]`` most advanced FSM state of the agent's hosts."""
        return self._of_blue(codes(self.frame("blue"), "zone_state").astype(np.int8), np.int8(0))

    def since(self, table: str, column: str, first: int) -> Int8Array:
        """``int8[n, T, 137]`` what a table of changes says of each host at every step.

        Args:
            table: with a row per change: its step, from after which the new value holds, its host.
            column: the new value; one that a collector asked for.
            first: value of all hosts at step 0.
        """
        changes = self.frame(table)
        place = changes["row"].to_numpy() * network.N_HOSTS + codes(changes, "host")
        begin = np.full(self.n * network.N_HOSTS, first, dtype=np.int8)
        step, value = changes["step"].to_numpy(), changes[column].to_numpy()
        return self._by_step(_fill(place, step, value, begin, self.steps))

    def _dense(self, frame: pd.DataFrame, values: Any, empty: Any) -> npt.NDArray[Any]:
        dense = np.full((self.n, self.steps), empty)
        dense[frame["row"], frame["step"]] = values
        return dense

    def _of_blue(self, values: npt.NDArray[Any], empty: Any) -> npt.NDArray[Any]:
        blue = self.frame("blue")
        dense = np.full((self.n, self.steps, agents.N_BLUE), empty)
        dense[blue["row"], blue["step"], codes(blue, "agent")] = values
        return dense

    def _by_step(self, filled: Int8Array) -> Int8Array:
        by_host = filled.reshape(self.n, network.N_HOSTS, self.steps)
        return np.ascontiguousarray(by_host.swapaxes(1, 2))

    @cached_property
    def bits(self) -> npt.NDArray[np.uint8] | None:
        """``uint8[n, T, 579]`` the agents' observations side by side as the decisions were made on
        them, but for the phases, which are 0 here as is the last entry; None if not recorded."""
        if not self._source.has_observations:
            return None
        table = self.frame("observations")
        packed = self._source.packed[self._rows("observations")]
        agent = codes(table, "agent")
        place = table["row"].to_numpy() * self.steps + table["step"].to_numpy()
        bits = np.zeros((self.n * self.steps, _NO_BIT + 1), dtype=np.uint8)
        for blue, start in enumerate(observations.OFFSETS):
            rows, size = agent == blue, observations.SIZES[blue]
            bits[place[rows], start + 1 : start + size] = self._unpack(
                packed.filter(pa.array(rows)), size - 1
            )
        return bits.reshape(self.n, self.steps, -1)

    def _alerts(self, entries: Int64Array) -> BoolArray | None:
        if self.bits is None:
            return None
        # What stands for a host that is not there is no alert, whatever its bit says.
        bits = np.take(self.bits, entries, axis=2).view(np.bool_)
        return bits & self.exists[:, np.newaxis]

    def _unpack(self, rows: pa.Array, size: int) -> npt.NDArray[np.uint8]:
        """Byte strings of equal length as ``uint8[rows, size]`` of bits."""
        width = (size + 7) // 8
        if rows.null_count or not pc.all(pc.equal(pc.binary_length(rows), width)).as_py():
            raise self._source.damaged("observations", "bits")
        fixed = rows.cast(pa.binary(width))
        start = fixed.offset * width
        data = np.frombuffer(fixed.buffers()[1], dtype=np.uint8)[start : start + len(rows) * width]
        return np.unpackbits(data.reshape(len(rows), width), axis=1, count=size)


def codes(frame: pd.DataFrame, name: str) -> npt.NDArray[np.int64]:
    """Position of each entry of a column among the schema's categories; -1 for null."""
    return np.asarray(frame[name].cat.codes, dtype=np.int64)


def _fill(
    place: Int64Array, step: npt.NDArray[Any], value: npt.NDArray[Any], first: Int8Array, steps: int
) -> Int8Array:
    """Values of some places at every step, from their changes.

    Args:
        place: which place changes.
        step: during which step; the value holds from the next step on. Of several changes in one
            step the last one counts.
        value: the new one.
        first: ``int8[places]`` values at step 0.
        steps: number of steps.

    Returns:
        ``int8[places, steps]``.
    """
    begins = place * steps + step + 1
    lasting = step + 1 < steps
    order = np.argsort(begins[lasting], kind="stable")
    starts = np.concatenate([np.arange(len(first)) * steps, begins[lasting][order]])
    values = np.concatenate([first, value[lasting][order].astype(np.int8)])
    order = np.argsort(starts, kind="stable")
    ends = np.append(starts[order][1:], len(first) * steps)
    filled: Int8Array = np.repeat(values[order], ends - starts[order]).reshape(len(first), steps)
    return filled
