"""Small files of finished runs, kept apart."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from cagexplain.cc4.reds import REDS
from cagexplain.common.errors import CagexplainError
from tests.support.fabricated import MILD_THEN_HARD, conduct, explained, policies
from tests.trainers.studies.test_runner import FAKE, attempts, silent, study
from trainers.studies import keeping
from trainers.studies.run import run_study

RUN = Path("runs", "a", "seed-0")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_finished_runs_are_kept_and_count_as_finished(tmp_path: Path) -> None:
    made, kept = study(tmp_path, "a", "b", seeds=1), tmp_path / "kept"
    run_study(made, tmp_path / "first", FAKE, kept=kept, console=silent())
    assert names(kept / RUN) == {"config.json", "metrics.parquet", "result.json"}
    assert (kept / "study.json").read_bytes() == (tmp_path / "first" / "study.json").read_bytes()

    console = Console(file=io.StringIO(), width=300)
    more = study(tmp_path, "a", "b", seeds=2)
    run_study(more, tmp_path / "second", FAKE, kept=kept, console=console)
    assert isinstance(console.file, io.StringIO)
    assert "(2 finished before" in console.file.getvalue()
    assert not (tmp_path / "second" / RUN / "attempts").exists()
    assert attempts(tmp_path / "second", "a", 1) == 1
    for name in ("result.json", "metrics.parquet"):
        restored = tmp_path / "second" / RUN / name
        assert restored.read_bytes() == (tmp_path / "first" / RUN / name).read_bytes()
    assert (kept / "runs" / "b" / "seed-1" / "result.json").exists()


def test_kept_runs_of_other_settings_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    run_study(study(tmp_path, "a"), tmp_path / "first", FAKE, kept=kept, console=silent())
    other = study(tmp_path, "a", steps=39_920)
    with pytest.raises(CagexplainError, match=r"kept/runs/a/seed-0: steps was 19960, is now 39920"):
        run_study(other, tmp_path / "second", FAKE, kept=kept, console=silent())
    assert not (tmp_path / "second").exists()


def test_a_run_that_the_folder_has_is_not_replaced(tmp_path: Path) -> None:
    here, kept = (policies(tmp_path / n, {"a": [explained(conduct(MILD_THEN_HARD))]}) for n in "hk")
    (kept / RUN / "result.json").write_text("{}")
    before = (here / RUN / "result.json").read_bytes()
    keeping.restore(kept, here, [RUN])
    assert (here / RUN / "result.json").read_bytes() == before


def test_unfinished_runs_are_not_kept(tmp_path: Path) -> None:
    folder = policies(tmp_path / "s", {"a": [explained(conduct(MILD_THEN_HARD))]})
    (folder / RUN / "result.json").unlink()
    keeping.keep(folder, RUN, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_run_trained_anew_loses_the_explanation_of_the_old_one(tmp_path: Path) -> None:
    run = explained(conduct(MILD_THEN_HARD))
    folder, kept = policies(tmp_path / "s", {"a": [run]}), tmp_path / "kept"
    keeping.keep(folder, RUN, kept)
    assert "explain.json" in names(kept / RUN)
    (folder / RUN / "explain.json").unlink()
    keeping.keep(folder, RUN, kept)  # the same run: what is kept of it stays
    assert "explain.json" in names(kept / RUN)
    result = json.loads((folder / RUN / "result.json").read_text()) | {"final_mean": -5.0}
    (folder / RUN / "result.json").write_text(json.dumps(result))
    keeping.keep(folder, RUN, kept)
    assert "explain.json" not in names(kept / RUN)


def test_what_is_left_to_explain(tmp_path: Path) -> None:
    runs = [explained(conduct(MILD_THEN_HARD)) for _ in range(4)]
    folder, kept = policies(tmp_path / "s", {"a": runs}), tmp_path / "kept"
    places = [Path("runs", "a", f"seed-{seed}") for seed in range(4)]
    keeping.keep(folder, places[1], kept)  # explained, and kept
    for place in places[1:]:
        (folder / place / "explain.json").unlink()
    (folder / places[2] / "ckpt.pt").touch()
    assert keeping.unexplained(folder, kept) == ([places[2]], [places[3]])
    assert keeping.unexplained(folder, None) == ([places[2]], [places[1], places[3]])
    assert keeping.unexplained(kept, None) == ([], [])


def test_the_attacker_of_a_run(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"red": "greedy", "seed": 3}')
    assert keeping.attacker(tmp_path) is REDS["greedy"]
    mine = replace(REDS["greedy"], name="mine")
    config.write_text(json.dumps({"red": mine.document()}))
    assert keeping.attacker(tmp_path) == mine
    for damaged in ({"seed": 3}, {"red": "purple"}, {"red": {"name": "mine"}}):
        config.write_text(json.dumps(damaged))
        with pytest.raises(CagexplainError, match=r"config\.json.*red"):
            keeping.attacker(tmp_path)
