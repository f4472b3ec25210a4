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
_ALARMS = [observations.HOSTS[agent][:HOSTS] for agent in range(N_BLUE)]
_RIGHT = np.array(
    [
        [actions.index(agent, ActionKind.RESTORE, host=int(host)) for host in hosts]
        for agent, hosts in enumerate(_ALARMS)
    ]
)
_BITS = np.array(
    [
        [observations.OFFSETS[agent] + observations.process_bit(agent, int(h)) for h in hosts]
        for agent, hosts in enumerate(_ALARMS)
    ]
)
_AGENTS = np.arange(N_BLUE)


class FakeEnv:
    def __init__(self, n_envs: int, steps: int = 41) -> None:
        self.n_envs = n_envs
        self.params = SimpleNamespace(steps=steps)
        self.obs = np.zeros((n_envs, observations.TOTAL), np.int8)
        self.mask = np.zeros((n_envs, actions.TOTAL), np.bool_)
        self.free = np.ones((n_envs, N_BLUE), np.bool_)
        self.reward = np.zeros(n_envs, np.float32)
        self.reward_parts = np.zeros((n_envs, 3, 9), np.int32)
        self.action_cost = np.zeros((n_envs, N_BLUE), np.int32)
        self.done = np.zeros(n_envs, np.bool_)
        for agent in range(N_BLUE):
            targets = actions.HOST[agent]
            legal = np.isin(targets, _ALARMS[agent]) | (targets < 0)
            self.mask[:, actions.slice_of(agent)] = legal

    def reset(self, seeds: np.ndarray, *, skip_worlds: int = 0) -> None:
        self.alarms = np.stack(
            [
                np.random.default_rng(int(seed)).integers(HOSTS, size=(self.params.steps, N_BLUE))
                for seed in seeds
            ]
        )
        self.handled = np.zeros((self.n_envs, N_BLUE), np.int64)
        self.running = np.zeros((self.n_envs, N_BLUE), np.int64)
        self.left = np.zeros((self.n_envs, N_BLUE), np.int64)
        self.calls = 0
        self._show()

    def step(self, chosen: np.ndarray, messages: None = None) -> None:
        self.running = np.where(self.free, chosen, self.running)
        for a in range(N_BLUE):
            durations = actions.DURATION[actions.KIND[a][self.running[:, a]]]
            self.left[:, a] = np.where(self.free[:, a], durations, self.left[:, a])
        right = self.running == _RIGHT[_AGENTS, self._alarmed()]
        self.reward[:] = -(~right).sum(axis=1)
        self.left -= 1
        self.handled += right & (self.left == 0)
        self.calls += 1
        self._show()

    def _alarmed(self) -> np.ndarray:
        return self.alarms[np.arange(self.n_envs)[:, None], self.handled, _AGENTS]

    def _show(self) -> None:
        self.free[:] = self.left == 0
        self.done[:] = self.calls >= self.params.steps - 1
        self.obs[:] = 0
        np.put_along_axis(self.obs, _BITS[_AGENTS, self._alarmed()], 1, axis=1)
