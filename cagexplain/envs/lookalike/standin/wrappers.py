"""The official wrappers of blue: fixed actions, flat vectors, PettingZoo's and RLlib's forms."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from cagexplain.cc4 import actions as action_layout
from cagexplain.cc4 import network
from cagexplain.cc4 import observations as observation_layout
from cagexplain.cc4.agents import BLUE, BLUE_ZONES
from cagexplain.envs.lookalike.standin.actions import Sleep, of_layout

_SHORT, _LONG = min(observation_layout.SIZES), max(observation_layout.SIZES)
_MOST_ACTIONS: Final = max(action_layout.SIZES)
_PADDING: Final = "[Padding] Sleep"

ByAgent = dict[str, Any]
Stepped = tuple[ByAgent, ByAgent, ByAgent, ByAgent, ByAgent]


class BaseWrapper:
    """Passes everything on to what it wraps.

    Args:
        env: an environment or another wrapper.
    """

    def __init__(self, env: Any = None) -> None:
        self.env = env

    def reset(self, agent: str | None = None, seed: int | None = None) -> Any:
        """Begin the next episode."""
        return self.env.reset(agent, seed)

    def step(self, agent: Any = None, action: Any = None, messages: Any = None) -> Any:
        """Play a step."""
        return self.env.step(agent, action, messages)

    def observation_change(self, agent: str, observation: Any) -> Any:
        """What becomes of an agent's observation."""
        return observation

    def action_space_change(self, action_space: Any) -> Any:
        """What becomes of an action space."""
        return action_space

    def get_action_space(self, agent: str) -> Any:
        """An agent's action space."""
        return self.action_space_change(self.env.get_action_space(agent))

    def get_observation(self, agent: str) -> Any:
        """An agent's raw observation."""
        return self.env.get_observation(agent)

    def get_last_action(self, agent: str) -> Any:
        """What an agent's last step played."""
        return self.env.get_last_action(agent)

    def get_message_space(self, agent: str) -> Any:
        """Space of an agent's messages."""
        return self.env.get_message_space(agent)

    def get_attr(self, attribute: str) -> Any:
        """An attribute of this or of what it wraps."""
        owner = self if hasattr(self, attribute) else self.env
        return getattr(owner, attribute)

    @property
    def active_agents(self) -> list[str]:
        """Agents that can act."""
        agents: list[str] = self.env.active_agents
        return agents

    @property
    def unwrapped(self) -> Any:
        """The innermost environment."""
        return self.env.unwrapped


class BlueFixedActionWrapper(BaseWrapper):
    """Blue's actions by index, the same in every world.

    Args:
        env: the environment.
        pad_spaces: whether every agent gets as many actions as the one with the most.
    """

    def __init__(self, env: Any, pad_spaces: bool = False, *_more: Any, **_options: Any) -> None:
        super().__init__(env)
        self.possible_agents = list(BLUE)
        self.agents = list(BLUE)
        self._pad_spaces = pad_spaces
        self._max_act_space_size = _MOST_ACTIONS
        self._agent_metadata = {
            agent: {
                "hosts": [host for zone in BLUE_ZONES[number] for host in _hosts_of(zone)],
                "subnets": [network.ZONES[zone] for zone in BLUE_ZONES[number]],
            }
            for number, agent in enumerate(BLUE)
        }
        self._action_space: dict[str, dict[str, list[Any]]] = {}
        self._populate()

    def _populate(self) -> None:
        """Actions, labels and masks of the present world."""
        exists, cidrs = self.unwrapped.exists, self.unwrapped.cidrs
        for number, agent in enumerate(BLUE):
            hosts = action_layout.HOST[number]
            mask = [bool(host < 0 or exists[host]) for host in hosts]
            labels = [
                action_layout.label(number, index, exists=valid, cidr=cidrs)
                for index, valid in enumerate(mask)
            ]
            padding = _MOST_ACTIONS - len(mask) if self._pad_spaces else 0
            self._action_space[agent] = {
                "actions": of_layout(number, exists) + [Sleep() for _ in range(padding)],
                "labels": labels + [_PADDING] * padding,
                "mask": mask + [False] * padding,
            }

    def reset(self, *_arguments: Any, **named: Any) -> Any:
        """Begin the next episode: observations and infos by agent."""
        self.env.reset(*_arguments, **named)
        self.agents = list(BLUE)
        self._populate()
        observations = {
            agent: self.observation_change(agent, self.env.get_observation(agent)) for agent in BLUE
        }
        return observations, self._infos()

    def step(self, actions: Any = None, messages: Any = None, **_named: Any) -> Stepped:  # type: ignore[override]
        """Play a step of indices or action objects: observations, rewards, terminated, truncated
        and infos by agent."""
        chosen = {
            agent: self._action_space[agent]["actions"][action] if _is_index(action) else action
            for agent, action in (actions or {}).items()
        }
        observed, rewards, done, _ = self.env.parallel_step(chosen, messages=messages)
        observations = {agent: self.observation_change(agent, observed[agent]) for agent in BLUE}
        self.agents = [agent for agent in BLUE if not done[agent]]
        return (
            observations,
            {agent: sum(rewards[agent].values()) for agent in BLUE},
            dict(done),
            dict(done),
            self._infos(),
        )

    def _infos(self) -> ByAgent:
        return {agent: {"action_mask": self._action_space[agent]["mask"]} for agent in BLUE}

    def get_action_space(self, agent: str) -> dict[str, list[Any]]:
        """An agent's actions, labels and mask."""
        return self._action_space[agent]

    def actions(self, agent_name: str) -> list[Any]:
        """An agent's action objects by index."""
        return self._action_space[agent_name]["actions"]

    def action_labels(self, agent_name: str) -> list[str]:
        """Their names."""
        return self._action_space[agent_name]["labels"]

    def action_mask(self, agent_name: str) -> list[bool]:
        """Which of them are valid in this world."""
        return self._action_space[agent_name]["mask"]

    def hosts(self, agent_name: str) -> list[str]:
        """Hosts that the agent's subnets can have, routers included."""
        return self._agent_metadata[agent_name]["hosts"]

    def subnets(self, agent_name: str) -> list[str]:
        """The agent's subnets."""
        return self._agent_metadata[agent_name]["subnets"]

    @property
    def is_padded(self) -> bool:
        """Whether every agent has as many actions as the one with the most."""
        return self._pad_spaces

    @functools.cached_property
    def _discrete(self) -> dict[str, spaces.Discrete[Any]]:
        return {agent: spaces.Discrete(len(self._action_space[agent]["actions"])) for agent in BLUE}

    def action_space(self, agent_name: str) -> spaces.Discrete[Any]:
        """Space of an agent's indices."""
        return self._discrete[agent_name]

    def action_spaces(self) -> dict[str, spaces.Discrete[Any]]:
        """All of them."""
        return self._discrete


