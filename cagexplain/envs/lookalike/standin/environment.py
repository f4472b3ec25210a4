"""The environment that a submission is handed where there is no CybORG."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE, BLUE_OF_HOST, N_BLUE
from cagexplain.cc4.network import HOST_NAMES, N_ZONES
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.cc4.reward import INVALID_COST
from cagexplain.common.errors import UsageError
from cagexplain.envs.lookalike.actions import Indices
from cagexplain.envs.lookalike.exchange import Exchange
from cagexplain.envs.lookalike.standin import vectors
from cagexplain.envs.lookalike.standin.actions import PARTS, Action, Sleep, checked
from cagexplain.envs.lookalike.standin.missing import Absent, not_there
from cagexplain.envs.lookalike.standin.observations import RawObservation


class StandIn:
    """Looks like CybORG as far as the stand-in wrappers ask, and is played by the engine.

    Args:
        exchange: plays the engine.
    """

    supported_envs = ("sim",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._indices = Indices(PARTS)
        self._newest: Any = None
        self._unplayed = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise not_there(f"CybORG.{name}")

    # --- playing ---

    @property
    def record(self) -> Any:
        """The engine's newest record; asked for before the first reset, the first episode's."""
        if self._newest is None:
            self._begin()
            self._unplayed = True
        return self._newest

    def reset(self, agent: str | None = None, seed: int | None = None) -> Any:
        """Begin the next episode."""
        if seed is not None:
            raise UsageError(
                "whoever plays the submission decides on the seed",
                field="reset(seed=...)",
                remedy="Leave the seed out",
            )
        if not self._unplayed:  # else it was begun when somebody looked before the first reset
            self._begin()
        self._unplayed = False
        return Absent("reset()")

    def _begin(self) -> None:
        self._newest = self._exchange.begin()
        self._running: list[Action] = [Sleep() for _ in BLUE]
        self._last: dict[str, list[Action]] = {}

    def parallel_step(
        self, actions: dict[str, Any] | None = None, messages: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, float]], dict[str, bool], dict[str, Any]]:
        """Play a step of action objects: observations, rewards, done flags, infos by agent."""
        indices = np.empty(N_BLUE, dtype=np.int64)
        submitted = actions or {}
        for number, agent in enumerate(BLUE):
            action = submitted.get(agent)
            if action is None:
                action = Sleep()
            accepted = checked(action, agent, self._hosts(number))
            indices[number] = self._indices.of(number, action, accepted)
            if self.record["blue_action"][number] < 0:
                self._running[number] = accepted
        self._unplayed = False
        self._newest = self._exchange.step(indices, _bits(messages or {}))
        ended = self._newest["blue_done"] >= 0
        self._last = {
            agent: [self._running[number] if ended[number] else Sleep()]
            for number, agent in enumerate(BLUE)
        }
        return (
            {agent: self.get_observation(agent) for agent in BLUE},
            dict.fromkeys(BLUE, self._rewards()),
            dict.fromkeys(BLUE, self.done),
            {},
        )

    def _hosts(self, number: int) -> set[str]:
        defended = self.record["exists"].astype(np.bool_) & (number == BLUE_OF_HOST)
        return {HOST_NAMES[host] for host in np.flatnonzero(defended)}

    def _rewards(self) -> dict[str, float]:
        """The team's rewards by their cause."""
        s = self.record
        invalid = int((s["blue_submitted"] == actions.INVALID_ACTION).sum())
        cost: float = int(s["action_cost"].sum())
        if invalid:
            cost -= invalid * INVALID_COST
        return {"BlueRewardMachine": int(s["reward_parts"].sum()), "action_cost": cost}

    # --- what is asked ---

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return bool(self.record["done"])

    @property
    def exists(self) -> npt.NDArray[np.bool_]:
        """``bool[137]`` hosts of this world."""
        exists: npt.NDArray[np.bool_] = self.record["exists"].astype(np.bool_)
        return exists

    @property
    def cidrs(self) -> tuple[str, ...]:
        """Blocks of the nine subnets."""
        return tuple(f"10.0.{int(self.record['cidr'][zone])}.0/24" for zone in range(N_ZONES))

    @property
    def agents(self) -> list[str]:
        """The blue agents."""
        return list(BLUE)

    active_agents = agents

    @property
    def unwrapped(self) -> StandIn:
        """This object."""
        return self

    @property
    def environment_controller(self) -> Absent:
        """Nothing of it is known here."""
        return Absent("environment_controller")

    def vector(self, agent: str) -> npt.NDArray[np.int64]:
        """The official flat vector of an agent."""
        return vectors.of_record(self.record, BLUE.index(agent))

    def get_observation(self, agent: str) -> RawObservation:
        """A raw observation, of which only ``success`` can be read."""
        return RawObservation(self.record, agent)

    def get_last_action(self, agent: str) -> list[Action] | None:
        """What an agent's last step played; None before the first."""
        return self._last.get(agent)

    def get_message_space(self, agent: str) -> spaces.MultiBinary:
        """Space of an agent's messages."""
        del agent
        return spaces.MultiBinary(MESSAGE_BITS)

    def get_attr(self, attribute: str) -> Any:
        """An attribute by its name."""
        return getattr(self, attribute)


def _bits(messages: dict[str, Any]) -> npt.NDArray[np.uint8]:
    bits = np.zeros((N_BLUE, MESSAGE_BITS), dtype=np.uint8)
    for agent, message in messages.items():
        value = np.asarray(message)
        if agent not in BLUE or value.shape != (MESSAGE_BITS,):
            raise UsageError(
                f"a message of shape {value.shape} was sent by {agent}",
                field="messages",
                remedy=f"Blue agents send {MESSAGE_BITS} bits",
            )
        bits[BLUE.index(agent)] = value.astype(np.bool_)
    return bits
