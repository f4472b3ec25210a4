"""What every reader of a foreign file gives: a network that computes rows of outputs."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from cagexplain.policies.formats.descriptor import Facts

State: TypeAlias = tuple[Tensor, ...]
"""Memories of a recurrent network, each with a row per row of its inputs; else empty."""


class Network(Protocol):
    """A network of one file.

    Attributes:
        facts: what the file says of it.
    """

    facts: Facts

    def start(self, rows: int) -> State:
        """The memories at the beginning of episodes."""

    def run(self, inputs: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        """One step.

        Args:
            inputs: ``float32[rows, inputs]``.
            mask: ``bool[rows, choices]`` valid actions; a network may leave it aside.
            state: what the step before returned.

        Returns:
            Outputs ``float32[rows, choices]`` or indices of actions ``int64[rows, 1 or 5]``, and
            the memories after it.
        """


class Memoryless:
    """What networks without memory share."""

    def start(self, rows: int) -> State:
        """Nothing to remember."""
        return ()


def zeros(rows: int, sizes: tuple[tuple[int, ...], ...]) -> State:
    """Memories that begin as zeros, of the shape ``[rows, *size]`` each."""
    return tuple(torch.zeros(rows, *size) for size in sizes)
