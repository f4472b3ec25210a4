import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cagexplain.analysis.fsm.analyse import analyse
from cagexplain.cli.fsm_report import _with_explained
from cagexplain.cli.main import main
from tests.support.explained import FULL, report
from tests.support.traces import record


def test_the_newest_trace_is_the_default(
    trace_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trace_folder.parents[1])
    assert main(["fsm-report"]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written == Path("runs/one/fsm-report.html")
    assert written.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_output_json_and_dot(trace_folder: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("r.html", "r.json", "r.dot")]
    options = ["-o", str(files[0]), "--json", str(files[1]), "--dot", str(files[2])]
    assert main(["fsm-report", str(trace_folder), *options]) == 0
    assert "<h1>" in files[0].read_text(encoding="utf-8")
    numbers = json.loads(files[1].read_text(encoding="utf-8"))
    assert numbers["facts"]["seeds"] == [7, 8]
    assert files[2].read_text(encoding="utf-8").splitlines()[1] == "digraph fsm {"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "no such folder"), ([], "there is no trace"), (["."], "not a trace")],
)
def test_a_folder_that_is_no_trace(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fsm-report", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and message in error and error.count("\n") == 1


def test_a_damaged_table_leaves_the_old_report_alone(
    trace_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, report = tmp_path / "trace", tmp_path / "report.html"
    shutil.copytree(trace_folder, copy)
    part = next((copy / "blue").iterdir())
    part.write_bytes(part.read_bytes()[:-20])
    report.write_text("old")
    assert main(["fsm-report", str(copy), "-o", str(report)]) == 1
    error = capsys.readouterr().err
    assert "part-000000.parquet" in error and "Traceback" not in error
    assert report.read_text() == "old"


def test_an_output_that_cannot_be_written(
    trace_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fsm-report", str(trace_folder), "-o", str(tmp_path / "no" / "r.html")]) == 1
    error = capsys.readouterr().err
    assert "no such folder" in error and "Traceback" not in error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "arguments", [["--svg", "no/m.svg"], ["--json", "no/n.json"], ["-o", "no/r.html"]]
)
def test_places_that_cannot_be_written_are_refused_before_the_work(
    arguments: list[str],
    trace_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cagexplain.analysis.fsm.analyse.analyse", pytest.fail)
    page = [] if "-o" in arguments else ["-o", "r.html"]
    assert main(["fsm-report", str(trace_folder), *page, *arguments]) == 1
    assert "no: there is no such folder" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_an_episode_that_is_not_there_is_refused_before_the_work(
    trace_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("cagexplain.analysis.fsm.analyse.run", pytest.fail)
    page = tmp_path / "r.html"
    assert main(["fsm-report", str(trace_folder), "--episode", "2", "-o", str(page)]) == 2
    assert "The trace has episodes 0 to 1" in capsys.readouterr().err


def test_episodes_of_explained_decisions_are_shown_too(tmp_path: Path) -> None:
    trace = record(tmp_path / "trace", "random", 8, steps=30)
    analysis = analyse(trace)
    usual = [timeline.episode for timeline in analysis.timelines]
    others = [episode for episode in range(8) if episode not in usual]
    explained = report(*(replace(FULL, episode=e) for e in (usual[0], *others, others[0])))
    shown = _with_explained(trace, analysis, explained, asked=False).timelines
    assert [timeline.episode for timeline in shown] == [*usual, *others[:3]]
    assert [timeline.reason for timeline in shown[3:]] == ["explained decision"] * 3
    assert _with_explained(trace, analysis, explained, asked=True) is analysis
    assert _with_explained(trace, analysis, None, asked=False) is analysis
