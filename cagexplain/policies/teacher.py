"""A policy that is asked what it would do, for those who learn from it: trees and networks.

It says how much the choice matters (Bastani et al. 2018, section 3): by the spread of its values if
it has values, else by how far its choice is from an even one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import positions
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.policies.base import Policy, Weighing, decide
from cagexplain.policies.wrappers.base import unwrapped

if TYPE_CHECKING:
    from cagexplain.envs import Env


class Teacher:
    """A policy that tells what it would do, whatever is done.

    Args:
        policy: that is asked.

    Attributes:
        draws: whether it draws its actions, and tells the probabilities.
        importance: what `label` returns as importance, in words.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        inner = unwrapped(policy)
        self._weighing: Weighing | None = inner if isinstance(inner, Weighing) else None
        self.draws = self._weighing is not None and not getattr(inner, "deterministic", False)
        self.importance = (
            "none: the policy tells nothing but its choice"
            if self._weighing is None
            else "difference between the values of its best and its worst valid action"
            if self._weighing.values
            else "1 - entropy / log(number of valid actions) of its probabilities"
        )

    def label(
        self,
        env: Env,
        instead: Int64Array | None,
    ) -> tuple[Int64Array, npt.NDArray[np.uint8] | None, FloatArray, Any]:
        """What the teacher would do here, and how much it matters.

        Args:
            env: to choose in.
            instead: what is really done; None if the teacher's own choice is.

        Returns:
            Actions ``[n, 5]`` and messages that are played, probabilities ``[n, 570]``, importance
            ``[n, 5]``.
        """
        choices: list[Int64Array] = []

        def listen(chosen: Int64Array) -> Int64Array:
            choices.append(chosen)
            return chosen if instead is None else instead

        decision = decide(self.policy, env, listen)
        importance = np.ones((env.n_envs, N_BLUE))
        chance = np.zeros(env.mask.shape)
        if self._weighing is None:
            np.put_along_axis(chance, positions(choices[0]), 1.0, axis=1)
        else:
            weights = self._weighing.weights().astype(np.float64)
            for agent in range(N_BLUE):
                part = actions.slice_of(agent)
                chance[:, part], importance[:, agent] = self._judge(weights[:, part])
        return decision.actions, decision.messages, chance, importance

    def _judge(self, weights: FloatArray) -> tuple[Any, Any]:
        """Probabilities and importance of one agent's choices."""
        assert self._weighing is not None
        valid = np.isfinite(weights)
        best = np.zeros(weights.shape)
        np.put_along_axis(best, weights.argmax(axis=1)[:, None], 1.0, axis=1)
        if self._weighing.values:
            worst = np.where(valid, weights, np.inf).min(axis=1)
            return best, weights.max(axis=1) - worst
        chance = np.exp(weights)
        entropy = -np.sum(np.where(valid, chance * np.where(valid, weights, 0.0), 0.0), axis=1)
        importance = 1 - entropy / np.log(np.maximum(valid.sum(axis=1), 2))
        return (chance if self.draws else best), importance
