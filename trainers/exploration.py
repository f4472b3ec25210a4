"""How agents that value actions explore: epsilon-greedy or Boltzmann, under a schedule.

Both spend one uniform number per decision and never choose what is masked by minus infinity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from cagexplain.policies.learned import networks
from trainers.core.player import Explore


def epsilon_greedy(epsilon: float) -> Explore:
    """With probability `epsilon` any legal action, all alike, else the best.

    A number below epsilon is, divided by epsilon, uniform again, so it can also pick the action.
    """

    def explore(outputs: Tensor, u: Tensor) -> Tensor:
        best = outputs.argmax(-1)
        if epsilon == 0:
            return best
        alike = torch.where(outputs.isneginf(), outputs, 0.0)
        return torch.where(u < epsilon, networks.sample(alike, (u / epsilon).clamp(max=1.0)), best)

    return explore


def boltzmann(temperature: float) -> Explore:
    """Action a with probability exp(Q(a) / T) / sum_a' exp(Q(a') / T), over legal actions.

    The temperature is in the units of the networks' outputs. Where learners normalise returns, as
    the presets do, these are standard deviations of the return, so that a temperature means the
    same whatever the scale of the rewards.
    """

    def explore(outputs: Tensor, u: Tensor) -> Tensor:
        return networks.sample(outputs / temperature, u)

    return explore


KINDS: Final[dict[str, Callable[[float], Explore]]] = {
    "epsilon": epsilon_greedy,
    "boltzmann": boltzmann,
}
"""What takes the scheduled number."""

SCHEDULES: Final[dict[str, Callable[[float, float, float], float]]] = {
    "linear": lambda start, end, share: start + (end - start) * share,
    "exponential": lambda start, end, share: start * (end / start) ** share,
}
"""(start, end, share of the way from 0 to 1) -> the number."""
