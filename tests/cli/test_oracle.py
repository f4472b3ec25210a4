"""`cagexplain oracle`: a tiny one with real trainings, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
import torch
from click.testing import CliRunner

from cagexplain.attack.oracle import results
from cagexplain.attack.oracle.run import Oracle, Training
from cagexplain.cc4.reds import REDS
from cagexplain.cli.main import main
from cagexplain.cli.oracle import PAGE, command, train
from cagexplain.envs import EnvParams
from cagexplain.policies.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

SHORT = ("--episode-length", "10", "--rounds", "1", "--generations", "1", "--episodes", "6")


def test_policies_and_attackers_answer_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "oracle"
    arguments = ["reactive", *SHORT, "--steps", "300", "-o", str(folder), "--workers", "1"]
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 0, shown.output
    assert "Training blue_1 from reactive" in shown.output
    assert "Round 1: red answers with" in shown.output and "Value of both:" in shown.output
    result = results.read(folder)
    assert [blue.key for blue in result.blues] == ["reactive", "blue_1"]
    assert result.options["steps"] == 10
    assert load_checkpoint(folder / "blue_1" / "ckpt.pt").config["steps"] == 300
    assert "Who answers whom?" in (folder / PAGE).read_text("utf-8")


def test_a_training_learns_against_the_mixture_and_is_gone_on_with(tmp_path: Path) -> None:
    mixture = [(REDS["finite_state"], 0.25), (REDS["greedy"], 0.75)]
    steps = 3 * 16 * 9  # three rounds, of which imitation has all
    task = Training(tmp_path / "blue_1", mixture, "reactive", steps, 3, EnvParams(steps=10))
    file = train(task, 1)
    stored = load_checkpoint(file)
    assert sorted(stored.config["red"]) == ["finite_state"] * 4 + ["greedy"] * 12
    assert (stored.config["warm_start"], stored.config["seed"]) == ("reactive", 3)
    before = file.stat().st_mtime_ns
    assert train(task, 1) == file and file.stat().st_mtime_ns == before, "it is finished"

    interrupted = Training(tmp_path / "blue_2", *list(vars(task).values())[1:])
    with (
        mock.patch("trainers.core.loop.Run.train", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        train(interrupted, 1)
    again = load_checkpoint(train(interrupted, 1))
    assert _equal(again.weights, stored.weights)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return one == other


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "oracle"
    with mock.patch.object(Oracle, "run", side_effect=KeyboardInterrupt):
        assert main(["oracle", "sleep", *SHORT, "-o", str(folder)]) == 130
    assert f"What is finished is in {folder}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "Missing argument 'POLICY...'"),
        (["nobody"], "'nobody'"),
        (["sleep", "sleep"], "POLICY: a policy is named twice"),
        (["sleep", "--red", "nobody"], "there is no red 'nobody'"),
        (["sleep", "--red", "greedy", "--red", "greedy"], "two attackers have the name 'greedy'"),
        (["sleep", "--rounds", "0"], "'--rounds': 0 is not in the range"),
        (["sleep", "--resume"], "--resume: which double oracle is to be resumed?"),
        (["sleep", "--resume", "-o", "{}"], "there is no such interrupted double oracle"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    given = [argument.format(tmp_path) for argument in arguments]
    if "-o" not in given:
        given += ["-o", str(tmp_path / "oracle")] if "--resume" not in given else []
    assert main(["oracle", *given]) in (1, 2)
    error = capsys.readouterr().err
    assert named in error
    assert "Traceback" not in error
