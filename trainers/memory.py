"""A replay memory that is drawn from uniformly or by priority."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from trainers.buffers import Rollout
from trainers.prioritised import Priorities
from trainers.replay import Replay, Segments, Units

_EPSILON: Final = 1e-6


class StepMemory:
    """Single steps of the newest episodes.

    Args:
        profile, capacity, device: see `Replay`.
        alpha: how much priorities matter (see `Priorities`); None draws uniformly.

    Raises:
        UsageError: the replay memory would not fit.
    """

    def __init__(self, profile: str, capacity: int, alpha: float | None, device: str) -> None:
        self.replay, self.alpha, self.device = Replay(profile, capacity, device), alpha, device
        self.priorities: Priorities | None = None  # made when the length of episodes is known

    @property
    def fill(self) -> float:
        """Share of the capacity that is in use."""
        return self.replay.episodes / self.replay.capacity

    def add(self, rollout: Rollout) -> None:
        """Take in a round's episodes in place of the oldest."""
        slots = self.replay.add(rollout)
        self._prioritise()
        if self.priorities is not None:
            self.priorities.add(self.replay.units(slots, 1))

    def draw(
        self, batch: int, beta: float, rng: np.random.Generator
    ) -> tuple[Units, Segments, Tensor]:
        """Steps, with replacement: which, their content, and importance weights (batch,)."""
        if self.priorities is None:
            units, weight = self.replay.sample(batch, 1, rng), np.ones(batch, np.float32)
        else:
            units, weight = self.priorities.sample(batch, beta, rng)
        return units, self.replay.segments(units, 1), torch.from_numpy(weight).to(self.device)

    def correct(self, units: Units, errors: Tensor) -> None:
        """Tell the priorities the TD errors (batch,) of steps."""
        if self.priorities is not None:
            self.priorities.update(units, errors.cpu().numpy())

    def state(self) -> dict[str, Any]:
        """Everything that changes, to be stored."""
        priorities = None if self.priorities is None else self.priorities.state()
        return {"replay": self.replay.state(), "priorities": priorities}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        self.replay.load(state["replay"])
        if state["priorities"] is not None:
            self._prioritise()
        if self.priorities is not None:
            self.priorities.load(state["priorities"])

    def _prioritise(self) -> None:
        """Make the priorities of all steps that may be remembered."""
        if self.alpha is not None and self.priorities is None:
            entries = self.replay.capacity * self.replay.steps
            self.priorities = Priorities(entries, self.alpha, _EPSILON)
