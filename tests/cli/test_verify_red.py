"""`cagexplain verify-red`: equal, different, refused (needs CybORG)."""

import json
from pathlib import Path

import pytest

from cagexplain.cc4.reds import REDS
from cagexplain.cli.main import main
from cagexplain.export import red as export
from tests.support.cyborg import require_cyborg

Capture = pytest.CaptureFixture[str]

STEPS = 40


def _verify(capsys: Capture, red: str, *arguments: str) -> tuple[int, str]:
    path = require_cyborg()
    where = [] if path is None else ["--cyborg-path", str(path)]
    code = main(["verify-red", red, *arguments, "--episode-length", str(STEPS), *where])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_a_file_is_replayed_and_its_class_kept(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "mine.yaml").write_text(
        REDS["greedy_live"].yaml().replace("name: greedy_live", "name: mine"), "utf-8"
    )
    keep, output = tmp_path / "red_agent.py", tmp_path / "out.json"
    code, told = _verify(
        *(capsys, str(tmp_path / "mine.yaml"), "expert", "sleep"),
        *("--keep", str(keep), "--json", str(output)),
    )
    assert code == 0, told
    lines = told.strip().splitlines()[-2:]
    for line, policy in zip(lines, ("expert", "sleep"), strict=True):
        assert line.startswith(f"{policy} against mine, seed 1000000: return ")
        assert line.endswith(f"; 0 of {STEPS - 1} steps differ")
    assert "class TableRedAgent" in keep.read_text("utf-8")
    content = json.loads(output.read_text("utf-8"))
    assert content["red"]["name"] == "mine"
    for episode in content["episodes"]:
        assert episode["rewards"] == episode["rewards_cyborg"] and episode["differing"] == []


def test_a_difference_is_told_and_has_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    other = export.source(REDS["greedy"])
    monkeypatch.setattr(export, "source", lambda red: other)
    code, told = _verify(capsys, "silent", "sleep")
    assert code == 3, told
    assert "steps differ, first step " in told and "; 0 of" not in told


def test_reds_writes_the_same_class(tmp_path: Path, capsys: Capture) -> None:
    file, table = tmp_path / "red_agent.py", tmp_path / "mine.yaml"
    assert main(["reds", "greedy", "--cyborg", str(file), "-o", str(table)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"Written to {file}", f"Written to {table}"]
    assert file.read_text("utf-8") == export.source(REDS["greedy"])
    assert main(["reds", "--cyborg", str(file)]) == 2


def test_an_unknown_red_is_one_error(capsys: Capture) -> None:
    assert main(["verify-red", "gredy", "sleep"]) == 2
    assert "Did you mean 'greedy'?" in capsys.readouterr().err


def test_without_cyborg_nothing_is_played(tmp_path: Path, capsys: Capture) -> None:
    keep = tmp_path / "red_agent.py"
    arguments = ["verify-red", "greedy", "sleep", "--cyborg-path", str(tmp_path)]
    assert main([*arguments, "--keep", str(keep)]) == 1
    assert "holds no package CybORG" in capsys.readouterr().err and not keep.exists()
