"""A critic and the units of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.norm import ValueNorm
from trainers.trainable import Trainable


@dataclass
class Critic:
    """A value network, the agents that it values, and the scale of each one's returns."""

    agents: list[int]
    net: Trainable
    norms: list[ValueNorm]

    def outputs(self, k: int) -> Sequence[tuple[Tensor, Tensor]]:
        """The parameters that the value of its k-th agent is linear in."""
        pairs = zip(self.net.layers, self.net.network.gains, strict=True)
        layers = [layer for layer, gain in pairs if gain is None]
        if len(self.agents) == 1:
            return layers
        return [(weight[..., k], bias[..., k]) for weight, bias in layers]

    def normalise(self, values: Tensor) -> Tensor:
        """Discounted rewards (its agents, ...) in its own units."""
        return torch.stack([n.normalise(v) for n, v in zip(self.norms, values, strict=True)])

    def denormalise(self, outputs: Tensor) -> Tensor:
        """Its outputs (its agents, ...) as discounted rewards."""
        return torch.stack([n.denormalise(v) for n, v in zip(self.norms, outputs, strict=True)])
