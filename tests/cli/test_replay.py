import shutil
from pathlib import Path

import pytest

from cagexplain.cli.main import main


def test_the_page_of_an_episode(
    trace_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["replay", str(trace_folder), "--episode", "1", "-o", str(page)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert "What happened in episode 1" in page.read_text(encoding="utf-8")


def test_the_newest_trace_and_its_worst_episode_are_the_default(
    trace_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trace_folder.parents[1])
    assert main(["replay"]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written.parent == Path("runs/one") and written.name in ("replay-0.html", "replay-1.html")
    assert "worst return of 2" in written.read_text(encoding="utf-8")
    written.unlink()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere"], 1, "no such folder"),
        (["."], 1, "not a trace"),
        (["TRACE", "--episode", "2"], 2, "The trace has episodes 0 to 1"),
        (["TRACE", "--episode", "-1"], 2, "-1"),
        (["TRACE", "-o", "no/page.html"], 1, "no such folder"),
    ],
)
def test_what_cannot_be_shown_is_one_clear_error(
    arguments: list[str],
    status: int,
    message: str,
    trace_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(trace_folder) if word == "TRACE" else word for word in arguments]
    assert main(["replay", *words]) == status
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_damaged_table_leaves_the_old_page_alone(
    trace_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, page = tmp_path / "trace", tmp_path / "page.html"
    shutil.copytree(trace_folder, copy)
    part = next((copy / "services").iterdir())
    part.write_bytes(part.read_bytes()[:-20])
    page.write_text("old")
    assert main(["replay", str(copy), "-o", str(page)]) == 1
    assert "part-000000.parquet" in capsys.readouterr().err
    assert page.read_text() == "old"
