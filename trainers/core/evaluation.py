"""How well the present networks play, on worlds that training never sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import phases
from cagexplain.envs import Env
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.rollout import EVALUATION_SEED, Observer, batches, play

VALIDATION_SEED: Final = EVALUATION_SEED + 1_000_000
"""First seed of the episodes that choose the best weights. The final judgement uses those from
EVALUATION_SEED on, as `cagexplain evaluate` does, so that the choice does not flatter it."""
_BATCH: Final = 50


@dataclass(frozen=True)
class Returns:
    """Official returns of episodes."""

    episodes: npt.NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean over episodes."""
        return float(self.episodes.mean())

    @property
    def std(self) -> float:
        """Sample standard deviation between episodes; 0 for a single one."""
        return float(self.episodes.std(ddof=1)) if len(self.episodes) > 1 else 0.0


class _Score(Observer):
    """Adds up the counted rewards of a batch."""

    def begin(self, env: Env, seeds: npt.NDArray[np.int64]) -> None:
        self.total = np.zeros(len(seeds))
        self.left = phases.calls(env.params.steps) - phases.OFFICIAL_UNCOUNTED

    def after_step(self, env: Env, decision: Decision) -> None:
        if self.left > 0:
            self.total += env.reward
            self.left -= 1


def training_seeds(seed: int, number: int, episodes: int) -> npt.NDArray[np.int64]:
    """Seeds of the episodes of round `number` of a run, all below those of evaluation."""
    rng = np.random.default_rng([seed, number, 1])
    return rng.integers(EVALUATION_SEED, size=episodes)


def evaluate(
    policy: Policy, first_seed: int, episodes: int, make_env: Callable[[int], Env]
) -> Returns:
    """Play `episodes` episodes with consecutive seeds."""
    env: Env | None = None
    totals = []
    for seeds in batches(np.arange(first_seed, first_seed + episodes), _BATCH):
        if env is None or env.n_envs != len(seeds):
            env = make_env(len(seeds))
        score = _Score()
        play(policy, env, seeds, [score])
        totals.append(score.total)
    return Returns(np.concatenate(totals))
