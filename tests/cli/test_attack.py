"""`cagexplain attack`: its words, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner

from cagexplain.attack import results
from cagexplain.attack.run import Attack
from cagexplain.cli.attack import command
from cagexplain.cli.main import main

SHORT = ("--episode-length", "10", "--generations", "1", "--start", "greedy")


def test_what_was_found_is_shown_and_written(tmp_path: Path) -> None:
    folder = tmp_path / "attack"
    shown = CliRunner().invoke(command, ["sleep", *SHORT, "-o", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert "sleep: 1 generations of 16 attackers from greedy" in shown.output
    assert "at least this exploitable by attackers of this family (rules: fenced)" in shown.output
    result = results.read(folder)
    assert len(result.worst.policy) == len(result.standard.policy) == 300
    assert result.search.budget is None


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "attack"
    with mock.patch.object(Attack, "run", side_effect=KeyboardInterrupt):
        assert main(["attack", "sleep", *SHORT, "-o", str(folder)]) == 130
    assert f"0 of 1 generations are in {folder}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--budget", "1s", "-o", "{}/attack"], "--budget: 1 s is too short: one generation"),
        (["--budget", "soon"], "'soon' is no time; give one such as 90s, 2m or 1h"),
        (["--budget", "0"], "'0' is no time"),
        (["--start", "nobody"], "there is no red 'nobody'"),
        (["--start", "silent_own", "--rules", "official"], "breaks the rules 'official'"),
        (["--budget", "1m", "--generations", "3"], "--budget: no effect beside --generations"),
        (["--resume"], "--resume: which attack is to be resumed?"),
        (["--resume", "-o", "{}"], "search.json: there is no such interrupted attack"),
        (["--resume", "-o", "{}", "--generations", "3"], "--generations: no effect with --resume"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    given = [argument.format(tmp_path) for argument in arguments]
    assert main(["attack", "expert", *given]) in (1, 2)
    error = capsys.readouterr().err
    assert named in error
    assert "Traceback" not in error
