"""What was played: whole episodes side by side, in preallocated memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.envs import BatchedEnv
from cagexplain.policies import networks
from cagexplain.policies.features import GROUPS, Features
from cagexplain.policies.networks import Stack
from cagexplain.policies.trained import choose
from trainers.clock import Clock


@dataclass
class Rollout:
    """One whole episode in each environment; T = number of calls of an episode.

    Whole episodes need no simulator state between updates, mix all mission phases in every batch,
    and are what recurrent and replay methods need as well.

    Attributes:
        features: network inputs per group, (T + 1, members, envs, width); the last entry is the
            final observation, from which the cut-off future is valued.
        legal: additive action masks per group, (members, envs, actions).
        action: (T, envs, agents) int64.
        log_prob: (T, envs, agents) of the action when it was drawn; meaningless where busy.
        free: (T, envs, agents), the agent decided in that step.
        reward: (T, envs) team reward of the step.
    """

    features: list[Tensor]
    legal: list[Tensor]
    action: npt.NDArray[np.int64]
    log_prob: npt.NDArray[np.float32]
    free: npt.NDArray[np.bool_]
    reward: npt.NDArray[np.float32]

    @classmethod
    def empty(cls, profile: str, env: BatchedEnv) -> Rollout:
        """Memory for episodes of `env` under an observation profile."""
        steps, n = phases.calls(env.params.steps), env.n_envs
        return cls(
            features=Features(profile, n).empty(steps + 1),
            legal=[],
            action=np.zeros((steps, n, N_BLUE), np.int64),
            log_prob=np.zeros((steps, n, N_BLUE), np.float32),
            free=np.zeros((steps, n, N_BLUE), np.bool_),
            reward=np.zeros((steps, n), np.float32),
        )

    def official_returns(self) -> npt.NDArray[np.float64]:
        """Return of each episode as the official evaluation counts it."""
        counted = self.reward[: -phases.OFFICIAL_UNCOUNTED].astype(np.float64)
        total: npt.NDArray[np.float64] = counted.sum(axis=0)
        return total

    @torch.no_grad()
    def play(
        self,
        env: BatchedEnv,
        seeds: npt.NDArray[np.int64],
        actors: Sequence[Stack],
        profile: str,
        rng: np.random.Generator,
        clock: Clock,
    ) -> None:
        """Fill the memory: play one episode per environment with actions drawn from `actors`."""
        with clock("simulation"):
            env.reset(seeds)
        features = Features(profile, env.n_envs)
        uniform = rng.random(self.action.shape, dtype=np.float32)
        self.legal = networks.by_group(networks.additive(torch.from_numpy(env.mask)), actions.SIZES)
        for t in range(len(self.reward)):
            with clock("inference"):
                self.free[t] = env.free
                inputs = [f[t] for f in self.features]
                features.observe(env.obs, env.mask, env.free, inputs)
                logits = [
                    actor(x) + mask
                    for actor, x, mask in zip(actors, inputs, self.legal, strict=True)
                ]
                self.action[t] = choose(logits, env.free, uniform[t])
                features.acted(self.action[t], env.free)
                for group, logit in zip(GROUPS, logits, strict=True):
                    chosen = torch.from_numpy(np.ascontiguousarray(self.action[t][:, group].T))
                    self.log_prob[t][:, group] = networks.log_prob(logit, chosen).T.numpy()
            with clock("simulation"):
                env.step(self.action[t])
            self.reward[t] = env.reward
        features.observe(env.obs, env.mask, env.free, [f[-1] for f in self.features])
