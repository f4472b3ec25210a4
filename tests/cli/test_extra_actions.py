"""A policy that submits actions behind the layouts, through all that is made of a trace."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cagexplain.audit import document
from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE
from cagexplain.cli.main import main
from cagexplain.envs import BatchedEnv, Env, EnvParams
from cagexplain.policies import registry
from cagexplain.policies.base import Decision
from cagexplain.policies.rollout import Observer, play
from cagexplain.policies.scripted.builtin import Builtin
from cagexplain.policies.wrappers.without import Without
from cagexplain.tracing.trace import open_trace
from tests.support.beyond import Beyond

PLAY = ["--episodes", "8", "--episode-length", "50"]


@pytest.fixture
def beyond(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the policy."""
    known = {**registry.BUILTIN, "beyond": Builtin("random, also behind the layouts", Beyond)}
    monkeypatch.setattr(registry, "BUILTIN", known)
    return "beyond"


@pytest.fixture
def trace(beyond: str, tmp_path: Path) -> Path:
    folder = tmp_path / "trace"
    assert main(["trace", beyond, "-o", str(folder), *PLAY]) == 0
    return folder


def test_is_recorded_as_it_was_played(trace: Path) -> None:
    opened = open_trace(trace)
    blue = pd.concat([pd.read_parquet(path) for path in sorted((trace / "blue").iterdir())])
    agent = blue["agent"].map(BLUE.index).to_numpy()
    index = blue["action"].to_numpy()
    behind = index >= np.array(actions.SIZES)[agent]
    assert 0.3 < behind.mean() < 0.7
    on_router = behind & blue["target_host"].astype(str).str.endswith("router").to_numpy()
    assert on_router.any()
    assert set(blue["process_alert"][on_router]) == {0}
    refused = ~actions.ACCEPTED[agent, index]
    assert set(blue["action_type"][refused]) == {"Sleep"}
    ended = refused & blue["started"].to_numpy()
    assert set(blue["outcome"][ended]) == {"FAILURE"}
    steps = pd.concat([pd.read_parquet(path) for path in sorted((trace / "steps").iterdir())])
    parts = steps[["reward_lwf", "reward_asf", "reward_ria", "reward_cost"]].sum(axis=1)
    assert np.allclose(parts, steps["reward"], atol=1e-4)
    assert opened.manifest.policy["name"] == "beyond"


def test_goes_into_reports_and_trees(trace: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["fsm-report", str(trace), "-o", str(page)]) == 0
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    short = ["--leaves", "4"]
    assert main(["surrogate", str(trace), *short, "-o", str(tmp_path / "tree")]) == 0


def test_is_explained(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blue = pd.concat([pd.read_parquet(path) for path in sorted((trace / "blue").iterdir())])
    on_router = blue["target_host"].astype(str).str.endswith("router") & blue["started"]
    row = blue[on_router].iloc[0]
    place = [f"--{name}={row[name]}" for name in ("episode", "step", "agent")]
    assert main(["explain", str(trace), *place, "--rollouts", "4", "--horizon", "3"]) == 0
    assert f"{row['action_type']} router" in capsys.readouterr().out


def test_is_audited(beyond: str, tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    alone = ["--prices", "0", "--variations", "0", "--moments", "1"]
    assert main(["audit", beyond, "-o", str(folder), *PLAY, *alone]) == 0
    audit = document.read(folder / "audit.json")
    assert "ERROR" not in {finding.verdict for finding in audit.findings}


def test_restores_can_be_taken_away() -> None:
    policy = Without(Beyond("beyond"), (actions.ActionKind.RESTORE,))
    costs = Costs()
    play(policy, BatchedEnv(2, params=EnvParams(steps=40)), np.arange(2), [costs])
    assert costs.total == 0


class Costs(Observer):
    """Adds up the costs of actions, in points."""

    def __init__(self) -> None:
        self.total = 0

    def after_step(self, env: Env, decision: Decision) -> None:
        self.total += int(env.action_cost.sum())
