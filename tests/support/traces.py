"""Traces for tests: written row by row, or recorded from the engine."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cagexplain.envs import EnvParams
from cagexplain.policies.registry import load_policy
from cagexplain.tracing import manifest as manifests
from cagexplain.tracing import schema
from cagexplain.tracing.manifest import File, TracePart
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace

Rows = Sequence[Mapping[str, Any]]


def record(folder: Path, policy: str, episodes: int, *, steps: int = 120, **options: Any) -> Trace:
    """Record a policy in the real engine."""
    recording = Recording(
        folder,
        load_policy(policy),
        np.arange(7, 7 + episodes),
        EnvParams(steps=steps, red=options.pop("red", "finite_state")),
        with_observations=False,
        **options,
    )
    recording.run()
    return open_trace(folder)


def write_trace(
    folder: Path,
    parts: Sequence[Mapping[str, Rows]],
    *,
    policy: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Trace:
    """Write a trace by hand, with just the rows that a test needs: `open_trace` would refuse it.

    Args:
        folder: of the trace.
        parts: per batch of episodes the rows of the tables; what a row leaves out is null, 0,
            False or the column's first category. Blue agents without a row in a step are busy.
        policy, options: of the manifest.
    """
    written = []
    first = 0
    for number, tables in enumerate(parts):
        n_episodes = len({row["episode"] for row in tables["steps"]})
        files = {}
        for name in schema.TABLES:
            if name in schema.OBSERVATION_TABLES:
                continue
            path = folder / name / f"part-{number:06d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = tables.get(name, ())
            table = _table(schema.TABLES[name], _complete(rows, tables) if name == "blue" else rows)
            pq.write_table(table, path)
            content = path.read_bytes()
            files[name] = File(table.num_rows, len(content), hashlib.sha256(content).hexdigest())
        written.append(TracePart(number, first, n_episodes, files))
        first += n_episodes
    manifest = manifests.new(
        {"name": "handmade", "version": "0"},
        dict(policy or {"name": "handmade", "kind": "scripted"}),
        {"red": "finite_state", "steps": 500, "batch": 1, "observations": False}
        | dict(options or {}),
        list(range(first)),
    )
    manifest.parts.extend(written)
    manifest.write(folder)
    return Trace(folder, manifests.read(folder))


def _complete(blue: Rows, tables: Mapping[str, Rows]) -> Rows:
    """The rows of the table `blue` with one for every agent and step, in order."""
    given = {(row["episode"], row["step"], row["agent"]): row for row in blue}
    keys = [
        (s["episode"], s["step"], agent) for s in tables["steps"] for agent in schema.BLUE_AGENTS
    ]

    def idle(episode: int, step: int, agent: str) -> Mapping[str, Any]:
        return {"episode": episode, "step": step, "agent": agent, "action_type": "Sleep"}

    return [given.get(key, idle(*key)) for key in sorted(keys)]


def _table(table: schema.Table, rows: Rows) -> pa.Table:
    columns = []
    for column in table.columns:
        if column.nullable:
            default = None
        elif column.categories:
            default = column.categories[0]
        else:
            default = {"bool": False, "string": "", "binary": b""}.get(str(column.type), 0)
        values = [row.get(column.name, default) for row in rows]
        if column.categories:
            codes = [None if v is None else column.categories.index(v) for v in values]
            indices = pa.array(codes, column.type.index_type)
            columns.append(pa.DictionaryArray.from_arrays(indices, list(column.categories)))
        else:
            columns.append(pa.array(values, column.type))
    return pa.Table.from_arrays(columns, schema=table.schema)
