"""The outermost object: what submissions and wrappers take for a CybORG."""

from __future__ import annotations

from typing import Any

from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.phases import DEFAULT_STEPS
from cagexplain.envs.lookalike.controller import ControllerView
from cagexplain.envs.lookalike.exchange import Exchange
from cagexplain.envs.lookalike.missing import Entries, View, not_there
from cagexplain.envs.lookalike.parts import Parts


class Lookalike(View):
    """An environment that looks like CybORG and is played by the engine.

    Everything that is asked of it is read from the engine's newest record when it is asked for.

    Args:
        api: classes of the user's CybORG (:func:`load_parts`).
        exchange: plays the engine.
        steps: length of an episode.
    """

    stands_for = "CybORG"
    supported_envs = ("sim",)

    def __init__(self, api: Parts, exchange: Exchange, steps: int = DEFAULT_STEPS) -> None:
        self._api = api
        self.environment_controller = ControllerView(api, exchange, steps)

    # --- playing ---

    def reset(self, agent: str | None = None, seed: int | None = None) -> Any:
        """Begin the next episode; see CybORG's ``reset``."""
        if seed is not None:
            raise not_there("reset(seed=...)", "is decided by whoever plays the submission")
        controller = self.environment_controller
        controller.reset()
        if agent is None:
            return _LazyResults(self._api, controller)
        return self._api.Results(
            observation=self.get_observation(agent), action_space=self.get_action_space(agent)
        )

    def parallel_step(
        self,
        actions: dict[str, Any] | None = None,
        messages: dict[str, Any] | None = None,
        skip_valid_action_check: bool = False,
    ) -> tuple[Entries, Entries, Entries, dict[str, Any]]:
        """Play a step of action objects; observations, rewards and done flags of blue agents."""
        self._play(actions, messages, skip_valid_action_check)
        controller = self.environment_controller
        # In the order of a set of names, as CybORG has them.
        answered = set(list(actions or ()) + self.active_agents)
        blue = [agent for agent in answered if agent in BLUE]
        observations = {agent: self.get_observation(agent) for agent in blue}
        rewards = {agent: controller.get_reward(agent) for agent in blue}
        return (
            Entries("parallel_step(...)[0]", observations),
            Entries("parallel_step(...)[1]", rewards),
            Entries("parallel_step(...)[2]", dict.fromkeys(blue, controller.done)),
            {},
        )

    def step(
        self,
        agent: str | None = None,
        action: Any = None,
        messages: dict[str, Any] | None = None,
        skip_valid_action_check: bool = False,
    ) -> Any:
        """Play a step in which one agent acts."""
        chosen = {} if agent is None or action is None else {agent: action}
        self._play(chosen, messages, skip_valid_action_check)
        if agent is None:
            return self._api.Results(observation=self._api.Observation().data)
        controller = self.environment_controller
        return self._api.Results(
            observation=self.get_observation(agent),
            done=controller.done,
            reward=round(sum(controller.get_reward(agent).values()), 1),
            action_space=self.get_action_space(agent),
            action=controller.action[agent],
        )

    def _play(
        self, actions: dict[str, Any] | None, messages: dict[str, Any] | None, unchecked: bool
    ) -> None:
        if unchecked:
            raise not_there("skip_valid_action_check")
        others = set(actions or {}) - set(BLUE)
        if others:
            raise not_there(f"an action of {min(others)}")
        self.environment_controller.step(actions or {}, messages or {})

    # --- what is asked ---

    @property
    def agents(self) -> list[str]:
        """All agents."""
        return list(self.environment_controller.state.agent_names)

    @property
    def active_agents(self) -> list[str]:
        """Agents with a session of their own."""
        return self.environment_controller.get_active_agents()

    def get_agent_ids(self) -> list[str]:
        """All agents."""
        return self.agents

    @property
    def scenario_generator(self) -> Any:
        """CybORG's generator of such episodes."""
        return self.environment_controller.scenario_generator

    @property
    def np_random(self) -> Any:
        """The generator, which is the engine's."""
        return self.environment_controller.np_random

    @property
    def unwrapped(self) -> Lookalike:
        """This object."""
        return self

    def get_observation(self, agent: str) -> dict[str, Any]:
        """A blue agent's raw observation; asking again adds its parts up again, as in CybORG."""
        data: dict[str, Any] = self.environment_controller.get_last_observation(agent).data
        return data

    def get_action_space(self, agent: str) -> Entries:
        """What an agent may name in its actions."""
        return self.environment_controller.get_action_space(agent)

    def get_message_space(self, agent: str) -> Any:
        """Space of an agent's messages."""
        return self.environment_controller.get_message_space(agent)

    def get_last_action(self, agent: str) -> Any:
        """What an agent's last step played."""
        return self.environment_controller.get_last_action(agent)

    def get_true_state(self, info: Any) -> dict[str, Any]:
        """What CybORG says of hosts."""
        data: dict[str, Any] = self.environment_controller.get_true_state(info).data
        return data

    def get_agent_state(self, agent_name: str) -> dict[str, Any]:
        """The true state of what an agent is told of at the beginning."""
        data: dict[str, Any] = self.environment_controller.get_agent_state(agent_name).data
        return data

    def get_rewards(self) -> dict[str, dict[str, Any]]:
        """Rewards of the last step by team."""
        return self.environment_controller.reward

    def get_ip_map(self) -> dict[str, Any]:
        """Addresses by host."""
        return self.environment_controller.hostname_ip_map

    def get_cidr_map(self) -> dict[Any, Any]:
        """Blocks by subnet."""
        return self.environment_controller.subnet_cidr_map

    def get_attr(self, attribute: str) -> Any:
        """An attribute by its name."""
        return getattr(self, attribute)


class _LazyResults(View):
    """What a reset without an agent returns: the whole state, made when it is asked for."""

    stands_for = "reset().."

    def __init__(self, api: Parts, controller: ControllerView) -> None:
        self._api, self._controller = api, controller

    @property
    def observation(self) -> dict[str, Any]:
        """The whole true state."""
        return self._controller.init_state
