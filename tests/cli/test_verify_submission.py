"""`cagexplain verify-submission`: equal, different, refused (needs CybORG)."""

import json
from pathlib import Path

import pytest

from cagexplain.cli.main import main
from tests.support.cyborg import require_cyborg

Capture = pytest.CaptureFixture[str]

_SUBMISSION = """
from CybORG.Agents.Wrappers import EnterpriseMAE


class Agent:
    def get_action(self, observation, space):
        return int(observation.sum()) % space.n


class Wrapper(EnterpriseMAE):
    def action_space(self, name):
        self.env.get_observation(name)
        return super().action_space(name)

    def step(self, actions):
        observations, *rest = super().step(actions)
        if {cheats} and self.env.environment_controller.step_count == 3:
            observations["blue_agent_2"][5] += type(self.env).__name__ == "Lookalike"
        return observations, *rest


class Submission:
    NAME, TEAM, TECHNIQUE = "sums", "none", "none"
    AGENTS = {{f"blue_agent_{{k}}": Agent() for k in range(5)}}

    def wrap(env):
        return Wrapper(env)
"""


def _verify(
    tmp_path: Path, capsys: Capture, *options: str, cheats: bool = False
) -> tuple[int, str]:
    path = require_cyborg()
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "submission.py").write_text(_SUBMISSION.format(cheats=cheats))
    where = [] if path is None else ["--cyborg-path", str(path)]
    arguments = ["verify-submission", str(folder), "--episode-length", "12", *where, *options]
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_equal(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out.json"
    code, told = _verify(tmp_path, capsys, "--trust-code", "--episodes", "2", "--json", str(output))
    assert code == 0, told
    assert "2 of 2 episodes equal at every step: 22 steps" in told
    episodes = json.loads(output.read_text())["episodes"]
    assert [episode["difference"] for episode in episodes] == [None, None]


def test_different(tmp_path: Path, capsys: Capture) -> None:
    code, told = _verify(tmp_path, capsys, "--trust-code", "--episodes", "1", cheats=True)
    assert code == 3, told
    assert "first difference after 3 steps" in told
    assert "observations[blue_agent_2][values][5]" in told
    assert "0 of 1 episodes equal" in told


def test_without_trust(tmp_path: Path, capsys: Capture) -> None:
    code, told = _verify(tmp_path, capsys)
    assert code == 2
    assert "--trust-code" in told
    assert "no sandbox" in told


@pytest.mark.parametrize("content", ["", "x = 1"])
def test_what_is_no_submission(tmp_path: Path, capsys: Capture, content: str) -> None:
    (tmp_path / "other.py").write_text(content)
    assert main(["verify-submission", str(tmp_path), "--trust-code"]) == 2
    assert "no submission" in capsys.readouterr().err
