"""ZIPs of Stable-Baselines3 and sb3-contrib: the library's own choices, and no code of theirs."""

from __future__ import annotations

import base64
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.base import Weighing
from cagexplain.policies.formats.files import WeighingFilePolicy
from cagexplain.policies.formats.loading import code_of, load
from tests.support.outside import PADDED, SHARED, Spaces, padded, scattered, sights, supersuit

sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 (extra 'dev') is missing")
contrib = pytest.importorskip("sb3_contrib", reason="sb3-contrib (extra 'dev') is missing")

N = 1000
MODELS: dict[str, Callable[[Any], Any]] = {
    "PPO": lambda env: sb3.PPO("MlpPolicy", env),
    "PPO, ReLU, one layer": lambda env: sb3.PPO(
        "MlpPolicy", env, policy_kwargs={"activation_fn": torch.nn.ReLU, "net_arch": [32]}
    ),
    "A2C": lambda env: sb3.A2C(
        "MlpPolicy", env, policy_kwargs={"net_arch": {"pi": [16, 16, 16], "vf": [4]}}
    ),
    "TRPO": lambda env: contrib.TRPO("MlpPolicy", env),
    "MaskablePPO": lambda env: contrib.MaskablePPO("MlpPolicy", env),
    "DQN": lambda env: sb3.DQN("MlpPolicy", env, buffer_size=10),
    "QRDQN": lambda env: contrib.QRDQN(
        "MlpPolicy", env, buffer_size=10, policy_kwargs={"n_quantiles": 7}
    ),
}


def _saved(name: str, folder: Path, env: Any = None) -> tuple[Any, Path]:
    model = MODELS[name](env or Spaces(SHARED, PADDED))
    scattered(model.policy)
    model.save(folder / "team.zip")
    return model, folder / "team.zip"


@pytest.fixture(scope="module")
def ppo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved("PPO", tmp_path_factory.mktemp("ppo"))[1]


@pytest.mark.parametrize("name", MODELS)
def test_choices_are_those_of_the_library(name: str, tmp_path: Path) -> None:
    model, path = _saved(name, tmp_path)
    policy = load(path, deterministic=True)
    obs, mask, free = sights(N)
    chosen = policy.act(obs, mask, free).actions
    for agent in range(N_BLUE):
        valid = padded(mask, actions, agent)
        more = {"action_masks": valid} if name == "MaskablePPO" else {}
        expected, _ = model.predict(supersuit(obs, agent), deterministic=True, **more)
        exists = valid[np.arange(N), expected]
        expected = np.where(exists, expected, SLEEP_INDEX[agent])
        assert (chosen[:, agent] == expected).all()
        assert len(set(expected)) > 3
        assert exists.all() == (name == "MaskablePPO")


def test_memories_are_those_of_the_library(tmp_path: Path) -> None:
    kwargs = {"lstm_hidden_size": 16, "n_lstm_layers": 2}
    model = contrib.RecurrentPPO("MlpLstmPolicy", Spaces(SHARED, PADDED), policy_kwargs=kwargs)
    scattered(model.policy)
    model.save(tmp_path / "team.zip")
    policy = load(tmp_path / "team.zip", deterministic=True)
    n, steps = 100, 10
    policy.reset(np.arange(n))
    states: list[Any] = [None] * N_BLUE
    memoryless = 0
    for step in range(steps):
        obs, _, free = sights(n, step)
        mask = np.ones((n, actions.TOTAL), np.bool_)
        chosen = policy.act(obs, mask, free).actions
        for agent in range(N_BLUE):
            expected, states[agent] = model.predict(
                supersuit(obs, agent), states[agent], np.full(n, step == 0), deterministic=True
            )
            forgetful, _ = model.predict(supersuit(obs, agent), deterministic=True)
            memoryless += (forgetful != expected).sum()
            expected = np.where(expected < actions.SIZES[agent], expected, SLEEP_INDEX[agent])
            assert (chosen[:, agent] == expected).all()
    assert memoryless > 0