class BlueFlatWrapper(BlueFixedActionWrapper):
    """The official vectors in place of raw observations."""

    def __init__(self, env: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(env, *arguments, **options)
        self._observation_space = {
            agent: _vector_space(_LONG if self._pad_spaces else size)
            for agent, size in zip(BLUE, observation_layout.SIZES, strict=True)
        }

    def observation_change(self, agent: str, observation: Any) -> npt.NDArray[np.int64]:
        """The agent's vector."""
        vector: npt.NDArray[np.int64] = self.unwrapped.vector(agent)
        return np.pad(vector, (0, _LONG - len(vector))) if self._pad_spaces else vector

    def observation_space(self, agent_name: str) -> spaces.MultiDiscrete:
        """Space of an agent's vector."""
        return self._observation_space[agent_name]

    def observation_spaces(self) -> dict[str, spaces.MultiDiscrete]:
        """All of them."""
        return self._observation_space


class BlueEnterpriseWrapper(BlueFlatWrapper):
    """PettingZoo's form, in which actions and messages may come in one dictionary."""

    def step(self, actions: Any = None, messages: Any = None) -> Stepped:  # type: ignore[override]
        """Play a step."""
        if actions and "actions" in actions:
            actions, messages = actions["actions"], actions.get("messages", messages)
        return super().step(actions, messages)

    def reset(
        self, agent: str | None = None, seed: int | None = None, *_arguments: Any, **_named: Any
    ) -> Any:
        """Begin the next episode."""
        return super().reset(agent=agent, seed=seed)

    @property
    def short_observation_space(self) -> spaces.MultiDiscrete:
        """Space of the vectors of agents 0 to 3."""
        return _vector_space(_SHORT)

    @property
    def long_observation_space(self) -> spaces.MultiDiscrete:
        """Space of agent 4's vector."""
        return _vector_space(_LONG)


class EnterpriseMAE(BlueEnterpriseWrapper):
    """RLlib's form: the end of all agents stands beside theirs."""

    def step(self, action_dict: Any = None, messages: Any = None) -> Stepped:  # type: ignore[override]
        """Play a step."""
        stepped = BlueFlatWrapper.step(self, action_dict, messages)
        observations, rewards, terminated, truncated, infos = stepped
        done = not self.agents
        return (
            observations,
            rewards,
            terminated | {"__all__": False},
            truncated | {"__all__": done},
            infos,
        )


def _vector_space(size: int) -> spaces.MultiDiscrete:
    values = np.full(size, 2)
    values[observation_layout.PHASE] = 3
    return spaces.MultiDiscrete(values)


def _hosts_of(zone: int) -> list[str]:
    """Hosts that a subnet can have, alphabetical."""
    first = zone * network.HOSTS_PER_ZONE
    return sorted(network.HOST_NAMES[first : first + network.HOSTS_PER_ZONE])


def _is_index(action: Any) -> bool:
    return isinstance(action, int | np.integer)


CLASSES: Final[Mapping[str, type]] = {
    cls.__name__: cls
    for cls in (
        BaseWrapper,
        BlueFixedActionWrapper,
        BlueFlatWrapper,
        BlueEnterpriseWrapper,
        EnterpriseMAE,
    )
}
"""All of them by name."""
