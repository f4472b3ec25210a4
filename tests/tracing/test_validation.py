"""Every column of every table refuses what the schema excludes, with a manifest that agrees."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cagexplain.cc4 import agents, network
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import sha256_file
from cagexplain.envs import EnvParams, engines
from cagexplain.policies.base import Decision
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.base import Scripted
from cagexplain.tracing import schema
from cagexplain.tracing.manifest import File, TracePart
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.schema import Column, Table
from cagexplain.tracing.trace import open_trace
from cagexplain.tracing.validation import validate_file
from tests.support.damage import replace_table
from tests.support.fake_env import FakeEnv

STEPS = 7
CALLS = STEPS - 1
EPISODES = 2
PART = 1
"""The part that is changed; its first episode is not the trace's."""

Mutation = tuple[str, str, pa.Table]
"""What was done, the columns that are to be named, and what came of it."""


class Unsure:
    """The random policy, with a made-up probability and entropy."""

    def __init__(self) -> None:
        self._policy: Scripted = load_policy("random")  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)

    def act(self, obs: np.ndarray, mask: np.ndarray, free: np.ndarray) -> Decision:
        chosen = self._policy.act(obs, mask, free).actions
        half = np.full(free.shape, 0.5, np.float32)
        return Decision(chosen, None, half, half)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "trace"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "BatchedEnv", FakeEnv)
        seeds = np.arange(2 * EPISODES)
        Recording(folder, Unsure(), seeds, EnvParams(steps=STEPS), batch=EPISODES).run()  # type: ignore[arg-type]
    return folder


def changed(table: pa.Table, name: str, row: int, value: Any) -> pa.Table:
    """The table with another value in one place; names as they come."""
    field = table.schema.field(name)
    values = table.column(name).to_pylist()
    values[row] = value
    kind = pa.string() if pa.types.is_dictionary(field.type) else field.type
    column = pa.array(values, kind)
    if pa.types.is_dictionary(field.type):
        column = column.dictionary_encode()
    return of_column(table, name, column)


def of_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def other_type(column: Column) -> pa.DataType:
    if pa.types.is_floating(column.type):
        return pa.float64()
    if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
        return pa.binary()
    return pa.large_binary() if pa.types.is_binary(column.type) else pa.int64()


def wrong_values(column: Column) -> Iterator[tuple[int, Any]]:
    """Places and values that the schema excludes, whatever the rest of the row."""
    if not column.nullable:
        yield 0, None
    if column.categories is not None:
        yield 0, "<script>"
        yield 0, ""
        if column.used is not None:
            yield -1, column.categories[column.used]
        if column.kinds is not None:
            kinds = zip(schema.HOSTS, network.HOST_KIND, strict=True)
            yield 0, next(h for h, kind in kinds if network.KIND_NAMES[kind] not in column.kinds)
    elif column.texts is not None:
        yield 0, "SSHD,,SMTP"
    elif pa.types.is_floating(column.type):
        yield from ((0, float("nan")), (1, float("inf")), (2, float("-inf")))
    elif pa.types.is_binary(column.type):
        yield from ((0, b""), (3, bytes(1000)))
    if column.within == "episodes":
        yield from ((0, -1), (0, EPISODES - 1), (-1, 2 * EPISODES))
    if column.within == "steps":
        yield from ((1, -1), (2, -3), (0, -5), (-1, CALLS))
    if column.low is not None and not pa.types.is_unsigned_integer(column.type):
        yield 1, column.low - 1
    if column.high is not None and not pa.types.is_unsigned_integer(column.type):
        yield 2, column.high + 1


def related(table: Table, column: Column, found: pa.Table) -> Iterator[tuple[int, Any]]:
    """Values that do not go with other columns or tables."""
    values = found.column(column.name).to_pylist()
    if column.within == "world":
        row = next(i for i, value in enumerate(values) if value is not None)
        yield row, schema.HOSTS[network.user(network.PAZ, 9)]
    if column.with_column is not None:
        nothing = None if column.categories is not None else -1
        others = found.column(column.with_column).to_pylist()
        there = [
            other is not None and (column.with_names is None or other in column.with_names)
            for other in others
        ]
        yield there.index(True), nothing
        yield there.index(False), column.categories[1] if column.categories is not None else 1
    if column.number is not None:
        number = found.column(column.number)[0].as_py()
        yield 0, column.categories[number - 1]
    if column.why is not None:
        why = column.why
        before, after = (found.column(name).to_pylist() for name in (why.before, why.after))
        for row, rises in enumerate(y > x for x, y in zip(before, after, strict=True)):
            fitting = why.rises if rises else why.falls
            yield row, next(name for name in column.categories or () if name not in fitting)
    if column.sizes is not None and column.categories is None and column.high is not None:
        row = found.column("agent").to_pylist().index(agents.BLUE[0])
        yield row, column.sizes[0]