@pytest.mark.parametrize("name", ["PPO", "MaskablePPO"])
def test_probabilities_are_those_of_the_library(name: str, tmp_path: Path) -> None:
    model, path = _saved(name, tmp_path)
    policy = load(path)
    assert isinstance(policy, WeighingFilePolicy)
    obs, mask, free = sights(100)
    policy.reset(np.arange(100))
    decision = policy.act(obs, mask, free)
    assert isinstance(policy, Weighing)
    assert decision.probability is not None
    assert decision.entropy is not None
    weights = policy.weights()
    for agent in range(N_BLUE):
        valid = padded(mask, actions, agent)
        seen = torch.from_numpy(supersuit(obs, agent))
        more = {"action_masks": valid} if name == "MaskablePPO" else {}
        with torch.no_grad():
            p = model.policy.get_distribution(seen, **more).distribution.probs.numpy()
        p = p.astype(np.float64)
        sleep = SLEEP_INDEX[agent]
        p[:, sleep] += np.where(valid, 0, p).sum(1)  # what is forbidden sleeps
        p = np.where(valid, p, 0)[:, : actions.SIZES[agent]]
        assert np.allclose(np.exp(weights[:, actions.slice_of(agent)]), p, atol=1e-5)
        chosen = decision.actions[:, agent]
        assert np.allclose(decision.probability[:, agent], p[np.arange(100), chosen], atol=1e-5)
        entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(1)
        assert np.allclose(decision.entropy[:, agent], entropy, atol=1e-3)


def test_one_network_for_the_team(tmp_path: Path) -> None:
    env = Spaces(spaces.Box(0.0, 2.0, (578,)), spaces.MultiDiscrete(actions.SIZES))
    model, path = _saved("PPO", tmp_path, env)
    obs, _, free = sights(200)
    mask = np.ones((200, actions.TOTAL), np.bool_)
    chosen = load(path, deterministic=True).act(obs, mask, free).actions
    assert (chosen == model.predict(obs.astype(np.float32), deterministic=True)[0]).all()


def test_a_file_per_agent_with_the_official_spaces(tmp_path: Path) -> None:
    """`MultiDiscrete` observations reach the library's networks one-hot."""
    models = []
    for agent in range(N_BLUE):
        size = 210 if agent == 4 else 92
        observed = spaces.MultiDiscrete([3] + [2] * (size - 1))
        model = sb3.PPO("MlpPolicy", Spaces(observed, spaces.Discrete(actions.SIZES[agent])))
        scattered(model.policy, agent)
        model.save(tmp_path / f"agent_{agent}.zip")
        models.append(model)
    obs, _, free = sights(200)
    mask = np.ones((200, actions.TOTAL), np.bool_)
    policy = load(tmp_path, deterministic=True)
    assert policy.describe()["forms"]["blue_agent_0"]["encoding"] == "one_hot"
    chosen = policy.act(obs, mask, free).actions
    start = 0
    for agent, model in enumerate(models):
        seen = obs[:, start : start + len(model.observation_space.nvec)]
        start += seen.shape[1]
        assert (chosen[:, agent] == model.predict(seen, deterministic=True)[0]).all()


def test_values_are_not_drawn_from(tmp_path: Path) -> None:
    _, path = _saved("DQN", tmp_path)
    policy = load(path)
    assert policy.deterministic
    assert isinstance(policy, WeighingFilePolicy)
    assert policy.values
    with pytest.raises(UsageError, match="no probabilities to draw from"):
        load(path, deterministic=False)


def test_an_episode_does_not_depend_on_the_others(ppo: Path) -> None:
    obs, mask, free = sights(3)
    policy = load(ppo)
    policy.reset(np.array([5, 6, 7]))
    together = [policy.act(obs, mask, free).actions for _ in range(3)]
    policy.reset(np.array([6]))
    alone = [policy.act(obs[1:2], mask[1:2], free[1:2]).actions for _ in range(3)]
    assert np.array_equal(np.stack(together)[:, 1], np.stack(alone)[:, 0])
    assert len({row.tobytes() for row in alone}) > 1


def test_branches_go_on_alike_or_by_new_seeds(ppo: Path) -> None:
    obs, mask, free = sights(2)
    policy = load(ppo)
    policy.reset(np.array([1, 2]))
    policy.act(obs, mask, free)
    rows = np.array([1, 1, 0])
    same, other = policy.branch(rows), policy.branch(rows, np.array([7, 8, 9]))
    goes_on = policy.act(obs, mask, free).actions
    assert np.array_equal(same.act(obs[rows], mask[rows], free[rows]).actions, goes_on[rows])
    assert (other.act(obs[rows], mask[rows], free[rows]).actions != goes_on[rows]).any()


