"""What was played in a round: whole episodes side by side, in preallocated memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies.learned.features import GROUPS, sizes


@dataclass
class Rollout:
    """One whole episode in each environment; T = number of calls of an episode.

    Whole episodes need no simulator state between rounds, mix all mission phases in every batch,
    and are what recurrent and replay methods need as well.

    Attributes:
        features: network inputs per group, (T + 1, members, envs, width); the last entry is the
            final observation, from which the cut-off future is valued. A member's part
            ``[:, member]`` is contiguous.
        legal: additive action masks per group, (members, envs, actions): 0 or minus infinity.
        action: (T, envs, agents) that each agent executes in the step: the one it chose or, while
            it is busy, the one in progress.
        log_prob: (T, envs, agents) of the action when it was drawn; meaningless where busy.
        free: (T + 1, envs, agents), the agent decides in that step.
        reward: (T, envs, agents) that each agent learns from.
        team: (T, envs) official reward of the step.
    """

    features: list[Tensor]
    legal: list[Tensor]
    action: npt.NDArray[np.int64]
    log_prob: npt.NDArray[np.float32]
    free: npt.NDArray[np.bool_]
    reward: npt.NDArray[np.float32]
    team: npt.NDArray[np.float32]

    @classmethod
    def empty(cls, profile: str, steps: int, n: int) -> Rollout:
        """Memory for `n` episodes of `steps` calls under an observation profile."""
        widths = sizes(profile)
        return cls(
            features=[
                torch.zeros(len(g), steps + 1, n, widths[g[0]]).transpose(0, 1) for g in GROUPS
            ],
            legal=[],
            action=np.zeros((steps, n, N_BLUE), np.int64),
            log_prob=np.zeros((steps, n, N_BLUE), np.float32),
            free=np.zeros((steps + 1, n, N_BLUE), np.bool_),
            reward=np.zeros((steps, n, N_BLUE), np.float32),
            team=np.zeros((steps, n), np.float32),
        )

    def joint_features(self) -> Tensor:
        """The inputs of all agents side by side: (T + 1, envs, sum of widths)."""
        return torch.cat([f.transpose(1, 2).flatten(2) for f in self.features], -1)

    def official_returns(self) -> npt.NDArray[np.float64]:
        """Return of each episode as the official evaluation counts it."""
        counted = self.team[: -phases.OFFICIAL_UNCOUNTED].astype(np.float64)
        total: npt.NDArray[np.float64] = counted.sum(axis=0)
        return total
