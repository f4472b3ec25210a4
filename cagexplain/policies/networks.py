"""The networks that act and judge, and the masked distribution over actions.

Agents of equal layouts form a group (agents 0 to 3 and agent 4). The networks of a group are
stored stacked, so that all of its agents act in one batched product; each agent's parameters are
views into the stack, so that it can be trained by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Final

import torch
from torch import Tensor, nn

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import N_BLUE

GROUPS: Final[tuple[tuple[int, ...], ...]] = tuple(
    tuple(members)
    for _, members in groupby(
        range(N_BLUE), key=lambda agent: (observations.SIZES[agent], actions.SIZES[agent])
    )
)
"""Agents of equal observation and action layouts, which can share a batched product."""

Layers = list[tuple[Tensor, Tensor]]
"""One network: weight (in, out) and bias (out) of each layer."""


def forward(layers: Layers, x: Tensor) -> Tensor:
    """Multilayer perceptron with ReLU between the layers: (rows, in) -> (rows, out)."""
    for weight, bias in layers[:-1]:
        x = torch.relu(torch.addmm(bias, x, weight))
    weight, bias = layers[-1]
    return torch.addmm(bias, x, weight)


class StackedMLP:
    """The multilayer perceptrons of a group: one per agent, equal sizes, separate weights.

    Args:
        members: number of agents.
        sizes: width of the input, of each hidden layer, and of the output.
    """

    def __init__(self, members: int, sizes: Sequence[int]) -> None:
        self.weights = [torch.zeros(members, i, o) for i, o in pairwise(sizes)]
        self.biases = [torch.zeros(members, o) for o in sizes[1:]]

    def initialise(self, generator: torch.Generator, output_gain: float) -> None:
        """Orthogonal weights (gain sqrt 2 before a ReLU), biases zero, as PPO is usually started.

        An `output_gain` of 0.01 makes a first policy nearly uniform (Andrychowicz et al. 2021).
        """
        last = len(self.weights) - 1
        for layer, stack in enumerate(self.weights):
            gain = output_gain if layer == last else math.sqrt(2)
            for weight in stack:
                nn.init.orthogonal_(weight, gain, generator=generator)
            self.biases[layer].zero_()

    def __call__(self, x: Tensor) -> Tensor:
        """(members, rows, in) -> (members, rows, out)."""
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias.unsqueeze(1), x, weight)
            if layer != last:
                x = x.relu_()
        return x

    def member(self, i: int) -> Layers:
        """One agent's network; its tensors are views, so training them trains the stack."""
        return [(w[i], b[i]) for w, b in zip(self.weights, self.biases, strict=True)]


def build(
    input_sizes: Sequence[int], hidden: Sequence[int], output_sizes: Sequence[int]
) -> list[StackedMLP]:
    """One stack per group, for inputs and outputs of these widths per agent."""
    return [
        StackedMLP(len(group), (input_sizes[group[0]], *hidden, output_sizes[group[0]]))
        for group in GROUPS
    ]


def agent_networks(stacks: Sequence[StackedMLP]) -> list[Layers]:
    """The networks of `build` by agent."""
    return [stack.member(i) for stack in stacks for i in range(len(stack.biases[0]))]


def by_group(array: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Split (rows, sum of sizes), agents side by side, into (members, rows, size) per group."""
    rows, parts, start = len(array), [], 0
    for group in GROUPS:
        size = sizes[group[0]]
        stop = start + size * len(group)
        parts.append(array[:, start:stop].reshape(rows, len(group), size).transpose(0, 1))
        start = stop
    return parts


def additive(mask: Tensor) -> Tensor:
    """A Boolean mask as what is added to logits: 0 where legal, minus infinity where not."""
    return torch.log(mask.to(torch.float32))


def sample(logits: Tensor, u: Tensor) -> Tensor:
    """Draw actions from softmax(logits) by inversion.

    Args:
        logits: (..., actions), minus infinity where illegal.
        u: (...), uniform in [0, 1).

    An illegal action is never drawn, whatever the rounding: the point searched for lies below
    the total, so the first partial sum above it belongs to an action of positive probability.
    """
    cumulative = torch.softmax(logits, -1).cumsum(-1)
    total = cumulative[..., -1]
    point = torch.minimum(u * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, point.unsqueeze(-1), right=True).squeeze(-1)


def log_prob(logits: Tensor, action: Tensor) -> Tensor:
    """Log-probability of `action` (...) under softmax(logits) (..., actions)."""
    chosen = logits.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return chosen - torch.logsumexp(logits, -1)


def log_prob_and_entropy(raw: Tensor, legal: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of `action` and the entropy (nats) of softmax(raw + legal).

    Entropy is lse - sum p * raw with the *unmasked* logits: illegal actions have p = 0 and a
    finite logit, so no 0 * infinity arises, forwards or backwards.
    """
    logits = raw + legal
    lse = torch.logsumexp(logits, -1)
    probability = torch.softmax(logits, -1)
    chosen = raw.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return chosen - lse, lse - (probability * raw).sum(-1)
