"""Normalisation of value targets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class ValueNorm:
    """Running mean and standard deviation of one agent's returns.

    The critic works in normalised units; its values must be denormalised before advantages are
    computed from them. The statistics are exponential averages with the debiasing of Adam, one
    update per rollout (MAPPO's ValueNorm, Yu et al. 2022). When they move, `rescale` changes the
    critic's last layer such that its denormalised output stays the same (PopArt, van Hasselt et
    al. 2016); else every update would first have to unlearn the shift.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.sum_mean = self.sum_square = self.weight = 0.0

    @property
    def mean(self) -> float:
        """Mean of the returns; 0 before the first update."""
        return self.sum_mean / self.weight if self.weight else 0.0

    @property
    def std(self) -> float:
        """Standard deviation of the returns, at least 0.01; 1 before the first update."""
        if not self.weight:
            return 1.0
        return math.sqrt(max(self.sum_square / self.weight - self.mean**2, 1e-4))

    def update(self, returns: Tensor) -> None:
        """Take in the returns (rows) of one rollout."""
        x = returns.double()
        self.sum_mean = self.decay * self.sum_mean + (1 - self.decay) * float(x.mean())
        self.sum_square = self.decay * self.sum_square + (1 - self.decay) * float((x * x).mean())
        self.weight = self.decay * self.weight + (1 - self.decay)

    def normalise(self, returns: Tensor) -> Tensor:
        """The returns, of any shape, in units of the critic."""
        return (returns - self.mean) / self.std

    def denormalise(self, values: Tensor) -> Tensor:
        """The critic's outputs as discounted rewards, values of any shape."""
        return values * self.std + self.mean

    def update_and_rescale(self, returns: Tensor, outputs: Sequence[tuple[Tensor, Tensor]]) -> bool:
        """Update, and adapt a critic in place to the moved statistics.

        The first statistics are taken as they are: a fresh critic has no values worth keeping.

        Args:
            returns: (rows,) of one rollout.
            outputs: weight (..., in, 1) and bias (..., 1) of the layers whose sum is the critic's
                output; the last bias is one that counts once.

        Returns:
            Whether these were the first.
        """
        first, mean, std = not self.weight, self.mean, self.std
        self.update(returns)
        if not first:
            with torch.no_grad():
                for weight, bias in outputs:
                    weight.mul_(std / self.std)
                    bias.mul_(std / self.std)
                outputs[-1][1].add_((mean - self.mean) / self.std)
        return first

    def state(self) -> dict[str, float]:
        """Everything that changes, to be stored."""
        return {
            "sum_mean": self.sum_mean,
            "sum_square": self.sum_square,
            "weight": self.weight,
        }

    def load(self, state: dict[str, float]) -> None:
        """Continue from a stored state."""
        self.sum_mean = state["sum_mean"]
        self.sum_square = state["sum_square"]
        self.weight = state["weight"]
