"""Proportional prioritised sampling (Schaul et al. 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Indices = npt.NDArray[np.int64]


class Priorities:
    """The priorities of the entries of a replay memory, which it samples in proportion.

    Entry i is drawn with probability P(i) = p_i^alpha / sum_k p_k^alpha, where p_i is the size of
    its TD error plus epsilon. Entries never added have priority zero and are never drawn.

    The powers p^alpha are the leaves of a binary tree whose inner nodes hold the sum of their two
    children, so that drawing and changing take as many array operations as the tree has levels.
    An inner node is always computed anew from its children, in double precision: the tree depends
    on its leaves only, errors do not add up, and an entry that a batch has twice does no harm.

    Args:
        capacity: number of entries.
        alpha: how much priorities matter; 0 draws uniformly from the entries that were added.
        epsilon: keeps entries without error drawable.
    """

    def __init__(self, capacity: int, alpha: float, epsilon: float) -> None:
        self.alpha, self.epsilon = alpha, epsilon
        self.depth = (capacity - 1).bit_length()
        self.first = 1 << self.depth
        self.tree = np.zeros(2 * self.first)  # the children of node i are 2i and 2i + 1; root 1
        self.leaves = self.tree[self.first : self.first + capacity]

    def add(self, indices: Indices) -> None:
        """Take in new entries, in place of old ones where their indices were in use.

        They get the highest priority that any entry has at the time (1 if there is none), so that
        each will probably be seen once.
        """
        self._set(indices, self.leaves.max() or 1.0)

    def update(self, indices: Indices, td: npt.NDArray[Any]) -> None:
        """Set the priorities of entries from their TD errors.

        Of an index that occurs several times, the last error counts.

        Args:
            indices: ``int64[k]``.
            td: ``[k]``, of any sign.
        """
        self._set(indices, (np.abs(td, dtype=np.float64) + self.epsilon) ** self.alpha)

    def sample(
        self, batch: int, beta: float, rng: np.random.Generator
    ) -> tuple[Indices, npt.NDArray[np.float32]]:
        """Draw entries independently of each other, with replacement.

        Returns:
            Indices (batch,) and importance weights (batch,): (N P(i))^-beta, divided by the
            largest in this batch (not in the whole memory), so that they only ever shrink a step.
            N cancels out.

        Raises:
            ValueError: no entry has a positive priority, or one is not a number.
        """
        if not self.tree[1] > 0:
            raise ValueError(f"priorities sum to {self.tree[1]}")
        node = np.ones(batch, np.int64)
        point = rng.random(batch) * self.tree[1]
        for _ in range(self.depth):
            left, right = self.tree[2 * node], self.tree[2 * node + 1]
            # A rounded point may lie beyond the last positive entry, hence the second condition.
            go_right = (point >= left) & (right > 0)
            point -= np.where(go_right, left, 0)
            node = 2 * node + go_right
        mass = self.tree[node]
        return node - self.first, ((mass.min() / mass) ** beta).astype(np.float32)

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that changes, to be stored."""
        return {"leaves": torch.from_numpy(self.leaves)}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from a stored state, leaves (capacity,); ValueError if it is of another form."""
        leaves = state["leaves"].numpy()
        if leaves.shape != self.leaves.shape or leaves.dtype != self.leaves.dtype:
            raise ValueError(f"priorities.leaves are {leaves.dtype} of {leaves.shape}")
        if not (leaves.sum() < np.inf and (leaves >= 0).all()):
            raise ValueError("priorities.leaves are no priorities")
        self._set(np.arange(len(self.leaves)), leaves)

    def _set(self, indices: Indices, powers: npt.ArrayLike) -> None:
        self.leaves[indices] = powers
        node = self.first + indices
        for _ in range(self.depth):
            node = node >> 1
            self.tree[node] = self.tree[2 * node] + self.tree[2 * node + 1]
