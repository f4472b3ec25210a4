"""The benchmark that plays the public field."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import field
from cagexplain.cc4.conditions import CONDITIONS
from cagexplain.common.errors import CagexplainError

CONFIG = """
policies: [sleep]
submissions:
  theirs: {repository: OWNER/NAME, commit: abc, folder: place}
published:
  - {name: others, source: a paper, returns: {standard: [-100, 20], fast_red: [-200]}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "field.yaml"
    file.write_text(CONFIG)
    return file


def test_what_was_played_is_kept_and_what_is_missing_is_told(config: Path, tmp_path: Path) -> None:
    page, results = tmp_path / "field.md", tmp_path / "results"
    arguments = [str(config), "--episodes", "2", "--episode-length", "30", "--page", str(page)]
    arguments += ["--results", str(results), "--condition", "standard", "--condition", "fast_red"]
    first = CliRunner().invoke(field.command, arguments)
    assert first.exit_code == 0, first.output
    text = page.read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| sleep | -")]
    kept = field.kept(results, "sleep", "standard")
    assert kept is not None
    assert f"{kept.mean:,.1f} ± {kept.sd:,.1f}, 2" in row
    assert row.count("not played") == len(CONDITIONS) - 2
    assert "| theirs | not run: submissions take --submissions FOLDER and --trust-code" in text
    assert "| others | -100 ± 20 |" in text
    before = {file: file.stat().st_mtime_ns for file in results.iterdir()}
    assert CliRunner().invoke(field.command, arguments).exit_code == 0
    assert {file: file.stat().st_mtime_ns for file in results.iterdir()} == before
    assert page.read_text() == text


def test_a_submission_that_is_not_there_is_told(config: Path, tmp_path: Path) -> None:
    arguments = [str(config), "--policy", "theirs", "--results", str(tmp_path / "results")]
    arguments += ["--submissions", str(tmp_path), "--trust-code"]
    found = CliRunner().invoke(field.command, arguments)
    assert found.exit_code == 0, found.output
    assert "| theirs | not there: OWNER/NAME, folder place" in found.output


@pytest.mark.parametrize(
    ("wrong", "right"), [("standard: [-100, 20]", "stealthy: [-1]"), ("[-200]", "[]")]
)
def test_published_numbers_are_of_conditions(config: Path, wrong: str, right: str) -> None:
    config.write_text(CONFIG.replace(wrong, right))
    with pytest.raises(CagexplainError, match="published"):
        field.read_field(config)


def test_the_configuration_of_the_repository_can_be_read() -> None:
    assert {"PUNCH 1", "PUNCH 2"} < set(field.read_field(field.CONFIG).submissions)