def test_what_is_done_instead_is_answered(ppo: Path) -> None:
    obs, mask, free = sights(4)
    policy = load(ppo)
    policy.reset(np.arange(4))
    instead = np.tile(SLEEP_INDEX, (4, 1))
    decision = policy.act(obs, mask, free, instead)
    assert np.array_equal(decision.actions, instead)


def test_a_hostile_pickle_does_not_run(ppo: Path, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    members = _members(ppo)
    code = pickle.dumps(Hostile())
    data = json.loads(members["data"])
    for entry in data.values():
        if isinstance(entry, dict) and ":serialized:" in entry:
            entry[":serialized:"] = base64.b64encode(code).decode()
    members["data"] = json.dumps(data).encode()
    members["pytorch_variables.pth"] = code
    harmless = _zip(tmp_path / "data.zip", members)
    load(harmless)  # its pickles are not even looked at
    buffer = io.BytesIO()
    torch.save({"action_net.weight": Hostile()}, buffer)
    members["policy.pth"] = buffer.getvalue()
    with pytest.raises(CagexplainError, match=r"policy\.pth: .*pickled code"):
        load(_zip(tmp_path / "tensors.zip", members))
    members["policy.pth"] = code
    with pytest.raises(CagexplainError, match=r"policy\.pth"):
        load(_zip(tmp_path / "pickle.zip", members))
    assert not (tmp_path / "ran").exists()


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _with_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], Any], to: Path) -> Path:
    members = _members(path)
    state = torch.load(io.BytesIO(members["policy.pth"]), weights_only=True)
    change(state)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return _zip(to, {**members, "policy.pth": buffer.getvalue()})


DAMAGE: dict[str, tuple[Callable[[dict[str, torch.Tensor]], Any], str]] = {
    "layers": (
        lambda s: s.update({"mlp_extractor.policy_net.0.weight": torch.zeros(9, 215)}),
        "its layers do not fit each other",
    ),
    "bias": (lambda s: s.pop("action_net.bias"), "its layers do not fit each other"),
    "outputs": (
        lambda s: s.update(
            {"action_net.weight": torch.zeros(3, 64), "action_net.bias": torch.zeros(3)}
        ),
        "3 outputs for 242 actions",
    ),
    "infinite": (lambda s: s["action_net.weight"].fill_(torch.inf), "not finite"),
    "inputs": (
        lambda s: s.update({"mlp_extractor.policy_net.0.weight": torch.zeros(64, 99)}),
        "99 inputs fits none of the forms",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_tensors_that_do_not_fit(damage: str, ppo: Path, tmp_path: Path) -> None:
    change, message = DAMAGE[damage]
    path = _with_tensors(ppo, change, tmp_path / "damaged.zip")
    with pytest.raises(CagexplainError, match=message) as refusal:
        load(path)
    assert refusal.value.where == path


def test_damaged_archives(ppo: Path, tmp_path: Path) -> None:
    whole = ppo.read_bytes()
    path = tmp_path / "damaged.zip"
    for at in np.linspace(100, len(whole) - 100, 60).astype(int):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        try:
            load(path)  # a byte that acting does not need
        except CagexplainError as refusal:
            assert refusal.where == path
    members = _members(ppo)
    for data in (b"", b"[]", b'{"policy_class": 3}', b"\xff", b"[" * 100_000):
        with pytest.raises(CagexplainError, match="'data' is not what the library writes"):
            load(_zip(path, {**members, "data": data}))


def test_networks_of_their_own_need_the_library_and_trust(tmp_path: Path) -> None:
    model = sb3.PPO(
        "MlpPolicy", Spaces(SHARED, PADDED), policy_kwargs={"activation_fn": torch.nn.Softplus}
    )
    scattered(model.policy)
    model.save(tmp_path / "team.zip")
    assert "pickled classes" in str(code_of(tmp_path / "team.zip"))
    with pytest.raises(CagexplainError, match="--trust-code"):
        load(tmp_path / "team.zip")
    policy = load(tmp_path / "team.zip", deterministic=True, trusted=True)
    obs, _, free = sights(50)
    mask = np.ones((50, actions.TOTAL), np.bool_)
    expected, _ = model.predict(supersuit(obs, 4), deterministic=True)
    assert (policy.act(obs, mask, free).actions[:, 4] == expected).all()
