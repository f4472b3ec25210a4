"""Advantages of decisions that last several steps, in episodes that are cut off, not ended."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def smdp_gae(
    reward: npt.NDArray[np.float32],
    free: npt.NDArray[np.bool_],
    values: npt.NDArray[np.float32],
    gamma: float,
    lam: float,
) -> npt.NDArray[np.float32]:
    """Generalised advantage estimates (Schulman et al. 2016) on decisions instead of steps.

    An agent that starts an action of d steps decides again d steps later; between the two it has
    no influence. So its decision process is semi-Markov (Sutton, Precup and Singh 1999): the
    transition from a decision at step t to the next one at t + d is worth
    R = sum_k gamma^k r_(t+k), k < d, and its successor is discounted with gamma^d:

        delta = R + gamma^d V(next) - V(t),    A(t) = delta + gamma^d * lam * A(next).

    `lam` counts decisions. With every agent free in every step this is ordinary GAE. The end of
    the rollout is a time limit, not a terminal state: the last decision of an agent is
    bootstrapped with the value of the final observation (Pardo et al. 2018), unless the caller
    sets that value to zero.

    Args:
        reward: (steps, envs, agents), of each step.
        free: (steps, envs, agents), whether the agent decided in that step.
        values: (steps + 1, envs, agents), of the observation before each step and of the last
            one; read where `free` is true, and at the end.
        gamma: discount per step.
        lam: weight of the bias-variance trade-off per decision.

    Returns:
        (steps, envs, agents), zero where the agent was busy.
    """
    steps = len(reward)
    advantage = np.zeros(free.shape, np.float32)
    next_value = values[steps].astype(np.float64)
    next_advantage = np.zeros_like(next_value)
    gain = np.zeros_like(next_value)  # discounted reward up to the next decision
    discount = np.ones_like(next_value)  # of the next decision
    for t in range(steps - 1, -1, -1):
        gain = reward[t] + gamma * gain
        discount = gamma * discount
        delta = gain + discount * next_value - values[t]
        estimate = delta + discount * lam * next_advantage
        decided = free[t]
        advantage[t] = np.where(decided, estimate, 0)
        next_value = np.where(decided, values[t], next_value)
        next_advantage = np.where(decided, estimate, next_advantage)
        gain = np.where(decided, 0, gain)
        discount = np.where(decided, 1, discount)
    return advantage
