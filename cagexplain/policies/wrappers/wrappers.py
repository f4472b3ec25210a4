"""Policies made from policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.policies.base import Decision, Instead, Policy, done

_RESTING: Final = [
    np.array([actions.OFFSETS[a] + i for i in (actions.SLEEP_INDEX[a], actions.MONITOR_INDEX[a])])
    for a in range(N_BLUE)
]


def unwrapped(policy: Policy) -> Policy:
    """The policy inside of all wrappers."""
    inner: Policy | None = getattr(policy, "inner", None)
    return policy if inner is None else unwrapped(inner)


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
    def kind(self) -> Literal["scripted", "checkpoint", "tree"]:
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
        instead: Instead | None = None,
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


class Seats:
    """A team in which one policy plays some agents and another one the rest.

    Each sees everything, but what it decides for the other's agents is not done; so both must
    decide for each agent by what that agent has seen and done, as trained policies do.

    Args:
        policy: plays the agents that `guest` does not.
        guest: plays the others.
        seats: numbers of the guest's agents.
    """

    def __init__(self, policy: Policy, guest: Policy, seats: Sequence[int]) -> None:
        self._policy = policy
        self._guest = guest
        self._seats = list(seats)
        self._is_guest = np.isin(np.arange(N_BLUE), self._seats)

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self._policy.name} with {self._guest.name}"

    @property
    def kind(self) -> Literal["scripted", "checkpoint", "tree"]:
        """The host's."""
        return self._policy.kind

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes."""
        self._policy.reset(seeds)
        self._guest.reset(seeds)

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Each for its agents; both remember what the team did."""
        decisions = []

        def team(of_host: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            def both(of_guest: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
                return done(np.where(self._is_guest, of_guest, of_host), instead)

            decisions.append(self._guest.act(obs, mask, free, both))
            return decisions[0].actions

        host = self._policy.act(obs, mask, free, team)
        guest = decisions[0]
        said = [decision.messages for decision in (host, guest)]
        quiet = np.zeros((len(obs), N_BLUE, observations.MESSAGE_BITS), np.uint8)
        messages = [quiet if message is None else message for message in said]
        return Decision(
            actions=host.actions,
            messages=np.where(self._is_guest[:, None], messages[1], messages[0]),
        )

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Seats:
        """Go on with copies of some environments."""
        host, guest = (p.branch(rows, seeds) for p in (self._policy, self._guest))
        return Seats(host, guest, self._seats)

    def describe(self) -> dict[str, Any]:
        """Both, and who plays what."""
        return {
            "name": self.name,
            "kind": self.kind,
            "policy": self._policy.describe(),
            "guest": self._guest.describe(),
            "seats": self._seats,
        }
