"""Small problems with known answers, in the layouts of CC4.

A toy is a stand-in for BatchedEnv: every agent has CC4's vectors and actions, but only the actions
that the toy names are legal, and the toy lights observation entries of its choice. So the learners
meet it through the same features, masks, messages and networks as CC4. An action lasts one step
unless the toy says otherwise.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import N_BLUE

SYMBOLS = 1 + np.arange(observations.SIZES[0] - observations.N_MESSAGE_ENTRIES - 1)
"""Entries of any agent's vector that a toy may light: neither the phase nor messages."""


class Toy:
    """The base: subclasses give `calls`, `choices`, `begin` and `pay`.

    Attributes:
        calls: steps of an episode.
        choices: agent -> how many actions it may choose from (its first ones, so that an action's
            index is the choice); agents that are not named may only sleep.
        shown: (n, agents, symbols) what is lit, to be set by `begin` and `pay`.
        rng: one generator per environment, seeded by the episode.
    """

    calls = 1
    choices: ClassVar[dict[int, int]] = {}

    def __init__(self, n_envs: int, threads: int = 1) -> None:
        self.n_envs = n_envs
        self.params = SimpleNamespace(steps=self.calls + 1)
        self.obs = np.zeros((n_envs, observations.TOTAL), np.int8)
        self.mask = np.zeros((n_envs, actions.TOTAL), np.bool_)
        self.free = np.ones((n_envs, N_BLUE), np.bool_)
        self.reward = np.zeros(n_envs, np.float32)
        self.reward_parts = np.zeros((n_envs, 3, 9), np.int32)
        self.action_cost = np.zeros((n_envs, N_BLUE), np.int32)
        self.done = np.zeros(n_envs, np.bool_)
        for agent in range(N_BLUE):
            start = actions.OFFSETS[agent]
            if agent in self.choices:
                self.mask[:, start : start + self.choices[agent]] = True
            else:
                self.mask[:, start + actions.SLEEP_INDEX[agent]] = True

    def begin(self) -> None:
        """Start the episodes: set `shown`, and whatever the toy keeps."""

    def pay(self, chosen: np.ndarray) -> np.ndarray:
        """One step: actions (n, 5) -> team reward (n,); may change `shown`."""
        raise AssertionError("a toy pays")

    def reset(self, seeds: np.ndarray, *, skip_worlds: int = 0) -> None:
        self.rng = [np.random.default_rng(int(seed)) for seed in seeds]
        self.steps = 0
        self.done[:] = False
        self.shown = np.zeros((self.n_envs, N_BLUE, len(SYMBOLS)), np.int8)
        self.begin()
        self._show(None)

    def step(self, chosen: np.ndarray, messages: np.ndarray | None = None) -> None:
        self.reward[:] = self.pay(chosen)
        self.steps += 1
        self.done[:] = self.steps >= self.calls
        self._show(messages)

    def _show(self, messages: np.ndarray | None) -> None:
        self.obs[:] = 0
        for agent in range(N_BLUE):
            start = observations.OFFSETS[agent]
            self.obs[:, start + SYMBOLS] = self.shown[:, agent]
            if messages is not None:
                heard = np.delete(messages, agent, axis=1).reshape(self.n_envs, -1)
                part = observations.message_slice(agent)
                self.obs[:, start + part.start : start + part.stop] = heard


class TwoStep(Toy):
    """The two-step game of the QMIX paper (Rashid et al. 2018, section 5).

    Agent 0's first choice picks one of two matrix games, which both agents see next. The first
    pays 7 whatever they do; the second pays 0, 1, 1 and 8. The best return is 8.
    """

    calls = 2
    choices: ClassVar = {0: 2, 1: 2}

    def begin(self) -> None:
        self.shown[:, :2, 0] = 1

    def pay(self, chosen: np.ndarray) -> np.ndarray:
        if self.steps == 0:
            self.shown[:, :2, 0] = 0
            self.shown[np.arange(self.n_envs), :2, 1 + chosen[:, 0]] = 1
            return np.zeros(self.n_envs)
        second = self.shown[:, 0, 2] == 1
        payoff = np.array([[0, 1], [1, 8]])[chosen[:, 0], chosen[:, 1]]
        return np.where(second, payoff, 7)


class Recall(Toy):
    """A cue is shown in the first step only; the choice in the last step must repeat it.

    Paid 1 if right, else -1. Without memory the expected return is 0.
    """

    calls = 5
    choices: ClassVar = {0: 2}

    def begin(self) -> None:
        self.cue = np.array([g.integers(2) for g in self.rng])
        self.shown[np.arange(self.n_envs), 0, self.cue] = 1

    def pay(self, chosen: np.ndarray) -> np.ndarray:
        self.shown[:] = 0
        last = self.steps == self.calls - 1
        if self.steps == self.calls - 2:
            self.shown[:, 0, 2] = 1  # "now"
        return np.where(last, np.where(chosen[:, 0] == self.cue, 1, -1), 0)


class Slow(Toy):
    """Two actions of three steps each: 0 pays 6 in its last one, 1 pays 1.75 in its first one.

    Discounted by 0.5, to start action 0 is worth 1.5, and to have it in progress 3, then 6.
    """

    calls = 3
    choices: ClassVar = {0: 2}

    def begin(self) -> None:
        self.free[:] = True

    def pay(self, chosen: np.ndarray) -> np.ndarray:
        if self.steps == 0:
            self.late = chosen[:, 0] == 0
        self.free[:, 0] = self.steps == self.calls - 1
        return np.select(
            [self.late & (self.steps == 2), ~self.late & (self.steps == 0)], [6.0, 1.75], 0.0
        )
