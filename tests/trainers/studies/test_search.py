"""Searching for settings, with a trainer whose best settings are known."""

import io
import json
from pathlib import Path

import optuna
import pytest
from rich.console import Console

from cagexplain.cli.main import main
from cagexplain.common.errors import CagexplainError, UsageError
from trainers.core.config import Assignment, RunConfig, from_file, from_text
from trainers.studies.run import Workplace
from trainers.studies.search import (
    Point,
    Range,
    Space,
    grid_search,
    optuna_search,
    point_name,
    ranked,
    read_grid,
    read_ranges,
)

pytestmark = pytest.mark.slow

FAKE = Workplace(workers=2, function="tests.support.fake_trainer:search_train")
GRID = {"gamma": ["0.6", "0.9"], "learning_rate": ["1e-2", "0.2"]}


def space(**more: object) -> Space:
    run = RunConfig(algorithm="ippo", preset="paper", steps=19_960)
    given = {"seeds": (0, 1), "fixed": [from_text("envs=2")], "grid": {}, "ranges": {}}
    return Space(run, **(given | more))  # type: ignore[arg-type]


def silent() -> Console:
    return Console(file=io.StringIO(), width=300)


def test_grid_finds_the_best_point(tmp_path: Path) -> None:
    points = grid_search(space(grid=GRID), tmp_path, FAKE, silent())
    assert points[0].values == {"gamma": "0.9", "learning_rate": "1e-2"}
    assert [len(point.scores) for point in points] == [2, 2, 2, 2]
    # By the fake's formula: 0 and the distances from the best, less 10 / 4 at the last evaluation.
    assert [point.mean for point in points] == pytest.approx([-2.5, -192.5, -302.5, -492.5])
    assert points[0].finals == pytest.approx([0.0, 1.0])
    written = json.loads((tmp_path / "search.json").read_text())
    assert written["points"][0]["values"] == points[0].values
    assert {a.name: str(a.value) for a in from_file(tmp_path / "best.yaml")} == {
        **{"envs": "2", "gamma": "0.9", "learning_rate": "0.01"},
    }


def test_points_that_cannot_be_trained_are_refused_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"gamma: 2\.0 is out of range"):
        grid_search(space(grid={"gamma": ["0.9", "2"]}), out, FAKE, silent())
    with pytest.raises(UsageError, match="Did you mean gamma"):
        optuna_search(space(ranges={"gama": Range(0, 1, False)}), out, FAKE, 1, "none", silent())
    with pytest.raises(UsageError, match=r"--range: gamma: 5\.0 is out of range"):
        ranges = {"gamma": Range(0.9, 5, False)}
        optuna_search(space(ranges=ranges), out, FAKE, 1, "none", silent())
    assert not out.exists()


@pytest.mark.parametrize("name", ["algorithm", "preset", "seed"])
def test_what_all_points_share_is_no_setting_to_search(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"--grid: {name}: is the same for all points"):
        grid_search(space(grid={name: ["1", "2"]}), tmp_path / "out", FAKE, silent())
    with pytest.raises(UsageError, match=f"--set: {name}: is the same for all points"):
        fixed = [Assignment(name, "1", "--set")]
        grid_search(space(fixed=fixed), tmp_path / "out", FAKE, silent())
    assert not (tmp_path / "out").exists()


RANGES = {"gamma": Range(0.5, 1.0, False), "learning_rate": Range(1e-3, 1e-1, True)}


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "runs").iterdir()}


@pytest.mark.parametrize("content", [b"[1, 2]\n{}\n", b'{"op_code": "x"}\n{}\n', b"\xff\xff\n{}\n"])
def test_a_damaged_journal_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "optuna.journal").write_bytes(content)
    given = space(ranges={"gamma": Range(0.8, 0.99, False)})
    with pytest.raises(CagexplainError, match="the journal is damaged") as raised:
        optuna_search(given, tmp_path, FAKE, 1, "none", silent())
    assert raised.value.where == tmp_path / "optuna.journal"