def mutations(table: Table, found: pa.Table) -> Iterator[Mutation]:
    for column in table.columns:
        name = column.name
        yield "column missing", name, found.drop_columns([name])
        values = found.column(name)
        if pa.types.is_dictionary(column.type):
            values = values.cast(pa.string())
        yield "type", name, of_column(found, name, values.cast(other_type(column)))
        for row, value in [*wrong_values(column), *related(table, column, found)]:
            row %= found.num_rows
            yield f"row {row}: {value!r:.40}", name, changed(found, name, row, value)
    if table.ends is not None:
        rows = found.select(["episode", "agent", "action", table.ends]).to_pylist()
        first, last = table.column(table.ends).categories or ()
        end = next(i for i, row in enumerate(rows) if row[table.ends] == last)
        begin = max(i for i in range(end) if rows[i] == {**rows[end], table.ends: first})
        others = [i for i in range(found.num_rows) if i != begin]
        yield "end without a beginning", table.ends, found.take(others)
    key = ", ".join(table.key)
    half = found.num_rows // 2
    twice = [*range(half), half, half, *range(half + 1, found.num_rows)]
    if not table.complete:  # else there are too many rows, which the schema knows to begin with
        yield "row twice", key, found.take(twice)
    yield "row instead of another", key, found.take([half, *range(1, found.num_rows)])
    yield "rows upside down", key, found.take([*range(found.num_rows)][::-1])
    if table.complete:
        yield "row missing", key, found.take([i for i in range(found.num_rows) if i != half])
        yield "last row missing", key, found.slice(0, found.num_rows - 1)
        yield "no row", key, found.slice(0, 0)
        yield "row twice", table.name, found.take(twice)


def agreeing(path: Path, part: TracePart, table: pa.Table) -> TracePart:
    """Write another table; the part of the manifest that says so."""
    pq.write_table(table, path)
    file = File(table.num_rows, path.stat().st_size, sha256_file(path))
    return dataclasses.replace(part, files={path.parent.name: file})


@pytest.mark.parametrize("name", list(schema.TABLES))
def test_what_the_schema_excludes_is_refused(sound: Path, name: str, tmp_path: Path) -> None:
    part = open_trace(sound).manifest.parts[PART]
    world = validate_file(part.path(sound, "hosts"), "hosts", part, CALLS, None)
    found = pq.read_table(part.path(sound, name))
    path = tmp_path / name / "part-000001.parquet"
    path.parent.mkdir()

    def check(table: pa.Table) -> None:
        told = agreeing(path, part, table)
        validate_file(path, name, told, CALLS, None if name == "hosts" else world)

    check(found)  # it is the content that is refused
    wrong = []
    for what, columns, table in mutations(schema.TABLES[name], found):
        try:
            check(table)
            wrong.append((what, columns, "accepted"))
        except CagexplainError as error:
            field = columns if columns == name else f"{name}: {columns}"
            if (error.where, error.field) != (path, field) or not error.remedy:
                wrong.append((what, columns, str(error)))
    assert wrong == []


def test_rows_are_named(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "trace"
    shutil.copytree(sound, folder)

    def refusal(name: str, change: Callable[[pa.Table], pa.Table]) -> str:
        path = folder / name / f"part-{PART:06d}.parquet"
        table = pq.read_table(path)
        replace_table(folder, name, PART, change(table))
        with pytest.raises(CagexplainError) as told:
            open_trace(folder)
        replace_table(folder, name, PART, table)
        return str(told.value)

    assert "blue: step: row 7 has -3; it must be 0 to 5, the steps" in refusal(
        "blue", lambda table: changed(table, "step", 7, -3)
    )
    assert "masks: bits: row 2 has the wrong size" in refusal(
        "masks", lambda table: changed(table, "bits", 2, b"12")
    )
    without = [i for i in range(CALLS * 5 * EPISODES) if i != CALLS * 5 + 11]
    assert (
        "blue: episode, step, agent: there is no row for episode 3, step 2, agent blue_agent_1"
        in refusal("blue", lambda table: table.take(without))
    )


def test_names_that_are_no_text_are_told(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "hosts" / "part-000001.parquet"
    path.parent.mkdir()
    part = open_trace(sound).manifest.parts[PART]
    table = pq.read_table(part.path(sound, "hosts"))
    names = pa.array([b"\xff"] * table.num_rows, pa.binary()).view(pa.string())
    told = agreeing(path, part, of_column(table, "zone", names.dictionary_encode()))
    with pytest.raises(CagexplainError, match=r"hosts/part-000001.parquet: the file is damaged .+"):
        validate_file(path, "hosts", told, CALLS, None)
