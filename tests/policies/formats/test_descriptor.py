"""Descriptors: every field that is wrong is named, and forms are what their names say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gymnasium.spaces import MultiDiscrete
from gymnasium.spaces.utils import flatten

from cagexplain.cc4 import observations
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams, parallel_env
from cagexplain.policies.formats import views
from cagexplain.policies.formats.descriptor import Facts, Given, read, resolve
from cagexplain.policies.formats.loading import load, recognised
from cagexplain.policies.formats.views import View, widened
from tests.support.outside import sights, supersuit

ALL = list(range(N_BLUE))


def _shown(view: View, agent: int, obs: np.ndarray) -> np.ndarray:
    return widened(obs)[:, view.columns(agent)]


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("form", ["box", "multi_discrete"])
def test_views_are_what_the_environment_shows(pad: bool, form: str) -> None:
    env = parallel_env(EnvParams(steps=6), pad_spaces=pad, observations=form)
    seen, _ = env.reset(seed=3)
    for _ in range(4):
        obs = env._env.obs.copy()
        for number, agent in enumerate(BLUE):
            observation: views.Observation = "padded" if pad else "official"
            plain = _shown(View(observation, "numbers", "none"), number, obs)[0]
            assert np.array_equal(plain, seen[agent])
            if form == "multi_discrete":
                space = env.observation_space(agent)
                assert isinstance(space, MultiDiscrete)
                one_hot = _shown(View(observation, "one_hot", "none"), number, obs)[0]
                assert np.array_equal(one_hot, flatten(space, seen[agent]))
        assert np.array_equal(_shown(View("team", "numbers", "none"), 0, obs)[0], env.state())
        seen, *_ = env.step(dict.fromkeys(BLUE, 0))


def test_identities() -> None:
    obs, _, _ = sights(5)
    for agent in range(N_BLUE):
        expected = supersuit(obs, agent)
        assert np.array_equal(_shown(View("padded", "numbers", "supersuit"), agent, obs), expected)
        last = _shown(View("padded", "numbers", "last"), agent, obs)
        first = _shown(View("padded", "numbers", "first"), agent, obs)
        assert np.array_equal(last[:, -5:], expected[:, -5:] / 2)
        assert np.array_equal(np.roll(first, -5, axis=1), last)


def test_supersuit_shows_just_that() -> None:
    supersuit_package = pytest.importorskip("supersuit")
    env = parallel_env(EnvParams(steps=6), pad_spaces=True, observations="box")
    wrapped = supersuit_package.agent_indicator_v0(env)
    seen, _ = wrapped.reset(seed=3)
    for number, agent in enumerate(BLUE):
        assert np.array_equal(supersuit(env._env.obs, number)[0], seen[agent])


def test_sizes() -> None:
    widths = {
        (view.observation, view.encoding): [len(view.columns(agent)) for agent in range(N_BLUE)]
        for view in views.VIEWS
        if view.identity == "none"
    }
    assert widths == {
        ("official", "numbers"): list(observations.SIZES),
        ("official", "one_hot"): [185] * 4 + [421],
        ("padded", "numbers"): [210] * 5,
        ("padded", "one_hot"): [421] * 5,
        ("team", "numbers"): [578] * 5,
        ("team", "one_hot"): [1161] * 5,
    }


def test_guesses() -> None:
    def form(inputs: int, choices: int, agents: list[int]) -> str:
        facts = Facts(inputs, choices, outputs="logits")
        view = resolve(Given(), facts, agents, Path("x")).view
        return f"{view.observation} {view.encoding}"

    assert form(92, 82, [0, 3]) == "official numbers"
    assert form(210, 242, [4]) == "official numbers"
    assert form(210, 242, ALL) == "padded numbers"
    assert form(185, 82, [1]) == "official one_hot"
    assert form(421, 242, ALL) == "padded one_hot"
    assert form(578, 570, ALL) == "team numbers"
    assert form(578, 82, [0]) == "team numbers"
    with pytest.raises(CagexplainError, match="observation: the file does not say") as refusal:
        resolve(Given(), Facts(None, 82, outputs="logits"), [0], Path("x"))
    assert "official | padded | team" in refusal.value.remedy


WRONG = {
    "observation: odd": "observation",
    "mask: 3": "mask",
    "state: [0]": "state",
    "colour: red": "colour",
    "agents: {blue_agent_0: a}": "agents",
    "- a": "does not belong here",
    "outputs: [logits]": "outputs",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_fields_are_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(f"file: x.onnx\n{text}\n" if text != "- a" else "- a\n")
    with pytest.raises(CagexplainError, match=WRONG[text]) as refusal:
        read(path)
    assert str(path) in str(refusal.value)


def test_agents_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text("outputs: logits\n")
    with pytest.raises(
        CagexplainError, match="either 'file', which serves all agents, or 'agents'"
    ):
        read(path)
    entries = [f"  {agent}: {agent}.onnx\n" for agent in BLUE]
    path.write_text("agents:\n" + "".join(entries[:4]))
    with pytest.raises(CagexplainError, match=r"agents\.blue_agent_4: no file is given"):
        read(path)
    path.write_text("agents:\n" + "".join(entries) + "  red_agent_0: x.onnx\n")
    with pytest.raises(CagexplainError, match=r"agents\.red_agent_0: there is no such agent"):
        read(path)
    path.write_text(
        "agents:\n" + "".join(entries).replace("blue_agent_1.onnx", "blue_agent_0.onnx")
    )
    _, serving = read(path)
    assert [(file.name, agents) for file, agents in serving.items()] == [
        ("blue_agent_0.onnx", [0, 1]),
        ("blue_agent_2.onnx", [2]),
        ("blue_agent_3.onnx", [3]),
        ("blue_agent_4.onnx", [4]),
    ]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text("file: gone.onnx\n")
    with pytest.raises(CagexplainError, match="there is no such"):
        load(path)
    path.write_text("file: odd.bin\n")
    (tmp_path / "odd.bin").write_bytes(b"odd")
    with pytest.raises(CagexplainError, match="no Stable-Baselines3, RLlib, TorchScript or ONNX"):
        load(path)


def test_what_is_no_ones_format(tmp_path: Path) -> None:
    assert not recognised(tmp_path)
    assert not recognised(tmp_path / "gone.zip")
    (tmp_path / "odd.zip").write_bytes(b"PK")
    assert not recognised(tmp_path / "odd.zip")