def test_optuna_continues_where_it_was(tmp_path: Path) -> None:
    given = space(ranges=RANGES, seeds=(0,))
    first = optuna_search(given, tmp_path, FAKE, 2, "none", silent())
    before = names(tmp_path)
    assert len(first) == len(before) == 2
    points = optuna_search(given, tmp_path, FAKE, 4, "none", silent())
    assert len(points) == 4 and before < names(tmp_path)
    assert {point_name(p.values) for p in points} == names(tmp_path)
    assert [p.mean for p in points] == sorted((p.mean for p in points if p.mean), reverse=True)
    attempts = [len(p.read_text().splitlines()) for p in tmp_path.glob("runs/*/*/attempts")]
    assert attempts == [1] * 4  # nothing was trained twice
    again = optuna_search(given, tmp_path, FAKE, 4, "none", silent())
    assert again == points


def test_killed_search_completes_the_point_it_was_at(tmp_path: Path) -> None:
    given = space(ranges=RANGES, seeds=(0,))
    optuna_search(given, tmp_path, FAKE, 1, "none", silent())
    storage = optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna.journal"))
    study = optuna.load_study(study_name="search", storage=optuna.storages.JournalStorage(storage))
    trial = study.ask()  # as a search does that dies then
    left = {
        "gamma": trial.suggest_float("gamma", 0.5, 1.0),
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True),
    }
    points = optuna_search(given, tmp_path, FAKE, 2, "none", silent())
    assert len(points) == 2
    assert point_name({key: f"{value:.5g}" for key, value in left.items()}) in names(tmp_path)


def test_hopeless_points_are_given_up(tmp_path: Path) -> None:
    """The fake's runs below gamma 0.35 wait to be stopped."""
    place = Workplace(workers=1, function=FAKE.function)
    good = space(ranges={"gamma": Range(0.85, 0.95, False)}, seeds=(0,))
    bad = space(ranges={"gamma": Range(0.2, 0.3, False)}, seeds=(0,))
    finished = optuna_search(good, tmp_path, place, 3, "asha", silent())
    points = optuna_search(bad, tmp_path, place, 4, "asha", silent())
    assert {point.state for point in finished} == {"finished"}
    assert [point.state for point in points] == [*["finished"] * 3, "pruned"]
    assert points[-1].scores and not points[-1].finals


def test_failures_are_told(tmp_path: Path) -> None:
    place = Workplace(workers=1, function="tests.support.fake_trainer:fail")
    console, given = silent(), space(ranges=RANGES, seeds=(0,))
    with pytest.raises(CagexplainError, match="no point was trained to its end"):
        optuna_search(given, tmp_path, place, 2, "none", console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("Error: learning diverged. Lower learning_rate.") == 4
    points = json.loads((tmp_path / "search.json").read_text())["points"]
    assert [point["state"] for point in points] == ["failed", "failed"]
    assert not (tmp_path / "best.yaml").exists()


def test_ranking_puts_untrained_points_last() -> None:
    good, better = (Point({}, "finished", [m], [m], m, None) for m in (-2.0, -1.0))
    pruned, failed = (
        Point({}, "pruned", [9.0], [], 9.0, None),
        Point({}, "failed", [], [], None, None),
    )
    assert ranked([failed, pruned, good, better]) == [better, good, pruned, failed]


def test_reading_options() -> None:
    assert read_grid(["a=1, 2", "b=x"]) == {"a": ["1", "2"], "b": ["x"]}
    assert read_ranges(["a=1:2", "b=1e-3:1:log"]) == {
        "a": Range(1, 2, False),
        "b": Range(1e-3, 1, True),
    }


@pytest.mark.parametrize("text", ["a", "a=", "=1", "a=1,,2", "a=1,1"])
def test_wrong_grids(text: str) -> None:
    with pytest.raises(UsageError, match="not of the form"):
        read_grid([text])


@pytest.mark.parametrize("text", ["a", "a=1", "a=1:2:3", "a=2:1", "a=0:1:log", "a=x:y", "a=1:inf"])
def test_wrong_ranges(text: str) -> None:
    with pytest.raises(UsageError, match="not of the form"):
        read_ranges([text])


def test_command_refuses_before_it_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--output", str(tmp_path / "out")]
    assert main(["search", "ipo", *out]) == 2
    assert "Did you mean ippo?" in capsys.readouterr().err
    assert main(["search", "ippo", "--range", "gamma=0.9:0.99", *out]) == 2
    assert "--range: no effect without --optuna" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
