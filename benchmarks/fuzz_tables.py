"""Spoilt Parquet tables of a trace, and what a table may hold, told apart from the readers.

`conforms` is the judge: it knows the ranges, keys and references that the schema documents, and is
written independently of what reads traces.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fuzz_mutations import Rng, one_of, spoil_bytes
from cagexplain.cc4 import actions, network, observations, services
from cagexplain.tracing import schema

_LEVEL, _BIT, _PHASE = (0, 2), (-1, 1), (0, 2)
_COUNT: Final = (0, np.inf)
RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "episode": _COUNT,
    "step": _COUNT,
    "phase": _PHASE,
    "red_active": (0, 6),
    "process_alerts": (0, network.N_HOSTS),
    "connection_alerts": (0, network.N_HOSTS),
    "action": (-1, max(actions.SIZES) - 1),
    "ticks_left": _COUNT,
    "completed_level": (-1, 2),
    "found": (-1, np.inf),
    "target_level": (-1, 2),
    "process_alert": _BIT,
    "connection_alert": _BIT,
    "probability": (0, 1.000001),
    "entropy": _COUNT,
    "attempts": _COUNT,
    "service_degraded": _COUNT,
    "traffic_blocked": _COUNT,
    "from_level": _LEVEL,
    "to_level": _LEVEL,
    "level": _LEVEL,
    "decoys": _COUNT,
    "reliability": (0, 100),
}
"""What numbers may be, by column; those of hosts are counts of hosts."""

_DENSE: Final = {
    "steps": ("episode", "step"),
    "blue": ("episode", "step", "agent"),
    "observations": ("episode", "step", "agent"),
    "masks": ("episode", "agent"),
    "green_work": ("episode", "phase", "zone", "kind"),
}
"""Keys of the tables that have a row for each of them."""
_UNIQUE: Final = {
    "hosts": ("episode", "host"),
    "red": ("episode", "step", "agent", "event"),
    "levels": ("episode", "step", "host"),
    "services": ("episode", "step", "host"),
    "green": ("episode", "step", "host"),
    "transitions": (),
}
"""Keys of the others that occur at most once."""
_WIDTHS: Final = {
    "observations": tuple((size - 1 + 7) // 8 for size in observations.SIZES),
    "masks": tuple((size + 7) // 8 for size in actions.SIZES),
}
_AT_HOSTS: Final = frozenset({"Analyse", "Remove", "Restore", "DeployDecoy"})
_AT_TRAFFIC: Final = frozenset({"AllowTrafficZone", "BlockTrafficZone"})
_BELONGS: Final = {
    "blue": (
        ("target_host", "action_type", _AT_HOSTS),
        ("target_zone", "action_type", _AT_HOSTS | _AT_TRAFFIC),
        ("source_zone", "action_type", _AT_TRAFFIC),
        ("completed_host", "completed", _AT_HOSTS),
    ),
    "red": (
        ("target_host", "action_name", frozenset(schema.RED_ACTIONS) - {"DiscoverRemoteSystems"}),
    ),
    "green": (("target_host", "kind", frozenset({"GreenAccessService"})),),
}
"""By table: a column that has a value exactly where another one has one of some names."""
_WRONG_HOSTS: Final = {
    "green host": ("router", "internet", "server"),
    "green target_host": ("router", "internet", "user"),
}
"""Words in the names of hosts that a column cannot name; nobody acts on routers."""
_REAL_SERVICES: Final = frozenset(services.REAL)


def conforms(name: str, data: bytes, original: pd.DataFrame, hosts: pd.DataFrame) -> bool:
    """Whether a file holds what the schema says of a table.

    Args:
        name: of the table.
        data: the file.
        original: rows that were recorded.
        hosts: rows of the table "hosts" of the same episodes.
    """
    try:
        table = pq.read_table(io.BytesIO(data))
        frame = _frame(name, table)
    except (KeyError, ValueError, TypeError, OSError, pa.ArrowException):
        return False
    columns = schema.TABLES[name].columns
    if not all(_value_fits(name, column, frame[column.name]) for column in columns):
        return False
    for column, other, names in _BELONGS.get(name, ()):
        if (frame[column].notna() != frame[other].isin(names)).any():
            return False
    if name == "transitions" and ((frame["action"] >= 0) != (frame["cause"] == "action")).any():
        return False
    if name == "red" and not _red_fits(frame):
        return False
    return _keys_fit(name, frame, original, hosts)


def _red_fits(frame: pd.DataFrame) -> bool:
    """Whether actions have their names, and each that ends was the last that its agent began."""
    if (frame["action_name"] != frame["action"].map(lambda i: schema.RED_ACTIONS[i])).any():
        return False
    begun: dict[tuple[int, str], int] = {}
    numbered = frame.assign(event=frame["event"].map(["started", "done"].index))
    ordered = numbered.sort_values(["episode", "step", "agent", "event"])
    for episode, agent, action, event in (
        ordered[["episode", "agent", "action", "event"]].to_numpy().tolist()
    ):
        if event == 0:
            begun[episode, agent] = action
        elif begun.pop((episode, agent), None) != action:
            return False
    return True


def _frame(name: str, table: pa.Table) -> pd.DataFrame:
    """Plain values of the columns that the schema has; KeyError or TypeError if they differ."""
    plain = {}
    for column in schema.TABLES[name].columns:
        values = table.column(column.name)
        kind = values.type
        if pa.types.is_dictionary(kind) != pa.types.is_dictionary(column.type):
            raise TypeError(column.name)
        if not pa.types.is_dictionary(kind) and kind != column.type:
            raise TypeError(column.name)
        plain[column.name] = pd.Series(values.to_pylist(), dtype=object)
    return pd.DataFrame(plain)


def _value_fits(name: str, column: schema.Column, values: pd.Series) -> bool:
    there = values.dropna()
    if len(there) < len(values) and not column.nullable:
        return False
    if column.categories is not None:
        if column.name.endswith("host") and name != "hosts":
            wrong = "|".join(_WRONG_HOSTS.get(f"{name} {column.name}", ("router", "internet")))
            if there.astype(str).str.contains(wrong).any():
                return False
        return bool(there.isin(column.categories).all())
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        numbers = there.astype(float)
        low, high = RANGES.get(column.name, (-np.inf, np.inf))
        if column.name.startswith(("hosts_", "user_", "root_")):
            low, high = 0, network.N_HOSTS
        if name in ("red", "transitions") and column.name == "action":
            low, high = (0 if name == "red" else -1), 8
        # NaN is dropped with nulls by pandas, so it is looked for among what is nullable.
        return bool(np.isfinite(numbers).all() and numbers.between(low, high).all())
    if column.name == "services":
        return all(set(filter(None, text.split(","))) <= _REAL_SERVICES for text in there)
    return True


def _keys_fit(name: str, frame: pd.DataFrame, original: pd.DataFrame, hosts: pd.DataFrame) -> bool:
    if name in _DENSE:
        keys = list(_DENSE[name])
        if not _same_rows(frame[keys], original[keys]):
            return False
        if name in _WIDTHS:
            widths = dict(zip(schema.BLUE_AGENTS, _WIDTHS[name], strict=True))
            return bool((frame["bits"].map(len) == frame["agent"].map(widths)).all())
        if name == "blue":
            sizes = dict(zip(schema.BLUE_AGENTS, actions.SIZES, strict=True))
            return bool((frame["action"] < frame["agent"].map(sizes)).all())
        return True
    if not set(frame["episode"]) <= set(original["episode"]) | set(hosts["episode"]):
        return False
    unique = list(_UNIQUE[name])
    if unique and frame.duplicated(unique).any():
        return False
    order = ["episode", "step"] if "step" in frame else ["episode"]
    places = list(frame[order].itertuples(index=False, name=None))
    if places != sorted(places):
        return False
    if name == "hosts":
        return set(frame["episode"]) == set(original["episode"])
    known = set(hosts[["episode", "host"]].itertuples(index=False, name=None))
    if "host" in frame:
        named = set(frame[["episode", "host"]].itertuples(index=False, name=None))
        if not named <= known:
            return False
    return "step" not in frame or not len(frame) or int(frame["step"].max()) < _calls(original)


def _calls(original: pd.DataFrame) -> int:
    return int(original.attrs["calls"])


def _same_rows(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    rows = (list(x.itertuples(index=False, name=None)) for x in (one, other))
    first, second = rows
    return first == second


def original_rows(name: str, data: bytes, calls: int) -> pd.DataFrame:
    """The rows of a good file, with the steps of an episode as an attribute."""
    frame = _frame(name, pq.read_table(io.BytesIO(data)))
    frame.attrs["calls"] = calls
    return frame


def written(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def spoil_table(name: str, data: bytes, rng: Rng) -> tuple[bytes, str]:
    """A spoilt file of a table, and what is wrong with it."""
    if rng.random() < 0.2:
        return spoil_bytes(data, rng)
    table = pq.read_table(io.BytesIO(data))
    kinds: tuple[Callable[[pa.Table, Rng], tuple[pa.Table, str]], ...]
    kinds = (_value, _value, _value, _value, _value, _column, _rows, _rows)
    spoilt, change = one_of(rng, kinds)(table, rng)
    return written(spoilt), change


def _value(table: pa.Table, rng: Rng) -> tuple[pa.Table, str]:
    """Another value in one row, a few rows or all rows of a column."""
    column = one_of(rng, table.column_names)
    n = len(table)
    values = table.column(column).to_pylist()
    kind = table.schema.field(column).type
    old = values[int(rng.integers(n))]
    new = _other(kind, old, rng)
    rows = one_of(rng, (rng.integers(n, size=1), rng.integers(n, size=1), rng.integers(n, size=5)))
    for row in range(n) if rng.random() < 0.1 else rows:
        values[row] = new
    return _replaced(table, column, values, kind), f"{column} is {_word(new)}"


def _other(kind: pa.DataType, old: Any, rng: Rng) -> Any:
    if pa.types.is_dictionary(kind):
        return one_of(rng, ("unknown", "", "\x1b[31m", None, *_NAMES))
    if pa.types.is_integer(kind):
        low, high = np.iinfo(kind.to_pandas_dtype()).min, np.iinfo(kind.to_pandas_dtype()).max
        near = () if old is None else (old - 1, old + 1)
        new = one_of(rng, (-1, -3, -5, 0, 1, 2, 3, 9, 100, low, high, None, *near))
        return None if new is None else max(low, min(high, new))
    if pa.types.is_floating(kind):
        near = () if old is None else (old * 2, old - 0.5)
        return one_of(rng, (np.nan, np.inf, -np.inf, 1e30, -1.0, 0.0, 2.0, None, *near))
    if pa.types.is_boolean(kind):
        return one_of(rng, (True, False, None))
    if pa.types.is_binary(kind):
        old = old or b""
        flipped = spoil_bytes(old, rng)[0] if old else b"x"
        return one_of(rng, (b"", old + b"\0", old[:-1], b"\xff" * len(old), flipped, None))
    return one_of(rng, ("", "x", "\x1b[31m", "a," * 10_000, None))


_NAMES: Final = (
    *("root_shell", "U", "R", "Sleep", "blue_agent_0", "red_agent_5", "SUCCESS", "Restore"),
    *(network.HOST_NAMES[0], network.HOST_NAMES[-1], network.ZONES[0]),
)


def _replaced(table: pa.Table, column: str, values: Any, kind: pa.DataType) -> pa.Table:
    """The table with other values in a column, whose field may hold nulls now."""
    if pa.types.is_dictionary(kind):
        array = pa.array(values, pa.string()).dictionary_encode()
    else:
        array = pa.array(values, kind, from_pandas=False)
    return table.set_column(table.column_names.index(column), column, array)


def _column(table: pa.Table, rng: Rng) -> tuple[pa.Table, str]:
    """A column gone, more, renamed, of another type, or without values."""
    column = one_of(rng, table.column_names)
    i = table.column_names.index(column)
    values = table.column(column)
    match int(rng.integers(7)):
        case 0:
            return table.drop_columns([column]), f"{column} is missing"
        case 1:
            return table.append_column("extra", values), "a column more"
        case 2:
            return table.append_column(column, values), f"{column} is there twice"
        case 3:
            names = [f"{c}_" if c == column else c for c in table.column_names]
            return table.rename_columns(names), f"{column} has another name"
        case 4:
            order = [table.column_names[k] for k in rng.permutation(table.num_columns)]
            return table.select(order), "columns in another order"
        case 5:
            nothing = pa.nulls(len(table), values.type)
            return table.set_column(i, column, nothing), f"{column} has no values"
    plain = values.to_pylist()
    kinds: tuple[pa.DataType, ...]
    kinds = (pa.int64(), pa.float64(), pa.float16(), pa.string(), pa.binary(), pa.bool_())
    kinds += (pa.list_(pa.int64()), pa.timestamp("s"), pa.dictionary(pa.int8(), pa.int64()))
    kind = one_of(rng, kinds)
    try:
        other = pa.array(plain, pa.string()) if kind == pa.string() else values.cast(kind)
    except (pa.ArrowException, TypeError, ValueError):
        other = pa.array([None] * len(plain), kind if not pa.types.is_dictionary(kind) else None)
    return table.set_column(i, column, other), f"{column} has type {other.type}"


def _rows(table: pa.Table, rng: Rng) -> tuple[pa.Table, str]:
    """Rows missing, twice, or in another order."""
    n = len(table)
    i, j = (int(rng.integers(n)) for _ in range(2))
    rows = np.arange(n)
    edits: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("a row missing", lambda: np.delete(rows, i)),
        ("the last row missing", lambda: rows[:-1]),
        ("rows missing", lambda: np.delete(rows, slice(*sorted((i, j))))),
        ("a row twice", lambda: np.insert(rows, i, i)),
        ("a row twice, elsewhere", lambda: np.insert(rows, i, j)),
        ("rows exchanged", lambda: _swapped(rows, i, j)),
        ("rows shuffled", lambda: rng.permutation(n)),
        ("rows reversed", lambda: rows[::-1]),
        ("no rows", lambda: rows[:0]),
    )
    change, edit = one_of(rng, edits)
    return table.take(pa.array(edit(), pa.int64())), change


def _swapped(rows: Any, i: int, j: int) -> Any:
    rows = rows.copy()
    rows[[i, j]] = rows[[j, i]]
    return rows


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        return "other bytes"
    if isinstance(value, float):
        return f"{value:.3g}"
    text = ascii(value)
    return text if len(text) < 24 else f"{text[:16]}..."
