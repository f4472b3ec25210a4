"""The base class of agents, and the one that sleeps."""

from __future__ import annotations

from typing import Any

from cagexplain.envs.lookalike.standin.actions import Sleep


class BaseAgent:
    """What a submission's agents are built on: what they do not define fails when it is called, as
    with CybORG's own class, which may be instantiated all the same.

    Args:
        name: of the agent.
        np_random: generator of random numbers.
    """

    def __init__(self, name: str, np_random: Any = None) -> None:
        self.name, self.np_random = name, np_random

    def train(self, results: Any) -> None:
        """Learn; a submission's agents do not."""
        raise NotImplementedError

    def get_action(self, observation: Any, action_space: Any) -> Any:
        """Choose an action."""
        raise NotImplementedError

    def end_episode(self) -> None:
        """Get ready for another episode."""
        raise NotImplementedError

    def set_initial_values(self, action_space: Any, observation: Any) -> None:
        """Be told the first observation."""
        raise NotImplementedError

    def __str__(self) -> str:
        return type(self).__name__

    __repr__ = __str__


class SleepAgent(BaseAgent):
    """Always sleeps."""

    def __init__(self, name: str | None = None, **_options: Any) -> None:
        super().__init__(name or "")

    def train(self, results: Any) -> None:
        """Nothing to learn."""

    def get_action(self, observation: Any, action_space: Any) -> Sleep:
        """Sleep."""
        return Sleep()

    def end_episode(self) -> None:
        """Nothing to forget."""

    def set_initial_values(self, action_space: Any, observation: Any) -> None:
        """Nothing to know."""
