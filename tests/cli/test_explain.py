"""`cagexplain explain` from end to end."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from cagexplain.cli.main import main
from cagexplain.envs import EnvParams
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from reports.kit.terms import CAUSE_WORDS
from tests.policies.test_branch import checkpoint

PARAMS = EnvParams(steps=40)
FAST = ["--rollouts", "10", "--horizon", "4", "--workers", "1"]


def record(folder: Path, policy: str) -> Path:
    Recording(folder, load_policy(policy), np.arange(2), PARAMS).run()
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("explain") / "trace", "punch")


@pytest.fixture
def trace(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "trace"))


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Path]:
    """A trace and the checkpoint that it was recorded with."""
    path = checkpoint(tmp_path, "memory")
    return record(tmp_path / "trained", str(path)), path


def test_one_decision(trace: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"
    place = ["--episode", "1", "--step", "0", "--agent", "3"]
    assert main(["explain", str(trace), *place, *FAST, "--json", str(numbers)]) == 0
    told = capsys.readouterr().out
    assert "blue_agent_3 in step 0 of episode 1: Analyse server_host_0 (OZB)" in told
    assert "Restore server_host_0 (OZB)" in told
    assert "chosen" in told
    assert (trace / "explain.html").read_text().startswith("<!DOCTYPE html>")
    report = json.loads(numbers.read_text())
    assert [d["action"] for d in report["decisions"]] == ["Analyse server_host_0 (OZB)"]
    assert len(report["decisions"][0]["options"]) == 8


def test_what_costs_points_has_words(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--episode", "1", "--step", "0", "--agent", "3"]
    assert main(["explain", str(trace), *place, "--rollouts", "20", "--horizon", "30"]) == 0
    told = capsys.readouterr().out
    assert any(f"{words} " in told for words in CAUSE_WORDS.values())
    assert not any(code in told for code in CAUSE_WORDS)
    assert "−" in told and not re.search(r" -\d", told)


def test_agents_have_names_and_numbers_and_steps_are_many(trace: Path, tmp_path: Path) -> None:
    written = []
    for agent in ("blue_agent_3", "3"):
        numbers = tmp_path / f"{agent}.json"
        place = ["--episode", "0", "--step", "0", "--step", "2", "--agent", agent]
        output = ["--rollouts", "0", "-o", str(tmp_path / "page.html"), "--json", str(numbers)]
        assert main(["explain", str(trace), *place, *output]) == 0
        written.append(json.loads(numbers.read_text())["decisions"])
    assert written[0] == written[1]
    assert [decision["step"] for decision in written[0]] == [0, 2]


def test_critical_decisions(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, path = trained
    moved = path.rename(tmp_path / "moved.pt")
    wanted = ["--critical", "2", "--agent", "0", "--episode", "1", "--policy", str(moved)]
    numbers = tmp_path / "numbers.json"
    assert main(["explain", str(folder), *wanted, *FAST, "--json", str(numbers)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "the 2 decisions in which another action made the largest sure difference" in told
    decisions = json.loads(numbers.read_text())["decisions"]
    assert {(d["agent"], d["episode"]) for d in decisions} == {("blue_agent_0", 1)}
    assert decisions[0]["importance"] >= decisions[1]["importance"]
    assert decisions[0]["attribution"]["influences"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "which decisions?"),
        (["--episode", "0", "--agent", "1"], 2, "which decisions?"),
        (["--critical", "2", "--step", "3"], 2, "--step: no effect with --critical"),
        (["--episode", "2", "--step", "0", "--agent", "1"], 2, "episodes 0 to 1"),
        (["--episode", "0", "--step", "39", "--agent", "1"], 2, "steps 0 to 38"),
        (["--episode", "0", "--step", "1", "--agent", "1"], 2, "steps 0 and 2"),
        (["--episode", "0", "--step", "0", "--agent", "5"], 2, "--agent"),
        (["--critical", "--episode", "7"], 2, "episodes 0 to 1"),
        (["--critical", "0"], 2, "--critical"),
        (["--critical", "-o", "nowhere/page.html"], 1, "no such folder"),
        (["--critical", "--policy", "nowhere.pt"], 1, "--policy PATH"),
    ],
)
def test_bad_input(
    trace: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    assert main(["explain", str(trace), *arguments]) == status
    assert message in capsys.readouterr().err
    assert not (trace / "explain.html").exists()


def test_a_policy_that_was_moved_or_changed(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, path = trained
    place = ["--episode", "0", "--step", "0", "--agent", "0", "--rollouts", "0"]
    path.rename(path.with_name("elsewhere.pt"))
    assert main(["explain", str(folder), *place]) == 1
    assert "--policy PATH" in capsys.readouterr().err
    checkpoint(path.parent, "flat").rename(path)
    assert main(["explain", str(folder), *place]) == 1
    assert "SHA-256" in capsys.readouterr().err


def test_a_trace_of_cyborg(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((trace / "manifest.json").read_text())
    manifest["engine"]["name"] = "CybORG"
    (trace / "manifest.json").write_text(json.dumps(manifest))
    assert main(["explain", str(trace), "--critical"]) == 1
    assert "recorded on CybORG" in capsys.readouterr().err
