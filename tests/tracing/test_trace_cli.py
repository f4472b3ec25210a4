import json
from pathlib import Path

import numpy as np
import pytest

from cagexplain.cli.main import main
from cagexplain.envs import engines
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import builtin_policies, load_policy
from cagexplain.policies.rollout import EVALUATION_SEED
from cagexplain.tracing.trace import latest_trace, open_trace
from tests.support.fake_env import FakeEnv

SHORT = ["--episode-length", "7", "--episodes", "3"]


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, on the stand-in for the engine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "BatchedEnv", FakeEnv)


def test_policies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, summary in builtin_policies().items():
        assert [name, summary] in [line.strip().split(maxsplit=1) for line in lines]
        assert len(summary) <= 57  # fits beside its name on a narrow terminal


def test_evaluate_prints_and_writes_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "random", *SHORT, "--episodes", "5", "--json", "out.json"]) == 0
    printed = capsys.readouterr().out
    assert "random against finite_state, 5 episodes, seeds 1000000 to 1000004" in printed
    content = json.loads(Path("out.json").read_text())
    total = content["summary"]["return"]["return"]
    row = next(line for line in printed.splitlines() if line.startswith("return"))
    numbers = [f"{total[k]:,.1f}".replace("-", "−") for k in ("mean", "sd", "low", "high")]
    assert row.replace(" to ", " ").split()[1:] == numbers
    causes = ("failed local work", "failed accesses", "red’s Impacts", "blue’s actions")
    for part in ("mission A", "mission B", *causes):
        assert part in printed
    assert [e["seed"] for e in content["episodes"]] == [EVALUATION_SEED + i for i in range(5)]


def test_evaluate_to_standard_output_is_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "sleep", *SHORT, "--seed", "5", "--json", "-"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["policy"]["name"] == "sleep"
    assert content["options"]["steps"] == 7
    from cagexplain.envs import EnvParams

    again = evaluate(load_policy("sleep"), np.array([5, 6, 7]), EnvParams(steps=7))
    assert [e["return"] for e in content["episodes"]] == again.returns.tolist()


def test_trace_numbers_its_folders(capsys: pytest.CaptureFixture[str]) -> None:
    for i in (1, 2):
        assert main(["trace", "random", *SHORT]) == 0
        assert f"3 episodes in runs/trace-random-{i}" in capsys.readouterr().out
    found = latest_trace(Path("runs"))
    trace = open_trace(found)
    assert trace.manifest.seeds == [EVALUATION_SEED + i for i in range(3)]
    assert trace.manifest.options["mask_sleep"] is False


def test_trace_with_options() -> None:
    arguments = ["--no-observations", "--mask-sleep", "--red", "stealthy", "--batch", "2"]
    assert main(["trace", "random", *SHORT, *arguments, "-o", "mine"]) == 0
    trace = open_trace("mine")
    options = trace.manifest.options
    assert (options["mask_sleep"], options["red"], options["batch"]) == (True, "stealthy", 2)
    assert "observations" not in trace.tables
    blue = trace.table("blue")
    assert not blue[blue["started"]]["action_type"].isin(["Sleep", "Monitor"]).any()


def test_resume_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "random", *SHORT, "-o", "mine"]) == 0
    assert main(["trace", "random", *SHORT, "-o", "mine", "--resume"]) == 0
    assert main(["trace", "random", *SHORT, "-o", "mine", "--resume", "--seed", "3"]) == 1
    assert "was begun with 3 episodes from seed 1000000, not 3 from 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["evaluate", "restore_cicle"], 2, "Did you mean 'restore_cycle'"),
        (["evaluate", "sleep", "--episodes", "0"], 2, "--episodes"),
        (["evaluate", "sleep", "--red", "mellow"], 2, "--red"),
        (["evaluate", "sleep", "--seed", "-1"], 2, "--seed"),
        (["evaluate", "sleep", "--episode-length", "1"], 2, "steps: 1 is out of range"),
        (["evaluate", "sleep", "--json", "no/where.json"], 1, "no: there is no such folder"),
        (["evaluate", "nothing.pt"], 1, "nothing.pt"),
        (["trace", "sleep", "--mask-sleep"], 2, "Sleep cannot be masked"),
        (["trace", "sleep", "--resume"], 2, "--resume: which recording"),
        (["trace", "sleep", "--resume", "-o", "nowhere"], 1, "nowhere: no such folder"),
        (["trace", "sleep", "-o", "occupied"], 1, "occupied: the output folder is not empty"),
    ],
)
def test_bad_input(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("occupied").mkdir()
    (Path("occupied") / "mine.txt").write_text("keep me")
    assert main(arguments) == status
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert (Path("occupied") / "mine.txt").read_text() == "keep me"
    assert not Path("runs").exists()


def test_interrupting_evaluate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def step(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeEnv, "step", step)
    assert main(["evaluate", "sleep", *SHORT, "--json", "out.json"]) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert not Path("out.json").exists()
