"""The value of a joint action from the values of the agents' actions.

A mixer must not fall when an agent's value rises: then the joint action of all agents' best actions
is the best joint action, and each agent can act by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies.learned import features
from cagexplain.policies.learned.networks import Layers, Stack, mlp

KINDS: Final = ("sum", "monotonic")


class Mixer(Protocol):
    """What joins the agents' values.

    Attributes:
        stacks: its networks, each a stack of one.
    """

    stacks: list[Stack]

    def initialise(self, generator: torch.Generator) -> None:
        """Set the parameters of a new one."""

    def __call__(self, nets: Sequence[Layers], values: Tensor, state: Tensor) -> Tensor:
        """Mix with given parameters.

        Args:
            nets: parameters of its networks, or of others of these shapes.
            values: (..., agents) of the chosen actions.
            state: (..., width) that the mixer may look at.

        Returns:
            (...), the value of the joint action.
        """


class Sum:
    """Value decomposition networks (Sunehag et al. 2018): the plain sum, whatever the state."""

    def __init__(self) -> None:
        self.stacks: list[Stack] = []

    def initialise(self, generator: torch.Generator) -> None:
        """There is nothing to set."""

    def __call__(self, nets: Sequence[Layers], values: Tensor, state: Tensor) -> Tensor:
        """See `Mixer`."""
        return values.sum(-1)


class Monotonic:
    """QMIX (Rashid et al. 2018): a network whose weights are positive functions of the state.

    Q_tot = |w2(s)| . ELU(|W1(s)| q + b1(s)) + V(s), where W1, w2 and V are perceptrons with one
    hidden layer and b1 is linear. Biases are free, so the state may shift the value at will.

    Args:
        agents: whose values are mixed.
        state: width of the state.
        embed: units of the mixing network, and hidden ones of V.
        hyper: hidden units of the networks that make the weights.
    """

    def __init__(self, agents: int, state: int, embed: int, hyper: int) -> None:
        self.agents, self.embed = agents, embed
        self.stacks = [
            Stack(mlp(sizes), 1)
            for sizes in (
                (state, hyper, agents * embed),  # W1
                (state, embed),  # b1
                (state, hyper, embed),  # w2
                (state, embed, 1),  # V
            )
        ]

    def initialise(self, generator: torch.Generator) -> None:
        """Begin near the sum of the agents' values, whatever the state.

        Orthogonal networks alone would give no weight at all to a state of zeros, and one of few
        ones hardly any.
        """
        for stack in self.stacks:
            stack.initialise(generator, 0.1)
        for stack, scale in ((self.stacks[0], 1.0), (self.stacks[2], 1 / self.embed)):
            bias = stack.layers[-1][1]
            bias.copy_(scale * torch.randn(bias.shape, generator=generator, device="cpu"))

    def __call__(self, nets: Sequence[Layers], values: Tensor, state: Tensor) -> Tensor:
        """See `Mixer`."""
        rows = state.flatten(0, -2).unsqueeze(0)
        w1, b1, w2, v = (
            stack.network(layers, rows).squeeze(0)
            for stack, layers in zip(self.stacks, nets, strict=True)
        )
        w1 = w1.abs().view(-1, self.agents, self.embed)
        hidden = torch.bmm(values.reshape(-1, 1, self.agents), w1).squeeze(1)
        hidden = F.elu(hidden + b1)
        return ((hidden * w2.abs()).sum(-1) + v.squeeze(-1)).view(values.shape[:-1])


def build(config: Mapping[str, Any], extra: int = 0) -> Mixer:
    """The mixer of a configuration: "mixer", and its sizes if it has networks.

    Args:
        extra: inputs of each agent behind those of its observation.
    """
    if config["mixer"] == "sum":
        return Sum()
    width = sum(features.sizes(config["observation"])) + N_BLUE * extra
    return Monotonic(N_BLUE, width, config["mixer_embed"], config["mixer_hyper"])
