"""A replay memory of whole episodes, and how segments of them come back as batches.

**Busy agents.** CC4's actions last one to five steps, in which their agent decides nothing; methods
that learn from single steps need to be told. Here the joint action of a step is what the agents
*are executing* in it, and an agent that is busy has exactly one action available: the one in
progress. So every way to choose among available actions (the best, the best of another network,
Boltzmann, the argument of the best) comes to that action, no method needs a special case, and the
rewards that arise while an action runs reach the decision for it through the steps in between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.errors import UsageError
from cagexplain.common.machine import available_bytes
from cagexplain.policies.learned import features, networks
from cagexplain.policies.learned.features import GROUPS
from trainers.core.buffers import Rollout

Units = npt.NDArray[np.int64]
"""Segments by number: slot of the episode * first steps per episode + number of the first step."""

_FEATURE_TYPE: Final[dict[str, Any]] = {"flat": np.int8, "memory": np.float16, "raw": np.float16}


@dataclass
class Segments:
    """B stretches of L steps from as many episodes, and the moment after; first index is time.

    Attributes:
        state: (L + 1, B, sum of widths) inputs of all agents side by side.
        inputs: of each group's agents, (L + 1, members, B, width); views of `state`.
        available: additive masks per group (L + 1, members, B, actions), 0 or minus infinity: the
            legal actions of a free agent, the action in progress of a busy one.
        action: (L, B, agents) being executed.
        elapsed: (L + 1, B, agents), steps since the agent's last decision; 0 if it decides now.
        reward: (L, B, agents).
        last: (L, B), the step is its episode's last one.
        learned: (L, B), the step is one to learn from, not one to warm up on.
    """

    state: Tensor
    inputs: list[Tensor]
    available: list[Tensor]
    action: Tensor
    elapsed: Tensor
    reward: Tensor
    last: Tensor
    learned: Tensor

    @property
    def free(self) -> Tensor:
        """(L + 1, B, agents), the agent decides."""
        return self.elapsed == 0


@dataclass(frozen=True)
class Windows:
    """How episodes are cut into segments.

    Recurrent networks begin a segment with a zero state. Their outputs are those of play only
    after some steps, the burn-in, which nothing is learned from (R2D2, Kapturowski et al. 2019); a
    segment that begins where its episode does needs none, and all of it is learned from.

    Args:
        length: steps to learn from; None takes whole episodes.
        burn_in: steps before them.
        stride: steps from the start of a segment to the next one's.
    """

    length: int | None
    burn_in: int = 0
    stride: int = 1

    def steps(self, episode: int) -> int:
        """Steps of a segment, burn-in included, of episodes of so many steps."""
        return episode if self.length is None else min(self.burn_in + self.length, episode)

    def starts(self, episode: int) -> npt.NDArray[np.int64]:
        """First steps of the segments of an episode; the last segment ends with it."""
        last = episode - self.steps(episode)
        return np.minimum(np.arange(0, last + self.stride, self.stride), last)


class Replay:
    """The newest `capacity` episodes.

    Features are kept as int8 under the profile "flat", which is exact, and as float16 under
    "memory", which keeps flags exactly and traces and clocks to three digits; everything else
    comes back as it was. Episodes must all be of one length, which the first ones tell; memory is
    reserved then, and used as it fills.

    Args:
        profile: of the observation.
        capacity: episodes.
        windows: how they are cut.
        device: of the batches; the memory itself is the host's.

    Raises:
        UsageError: episodes of CC4's length would not fit into the memory that is free now.
    """

    def __init__(self, profile: str, capacity: int, windows: Windows, device: str = "cpu") -> None:
        self.profile, self.capacity, self.device = profile, capacity, device
        self.windows = windows
        self.starts = np.zeros(0, np.int64)  # of an episode's segments
        self.widths = features.sizes(profile)
        self.steps = 0  # of an episode; 0 before the first
        self.added = 0  # episodes ever
        self.content: dict[str, npt.NDArray[Any]] = {}
        required = self.required_bytes(profile, capacity, phases.calls(phases.DEFAULT_STEPS))
        available = available_bytes()
        if required > available:
            raise UsageError(
                f"{capacity:,} episodes need {required / 2**30:.1f} GiB of memory, and "
                f"{available / 2**30:.1f} GiB are free",
                field="replay",
                remedy=f"Give at most --set replay={capacity * available // required}, or the "
                "observation 'flat'",
            )

    @staticmethod
    def required_bytes(profile: str, capacity: int, steps: int) -> int:
        """Memory for `capacity` episodes of `steps` calls."""
        return sum(
            math.prod(shape) * np.dtype(kind).itemsize
            for shape, kind in _layout(profile, capacity, steps).values()
        )

    @property
    def episodes(self) -> int:
        """How many there are."""
        return min(self.added, self.capacity)

    def add(self, rollout: Rollout) -> npt.NDArray[np.int64]:
        """Take in a round's episodes in place of the oldest; returns their slots."""
        steps, n = rollout.team.shape
        if n > self.capacity:
            raise ValueError(f"{n} episodes at once, but room for {self.capacity}")
        if not self.content:
            self._reserve(steps)
        slots = (self.added + np.arange(n)) % self.capacity
        joint = rollout.joint_features().transpose(0, 1).numpy()
        legal = [(a == 0).transpose(0, 1).flatten(1) for a in rollout.legal]
        self.content["features"][slots] = joint
        self.content["legal"][slots] = torch.cat(legal, 1).numpy()
        self.content["elapsed"][slots] = _elapsed(rollout.free).transpose(1, 0, 2)
        for name, grid in (("action", rollout.action), ("reward", rollout.reward)):
            self.content[name][slots, :-1] = grid.transpose(1, 0, 2)
        # An agent that is busy at the end is still executing what it executed in the last step.
        self.content["action"][slots, -1] = rollout.action[-1]
        self.added += n
        return slots

    def units(self, slots: npt.NDArray[np.int64]) -> Units:
        """All segments of the episodes in some slots ``int64[k]``."""
        n = len(self.starts)
        return (slots[:, np.newaxis] * n + np.arange(n)).ravel()

    def sample(self, batch: int, rng: np.random.Generator) -> Units:
        """Draw segments uniformly, with replacement."""
        return rng.integers(self.episodes * len(self.starts), size=batch)

    def segments(self, units: Units) -> Segments:
        """The content of segments."""
        slot, number = np.divmod(units, len(self.starts))
        start, length = self.starts[number], self.windows.steps(self.steps)
        rows = slot * (self.steps + 1) + start + np.arange(length + 1)[:, np.newaxis]
        state = self._gather("features", rows).float()
        action = self._gather("action", rows).long()
        elapsed = self._gather("elapsed", rows)
        legal = torch.from_numpy(self.content["legal"][slot]).to(self.device)
        inputs, available = [], []
        for group, x, permitted in zip(
            GROUPS,
            state.split(_by_group(self.widths), -1),
            legal.split(_by_group(actions.SIZES), -1),
            strict=True,
        ):
            members = slice(group[0], group[-1] + 1)
            inputs.append(x.unflatten(-1, (len(group), -1)).transpose(1, 2))
            permitted = permitted.unflatten(-1, (len(group), -1)).transpose(0, 1)
            free = elapsed[..., members] == 0
            available.append(_available(permitted, free, action[..., members]))
        within = np.arange(length)[:, np.newaxis]
        last = torch.from_numpy(start + within == self.steps - 1)
        learned = torch.from_numpy((within >= self.windows.burn_in) | (start == 0))
        return Segments(
            state=state,
            inputs=inputs,
            available=available,
            action=action[:-1],
            elapsed=elapsed,
            reward=self._gather("reward", rows[:-1]),
            last=last.to(self.device),
            learned=learned.to(self.device),
        )

    def state(self) -> dict[str, Any]:
        """Everything that changes, without copies: tensors over the part that is filled."""
        filled = {name: torch.from_numpy(a[: self.episodes]) for name, a in self.content.items()}
        return {"added": self.added, "steps": self.steps, "content": filled}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored state of the same profile and capacity; ValueError if it is of
        another form."""
        added, steps, content = state["added"], state["steps"], state["content"]
        if type(added) is not int or type(steps) is not int or added < 0:
            raise ValueError("added and steps are no numbers of episodes and of steps")
        # Before anything is reserved: it may be no longer than the constructor found room for.
        if not bool(added) <= steps <= phases.calls(phases.DEFAULT_STEPS):
            raise ValueError(f"episodes of {steps} steps")
        layout = _layout(self.profile, min(added, self.capacity), steps) if added else {}
        if content.keys() != layout.keys():
            raise ValueError(f"content holds {', '.join(content)}")
        for name, (shape, kind) in layout.items():
            array = content[name].numpy()
            finite = np.isfinite(array.sum(dtype=np.float64))
            if (array.shape, array.dtype) != (shape, kind) or not finite:
                raise ValueError(f"content.{name} is not {np.dtype(kind)} of {shape}, all finite")
        if added and not _possible(content["action"].numpy()):
            raise ValueError("content.action holds numbers that are no actions")
        self.added = added
        if added:
            self._reserve(steps)
        for name, array in self.content.items():
            array[: self.episodes] = content[name].numpy()

    def _reserve(self, steps: int) -> None:
        self.steps, self.starts = steps, self.windows.starts(steps)
        layout = _layout(self.profile, self.capacity, steps)
        self.content = {name: np.zeros(shape, kind) for name, (shape, kind) in layout.items()}

    def _gather(self, name: str, rows: npt.NDArray[np.int64]) -> Tensor:
        """Entries (..., width) of rows (...) counted through (slots, steps + 1)."""
        array = torch.from_numpy(self.content[name]).flatten(0, 1)
        picked = array.index_select(0, torch.from_numpy(rows.ravel()))
        return picked.view(*rows.shape, -1).to(self.device)


def _layout(profile: str, capacity: int, steps: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and type of what is stored; a row for each step and one for the moment after."""
    rows = (capacity, steps + 1)
    return {
        "features": ((*rows, sum(features.sizes(profile))), _FEATURE_TYPE[profile]),
        "legal": ((capacity, actions.TOTAL), np.bool_),
        "action": ((*rows, N_BLUE), np.int16),
        "elapsed": ((*rows, N_BLUE), np.int8),
        "reward": ((*rows, N_BLUE), np.float32),
    }


def _elapsed(free: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    """Steps since the last decision, along the first axis; all are free in the first row."""
    elapsed = np.zeros(free.shape, np.int8)
    for t in range(1, len(free)):
        elapsed[t] = np.where(free[t], 0, elapsed[t - 1] + 1)
    return elapsed


def _possible(chosen: npt.NDArray[np.int16]) -> bool:
    """Whether actions (..., agents) are in the agents' layouts."""
    return bool(((chosen >= 0) & (chosen < np.array(actions.SIZES))).all())


def _by_group(sizes: tuple[int, ...]) -> list[int]:
    """Columns that belong to each group, agents side by side."""
    return [sum(sizes[agent] for agent in group) for group in GROUPS]


def _available(legal: Tensor, free: Tensor, action: Tensor) -> Tensor:
    """Additive masks from legal (members, B, actions), free and action (L + 1, B, members)."""
    permitted = networks.additive(legal)
    frozen = networks.additive(free).transpose(1, 2).unsqueeze(-1)  # of a busy agent, everything
    running = action.transpose(1, 2).unsqueeze(-1)
    return (permitted + frozen).scatter_(-1, running, 0.0)  # but that; a free agent's is legal
