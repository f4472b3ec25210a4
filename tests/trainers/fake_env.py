"""A small stand-in for BatchedEnv: same arrays, a task whose best policy is known.

Every agent has one alarmed host, whose process bit is lit until the agent has restored it; then
another one is alarmed. Each step costs 1 for every agent that is not restoring its alarmed host at
that time. So the best policy restores what is lit and earns 0; anything else earns less, and a
busy agent that chose wrongly pays for as long as its action lasts.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE

HOSTS = 3  # existing hosts per agent


class FakeEnv:
    def __init__(self, n_envs: int, steps: int = 41) -> None:
        self.n_envs = n_envs
        self.params = SimpleNamespace(steps=steps)
        self.obs = np.zeros((n_envs, observations.TOTAL), np.int8)
        self.mask = np.zeros((n_envs, actions.TOTAL), np.bool_)
        self.free = np.ones((n_envs, N_BLUE), np.bool_)
        self.reward = np.zeros(n_envs, np.float32)
        self.done = np.zeros(n_envs, np.bool_)
        for agent in range(N_BLUE):
            exists = observations.HOSTS[agent][:HOSTS]
            targets = actions.HOST[agent]
            legal = np.isin(targets, exists) | (targets < 0)
            self.mask[:, actions.slice_of(agent)] = legal

    def reset(self, seeds: np.ndarray, *, skip_worlds: int = 0) -> None:
        self.rngs = [np.random.default_rng(int(seed)) for seed in seeds]
        self.alarmed = np.array([rng.integers(HOSTS, size=N_BLUE) for rng in self.rngs])
        self.running = np.full((self.n_envs, N_BLUE), -1)
        self.left = np.zeros((self.n_envs, N_BLUE), np.int64)
        self.calls = 0
        self._show()

    def step(self, chosen: np.ndarray, messages: None = None) -> None:
        self.reward[:] = 0
        for e in range(self.n_envs):
            for a in range(N_BLUE):
                if self.left[e, a] == 0:
                    self.running[e, a] = chosen[e, a]
                    self.left[e, a] = actions.DURATION[actions.KIND[a][chosen[e, a]]]
                host = observations.HOSTS[a][self.alarmed[e, a]]
                right = actions.index(a, ActionKind.RESTORE, host=int(host))
                self.reward[e] -= self.running[e, a] != right
                self.left[e, a] -= 1
                if self.left[e, a] == 0 and self.running[e, a] == right:
                    self.alarmed[e, a] = self.rngs[e].integers(HOSTS)
        self.calls += 1
        self._show()

    def _show(self) -> None:
        self.free[:] = self.left == 0
        self.done[:] = self.calls >= self.params.steps - 1
        self.obs[:] = 0
        for a in range(N_BLUE):
            for e in range(self.n_envs):
                host = int(observations.HOSTS[a][self.alarmed[e, a]])
                bit = observations.process_bit(a, host)
                self.obs[e, observations.OFFSETS[a] + bit] = 1
