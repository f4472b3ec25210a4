"""`cagexplain export` as it is typed."""

from pathlib import Path

import pytest

from cagexplain.cli.main import main


@pytest.fixture(autouse=True)
def no_cyborg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAGEXPLAIN_CYBORG_PATH", raising=False)


def test_a_folder_and_what_is_said_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "punch", "--submission", str(tmp_path / "a"), "--mask-sleep"]) == 0
    shown = capsys.readouterr().out
    assert "260 steps in a fresh interpreter: every action and message as here" in shown
    assert "not run, as CybORG is not at hand" in shown
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert names == ["__init__.py", "blue_policy", "submission.py"]
    assert not list(tmp_path.rglob("__pycache__"))
    assert "MaskSleep" in (tmp_path / "a" / "submission.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["expert"], 2, "there is nothing to write"),
        (["expert", "--onnx", "x.onnx"], 2, "only networks can be written"),
        (["expert", "--submission", "taken"], 1, "the output folder is not empty"),
        (["expert", "--submission", "taken/file"], 2, "is a file"),
        (["expert", "--submission", "taken/file/below"], 1, "cannot write to this folder"),
        (["ippo_tuned", "--onnx", "nowhere/x.onnx"], 1, "there is no such folder"),
        (["ippo_tuned", "--onnx", "x.onnx", "--mask-sleep"], 2, "no effect without --submission"),
        (["expert", "--submission", "new", "--deterministic"], 2, "follows a rule of its own"),
        (["nobody", "--submission", "new"], 2, "neither a policy's name nor"),
        (["expert", "--submission", "new", "--cyborg-path", "."], 1, "holds no package CybORG"),
    ],
)
def test_errors(
    arguments: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("x")
    assert main(["export", *arguments]) == status
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "Traceback" not in error
    assert [f.name for f in tmp_path.iterdir()] == ["taken"]
