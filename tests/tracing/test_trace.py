import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cagexplain.cc4.reds import REDS
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.rollout import Observer
from cagexplain.tracing import schema
from cagexplain.tracing.trace import latest_trace, open_trace
from tests.support.damage import edit_manifest, replace_table
from tests.support.fixtures_recordings import STEPS, Record

BLUE = Path("blue") / "part-000001.parquet"


def replace_blue(folder: Path, table: pa.Table) -> None:
    replace_table(folder, "blue", 1, table)


def test_tables_come_back_as_the_schema_says(recorded: Path) -> None:
    trace = open_trace(recorded)
    assert trace.finished and trace.n_episodes == 5
    assert trace.tables == tuple(schema.TABLES)
    for name, table in schema.TABLES.items():
        frame = trace.table(name)
        assert list(frame) == [column.name for column in table.columns]
        assert set(frame["episode"]) == set(range(5))
        for column in table.columns:
            if column.categories is not None:
                assert tuple(frame[column.name].cat.categories) == column.categories
            if not column.nullable:
                assert frame[column.name].notna().all()
    assert len(trace.table("steps")) == 5 * (STEPS - 1)
    assert len(trace.table("blue")) == 5 * (STEPS - 1) * 5


def test_batches_are_whole_episodes_and_make_up_the_table(recorded: Path) -> None:
    trace = open_trace(recorded)
    columns = ["episode", "agent", "action_type"]
    parts = list(trace.batches("blue", columns))
    assert [sorted(set(part["episode"])) for part in parts] == [[0, 1], [2, 3], [4]]
    whole = trace.table("blue", columns)
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    pd.testing.assert_frame_equal(trace.table("blue")[columns], whole)


def test_an_unfinished_trace_can_be_read(begin: Record) -> None:
    class Stop(Observer):
        steps = 0

        def after_step(self, *_: object) -> None:
            self.steps += 1
            if self.steps == STEPS:
                raise KeyboardInterrupt

    recording = begin()
    with pytest.raises(CagexplainError, match=r"no episode.*--resume"):
        open_trace(recording.folder)
    with pytest.raises(KeyboardInterrupt):
        recording.run([Stop()])
    trace = open_trace(recording.folder)
    assert not trace.finished
    assert set(trace.table("steps")["episode"]) == {0, 1}


def test_a_trace_without_observations(begin: Record) -> None:
    recording = begin(with_observations=False)
    recording.run()
    trace = open_trace(recording.folder)
    assert set(schema.TABLES) - set(trace.tables) == schema.OBSERVATION_TABLES
    with pytest.raises(CagexplainError, match="without the table 'observations'"):
        trace.table("observations")


def test_unknown_names_are_errors_of_the_caller(recorded: Path) -> None:
    with pytest.raises(KeyError, match="purple"):
        open_trace(recorded).table("purple")
    with pytest.raises(KeyError, match="colour"):
        open_trace(recorded).table("blue", ["colour"])


def damage_missing_folder(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def damage_no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def damage_manifest_cut(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:100])


def damage_manifest_of_others(folder: Path) -> None:
    edit_manifest(folder, lambda content: content.update(project="other"))


def damage_newer(folder: Path) -> None:
    edit_manifest(folder, lambda content: content.update(schema_version=schema.SCHEMA_VERSION + 1))


def damage_red(folder: Path) -> None:
    document = {**REDS["greedy"].document(), "name": "mine", "source": "here"}
    edit_manifest(folder, lambda content: content["options"].update(red=document))


def damage_missing_file(folder: Path) -> None:
    (folder / BLUE).unlink()


def damage_truncated(folder: Path) -> None:
    (folder / BLUE).write_bytes((folder / BLUE).read_bytes()[:-100])


def damage_garbage(folder: Path) -> None:
    (folder / BLUE).write_bytes(bytes((folder / BLUE).stat().st_size))


