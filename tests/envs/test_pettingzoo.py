"""The PettingZoo interface."""

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import UsageError
from cagexplain.envs import EnvParams, parallel_env


def test_api() -> None:
    parallel_api_test(parallel_env(EnvParams(steps=30)), num_cycles=100)


def test_seeds() -> None:
    parallel_seed_test(lambda: parallel_env(EnvParams(steps=30)))


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
    with pytest.raises(UsageError, match="reset"):
        env.step({})
