"""What readers make of spoilt files, in small; and that the benchmark tells good from bad."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import fuzz, fuzz_tables
from benchmarks.fuzz_kinds import KINDS, Case, TableKind
from benchmarks.fuzz_mutations import Rng
from cagexplain.common.errors import CagexplainError
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


def test_readers_refuse_or_understand_what_is_spoilt() -> None:
    # In a process of its own: it forks, which libraries that other tests use do not bear.
    command = [sys.executable, "-m", "benchmarks.fuzz", "--inputs", "120", "--workers", "1"]
    done = subprocess.run([*command, "--seed", "7"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(kind.name in done.stdout for kind in KINDS)


class Lenient:
    """A reader of numbers that fails in the ways that its files ask for."""

    name, share = "numbers", 1.0

    def __init__(self, content: bytes, legal: bool) -> None:
        self._case = Case({"a.json": content}, "another content", lambda loaded: legal)

    def make(self, folder: Path) -> None:
        (folder / "a.json").write_bytes(b"1")

    def case(self, files: fuzz.Files, rng: Rng) -> Case:
        return self._case

    def load(self, folder: Path) -> Any:
        found = json.loads((folder / "a.json").read_bytes())
        if found == "refuse":
            raise CagexplainError("no number", where=folder / "a.json", remedy="Give one")
        if found == "silent":
            raise CagexplainError("no number", remedy="Give one")
        return found

    def says(self, loaded: Any) -> str:
        return str(loaded + 0)

    def use(self, loaded: Any, number: int) -> None:
        assert loaded != 3


@pytest.mark.parametrize(
    ("content", "legal", "label"),
    [
        (b" 1", False, fuzz.EQUAL),
        (b"2", True, fuzz.LEGAL),
        (b"2", False, fuzz.OTHER),
        (b'"refuse"', False, fuzz.REFUSED),
        (b'"silent"', False, fuzz.INTERNAL),
        (b'"text"', False, fuzz.INTERNAL),
        (b"{", False, fuzz.INTERNAL),
        (b"3", True, fuzz.INTERNAL),
    ],
)
def test_outcomes(tmp_path: Path, content: bytes, legal: bool, label: str) -> None:
    kind = Lenient(content, legal)
    kind.make(tmp_path)
    bench = fuzz.Bench(kind, tmp_path, seed=0)
    assert bench.run(0).label == label
    assert (tmp_path / "a.json").read_bytes() == b"1", "the good file is not put back"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trace")
    TableKind().make(folder)
    return folder


def conforms(trace: Path, name: str, spoil: Any = lambda table: table) -> bool:
    data = (trace / name / "part-000000.parquet").read_bytes()
    hosts = (trace / "hosts" / "part-000000.parquet").read_bytes()
    spoilt = fuzz_tables.written(spoil(pq.read_table(pa.BufferReader(data))))
    rows = [fuzz_tables.original_rows(n, d, 29) for n, d in ((name, data), ("hosts", hosts))]
    return fuzz_tables.conforms(name, spoilt, *rows)


def test_recorded_tables_conform(trace: Path) -> None:
    names = [path.name for path in trace.iterdir() if path.is_dir()]
    assert len(names) == 11
    assert [name for name in names if not conforms(trace, name)] == []


def test_spoilt_tables_do_not_conform(trace: Path) -> None:
    def one(column: str, value: Any) -> Any:
        def spoil(table: pa.Table) -> pa.Table:
            values = table.column(column).to_pylist()
            kind = table.schema.field(column).type
            return fuzz_tables._replaced(table, column, [value, *values[1:]], kind)

        return spoil

    assert not conforms(trace, "steps", one("step", -1))
    assert not conforms(trace, "steps", one("reward", float("nan")))
    assert not conforms(trace, "steps", lambda table: table.slice(1))
    assert not conforms(trace, "blue", one("agent", "nobody"))
    assert not conforms(trace, "blue", one("action", None))
    assert not conforms(trace, "levels", one("to_level", 3))
    assert not conforms(trace, "green", one("host", "contractor_network_subnet_router_x"))
    assert not conforms(trace, "masks", one("bits", b""))
    assert not conforms(trace, "services", lambda table: pa.concat_tables([table, table]))
    assert not conforms(trace, "red", lambda table: table.drop_columns(["outcome"]))
    assert not conforms(trace, "blue", one("action_type", "BlockTrafficZone"))
    assert conforms(trace, "blue", one("message", 7))


def test_inputs_follow_from_the_seed_and_are_spread_over_all_kinds(trace: Path) -> None:
    benches = [fuzz.Bench(TableKind(), trace, seed) for seed in (1, 1, 2)]
    first, again, other = ([bench.case(n).change for n in range(20)] for bench in benches)
    assert first == again != other
    jobs = fuzz.plan(20_000, (), None)
    counts = np.bincount([which for which, _ in jobs])
    assert len(jobs) >= 20_000 and len(counts) == len(KINDS) and counts.min() > 1_000
    assert counts[[kind.name for kind in KINDS].index("table")] >= 5_000
    assert len(set(jobs)) == len(jobs)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "cake"],
        ["--inputs", "0"],
        ["--inputs", "x"],
        ["--number", "3"],
        ["--minutes", "0"],
    ],
)
def test_wrong_arguments_are_one_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        fuzz.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("error:") == 1
