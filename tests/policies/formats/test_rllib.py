"""RLlib's checkpoints of both API stacks: RLlib's own choices, and nothing without trust."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.formats.files import WeighingFilePolicy
from cagexplain.policies.formats.loading import code_of, format_of, load
from tests.support.outside import PADDED, SHARED, scattered, sights, supersuit

pytest.importorskip("ray.rllib", reason="RLlib's dependencies (extra 'dev') are not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

AGENT = 4
"""Whose choices are compared: all 242 actions are its."""
LSTM = {"use_lstm": True, "lstm_cell_size": 8, "max_seq_len": 5}


def _policy(algorithm: str, **model: Any) -> Any:
    """A policy of the old API stack."""
    from ray.rllib.algorithms.dqn import DQNConfig
    from ray.rllib.algorithms.dqn.dqn_torch_policy import DQNTorchPolicy
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.algorithms.ppo.ppo_torch_policy import PPOTorchPolicy

    config, kind = {"ppo": (PPOConfig(), PPOTorchPolicy), "dqn": (DQNConfig(), DQNTorchPolicy)}[
        algorithm
    ]
    settings = config.api_stack(
        enable_rl_module_and_learner=False, enable_env_runner_and_connector_v2=False
    ).to_dict()
    settings["model"] = {**settings["model"], **model}
    policy = kind(SHARED, PADDED, settings)
    scattered(policy.model)
    return policy


def _module(algorithm: str, **model: Any) -> Any:
    """A module of the new API stack."""
    from ray.rllib.algorithms.dqn.dqn_catalog import DQNCatalog
    from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
    from ray.rllib.algorithms.ppo.ppo_catalog import PPOCatalog
    from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule

    kind, catalog = {
        "ppo": (DefaultPPOTorchRLModule, PPOCatalog),
        "dqn": (DefaultDQNTorchRLModule, DQNCatalog),
    }[algorithm]
    module = kind(
        observation_space=SHARED, action_space=PADDED, model_config=model, catalog_class=catalog
    )
    scattered(module)
    return module


def _expected_old(policy: Any, seen: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
    if state is None:
        state = [np.repeat(part[None], len(seen), 0) for part in policy.get_initial_state()]
    chosen, after, _ = policy.compute_actions(seen, state_batches=state, explore=False)
    return chosen, after


def _expected_new(module: Any, seen: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
    batch: dict[str, Any] = {"obs": torch.from_numpy(seen)}
    if not module.is_stateful():
        answer = module.forward_inference(batch)
        if "actions" in answer:
            return answer["actions"].numpy(), None
        return answer["action_dist_inputs"].argmax(-1).numpy(), None
    if state is None:
        state = {
            name: torch.stack([part] * len(seen))
            for name, part in module.get_initial_state().items()
        }
    answer = module.forward_inference({"obs": batch["obs"][:, None], "state_in": state})
    return answer["action_dist_inputs"][:, 0].argmax(-1).numpy(), answer["state_out"]


VALUES = {"num_atoms": 1, "dueling": True, "double_q": True, "epsilon": 0.0}
MADE: dict[str, Callable[[], Any]] = {
    "old PPO": lambda: _policy("ppo"),
    "old PPO with LSTM": lambda: _policy("ppo", **LSTM),
    "old DQN": lambda: _policy("dqn"),
    "new PPO": lambda: _module("ppo"),
    "new PPO with LSTM": lambda: _module("ppo", **LSTM),
    "new DQN": lambda: _module("dqn", **VALUES),
}


@pytest.mark.parametrize("name", MADE)
def test_choices_are_those_of_rllib(name: str, tmp_path: Path) -> None:
    trained = MADE[name]()
    is_old = name.startswith("old")
    folder = tmp_path / "team"
    (trained.export_checkpoint if is_old else trained.save_to_path)(str(folder))
    policy = load(folder, deterministic=True, trusted=True)
    assert isinstance(policy, WeighingFilePolicy)
    assert policy.values == ("DQN" in name)
    n, state = 200, None
    policy.reset(np.arange(n))
    mask = np.ones((n, actions.TOTAL), np.bool_)
    for step in range(4):
        obs, _, free = sights(n, step)
        with torch.no_grad():
            expected, state = (_expected_old if is_old else _expected_new)(
                trained, supersuit(obs, AGENT), state
            )
        chosen = policy.act(obs, mask, free).actions[:, AGENT]
        assert (chosen == expected).all()
        assert len(set(expected)) > 3


def _checkpoint(folder: Path, names: list[str]) -> Path:
    """What an algorithm's checkpoint is to us: a folder with modules in their places."""
    modules = folder / "learner_group" / "learner" / "rl_module"
    for name in names:
        _module("ppo").save_to_path(str(modules / name))
    (folder / "rllib_checkpoint.json").write_text("{}")
    return folder


def test_nothing_is_unpickled_without_trust(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, ["shared"])
    assert format_of(folder) == "rllib"
    assert "pickled classes" in str(code_of(folder))
    for file in folder.rglob("*.pkl"):
        file.write_bytes(b"cos\nsystem\n(S'touch %s/ran'\ntR." % bytes(tmp_path))
    with pytest.raises(CagexplainError, match="--trust-code"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_a_module_that_all_agents_share(tmp_path: Path) -> None:
    policy = load(_checkpoint(tmp_path, ["shared"]), trusted=True)
    assert {form["file"] for form in policy.describe()["forms"].values()} == {tmp_path.name}


def test_a_module_per_agent_by_its_name(tmp_path: Path) -> None:
    policy = load(_checkpoint(tmp_path, [f"Agent{i}" for i in range(5)]), trusted=True)
    files = [form["file"] for form in policy.describe()["forms"].values()]
    assert files == [f"Agent{i}" for i in range(5)]


def test_several_modules_are_asked_for(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, ["edge", "hq"])
    with pytest.raises(CagexplainError, match="agents: the checkpoint holds several policies"):
        load(folder, trusted=True)
    modules = "learner_group/learner/rl_module"
    (folder / "agents.yaml").write_text(
        "agents:\n"
        + "".join(f"  blue_agent_{i}: {modules}/{'hq' if i == 4 else 'edge'}\n" for i in range(5))
    )
    policy = load(folder, trusted=True)
    obs, mask, free = sights(3)
    policy.reset(np.arange(3))
    assert policy.act(obs, mask, free).actions.shape == SLEEP_INDEX[None].repeat(3, 0).shape


def test_damaged_pickles(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, ["shared"])
    for file in folder.rglob("*.pkl"):
        file.write_bytes(b"no pickle")
    with pytest.raises(CagexplainError, match="RLlib cannot load it"):
        load(folder, trusted=True)
