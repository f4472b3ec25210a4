"""Continuing a saved state with other chances."""

import numpy as np
import pytest

from cagexplain.cc4 import actions
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, EnvParams

PARAMS = EnvParams(steps=120)
SLEEP = np.array(actions.SLEEP_INDEX)


def sleep(env: BatchedEnv, steps: int) -> None:
    for _ in range(steps):
        env.step(np.tile(SLEEP, (env.n_envs, 1)))


def begun(steps: int = 40) -> BatchedEnv:
    env = BatchedEnv(3, params=PARAMS, threads=1)
    env.reset(np.arange(3))
    sleep(env, steps)
    return env


def test_equal_seeds_give_equal_futures_and_other_seeds_others() -> None:
    env = BatchedEnv(4, params=PARAMS, threads=1)
    env.restore(begun().save(), np.array([1, 1, 1, 2]))
    before = env.state.copy()
    env.reseed([5, 6, 5, 5])
    for name in before.dtype.names or ():
        if name != "rng":
            np.testing.assert_array_equal(env.state[name], before[name])
    sleep(env, 40)
    assert env.state[0] == env.state[2]
    assert env.state[0] != env.state[1]
    assert env.state[0] != env.state[3]


def test_the_generator_is_that_of_numpy() -> None:
    env = begun()
    env.reseed([0, 11, 2**40])
    assert env.generator_state(1) == np.random.PCG64(11).state
    assert env.generator_state(2) == np.random.PCG64(2**40).state


def test_some_rows_are_saved() -> None:
    env, other = begun(), BatchedEnv(2, params=PARAMS, threads=1)
    other.restore(env.save([2, 0]))
    np.testing.assert_array_equal(other.obs, env.obs[[2, 0]])
    sleep(env, 20)
    sleep(other, 20)
    np.testing.assert_array_equal(other.state, env.state[[2, 0]])


def test_there_is_a_seed_for_each() -> None:
    with pytest.raises(UsageError, match="2 seeds for 3"):
        begun(0).reseed([1, 2])
