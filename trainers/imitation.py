"""Beginning where another policy is: imitation, before a method learns by itself.

DAgger (Ross et al. 2011) in rounds of whole episodes. In the first one the policy to imitate plays,
in the others the learner does, and the teacher says what it would do; the learner learns from each
round's decisions as they are played. Later the learner is tied to what it has imitated by a
divergence whose weight fades (as in kickstarting, Schmitt et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv
from cagexplain.policies.external.forms import Untrusted
from cagexplain.policies.registry import load_policy
from cagexplain.policies.teacher import Teacher
from trainers.core.config import setting


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """Settings of the imitation."""

    warm_start: str | None = setting("policy to imitate before learning", default=None)
    warm_rounds: int = setting(
        "warm start: rounds of imitation; the policy to imitate plays the first, the learner the "
        "others",
        default=8,
        low=1,
        high=1e6,
    )
    warm_epochs: int = setting(
        "warm start: passes over the data of such a round", default=4, low=1, high=100
    )
    warm_batch: int = setting(
        "warm start: decisions per step of the optimiser", default=512, low=1, high=1e6
    )
    warm_rate: float = setting(
        "warm start: Adam step size of imitation, which falls linearly to zero",
        default=3e-3,
        low=1e-8,
        high=1,
    )
    warm_tie: float = setting(
        "warm start: weight of the divergence from the imitated policy, when learning begins",
        default=0.3,
        low=0,
        high=1e6,
    )
    warm_fade: float = setting(
        "warm start: share of learning after which that weight, which falls linearly, is zero",
        default=0.5,
        low=0,
        high=1,
    )

    @property
    def lessons(self) -> int:
        """Rounds of imitation before learning."""
        return 0 if self.warm_start is None else self.warm_rounds

    def tie(self, progress: float) -> float:
        """Weight of the divergence when a share of learning is done, from 0 to 1."""
        if self.warm_start is None or progress >= self.warm_fade:
            return 0.0
        return self.warm_tie * (1 - progress / self.warm_fade)


def load_teacher(settings: WarmStart) -> Teacher | None:
    """The policy to imitate, if there is one.

    Raises:
        UsageError: there is no such policy, or it is the code of others.
        CagexplainError: its file cannot be used.
    """
    if settings.warm_start is None:
        return None
    try:
        return Teacher(load_policy(settings.warm_start))
    except Untrusted as error:
        raise UsageError(
            "training runs no code of others, and this policy is",
            where=settings.warm_start,
            field="warm_start",
            remedy="Give a built-in policy, a checkpoint, a network in a file or a tree; "
            "`cagexplain surrogate` makes a tree of any policy",
        ) from error
    except CagexplainError as error:
        raise type(error)(
            error.problem, where=error.where, field="warm_start", remedy=error.remedy
        ) from error


class Lesson:
    """What the teacher says of a round of play.

    Args:
        teacher: who is asked.
        leads: whether it plays; else the learner does.
        env: that is played in, at the start of the episodes.
        seeds: of the episodes.

    Attributes:
        chance: ``float32[T, envs, 570]`` the probability that it takes each action.
        importance: ``float32[T, envs, 5]`` how much the decisions matter, in its eyes.
    """

    def __init__(
        self, teacher: Teacher, leads: bool, env: BatchedEnv, seeds: npt.NDArray[np.int64]
    ) -> None:
        self._teacher, self._leads, self._env = teacher, leads, env
        calls = phases.calls(env.params.steps)
        self.chance = np.zeros((calls, env.n_envs, actions.TOTAL), np.float32)
        self.importance = np.zeros((calls, env.n_envs, N_BLUE), np.float32)
        teacher.policy.reset(seeds)

    def attend(self, t: int, submitted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Take down what the teacher says in step `t`; returns the actions (envs, 5) to play, its
        own or those that the learner has `submitted`."""
        chosen, _, self.chance[t], self.importance[t] = self._teacher.label(
            self._env, None if self._leads else submitted
        )
        return chosen


def cross_entropy(outputs: Tensor, chance: Tensor) -> Tensor:
    """Of a policy against a teacher's, (rows): masked outputs (rows, actions), chance (rows,
    actions) that the teacher takes each action."""
    log_prob = torch.log_softmax(outputs, -1)
    return -(chance * log_prob.masked_fill(outputs.isneginf(), 0)).sum(-1)


def divergence(imitated: Tensor, outputs: Tensor) -> Tensor:
    """KL(imitated || learner), (rows): masked outputs of both, imitated (rows, actions) and outputs
    (rows, actions)."""
    before, now = torch.log_softmax(imitated, -1), torch.log_softmax(outputs, -1)
    return (before.exp() * (before - now).masked_fill(outputs.isneginf(), 0)).sum(-1)


def facts(teacher: Teacher) -> dict[str, Any]:
    """What identifies the policy that is imitated."""
    return {
        key: value for key, value in teacher.policy.describe().items() if key in ("name", "sha256")
    }
