"""A replay memory that is drawn from uniformly or by priority."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from trainers.core.buffers import Rollout
from trainers.core.prioritised import Priorities
from trainers.core.replay import Replay, Segments, Units, Windows

_EPSILON: Final = 1e-6
_PRIORITY_OF_MAX: Final = 0.9
"""A segment's priority is this share of its largest error and the rest of its mean one (R2D2,
Kapturowski et al. 2019); of one step, both are the step's."""


class Memory:
    """Segments of the newest episodes.

    Args:
        profile, capacity, windows, device: see `Replay`.
        alpha: how much priorities matter (see `Priorities`); None draws uniformly.

    Raises:
        UsageError: the replay memory would not fit.
    """

    def __init__(
        self, profile: str, capacity: int, windows: Windows, alpha: float | None, device: str
    ) -> None:
        self.replay, self.device = Replay(profile, capacity, windows, device), device
        self.alpha = alpha
        self.priorities: Priorities | None = None  # made when the length of episodes is known

    @property
    def fill(self) -> float:
        """Share of the capacity that is in use."""
        return self.replay.episodes / self.replay.capacity

    def add(self, rollout: Rollout) -> Units:
        """Take in a round's episodes in place of the oldest; returns their segments."""
        units = self.replay.units(self.replay.add(rollout))
        self._prioritise()
        if self.priorities is not None:
            self.priorities.add(units)
        return units

    def draw(
        self, batch: int, beta: float, rng: np.random.Generator
    ) -> tuple[Units, Segments, Tensor]:
        """Segments, with replacement: which, their content, and importance weights (batch,)."""
        if self.priorities is None:
            units, weight = self.replay.sample(batch, rng), np.ones(batch, np.float32)
        else:
            units, weight = self.priorities.sample(batch, beta, rng)
        return units, self.replay.segments(units), torch.from_numpy(weight).to(self.device)

    def correct(self, units: Units, errors: Tensor, learned: Tensor) -> None:
        """Tell the priorities the TD errors of segments.

        Args:
            units: the segments, ``int64[batch]``.
            errors: (steps, batch).
            learned: (steps, batch), steps to learn from.
        """
        if self.priorities is not None:
            size = errors.abs() * learned
            mean = size.sum(0) / learned.sum(0)
            mix = _PRIORITY_OF_MAX * size.amax(0) + (1 - _PRIORITY_OF_MAX) * mean
            self.priorities.update(units, mix.cpu().numpy())

    def state(self) -> dict[str, Any]:
        """Everything that changes, to be stored."""
        priorities = None if self.priorities is None else self.priorities.state()
        return {"replay": self.replay.state(), "priorities": priorities}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`; ValueError if it is of another form."""
        if set(state) != {"replay", "priorities"}:
            raise ValueError("it holds other things than replay and priorities")
        self.replay.load(state["replay"])
        if self.replay.added:
            self._prioritise()
        if (self.priorities is None) != (state["priorities"] is None):
            raise ValueError("priorities are there, or are not, against the settings")
        if self.priorities is not None:
            self.priorities.load(state["priorities"])
            if not self.priorities.leaves.any():
                raise ValueError("priorities.leaves leave nothing to draw")

    def _prioritise(self) -> None:
        """Make the priorities of all segments that may be remembered."""
        if self.alpha is not None and self.priorities is None:
            entries = self.replay.capacity * len(self.replay.starts)
            self.priorities = Priorities(entries, self.alpha, _EPSILON)
