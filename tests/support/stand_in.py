"""A quick simulator for tests of what is played, kept and compared."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from cagexplain.cc4 import network
from cagexplain.envs import EnvParams
from tests.support.fake_env import FakeEnv


class StandIn(FakeEnv):
    """Random but plausible content, with green users at work; can fail in a step of a seed."""

    def __init__(
        self,
        n_envs: int,
        *,
        params: Any = None,
        threads: int | None = None,
        fails: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(n_envs, params=params or EnvParams())
        self.fails = fails
        self.closed = False
        self._truth.green_action = np.full((n_envs, network.N_HOSTS), -1, dtype=np.int8)

    def reset(self, seeds: np.ndarray, skip_worlds: int = 0) -> None:
        assert not self.closed
        self.seeds = [int(seed) for seed in seeds]
        super().reset(seeds, skip_worlds)

    def step(self, chosen: np.ndarray, messages: np.ndarray | None = None) -> None:
        if self.fails and self.fails[0] in self.seeds and self.step_count[0] + 1 == self.fails[1]:
            raise KeyError("a host")
        super().step(chosen, messages)

    def close(self) -> None:
        self.closed = True

    def _green(self, e: int, rng: np.random.Generator) -> None:
        super()._green(e, rng)
        user = self._truth.host_exists[e] & (network.HOST_KIND == network.USER)
        self._truth.green_action[e] = np.where(user, rng.integers(0, 3, network.N_HOSTS), -1)


class StandInEngine:
    """Makes stand-ins, and remembers which seeds they played."""

    def __init__(self, name: str = "stand-in", fails: tuple[int, int] | None = None) -> None:
        self.name = name
        self.fails = fails
        self.made: list[StandIn] = []
        self.processes = 2

    def make(self, n_envs: int, params: EnvParams | None = None) -> StandIn:
        self.made.append(StandIn(n_envs, params=params, fails=self.fails))
        return self.made[-1]

    def describe(self) -> dict[str, str]:
        return {"name": self.name, "version": "1"}


def still(n: int, steps: int = 6) -> Any:
    """An environment in which nothing ever happens, for tests to change; hosts exist everywhere."""
    fake = StandIn(n, params=EnvParams(steps=steps))
    truth: SimpleNamespace = fake.truth()
    truth.host_exists[:] = True
    return fake
