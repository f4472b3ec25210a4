"""`cagexplain attack --stage rl`: from an attack's folder to a learned red, and what it refuses."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner

from cagexplain.attack import learned, results
from cagexplain.cli.attack import PAGE, command
from cagexplain.cli.attack_learned import STATE
from cagexplain.cli.main import main
from cagexplain.policies.learned_red import LearnedRed
from cagexplain.policies.registry import load_policy
from trainers.red import RedLearner


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacks") / "attack"
    short = ("--episode-length", "10", "--generations", "1", "--start", "greedy")
    done = CliRunner().invoke(command, ["sleep", *short, "-o", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def test_a_red_learns_from_an_attack(attacked: Path) -> None:
    arguments = ["sleep", "--stage", "rl", "--budget", "1s", "-o", str(attacked)]
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 0, shown.output
    assert "Change on the same 300 seeds" in shown.output
    document = json.loads((attacked / learned.FILE).read_text())
    attack = results.read(attacked)
    assert document["start"] == attack.found
    assert tuple(document["table"]["returns"]) == attack.worst.policy.returns
    red = LearnedRed.load(attacked / learned.WEIGHTS)
    seeds = learned.held_out(attack)[:20]
    again = learned.judged(load_policy("sleep"), red, learned.params(attack), seeds)
    assert list(again.returns) == document["learned"]["returns"][:20]
    assert main(arguments) == 2  # it has one
    page = (attacked / PAGE).read_text("utf-8")
    assert "An attacker that learns" in page


def stopping(after: int) -> Callable[[RedLearner], dict[str, float]]:
    """A round of learning in which, when it is the last that is wanted, Ctrl-C is pressed."""
    play = RedLearner.round

    def round_(learner: RedLearner) -> dict[str, float]:
        if learner.rounds == after - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return play(learner)

    return round_


def test_ctrl_c_writes_what_was_learned_and_resume_goes_on(
    attacked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = (Path(shutil.copytree(attacked, tmp_path / name)) for name in ("one", "two"))
    for folder in (whole, parts):
        for name in (STATE, learned.FILE, learned.WEIGHTS):
            (folder / name).unlink(missing_ok=True)
    arguments = ["attack", "sleep", "--stage", "rl", "--budget", "1h", "-o"]
    with mock.patch.object(RedLearner, "round", stopping(2)):
        assert main([*arguments, str(whole)]) == 130
    assert "The same command with --resume goes on learning." in capsys.readouterr().err
    document = json.loads((whole / learned.FILE).read_text())
    assert len(document["history"]) == 2 and document["learned"]["returns"]
    with mock.patch.object(RedLearner, "round", stopping(1)):
        assert main([*arguments, str(parts)]) == 130
    with mock.patch.object(RedLearner, "round", stopping(2)):
        assert main([*arguments, str(parts), "--resume"]) == 130
    again = json.loads((parts / learned.FILE).read_text())
    assert again["seconds"] > 0
    assert {**again, "seconds": 0} == {**document, "seconds": 0}

    assert main([*arguments, str(parts), "--resume", "--search-seed", "1"]) == 2
    assert "task.seed: the learning red has another seed" in capsys.readouterr().err
    (parts / STATE).write_bytes(b"nothing")
    assert main([*arguments, str(parts), "--resume"]) == 1
    assert STATE in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sleep"], "which attack is a red to learn from?"),
        (["sleep", "-o", "{}/none"], "there is no such saved attack"),
        (["expert", "-o", "{}"], "the attack is on another policy"),
        (["sleep", "-o", "{}", "--generations", "2"], "--generations: no effect with --stage rl"),
        (["sleep", "-o", "{}", "--start", "greedy"], "--start: no effect with --stage rl"),
        (["sleep", "-o", "{}", "--resume", "--steps", "20"], "no effect with --stage rl"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(
    attacked: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    given = [argument.format(attacked) for argument in arguments]
    assert main(["attack", *given, "--stage", "rl"]) in (1, 2)
    error = capsys.readouterr().err
    assert named in error and "Traceback" not in error


def test_other_rules_are_refused(attacked: Path, tmp_path: Path) -> None:
    document = json.loads((attacked / results.FILE).read_text())
    (tmp_path / results.FILE).write_text(json.dumps(document | {"rules": "free"}))
    assert main(["attack", "sleep", "--stage", "rl", "-o", str(tmp_path)]) == 2
