"""Policies made from policies."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies.base import BoolArray, Decision, IntArray, Policy

_RESTING: Final = [
    np.array([actions.OFFSETS[a] + i for i in (actions.SLEEP_INDEX[a], actions.MONITOR_INDEX[a])])
    for a in range(N_BLUE)
]


def unwrapped(policy: Policy) -> Policy:
    """The policy inside of all wrappers."""
    return unwrapped(policy.inner) if isinstance(policy, MaskSleep) else policy


class MaskSleep:
    """A policy that may not rest: Sleep, and Monitor which is the same, leave a free agent's mask.

    The study masks Sleep when it asks what a policy does about each state of the attacker. A busy
    agent keeps its mask, as it has nothing to choose.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @property
    def inner(self) -> Policy:
        """The wrapped policy."""
        return self._policy

    @property
    def name(self) -> str:
        """The wrapped policy's."""
        return self._policy.name

    @property
    def kind(self) -> Literal["scripted", "checkpoint"]:
        """The wrapped policy's."""
        return self._policy.kind

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes."""
        self._policy.reset(seeds)

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: IntArray | None = None,
    ) -> Decision:
        """What the wrapped policy chooses from the smaller mask."""
        mask = mask.copy()
        for agent, resting in enumerate(_RESTING):
            mask[:, resting] &= ~free[:, agent, None]
        return self._policy.act(obs, mask, free, instead)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> MaskSleep:
        """Go on with copies of some environments, Sleep masked in them too."""
        return MaskSleep(self._policy.branch(rows, seeds))

    def describe(self) -> dict[str, Any]:
        """What the wrapped policy says, and that Sleep is masked."""
        return {**self._policy.describe(), "mask_sleep": True}