def damage_other_rows(folder: Path) -> None:
    edit_manifest(folder, lambda c: c["parts"][1]["files"]["blue"].update(rows=1))


def damage_lost_column(folder: Path) -> None:
    replace_blue(folder, pq.read_table(folder / BLUE).drop_columns(["zone_state"]))


def damage_column_type(folder: Path) -> None:
    table = pq.read_table(folder / BLUE)
    at = table.schema.get_field_index("ticks_left")
    replace_blue(folder, table.set_column(at, "ticks_left", table["ticks_left"].cast(pa.float64())))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_missing_folder, r"trace: no such folder\. .+"),
        (damage_no_manifest, r"trace: this folder has no manifest\.json.+ .+"),
        (
            damage_manifest_cut,
            r"manifest\.json: the manifest is not valid JSON .+\. Record the trace again.+",
        ),
        (damage_manifest_of_others, r"manifest\.json: this is not the manifest of a trace\. .+"),
        (damage_red, r"manifest\.json: options\.red\.source: 'here' is not known\."),
        (damage_newer, r"schema_version: .+version 4.+ reads 3\. Install a newer cagexplain\."),
        (damage_missing_file, r"part-000001\.parquet: .*'blue' is missing\. .+--resume\."),
        (damage_truncated, r"part-000001\.parquet: the file is damaged: it has .+--resume\."),
        (damage_garbage, r"part-000001\.parquet: the file is not the one .+SHA-256.+--resume\."),
        (damage_other_rows, r"part-000001\.parquet: blue: the file has 80 rows instead of 1\. .+"),
        (damage_lost_column, r"part-000001\.parquet: blue: zone_state: the column is missing\. .+"),
        (damage_column_type, r"ticks_left: the column has type double instead of int8\. .+"),
    ],
)
def test_damage_is_told_on_opening(
    recorded: Path, damage: Callable[[Path], None], message: str
) -> None:
    open_trace(recorded)
    damage(recorded)
    with pytest.raises(CagexplainError, match=message):
        open_trace(recorded)


