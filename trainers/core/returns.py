"""Returns of stretches of steps, from rewards and the values of what follows."""

from __future__ import annotations

import torch
from torch import Tensor


def lambda_returns(reward: Tensor, following: Tensor, gamma: float, lam: float) -> Tensor:
    """TD(lambda) returns, cut off at the end of the stretch (Sutton and Barto 2018, 12.3).

    G_t = r_t + gamma * ((1 - lam) * v_(t+1) + lam * G_(t+1)), and G = r + gamma * v in the last
    step: lam = 0 looks one step ahead, 1 sums all rewards of the stretch. With v the best value of
    the next step these are Peng's Q(lambda), which do not correct for exploration on the way.

    Args:
        reward: (steps, ...).
        following: (steps, ...), value of the moment after each step; zero where nothing follows.
        gamma: discount per step.
        lam: weight of longer returns.

    Returns:
        (steps, ...).
    """
    returns = torch.empty_like(reward)
    onward = following[-1]
    for t in range(len(reward) - 1, -1, -1):
        onward = reward[t] + gamma * ((1 - lam) * following[t] + lam * onward)
        returns[t] = onward
    return returns
