"""A policy as the official evaluation plays it: five agents, and a wrapper that they share.

The official script asks each agent for an action with its observation alone. What else a policy
needs comes through the wrapper that `Submission.wrap` returns: which actions are valid, the raw
observations (who is free, and what a policy reads that `reads` them), the messages to send with a
step, and where an episode begins.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.sightings import Reader
from cagexplain.common.arrays import Array
from cagexplain.policies.base import Decision, Policy, reads

WEIGHTS: Final = "weights.npz"
"""The file of a policy's arrays, in the package of its code."""


def arrays(package: str) -> dict[str, Array]:
    """The arrays that lie in a package, which may itself lie in a ZIP file."""
    content = pkgutil.get_data(package, WEIGHTS)
    assert content is not None
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return dict(archive)


class Team:
    """Five agents that one policy plays.

    Args:
        policy: chooses for all of them.

    Attributes:
        agents: by name, as `Submission.AGENTS` has them.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.agents = {name: Agent(self, number) for number, name in enumerate(BLUE)}
        self._episode = 0
        self._reader: Reader | None = None
        self._sight: tuple[Array, Array, Array] | None = None
        self._decision: Decision | None = None

    def begin(self, seed: int | None = None) -> None:
        """A new episode: the policy forgets, and its chances begin anew.

        Args:
            seed: of the policy's chances; without, 0 for the first episode, 1 for the second, ...
        """
        self.policy.reset(np.array([self._episode if seed is None else seed]))
        self._episode += 1
        self._reader = None

    def show(
        self,
        vectors: Mapping[str, Array],
        masks: Mapping[str, Any],
        raw: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """What there is to decide on now, by agent.

        Args:
            vectors: official observations ``int64[92]``, of agent 4 ``int64[210]``.
            masks: for each action of the official layout whether it is valid.
            raw: the observations behind the vectors, as CybORG gives them.
        """
        dictionaries = [raw[name] for name in BLUE]
        if reads(self.policy):
            if self._reader is None:  # these are the observations after the reset
                self._reader = Reader(dictionaries)
            self.policy.read(self._reader.read(dictionaries))  # type: ignore[attr-defined]
        self._sight = (
            np.concatenate([vectors[name] for name in BLUE]).astype(np.int8)[None],
            np.concatenate([masks[name] for name in BLUE]).astype(np.bool_)[None],
            np.array([[entry["success"].name != "IN_PROGRESS" for entry in dictionaries]]),
        )
        self._decision = None

    def decision(self) -> Decision:
        """What the policy decides on what was shown last, once."""
        if self._decision is None:
            if self._sight is None:
                raise RuntimeError("play on what Submission.wrap returns, and reset it first")
            self._decision = self.policy.act(*self._sight)
        return self._decision

    def messages(self) -> dict[str, Array] | None:
        """The messages of the last decision, by agent; None if nothing was decided or said."""
        if self._decision is None or self._decision.messages is None:
            return None
        return {name: self._decision.messages[0, i] for i, name in enumerate(BLUE)}

    def wrap(self, env: Any) -> Any:
        """The official wrapper around a CybORG, which also tells this team what it needs."""
        official: Any = importlib.import_module("CybORG.Agents.Wrappers").EnterpriseMAE
        team = self

        class Wrapped(official):  # type: ignore[misc]
            """EnterpriseMAE for a team."""

            def reset(self, *arguments: Any, **named: Any) -> Any:
                """A new episode, for the team too."""
                self.raw: dict[str, Mapping[str, Any]] = {}
                results = super().reset(*arguments, **named)
                team.begin(named.get("seed"))
                self.show(results[0])
                return results

            def step(self, action_dict: Any = None, messages: Any = None) -> Any:
                """A step, with the team's messages unless there are others."""
                sent = team.messages() if messages is None else messages
                results = super().step(action_dict, sent)
                if self.agents:  # none when the episode is over
                    self.show(results[0])
                return results

            def observation_change(self, agent_name: str, observation: Any) -> Any:
                """The vector of a raw observation, which is kept for the team."""
                self.raw[agent_name] = observation
                return super().observation_change(agent_name, observation)

            def show(self, vectors: Mapping[str, Array]) -> None:
                """Let the team see what the agents see."""
                team.show(vectors, {name: self.action_mask(name) for name in BLUE}, self.raw)

        return Wrapped(env)


class Agent:
    """One agent of a team, with the method that the official script calls."""

    def __init__(self, team: Team, number: int) -> None:
        self._team, self._number = team, number

    def get_action(self, observation: Any = None, action_space: Any = None) -> int:
        """Index of its action; what it sees, it has from the wrapper."""
        return int(self._team.decision().actions[0, self._number])

    def __repr__(self) -> str:
        return f"{self._team.policy.name} as {BLUE[self._number]}"
