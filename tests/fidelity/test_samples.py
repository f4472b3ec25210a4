from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.fidelity import samples
from cagexplain.fidelity.metrics import NAMES
from cagexplain.fidelity.samples import ParitySample, collect, read, write
from cagexplain.policies.registry import load_policy
from tests.support.stand_in import StandInEngine

SHORT = EnvParams(steps=8)


def played(engine: Any, seeds: list[int], **changes: Any) -> ParitySample:
    arguments: dict[str, Any] = {"params": SHORT, "batch": 2, **changes}
    policy = load_policy(arguments.pop("policy", "random"))
    return collect(policy, engine, np.array(seeds), **arguments)


def played_seeds(engine: StandInEngine) -> int:
    return sum(env.n_envs for env in engine.made)


def test_there_is_a_row_per_episode_in_the_order_of_the_seeds() -> None:
    found = played(StandInEngine(), [9, 3, 7])
    assert found.seeds.tolist() == [9, 3, 7]
    assert found.values.shape == (3, len(NAMES))
    alone = played(StandInEngine(), [7])
    np.testing.assert_array_equal(found.values[2], alone.values[0])
    np.testing.assert_array_equal(found.of("return"), found.values[:, 0])
    assert found.origin.options["steps"] == 8
    assert found.origin.options["skip_worlds"] == 0
    assert found.origin.engine == {"name": "stand-in", "version": "1"}


def test_environments_are_used_again_and_closed() -> None:
    engine = StandInEngine()
    played(engine, [1, 2, 3, 4, 5])
    assert [env.n_envs for env in engine.made] == [2, 1]
    assert all(env.closed for env in engine.made)


