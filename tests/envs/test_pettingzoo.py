"""The PettingZoo interface."""

from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, EnvParams, ParallelCC4, parallel_env

FIRST = "blue_agent_0"
RESTORE = next(i for i, kind in enumerate(actions.KIND[0]) if kind == actions.ActionKind.RESTORE)


def test_the_worked_example_of_the_interface() -> None:
    """Seed 100: labels, numbers of valid actions, and the bits of the first observations."""
    env = parallel_env()
    obs, infos = env.reset(seed=100)
    assert [int(infos[agent]["action_mask"].sum()) for agent in BLUE] == [70, 62, 50, 70, 162]
    labels = env.action_labels("blue_agent_1")
    assert labels[1] == "[Invalid] Analyse operational_zone_a_subnet_server_host_1"
    assert labels[50] == (
        "AllowTrafficZone operational_zone_a_subnet (10.0.213.0/24)"
        " <- admin_network_subnet (10.0.113.0/24)"
    )
    assert labels[81] == "DeployDecoy operational_zone_a_subnet_user_host_9"
    assert len(env.hosts()) == 90
    expected = {1: [5, 10], 2: [5, 10], 3: [5, 10, 68], 14: [5, 10, 53]}
    for call in range(1, 15):
        actions = {"blue_agent_1": 58, "blue_agent_0": 16} if call == 1 else {}
        messages = {"blue_agent_2": [1, 0, 0, 0, 0, 0, 0, 0]} if call == 3 else None
        obs, _, _, _, _ = env.step(actions, messages)
        policy = {19, 20, 21, 22, 23, 24, 25, 27}
        bits = sorted(set(np.flatnonzero(obs["blue_agent_1"]).tolist()) - policy)
        if call in expected:
            assert bits == expected[call]


def test_an_ended_episode_asks_for_a_reset() -> None:
    env = parallel_env(EnvParams(steps=2))
    env.reset(seed=1)
    _, _, terminated, truncated, _ = env.step({})
    assert env.agents == []
    assert all(truncated.values())
    assert not any(terminated.values())
    with pytest.raises(UsageError, match=r"(?i)reset"):
        env.step({})


def _reset(**options: Any) -> ParallelCC4:
    env = parallel_env(EnvParams(steps=20), **options)
    env.reset(seed=100)
    return env


def _rest(env: ParallelCC4, chosen: dict[str, int]) -> list[np.ndarray]:
    """Rewards and what all see, for some steps."""
    seen = []
    for _ in range(8):
        _, reward, _, _, _ = env.step(chosen)
        seen.append(np.append(env.state(), reward[FIRST]))
    return seen


def test_padding_is_that_of_the_official_wrapper() -> None:
    plain, padded = _reset(), _reset(pad_spaces=True)
    assert padded.is_padded
    (short, infos), (long, padded_infos) = plain.reset(seed=100), padded.reset(seed=100)
    for number, agent in enumerate(BLUE):
        size, n = observations.SIZES[number], actions.SIZES[number]
        assert long[agent].shape == padded.observation_space(agent).shape == (210,)
        assert (long[agent][:size] == short[agent]).all()
        assert not long[agent][size:].any()
        mask, labels = padded_infos[agent]["action_mask"], padded.action_labels(agent)
        assert padded.action_space(agent).n == len(mask) == len(labels) == 242
        assert (mask[:n] == infos[agent]["action_mask"]).all()
        assert not mask[n:].any()
        assert labels[:n] == plain.action_labels(agent)
        assert labels[n:] == ["[Padding] Sleep"] * (242 - n)
    assert (plain.state() == padded.state()).all()


def test_a_padding_action_sleeps() -> None:
    slept = _rest(_reset(pad_spaces=True), {})
    assert np.array_equal(slept, _rest(_reset(pad_spaces=True), {FIRST: 82, "blue_agent_3": 241}))
    assert not np.array_equal(slept, _rest(_reset(pad_spaces=True), {FIRST: RESTORE}))


def test_a_box_holds_the_same_numbers() -> None:
    plain, box = parallel_env(), parallel_env(observations="box")
    (ours, _), (theirs, _) = plain.reset(seed=5), box.reset(seed=5)
    for agent in BLUE:
        assert theirs[agent].dtype == np.float32
        assert (ours[agent] == theirs[agent]).all()


def test_infos_tell_who_is_busy() -> None:
    env = _reset()
    valid = np.flatnonzero([kind == actions.ActionKind.RESTORE for kind in actions.KIND[0]])
    _, infos = env.reset(seed=100)
    assert [infos[agent]["busy"] for agent in BLUE] == [False] * 5
    (index, *_) = (i for i in valid if infos[FIRST]["action_mask"][i])
    busy = []
    for call in range(5):
        _, _, _, _, infos = env.step({FIRST: int(index)} if call == 0 else {})
        assert infos["blue_agent_1"]["busy"] is False
        busy.append(infos[FIRST]["busy"])
    assert busy == [True] * 4 + [False]


def test_raw_observations_come_on_request() -> None:
    env, twin = _reset(raw_observations=True), BatchedEnv(1, params=EnvParams(steps=20))
    twin.reset([100])
    _, infos = env.reset(seed=100)
    for _ in range(3):
        for number, agent in enumerate(BLUE):
            np.testing.assert_equal(
                infos[agent]["raw_observation"], twin.raw_observation(0, number)
            )
        _, _, _, _, infos = env.step({FIRST: 0})
        twin.step([[0, *actions.SLEEP_INDEX[1:]]])
    _, infos = _reset().reset()
    assert set(infos[FIRST]) == {"action_mask", "busy"}


