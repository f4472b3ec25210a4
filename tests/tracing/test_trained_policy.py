"""Recording and evaluating checkpoints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cagexplain.analysis.decisions.replay import policy_of
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import sha256_file
from cagexplain.envs import EnvParams, engines
from cagexplain.policies.checkpoint import Checkpoint, save_checkpoint
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.learned import networks
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace
from tests.support.damage import edit_manifest
from tests.support.fake_env import FakeEnv

PARAMS = EnvParams(steps=9)
SEEDS = np.arange(5)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engines, "BatchedEnv", FakeEnv)
    config = {"observation": "flat", "network": "mlp", "hidden": (8,), "acting": "sampled"}
    stacks = networks.build_actors(config)
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(1), 2.0)
    weights = {"actors": networks.stored(stacks)}
    found = tmp_path / "ckpt.pt"
    save_checkpoint(found, Checkpoint("ippo", "test", config, weights, {}))
    return found


def test_the_trace_names_the_checkpoint_and_its_probabilities(path: Path, tmp_path: Path) -> None:
    recording = Recording(tmp_path / "trace", load_policy(str(path)), SEEDS, PARAMS, batch=2)
    recording.run()
    trace = open_trace(recording.folder)
    assert trace.manifest.policy["sha256"] == sha256_file(path)
    assert trace.manifest.policy["name"] == "ippo"
    assert "sees_files" not in trace.manifest.policy
    blue = trace.table("blue")
    started = blue["started"]
    assert blue["probability"][started].between(0, 1, inclusive="right").all()
    assert (blue["entropy"][started] >= 0).all()
    assert blue[["probability", "entropy"]][~started].isna().all(axis=None)


def test_a_moved_checkpoint_resumes_its_recording(path: Path, tmp_path: Path) -> None:
    Recording(tmp_path / "trace", load_policy(str(path)), SEEDS, PARAMS, batch=2)
    moved = path.rename(tmp_path / "elsewhere.pt")
    again = load_policy(str(moved))
    Recording(tmp_path / "trace", again, SEEDS, PARAMS, batch=2, resume=True).run()
    assert open_trace(tmp_path / "trace").finished


def test_the_policy_of_a_trace_is_found_from_any_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = sha256_file(path)
    home = tmp_path / "home"
    home.mkdir()
    named = path.rename(home / "ck pt.pt")
    monkeypatch.chdir(home)
    Recording(Path("trace"), load_policy(named.name), SEEDS, PARAMS).run()

    def found() -> str:
        facts = policy_of(open_trace(home / "trace")).describe()
        assert facts["sha256"] == digest
        return str(facts["path"])

    assert found() == str(named)
    monkeypatch.chdir(tmp_path)
    assert found() == str(named)
    (tmp_path / named.name).write_bytes(b"another one, of the same name")
    assert found() == str(named)
    home = home.rename(tmp_path / "moved")
    assert found() == str(home / named.name)

    def as_before(content: dict[str, Any]) -> None:
        del content["policy_file"]

    edit_manifest(home / "trace", as_before)
    assert found() == str(home / named.name)
    (home / named.name).unlink()
    with pytest.raises(CagexplainError, match=r"another policy.*--policy PATH"):
        found()
    (tmp_path / named.name).unlink()
    with pytest.raises(CagexplainError, match=r"ck pt\.pt: .*not here.*--policy PATH"):
        found()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"summary": float("nan")}, r"policy: summary: nan is not a finite number"),
        ({"name": "\ud800"}, r"policy: name: the text is not valid Unicode"),
        ({"path": Path("x.pt")}, r"policy: path: this is a PosixPath, not plain data"),
        ({"name": None}, "name: expected 'str'"),
    ],
)
def test_a_policy_that_tells_what_no_manifest_holds_is_refused_before_it_plays(
    facts: dict[str, Any], message: str, tmp_path: Path
) -> None:
    policy = load_policy("random")
    told = {**policy.describe(), **facts}
    policy.describe = lambda: told  # type: ignore[method-assign]
    with pytest.raises(CagexplainError, match=message):
        Recording(tmp_path / "trace", policy, SEEDS, PARAMS)


def test_with_sleep_masked_a_trained_policy_never_rests(path: Path, tmp_path: Path) -> None:
    policy = load_policy(str(path), mask_sleep=True)
    Recording(tmp_path / "trace", policy, SEEDS, PARAMS).run()
    trace = open_trace(tmp_path / "trace")
    blue = trace.table("blue")
    assert not blue["action_type"][blue["started"]].isin(["Sleep", "Monitor"]).any()
    assert trace.manifest.policy["mask_sleep"] is True


def test_evaluation_does_not_depend_on_the_batch(path: Path) -> None:
    returns = [
        evaluate(load_policy(str(path)), SEEDS, PARAMS, batch=batch).returns for batch in (1, 2, 5)
    ]
    np.testing.assert_array_equal(returns[0], returns[1])
    np.testing.assert_array_equal(returns[0], returns[2])


def test_stochastic_and_deterministic_are_told_apart(path: Path) -> None:
    for deterministic in (True, False):
        policy = load_policy(str(path), deterministic=deterministic)
        assert policy.describe()["deterministic"] is deterministic