def test_a_flipped_byte_is_told_on_opening(recorded: Path) -> None:
    content = bytearray((recorded / BLUE).read_bytes())
    content[len(content) // 2] ^= 0x10
    (recorded / BLUE).write_bytes(content)
    with pytest.raises(CagexplainError, match=r"part-000001\.parquet: the file is not the one"):
        open_trace(recorded)


def test_a_byte_that_flips_after_the_opening_is_told_on_reading(recorded: Path) -> None:
    """Every byte of the column data counts: the pages carry checksums."""
    trace = open_trace(recorded)
    content = bytearray((recorded / BLUE).read_bytes())
    metadata = pq.read_metadata(recorded / BLUE).row_group(0).column(3)
    assert metadata.path_in_schema == "action"
    start = metadata.dictionary_page_offset or metadata.data_page_offset
    content[start + metadata.total_compressed_size - 5] ^= 0x10
    (recorded / BLUE).write_bytes(content)
    with pytest.raises(CagexplainError, match=r"part-000001\.parquet: the file is damaged"):
        trace.table("blue", ["action"])


def test_another_order_of_names_makes_no_difference(recorded: Path) -> None:
    expected = open_trace(recorded).table("blue")
    table = pq.read_table(recorded / BLUE)
    for name in ("zone_state", "target_host"):
        at = table.schema.get_field_index(name)
        by_appearance = table[name].cast(pa.string()).combine_chunks().dictionary_encode()
        table = table.set_column(at, name, by_appearance)
    replace_blue(recorded, table)
    pd.testing.assert_frame_equal(open_trace(recorded).table("blue"), expected)


def entry(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one entry of the manifest; a value of None removes it."""

    def change(content: dict[str, Any]) -> None:
        *above, last = path
        for step in above:
            content = content[step]
        if value is None:
            content.pop(last)
        else:
            content[last] = value

    return change


def part_twice(content: dict[str, Any]) -> None:
    content["parts"].insert(1, content["parts"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (entry("seeds", value=None), "missing required field 'seeds'"),
        (entry("seeds", 3, value=-1), r"seeds\[3\]: expected 'int' >= 0"),
        (entry("seeds", 3, value=2**63), r"seeds\[3\]: "),
        (entry("seeds", 3, value="1"), r"seeds\[3\]: expected 'int', got 'str'"),
        (entry("seeds", value=[100, 101, 102]), r"parts\[1\]\.episodes: there are more episodes"),
        (entry("options", value=[]), "options: expected 'object'"),
        (entry("options", "steps", value=None), "options: .*missing required field 'steps'"),
        (entry("options", "steps", value="60"), r"options\.steps: expected 'int', got 'str'"),
        (entry("options", "steps", value=9.5), r"options\.steps: expected 'int', got 'float'"),
        (entry("options", "steps", value=True), r"options\.steps: expected 'int', got 'bool'"),
        (entry("options", "steps", value=1), r"options\.steps: expected 'int' >= 2"),
        (entry("options", "steps", value=10**12), r"options\.steps: expected 'int' <="),
        (entry("options", "steps", value=STEPS + 1), r"steps: episode, step: there is no row for"),
        (entry("options", "steps", value=STEPS - 1), r"steps: the file has 16 rows instead of at"),
        (entry("options", "batch", value=0), r"options\.batch: expected 'int' >= 1"),
        (entry("options", "red", value=7), r"options\.red: expected 'str \| object'"),
        (entry("options", "observations", value="no"), r"options\.observations: expected 'bool'"),
        (entry("options", "observations", value=False), r"parts\[0\]\.files: these are not"),
        (entry("policy", "name", value={}), r"policy\.name: expected 'str'"),
        (entry("policy", "mask_sleep", value="yes"), r"policy\.mask_sleep: expected 'bool'"),
        (entry("engine", value={}), "engine: .*missing required field 'name'"),
        (entry("engine", "version", value=None), "engine: .*missing required field 'version'"),
        (entry("created", value=5), "created: expected '.*', got 'int'"),
        (entry("created", value="yesterday"), "created: invalid"),
        (entry("packages", "numpy", value=5), r"packages\[...\]: expected 'str'"),
        (entry("parts", 1, value="all"), r"parts\[1\]: expected 'object'"),
        (entry("parts", 1, "number", value="../../1"), r"parts\[1\]\.number: expected 'int'"),
        (entry("parts", 1, "number", value=0), r"parts\[1\]\.number: parts are numbered upwards"),
        (entry("parts", 2, "number", value=7), r"part-000007\.parquet: this file of the table"),
        (entry("parts", 1, "first_episode", value=1), r"parts\[1\]\.first_episode: an earlier"),
        (entry("parts", 1, "first_episode", value=3), r"parts\[2\]\.first_episode: an earlier"),
        (entry("parts", 1, "episodes", value=1), r"parts\[2\]\.first_episode: episodes? 3"),
        (entry("parts", 2, "episodes", value=2), r"parts\[2\]\.episodes: there are more"),
        (entry("parts", 1, "episodes", value=0), r"parts\[1\]\.episodes: expected 'int' >= 1"),
        (entry("parts", 1, value=None), r"parts\[1\]\.first_episode: episodes 2 to 3 are missing"),
        (entry("parts", 0, value=None), r"parts\[0\]\.first_episode: episodes 0 to 1 are missing"),
        (part_twice, r"parts\[1\]\.number: parts are numbered upwards, each once"),
        (entry("parts", 2, "files", "green", value=None), r"parts\[2\]\.files: these are not the"),
        (entry("parts", 2, "files", "purple", value={}), r"files\[...\]: .*missing required"),
        (entry("parts", 0, "files", "red", "sha256", value="beef"), r"sha256: expected 'str' mat"),
        (entry("parts", 0, "files", "red", "sha256", value="0" * 64), r"red/.*: the file is not t"),
        (entry("parts", 0, "files", "red", "bytes", value=2**40), r"bytes: expected 'int' <="),
        (entry("parts", 0, "files", "red", "rows", value=-1), r"rows: expected 'int' >= 0"),
        (entry("parts", 0, "files", "red", "rows", value=1), r"red: the file has \d+ rows instead"),
        (entry("schema_version", value=True), "schema_version: the trace has version True"),
        (entry("kind", value="study"), "this is not the manifest of a trace"),
    ],
)
def test_a_wrong_manifest_is_told_with_its_field(
    recorded: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit_manifest(recorded, change)
    with pytest.raises(CagexplainError, match=message) as told:
        open_trace(recorded)
    assert told.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"project":' * 100_000,
        "[]",
        "null",
        "",
        '{"project": "cagexplain", "kind": "trace", "schema_version": NaN}',
        '{"project": "cagexplain", "kind": "trace", "schema_version": "\\ud800"}',
    ],
)
def test_a_manifest_that_is_none_is_told(recorded: Path, content: str) -> None:
    (recorded / "manifest.json").write_text(content)
    with pytest.raises(CagexplainError, match=r"manifest\.json: .+"):
        open_trace(recorded)


@pytest.mark.parametrize("name", ["manifest.json", str(BLUE)])
def test_what_never_ends_is_not_read(recorded: Path, name: str) -> None:
    for make, kind in (
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (os.mkfifo, "a pipe"),
        (Path.mkdir, "a folder"),
    ):
        path = recorded / name
        path.unlink()
        make(path)
        with pytest.raises(CagexplainError, match=f"this is {kind}, not a "):
            open_trace(recorded)
        if path.is_dir():
            path.rmdir()
            path.touch()


def test_a_manifest_of_gigabytes_is_not_read(recorded: Path) -> None:
    os.truncate(recorded / "manifest.json", 2**40)
    with pytest.raises(CagexplainError, match="a manifest has at most"):
        open_trace(recorded)


def test_latest_trace(begin: Record, tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match="no trace"):
        latest_trace(tmp_path / "nowhere")
    folders = [begin(name, episodes=1) for name in ("runs/a", "runs/deep/er/b", "runs/c")]
    for recording, minute in zip(folders, (3, 5, 4), strict=True):
        edit_manifest(
            recording.folder, lambda c, m=minute: c.update(created=f"2026-01-01T00:0{m}:00+00:00")
        )
    (tmp_path / "runs" / "other").mkdir()
    (tmp_path / "runs" / "other" / "manifest.json").write_text('{"project": "something else"}')
    assert latest_trace(tmp_path / "runs") == tmp_path / "runs" / "deep" / "er" / "b"


def test_the_latest_trace_may_lie_behind_a_link(begin: Record, tmp_path: Path) -> None:
    begin("elsewhere/trace", episodes=1)
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(runs)  # a circle ends
    (runs / "pipe").mkdir()
    os.mkfifo(runs / "pipe" / "manifest.json")
    assert latest_trace(runs) == runs / "linked" / "trace"


def test_rewards_add_up_to_the_official_return(recorded: Path) -> None:
    steps = open_trace(recorded).table("steps")
    assert (~steps["counted"]).sum() == 5
    assert (steps["step"][~steps["counted"]] == STEPS - 2).all()
    parts = steps[["reward_lwf", "reward_asf", "reward_ria", "reward_cost"]].sum(axis=1)
    np.testing.assert_array_equal(parts, steps["reward"])


def test_the_schema_documents_every_column() -> None:
    text = schema.markdown()
    for table in schema.TABLES.values():
        assert f"### `{table.name}`" in text
        for column in table.columns:
            assert f"| `{column.name}` |" in text
            assert column.doc.endswith(".")
