"""A team of two policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.policies.base import Decision, Instead, Kind, Policy, carry_on, done, looks, reads

if TYPE_CHECKING:
    from cagexplain.envs import Env


class MixedTeam:
    """A team in which one policy plays some agents and another one the rest.

    Each sees everything, but what it decides for the other's agents is not done; so both must
    decide for each agent by what that agent has seen and done, as trained policies do.

    Args:
        policy: plays the agents that `guest` does not.
        guest: plays the others.
        agents: numbers of the guest's agents.
    """

    def __init__(self, policy: Policy, guest: Policy, agents: Sequence[int]) -> None:
        self._policy = policy
        self._guest = guest
        self._agents = list(agents)
        self._is_guest = np.isin(np.arange(N_BLUE), self._agents)

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self._policy.name} with {self._guest.name}"

    @property
    def kind(self) -> Kind:
        """The host's."""
        return self._policy.kind

    @property
    def looks(self) -> bool:
        """Whether one of the two is an `Onlooker`."""
        return looks(self._policy) or looks(self._guest)

    @property
    def reads(self) -> bool:
        """Whether one of the two is a `Reading` policy."""
        return reads(self._policy) or reads(self._guest)

    @property
    def most_rows(self) -> int | None:
        """The smaller of both; see `rows_at_once`."""
        limits = [getattr(policy, "most_rows", None) for policy in (self._policy, self._guest)]
        return min((limit for limit in limits if limit is not None), default=None)

    def look(self, env: Env) -> None:
        """Show the environments to the one that looks."""
        for policy in filter(looks, (self._policy, self._guest)):
            policy.look(env)  # type: ignore[attr-defined]

    def read(self, sightings: Sightings) -> None:
        """Hand what the raw observations tell to the one that reads them."""
        for policy in filter(reads, (self._policy, self._guest)):
            policy.read(sightings)  # type: ignore[attr-defined]

    def carry_on(self, env: Env) -> None:
        """Have the one that looks go on to the next episode."""
        for policy in (self._policy, self._guest):
            carry_on(policy, env)

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
        sent_messages = [decision.messages for decision in (host, guest)]
        quiet = np.zeros((len(obs), N_BLUE, observations.MESSAGE_BITS), np.uint8)
        messages = [quiet if message is None else message for message in sent_messages]
        return Decision(
            actions=host.actions,
            messages=np.where(self._is_guest[:, None], messages[1], messages[0]),
        )

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> MixedTeam:
        """Go on with copies of some environments."""
        host, guest = (p.branch(rows, seeds) for p in (self._policy, self._guest))
        return MixedTeam(host, guest, self._agents)

    def describe(self) -> dict[str, Any]:
        """Both, and who plays what."""
        return {
            "name": self.name,
            "kind": self.kind,
            "policy": self._policy.describe(),
            "guest": self._guest.describe(),
            "guest_agents": self._agents,
        }
