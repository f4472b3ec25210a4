"""Other trainers' files as policies of the commands: in this process and in a trusted one."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cagexplain.cli.policies import command as policies
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy, Weighing
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.formats.loading import load
from cagexplain.policies.registry import load_policy, reload_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace
from tests.support.outside import Scripted, scattered, sights, write_onnx

TRUST = Opening(trust=True)
PARAMS = EnvParams(steps=20)


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime", reason="onnxruntime (extra 'dev') is not installed")
    folder = tmp_path_factory.mktemp("onnx")
    write_onnx(folder / "team.onnx", inputs=210, outputs=242)
    return folder / "team.onnx"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("script")
    network = Scripted()
    scattered(network)
    torch.jit.script(network).save(str(folder / "team.pt"))
    (folder / "agents.yaml").write_text("file: team.pt\noutputs: logits\n")
    return folder


def _played(policy: Policy, seeds: list[int]) -> list[np.ndarray]:
    obs, mask, free = sights(len(seeds))
    policy.reset(np.array(seeds))
    return [policy.act(obs, mask, free).actions for _ in range(3)]


def test_a_trusted_process_decides_as_this_one(script: Path) -> None:
    here = load(script, trusted=True)
    there = load_policy(str(script), opening=TRUST)
    assert isinstance(there, Weighing)
    obs, mask, free = sights(3)
    rows, seeds = np.array([2, 0]), np.array([8, 9])
    for policy in (here, there):
        policy.reset(np.arange(3))
    for _ in range(3):
        expected, decision = (policy.act(obs, mask, free) for policy in (here, there))
        for part in ("actions", "probability", "entropy"):
            assert np.array_equal(getattr(decision, part), getattr(expected, part)), part
        assert isinstance(here, Weighing)
        assert np.array_equal(there.weights(), here.weights())
    for new in (None, seeds):
        expected, decision = (
            policy.branch(rows, new).act(obs[rows], mask[rows], free[rows])
            for policy in (here, there)
        )
        assert np.array_equal(decision.actions, expected.actions)
    assert there.describe()["deterministic"] is False
    greedy = load_policy(str(script), deterministic=True, opening=TRUST)
    assert greedy.describe()["deterministic"] is True


def test_a_policy_in_a_process_can_be_sent_elsewhere(script: Path) -> None:
    policy = load_policy(str(script), opening=TRUST)
    expected = _played(policy, [1, 2])
    again = pickle.loads(pickle.dumps(policy))
    assert np.array_equal(_played(again, [1, 2]), expected)
    assert isinstance(copy.deepcopy(policy), Weighing)


def test_code_is_not_run_without_trust(script: Path) -> None:
    with pytest.raises(UsageError, match="the compiled program of the TorchScript file"):
        load_policy(str(script))
    outcome = CliRunner().invoke(policies, ["--inspect", str(script)])
    assert isinstance(outcome.exception, CagexplainError)
    assert "compiled program" in str(outcome.exception)


def test_inspection_shows_what_was_guessed(onnx: Path) -> None:
    outcome = CliRunner().invoke(policies, ["--inspect", str(onnx)])
    assert outcome.exit_code == 0
    lines = outcome.output.splitlines()
    assert lines[0].split() == [
        *("agent", "file", "observation", "encoding", "identity"),
        *("actions", "mask", "outputs", "busy"),
    ]
    forms = ["padded", "numbers", "none", "padded", "none", "logits", "acts"]
    assert [line.split() for line in lines[1:6]] == [
        [f"blue_agent_{i}", "team.onnx", *forms] for i in range(5)
    ]


def test_a_trace_finds_its_policy_again(onnx: Path, tmp_path: Path) -> None:
    policy = load_policy(str(onnx), deterministic=True)
    Recording(tmp_path / "trace", policy, np.array([3, 4]), PARAMS).run()
    facts = open_trace(tmp_path / "trace").manifest.policy
    again = reload_policy(facts)
    returns = [evaluate(p, np.array([3, 4]), PARAMS).returns for p in (policy, again)]
    assert np.array_equal(*returns)
    assert json.dumps(facts)
    other = tmp_path / "other.onnx"
    write_onnx(other, inputs=210, outputs=242, seed=1)
    with pytest.raises(CagexplainError, match="another policy"):
        reload_policy(facts, other)


def test_the_digest_of_a_folder_covers_its_files(onnx: Path, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"agent{number}.onnx").write_bytes(onnx.read_bytes())
    with pytest.raises(CagexplainError, match=r"242 outputs fits none|fits none of the forms"):
        (tmp_path / "agents.yaml").write_text("file: agent0.onnx\nobservation: official\n")
        load_policy(str(tmp_path))
    (tmp_path / "agents.yaml").write_text("file: agent0.onnx\n")
    facts = load_policy(str(tmp_path)).describe()
    write_onnx(tmp_path / "agent0.onnx", inputs=210, outputs=242, seed=2)
    with pytest.raises(CagexplainError, match="another policy"):
        reload_policy(facts)
