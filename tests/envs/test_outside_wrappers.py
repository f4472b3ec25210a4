"""PettingZoo's environment in the hands of other people's wrappers."""

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test
from pettingzoo.test.state_test import test_parallel_env as state_test_of_parallel_env
from pettingzoo.test.state_test import test_state as state_test
from pettingzoo.utils.conversions import parallel_to_aec

from cagexplain.cc4.agents import BLUE
from cagexplain.envs import EnvParams, parallel_env

STEPS = 6
OPTIONS = [
    {"pad_spaces": padded, "observations": form, "raw_observations": raw}
    for padded, form, raw in itertools.product(
        (False, True), ("multi_discrete", "box"), (False, True)
    )
]


def _env(**options: Any) -> Any:
    return parallel_env(EnvParams(steps=STEPS), **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_pettingzoos_own_tests(options: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(_env(**options), num_cycles=2 * STEPS)
        parallel_seed_test(lambda: _env(**options), num_cycles=STEPS)
        state_test_of_parallel_env(_env(**options))
        state_test(parallel_to_aec(_env(**options)), num_cycles=STEPS)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.filterwarnings("ignore:We recommend agents to be named")
@pytest.mark.filterwarnings("ignore:Agents have different observation space sizes")
@pytest.mark.filterwarnings("ignore:Observation space for each agent probably should be")
@pytest.mark.filterwarnings("ignore:Observations are different shapes")
def test_pettingzoos_test_of_agents_in_turn(options: dict[str, Any]) -> None:
    api_test(parallel_to_aec(_env(**options)), num_cycles=2 * STEPS)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_everything_lies_in_its_space(options: dict[str, Any]) -> None:
    env = _env(**options)
    observed, infos = env.reset(seed=2)
    generator = np.random.default_rng(0)
    while env.agents:
        assert env.state_space.contains(env.state())
        for agent in BLUE:
            assert env.observation_space(agent).contains(observed[agent])
            mask = infos[agent]["action_mask"]
            assert mask.shape == (env.action_space(agent).n,)
        chosen = {
            agent: int(generator.choice(np.flatnonzero(infos[agent]["action_mask"])))
            for agent in BLUE
        }
        observed, _, _, _, infos = env.step(chosen)


@pytest.fixture
def supersuit() -> Any:
    return pytest.importorskip("supersuit", reason="SuperSuit (extra 'dev') is not installed")


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_supersuits_wrappers_of_observations(supersuit: Any, padded: bool, raw: bool) -> None:
    env = _env(observations="box", pad_spaces=padded, raw_observations=raw)
    env = supersuit.pad_observations_v0(env)
    env = supersuit.pad_action_space_v0(env)
    env = supersuit.dtype_v0(supersuit.flatten_v0(env), np.float64)
    env = supersuit.agent_indicator_v0(env)
    env = supersuit.normalize_obs_v0(env)
    parallel_api_test(env, num_cycles=2 * STEPS)
    observed, _ = env.reset(seed=1)
    for number, agent in enumerate(BLUE):
        space = env.observation_space(agent)
        assert isinstance(space, Box)
        assert space.contains(observed[agent])
        assert observed[agent].shape == (210 + len(BLUE),)
        assert np.flatnonzero(observed[agent][210:]).tolist() == [number]
        assert env.action_space(agent).n == 242


@pytest.mark.parametrize("form", ["multi_discrete", "box"])
@pytest.mark.parametrize("cpus", [0, 2])
def test_supersuits_vector_environments_go_on_after_episode_ends(
    supersuit: Any, form: str, cpus: int
) -> None:
    single = supersuit.pettingzoo_env_to_vec_env_v1(_env(observations=form, pad_spaces=True))
    vector = supersuit.concat_vec_envs_v1(single, 2, num_cpus=cpus)
    try:
        observed, _ = vector.reset(seed=3)
        assert observed.shape == (2 * len(BLUE), 210)
        ends = []
        for call in range(3 * (STEPS - 1)):
            _, reward, terminated, truncated, _ = vector.step(np.full(2 * len(BLUE), 1))
            assert not terminated.any()
            assert (reward.reshape(2, -1) == reward.reshape(2, -1)[:, :1]).all()
            if truncated.any():
                assert truncated.all()
                ends.append(call)
        assert ends == [4, 9, 14]
    finally:
        vector.close()
