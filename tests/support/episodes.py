"""Episodes to compare: what an environment shows to the end of its episodes and beyond."""

from typing import Any

import numpy as np

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE
from cagexplain.envs import BatchedEnv, EnvParams, ParallelCC4, parallel_env

N = 8
STEPS = 10
ARRAYS = (
    *("obs", "mask", "free", "reward", "reward_parts", "action_cost"),
    *("phase", "step_count", "done"),
)


def begun(threads: int, calls: int) -> BatchedEnv:
    """A batch after some calls."""
    env = BatchedEnv(N, params=EnvParams(steps=STEPS), threads=threads)
    env.reset(np.arange(N))
    for call in range(calls):
        env.step(random_actions(call))
    return env


def random_actions(call: int) -> np.ndarray:
    """The actions of a call."""
    generator = np.random.default_rng(call)
    return generator.integers(0, actions.SIZES, size=(N, len(BLUE)))


def rest(env: BatchedEnv, calls: int) -> list[dict[str, np.ndarray]]:
    """Everything that is shown to the episodes' end, and in the first step of the next ones."""
    seen = []
    for call in range(calls, STEPS + 1):
        if env.done.all():
            env.reset()
        else:
            env.step(random_actions(call))
        shown = {name: getattr(env, name).copy() for name in ARRAYS}
        seen.append(shown | {"level": env.truth().host_level, "state": env.state.copy()})
    return seen


def equal(seen: list[dict[str, np.ndarray]], expected: list[dict[str, np.ndarray]]) -> None:
    """Both are the same."""
    assert len(seen) == len(expected)
    for here, there in zip(seen, expected, strict=True):
        for name, array in there.items():
            assert np.array_equal(here[name], array), name


def team_begun(calls: int) -> ParallelCC4:
    """The same for PettingZoo's interface."""
    env = parallel_env(EnvParams(steps=STEPS), raw_observations=True)
    env.reset(seed=1)
    for call in range(calls):
        env.step(dict(zip(BLUE, random_actions(call)[0], strict=True)))
    return env


def team_rest(env: ParallelCC4, calls: int) -> list[Any]:
    """Likewise."""
    seen: list[Any] = []
    for call in range(calls, STEPS + 1):
        if env.agents:
            seen.append(env.step(dict(zip(BLUE, random_actions(call)[0], strict=True))))
        else:
            seen.append(env.reset())
        seen += [env.state(), env.hosts()]
    return seen