def test_a_file_holds_everything(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    found = played(StandInEngine(), [1, 2, 3], file=file)
    assert np.isnan(found.values).any()  # so that this is tested as well
    kept = read(file)
    assert kept.origin == found.origin
    assert kept.seeds.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(kept.values, found.values)


def test_only_missing_episodes_are_played(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    first = played(StandInEngine(), [1, 2, 3], file=file)
    engine = StandInEngine()
    more = played(engine, [5, 3, 2], file=file)
    assert played_seeds(engine) == 1
    assert more.seeds.tolist() == [5, 3, 2]
    np.testing.assert_array_equal(more.values[1:], first.values[[2, 1]])
    assert sorted(read(file).seeds) == [1, 2, 3, 5]
    engine = StandInEngine()
    played(engine, [1, 5], file=file)
    assert engine.made == []


def test_finished_episodes_survive_a_failure_that_names_seed_and_step(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    engine = StandInEngine("CybORG", fails=(4, 3))
    with pytest.raises(CagexplainError) as caught:
        played(engine, [1, 2, 3, 4, 5], file=file)
    assert str(caught.value).startswith(
        "CybORG: failed in step 3, in one of the seeds 3, 4: KeyError: 'a host'."
    )
    assert "run the same command again" in caught.value.remedy
    assert read(file).seeds.tolist() == [1, 2]
    assert all(env.closed for env in engine.made)

    mended = StandInEngine("CybORG")
    resumed = played(mended, [1, 2, 3, 4, 5], file=file)
    assert played_seeds(mended) == 3
    whole = played(StandInEngine("CybORG"), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(resumed.values, whole.values)


def test_one_episode_at_a_time_names_its_seed(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match="failed in step 1, seed 4: KeyError"):
        played(StandInEngine(fails=(4, 1)), [3, 4], batch=1)


class Broken:
    """An engine whose environment says itself what is wrong."""

    def make(self, n_envs: int, params: EnvParams | None = None) -> Any:
        raise CagexplainError("is not installed", where="CybORG", remedy="Install it")

    def describe(self) -> dict[str, str]:
        return {"name": "CybORG", "version": "1"}


def test_errors_that_explain_themselves_stay_as_they_are() -> None:
    with pytest.raises(CagexplainError, match=r"^CybORG: is not installed\. Install it\.$"):
        played(Broken(), [1])


def test_a_failing_policy_is_not_blamed_on_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = load_policy("random")
    monkeypatch.setattr(policy, "act", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        collect(policy, StandInEngine(), np.array([1]), SHORT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "engine", "told"),
    [
        ({"params": EnvParams(steps=9)}, "stand-in", "options: steps is 8, not 9"),
        (
            {"params": EnvParams(steps=8, red="discovery")},
            "stand-in",
            "options: red is 'finite_state', not 'discovery'",
        ),
        ({"options": {"mask_sleep": True}}, "stand-in", "options: mask_sleep is None, not True"),
        ({"policy": "sleep"}, "stand-in", "policy: name is 'random', not 'sleep'"),
        ({}, "other", "engine: name is 'stand-in', not 'other'"),
    ],
)
def test_a_sample_of_something_else_is_refused(
    tmp_path: Path, changes: dict[str, Any], engine: str, told: str
) -> None:
    file = tmp_path / "a.parquet"
    played(StandInEngine(), [1], file=file)
    before = file.read_bytes()
    with pytest.raises(CagexplainError) as caught:
        played(StandInEngine(engine), [1, 2], file=file, **changes)
    assert f"{file}: {told}" in str(caught.value)
    assert file.read_bytes() == before


def test_where_a_checkpoint_lies_does_not_matter_but_what_it_is_does() -> None:
    facts = {"name": "ippo", "sha256": "ab", "path": "/one"}
    nothing: dict[str, Any] = {}
    one = samples.Origin(facts, nothing, nothing, nothing)
    moved = samples.Origin({**facts, "path": "/two"}, nothing, nothing, {"numpy": "1"})
    other = samples.Origin({**facts, "sha256": "cd"}, nothing, nothing, nothing)
    samples.require_same(one, moved, ("policy", "options", "engine"), "there", "do")
    with pytest.raises(CagexplainError, match="there: policy: sha256 is 'ab', not 'cd'"):
        samples.require_same(one, other, ("policy",), "there", "do")


def spoiled(file: Path, kind: str) -> None:
    """Replace a sample by something that is none."""
    sample = read(file)
    table = pq.read_table(file)
    match kind:
        case "cut":
            file.write_bytes(file.read_bytes()[:-200])
        case "text":
            file.write_text("seed,return\n")
        case "flipped":
            content = bytearray(file.read_bytes())
            content[200] ^= 0xFF
            file.write_bytes(content)
        case "bare":
            pq.write_table(table.replace_schema_metadata({}), file)
        case "columns":
            pq.write_table(table.drop_columns(["fsm_rd"]), file)
        case "twice":
            pq.write_table(pa.concat_tables([table, table]), file)
        case "empty":
            write(file, ParitySample(sample.origin, sample.seeds[:0], sample.values[:0]))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("cut", "cannot be read"),
        ("text", "cannot be read"),
        ("flipped", "cannot be read"),
        ("bare", "holds no sample"),
        ("columns", "columns: has other metrics than this version .fsm_rd"),
        ("twice", "seed: is empty or has an episode twice"),
        ("empty", "seed: is empty or has an episode twice"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, kind: str, told: str) -> None:
    file = tmp_path / "a.parquet"
    played(StandInEngine(), [1, 2, 3, 4], file=file)
    spoiled(file, kind)
    with pytest.raises(CagexplainError, match=told) as caught:
        read(file)
    assert str(file) in str(caught.value)


def test_samples_of_other_versions_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.parquet"
    with monkeypatch.context() as earlier:
        earlier.setattr(samples, "SCHEMA_VERSION", 1)
        played(StandInEngine(), [1], file=file)
    with pytest.raises(CagexplainError, match=f"schema: is 1, not {samples.SCHEMA_VERSION}"):
        read(file)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match="no such file"):
        read(tmp_path / "none.parquet")