def test_the_state_is_what_the_agents_see() -> None:
    env = _reset()
    for _ in range(3):
        observed, _, _, _, _ = env.step({FIRST: 0})
        assert (env.state() == np.concatenate([observed[agent] for agent in BLUE])).all()
        assert env.state_space.contains(env.state())


def test_messages_in_the_official_form() -> None:
    message = np.array([True, False, False, True] * 2)
    plain, official = _reset(), _reset()
    for chosen in ({FIRST: RESTORE}, {}):
        ours, *_ = plain.step(chosen, {"blue_agent_2": message})
        theirs, *_ = official.step({"actions": chosen, "messages": {"blue_agent_2": message}})
        np.testing.assert_equal(ours, theirs)
        received = theirs[FIRST][observations.message_slice(0)]
        assert received.tolist() == [0] * 8 + message.tolist() + [0] * 16
    theirs, *_ = official.step({"actions": {}})
    assert not theirs[FIRST][observations.message_slice(0)].any()


BITS = [0] * 8


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (None, "actions: None is no dictionary"),
        ([1, 2, 3, 4, 5], "actions: .* is no dictionary"),
        ({"blue_agent_9": 1}, "no blue agent 'blue_agent_9'"),
        ({"red_agent_0": 1}, "no blue agent 'red_agent_0'"),
        ({0: 1}, "no blue agent 0"),
        ({FIRST: None}, "actions: blue_agent_0: None is no whole number"),
        ({FIRST: True}, "actions: blue_agent_0: True is no whole number"),
        ({FIRST: np.array([3])}, r"actions: blue_agent_0: array\(\[3\]\) is no whole number"),
        ({FIRST: [[1], [2, 3]]}, "actions: blue_agent_0: .* is no whole number"),
        ({FIRST: 1.0}, "actions: blue_agent_0: 1.0 is no whole number"),
        ({FIRST: "1"}, "actions: blue_agent_0: '1' is no whole number"),
        ({FIRST: -1}, "actions: blue_agent_0: -1 is out of range. .* from 0 to 81"),
        ({FIRST: 82}, "actions: blue_agent_0: 82 is out of range"),
        ({FIRST: 2**80}, "actions: blue_agent_0: .* is no whole number"),
        ({"actions": {}, FIRST: 1}, "mixes"),
        ({"messages": {}}, "no blue agent 'messages'"),
        ({"actions": None}, "actions: None is no dictionary"),
        ({"actions": {}, "messages": [BITS]}, "messages: .* is no dictionary"),
        ({"actions": {}, "messages": {"blue_agent_9": BITS}}, "no blue agent 'blue_agent_9'"),
        ({"actions": {}, "messages": {FIRST: None}}, "messages: blue_agent_0: this is no array"),
        ({"actions": {}, "messages": {FIRST: 1}}, r"messages: blue_agent_0: .* shape \(8,\)"),
        ({"actions": {}, "messages": {FIRST: BITS[:7]}}, r"messages: .* of shape \(7,\)"),
        ({"actions": {}, "messages": {FIRST: "10101010"}}, "messages: blue_agent_0: this is <U8"),
        ({"actions": {}, "messages": {FIRST: [float("nan")] * 8}}, "messages: .* not finite"),
    ],
)
def test_what_cannot_be_played_is_refused(given: Any, match: str) -> None:
    env = _reset()
    env.step({})
    before = env.state()
    with pytest.raises(UsageError, match=match):
        env.step(given)
    assert (env.state() == before).all()
    assert np.array_equal(_rest(env, {}), _rest(_after_a_step(), {}))


def _after_a_step() -> ParallelCC4:
    env = _reset()
    env.step({})
    return env


def test_messages_are_not_given_twice() -> None:
    with pytest.raises(UsageError, match="mixes"):
        _reset().step({"actions": {}}, {FIRST: BITS})


@pytest.mark.parametrize("action", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_whole_numbers_of_any_kind_are_actions(action: Any) -> None:
    assert np.array_equal(_rest(_reset(), {FIRST: action}), _rest(_reset(), {FIRST: 3}))


@pytest.mark.parametrize("seed", [-3, 1.5, "a", True, [1], np.array([1, 2])])
def test_seeds_are_whole_numbers(seed: Any) -> None:
    env = _reset()
    with pytest.raises(UsageError, match="seeds: "):
        env.reset(seed=seed)
    assert np.array_equal(_rest(env, {}), _rest(_reset(), {}))


@pytest.mark.parametrize("options", [{"render_mode": "human"}, {"observations": "boxes"}])
@pytest.mark.parametrize("more", [{}, {"pad_spaces": True}])
def test_options_are_checked(options: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"^{next(iter(options))}: there is no"):
        parallel_env(**options, **more)


@pytest.mark.parametrize("name", ["pad_spaces", "raw_observations"])
@pytest.mark.parametrize("value", [1, "yes", None])
def test_switches_are_on_or_off(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name}: .* is not True or False"):
        parallel_env(**{name: value})


@pytest.mark.parametrize("params", [10, {"steps": 10}])
def test_parameters_are_a_set_of_parameters(params: Any) -> None:
    with pytest.raises(UsageError, match="params"):
        parallel_env(params)


def test_nothing_is_asked_before_the_first_reset() -> None:
    env = parallel_env()
    for ask in (lambda: env.step({}), env.state, env.hosts, lambda: env.action_labels(FIRST)):
        with pytest.raises(UsageError, match="not reset"):
            ask()


def test_spaces_are_those_of_blue_agents() -> None:
    env = parallel_env()
    for ask in (env.observation_space, env.action_space, env.action_labels):
        with pytest.raises(UsageError, match="no blue agent 'red_agent_0'"):
            ask("red_agent_0")
