import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cagexplain.common.errors import CagexplainError
from cagexplain.policies.rollout import Observer
from cagexplain.tracing import schema
from cagexplain.tracing.trace import latest_trace, open_trace
from tests.tracing.conftest import STEPS, Record

BLUE = Path("blue") / "part-000001.parquet"


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def replace_table(folder: Path, table: pa.Table) -> None:
    """Put another table in the place of the second part of `blue`, with a manifest that agrees."""
    pq.write_table(table, folder / BLUE)

    def agree(content: dict[str, Any]) -> None:
        file = content["parts"][1]["files"]["blue"]
        file["bytes"], file["rows"] = (folder / BLUE).stat().st_size, table.num_rows

    edit_manifest(folder, agree)


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


def damage_manifest_no_seeds(folder: Path) -> None:
    edit_manifest(folder, lambda content: content.pop("seeds"))


def damage_manifest_number(folder: Path) -> None:
    edit_manifest(folder, lambda content: content["parts"][1].update(number="../../1"))


def damage_manifest_hash(folder: Path) -> None:
    edit_manifest(folder, lambda c: c["parts"][0]["files"]["red"].update(sha256="beef"))


def damage_manifest_table(folder: Path) -> None:
    edit_manifest(folder, lambda content: content["parts"][2]["files"].pop("green"))


def damage_missing_file(folder: Path) -> None:
    (folder / BLUE).unlink()


def damage_truncated(folder: Path) -> None:
    (folder / BLUE).write_bytes((folder / BLUE).read_bytes()[:-100])


def damage_garbage(folder: Path) -> None:
    (folder / BLUE).write_bytes(bytes((folder / BLUE).stat().st_size))


def damage_other_rows(folder: Path) -> None:
    edit_manifest(folder, lambda c: c["parts"][1]["files"]["blue"].update(rows=1))


def damage_lost_column(folder: Path) -> None:
    replace_table(folder, pq.read_table(folder / BLUE).drop_columns(["zone_state"]))


def damage_column_type(folder: Path) -> None:
    table = pq.read_table(folder / BLUE)
    at = table.schema.get_field_index("ticks_left")
    replace_table(
        folder, table.set_column(at, "ticks_left", table["ticks_left"].cast(pa.float64()))
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_missing_folder, r"trace: no such folder\. .+"),
        (damage_no_manifest, r"trace: this folder has no manifest\.json.+ .+"),
        (damage_manifest_cut, r"manifest\.json: not JSON .+\. Record the trace again.+"),
        (damage_manifest_of_others, r"manifest\.json: this is not the manifest of a trace\. .+"),
        (damage_newer, r"schema_version: .+version 4.+ reads 3\. Install a newer cagexplain\."),
        (damage_manifest_no_seeds, r"manifest\.json: seeds: missing or .+"),
        (damage_manifest_number, r"manifest\.json: parts\[1\]\.number: missing or .+"),
        (damage_manifest_hash, r"manifest\.json: parts\[0\]\.files\.red\.sha256: .+"),
        (damage_manifest_table, r"manifest\.json: parts\[2\]\.files: .+"),
        (damage_missing_file, r"part-000001\.parquet: .*'blue' is missing\. .+--resume\."),
        (damage_truncated, r"part-000001\.parquet: the file is damaged: it has .+--resume\."),
        (damage_garbage, r"part-000001\.parquet: the file is damaged .+--resume\."),
        (damage_other_rows, r"part-000001\.parquet: the file has 80 rows instead of 1\. .+"),
        (damage_lost_column, r"part-000001\.parquet: zone_state: the column is missing\. .+"),
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


def test_a_flipped_byte_is_told_on_reading(recorded: Path) -> None:
    """Every byte of the column data counts: the pages carry checksums."""
    content = bytearray((recorded / BLUE).read_bytes())
    metadata = pq.read_metadata(recorded / BLUE).row_group(0).column(3)
    assert metadata.path_in_schema == "action"
    start = metadata.dictionary_page_offset or metadata.data_page_offset
    content[start + metadata.total_compressed_size - 5] ^= 0x10
    (recorded / BLUE).write_bytes(content)
    trace = open_trace(recorded)
    with pytest.raises(CagexplainError, match=r"part-000001\.parquet: the file is damaged"):
        trace.table("blue", ["action"])


def test_names_outside_the_schema_are_told_on_reading(recorded: Path) -> None:
    table = pq.read_table(recorded / BLUE)
    at = table.schema.get_field_index("zone_state")
    names = pa.array(["<script>"] * table.num_rows).dictionary_encode()
    replace_table(recorded, table.set_column(at, "zone_state", names))
    with pytest.raises(CagexplainError, match="zone_state: the column has a name"):
        open_trace(recorded).table("blue")


def test_missing_values_are_told_on_reading(recorded: Path) -> None:
    table = pq.read_table(recorded / BLUE)
    at = table.schema.get_field_index("ticks_left")
    nothing = pa.nulls(table.num_rows, pa.int8())
    replace_table(recorded, table.set_column(at, pa.field("ticks_left", pa.int8()), nothing))
    with pytest.raises(CagexplainError, match="ticks_left: the column lacks values"):
        open_trace(recorded).table("blue")


def test_another_order_of_names_makes_no_difference(recorded: Path) -> None:
    expected = open_trace(recorded).table("blue")
    table = pq.read_table(recorded / BLUE)
    for name in ("zone_state", "target_host"):
        at = table.schema.get_field_index(name)
        by_appearance = table[name].cast(pa.string()).combine_chunks().dictionary_encode()
        table = table.set_column(at, name, by_appearance)
    replace_table(recorded, table)
    pd.testing.assert_frame_equal(open_trace(recorded).table("blue"), expected)


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
