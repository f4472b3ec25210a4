"""`cagexplain attack --stage rl`: from an attack's folder to a learned red, and what it refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cagexplain.attack import learned, results
from cagexplain.cli.attack import command
from cagexplain.cli.main import main
from cagexplain.policies.learned_red import LearnedRed
from cagexplain.policies.registry import load_policy


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


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sleep"], "which attack is a red to learn from?"),
        (["sleep", "-o", "{}/none"], "there is no such saved attack"),
        (["expert", "-o", "{}"], "the attack is on another policy"),
        (["sleep", "-o", "{}", "--generations", "2"], "--generations: no effect with --stage rl"),
        (["sleep", "-o", "{}", "--start", "greedy"], "--start: no effect with --stage rl"),
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
