"""CybORG's simulation controller, as a view of the engine's record."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, services
from cagexplain.cc4.agents import BLUE, N_BLUE, RED
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.reward import INVALID_COST
from cagexplain.common.errors import UsageError
from cagexplain.envs.lookalike.actions import Indices
from cagexplain.envs.lookalike.exchange import Exchange
from cagexplain.envs.lookalike.missing import Entries, View, not_there
from cagexplain.envs.lookalike.parts import Parts
from cagexplain.envs.lookalike.state import StateView, scenario_generator

_BLUE_NUMBER: Final = {name: number for number, name in enumerate(BLUE)}
_ALL: Final = {
    "System info": "All",
    "Sessions": "All",
    "Interfaces": "All",
    "User info": "All",
    "Processes": ["All"],
}


class _NoGenerator(View):
    stands_for = "np_random"


class ControllerView(View):
    """Stands for ``environment_controller``.

    Args:
        api: CybORG's classes.
        exchange: plays the engine.
        steps: length of an episode.
    """

    stands_for = "environment_controller"

    def __init__(self, api: Parts, exchange: Exchange, steps: int) -> None:
        self._api = api
        self._exchange = exchange
        self._steps = steps
        self._indices = Indices(api)
        self.message_length = MESSAGE_BITS
        self.np_random = _NoGenerator()
        self._unplayed = False

    @property
    def scenario_generator(self) -> Any:
        """CybORG's generator of such episodes."""
        return scenario_generator(self._api, self._steps)

    # --- playing ---

    @functools.cached_property
    def state(self) -> StateView:
        """The state; asked for before the first reset, it is that of the first episode."""
        self._begin()
        self._unplayed = True
        state: StateView = self.__dict__["state"]
        return state

    def reset(self) -> None:
        """Begin the next episode."""
        if self._unplayed:  # begun when somebody looked before the first reset
            self._unplayed = False
        else:
            self._begin()

    def _begin(self) -> None:
        record = self._exchange.begin()
        self._first = record.copy()
        self.__dict__["state"] = StateView(self._api, record, self._steps)
        for name in ("init_state", "agent_interfaces"):
            self.__dict__.pop(name, None)
        self.action: dict[str, list[Any]] = {}
        self._in_progress: dict[str, Any] = {}
        self._sent: dict[str, Any] = {}
        self._observations: dict[str, Any] = {}

    def step(self, submitted: dict[str, Any], messages: dict[str, Any]) -> None:
        """Play a step of action objects and messages by agent."""
        if self._unplayed:
            self._unplayed = False
        state = self.state
        indices = np.empty(N_BLUE, np.int64)
        for number, agent in enumerate(BLUE):
            action = submitted.get(agent)
            if action is None:
                action = self._api.Sleep()
            accepted = self.replace_action_if_invalid(action, self.agent_interfaces[agent])
            indices[number] = self._indices.of(number, action, accepted)
            if state.record["blue_action"][number] < 0:
                self._in_progress[agent] = accepted
        bits = self._bits(messages)
        state.advance(self._exchange.step(indices, bits))
        self._sent = messages
        self._observations = {}
        done = state.record["blue_done"].tolist()
        self.action = {
            agent: [self._in_progress[agent] if done[number] >= 0 else self._api.Sleep()]
            for number, agent in enumerate(BLUE)
        }

    def _bits(self, messages: dict[str, Any]) -> npt.NDArray[np.uint8]:
        bits = np.zeros((N_BLUE, MESSAGE_BITS), np.uint8)
        for agent, message in messages.items():
            value = np.asarray(message)
            if agent not in _BLUE_NUMBER or value.shape != (MESSAGE_BITS,):
                raise UsageError(
                    f"a message of shape {value.shape} was sent by {agent}",
                    field="messages",
                    remedy=f"Blue agents send {MESSAGE_BITS} bits",
                )
            if not ((value == 0) | (value == 1)).all():
                raise UsageError(
                    f"the message of {agent} is not made of bits",
                    field="messages",
                    remedy="Send zeros and ones",
                )
            bits[_BLUE_NUMBER[agent]] = value
        return bits

    def replace_action_if_invalid(self, action: Any, interface: Any) -> Any:
        """The action, or the ``InvalidAction`` that CybORG plays for it."""
        controller = self._api.SimulationController
        return controller.replace_action_if_invalid(self, action, interface)

    # --- observations ---

    def get_last_observation(self, agent: str) -> Any:
        """An agent's observation, as an object. Asked a second time, CybORG adds the parts up
        again; so does this."""
        return self.observation_set(agent).get_combined_observation()

    def observation_set(self, agent: str) -> Any:
        """The parts of a blue agent's observation: own action, Monitor, messages."""
        parts = self._observations.get(agent)
        if parts is None:
            parts = self._observations[agent] = self._api.ObservationSet(self._parts(agent))
        return parts

    @property
    def observation(self) -> Any:
        """Parts of the blue agents' observations."""
        sets = {agent: self.observation_set(agent) for agent in BLUE}
        return Entries("environment_controller.observation", sets)

    def _parts(self, agent: str) -> list[Any]:
        if agent not in _BLUE_NUMBER:
            raise not_there(f"get_observation({agent!r})")
        number, s = _BLUE_NUMBER[agent], self.state.record
        if s["step"] == 0:
            return [self.get_agent_state(agent)]
        parts = [self._own_part(s, number), self._monitor_part(agent)]
        received = [self._sent[sender] for sender in sorted(self._sent) if sender != agent]
        if received:
            parts.append(self._api.Observation(msg=received))
        return parts

    def _own_part(self, s: Any, number: int) -> Any:
        api, agent = self._api, BLUE[number]
        if s["blue_done"][number] < 0:
            return api.Observation(api.Enums.TernaryEnum.IN_PROGRESS)
        action = self._in_progress[agent]
        if isinstance(action, api.Sleep):
            part = api.Observation()
        else:
            part = api.Observation(bool(s["blue_outcome"][number] == Outcome.SUCCESS))
        if isinstance(action, api.Analyse):
            newest = int(s["blue_files_newest"][number])
            for kind in (1 - newest, newest):
                if s["blue_files"][number][kind]:
                    part.add_file_info(
                        hostid=action.hostname,
                        name=services.FILE_NAMES[kind],
                        path="/tmp/",
                        density=services.MALICIOUS_DENSITY,
                    )
        elif isinstance(action, api.DeployDecoy) and s["blue_decoy"][number] >= 0:
            name = services.SERVICE_NAMES[s["blue_decoy"][number]]
            factories = {f.SERVICE_NAME: f for f in api.DeployDecoy.CANDIDATE_DECOYS}
            part.add_process(
                hostid=action.hostname,
                pid=int(s["blue_decoy_pid"][number]),
                parent_pid=1,
                username="ubuntu",
                service_name=name,
                properties=factories[name].PROPERTIES,
            )
        part.data["action"] = action
        return part

    def _monitor_part(self, agent: str) -> Any:
        """What the Monitor at the end of the step reports: the parent's host comes last."""
        part = self._api.Observation(True)
        state = self.state
        if state.record["event_n"]:
            for name in state.eventful_hosts(agent):
                self._report(part, name, state.hosts[name].events)
        part.data["action"] = self._api.Monitor(session=0, agent=agent)
        return part

    def _report(self, part: Any, name: str, events: Any) -> None:
        host = self.state.hosts[name]
        if events.old_network_connections:
            part.add_system_info(hostid=name, **host.get_state())
        for event in events.old_network_connections:
            part.add_process(hostid=name, **vars(event))
        if events.old_process_creation:
            part.add_system_info(hostid=name, **host.get_state())
        for event in events.old_process_creation:
            part.add_process(hostid=name, **event)

    # --- what is asked ---

    @functools.cached_property
    def init_state(self) -> dict[str, Any]:
        """The whole true state at the beginning of the episode."""
        first = StateView(self._api, self._first, self._steps)
        data: dict[str, Any] = first.get_true_state({name: dict(_ALL) for name in first.hosts}).data
        return data

    def get_true_state(self, info: Any) -> Any:
        """What CybORG says of hosts."""
        return self.state.get_true_state(info)

    @property
    def INFO_DICT(self) -> dict[str, Any]:
        """What each agent is told of at the beginning."""
        known = {a: self.state.scenario.agents[a].osint["Hosts"] for a in BLUE}
        everything = {"True": {name: dict(_ALL) for name in self.state.hosts}}
        return Entries("environment_controller.INFO_DICT", everything | known)

    def get_agent_state(self, agent: str) -> Any:
        """The true state of what an agent is told of at the beginning."""
        return self.get_true_state(self.INFO_DICT[agent])

    def get_last_action(self, agent: str) -> Any:
        """What an agent's last step played, as a list; None before the first."""
        if agent not in _BLUE_NUMBER:
            raise not_there(f"get_last_action({agent!r})")
        return self.action.get(agent)

    @property
    def reward(self) -> dict[str, dict[str, Any]]:
        """Rewards of the last step by team and cause."""
        s = self.state.record
        rewards: dict[str, dict[str, Any]] = {
            "Blue": {"BlueRewardMachine": int(s["reward_parts"].sum())},
            "Red": {"None": 0.0},
            "Green": {"None": 0.0},
        }
        if s["step"] > 0:
            rewards["Blue"]["action_cost"] = self._action_cost(s)
            for team in ("Red", "Green"):
                rewards[team]["action_cost"] = 0
        return rewards

    def _action_cost(self, s: Any) -> int | float:
        """Added up in CybORG's order, as one of the costs is a fraction."""
        costs = s["action_cost"].tolist()
        submitted = s["blue_submitted"].tolist()
        return sum(
            -INVALID_COST if submitted[number] == actions.INVALID_ACTION[number] else costs[number]
            for number in range(N_BLUE)
        )

    def get_reward(self, agent: str) -> dict[str, Any]:
        """Rewards of an agent's team."""
        return self.reward[agent.split("_")[0].title()]

    @property
    def step_count(self) -> int:
        """Steps played."""
        return int(self.state.record["step"])

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return bool(self.state.record["done"])

    def determine_done(self) -> bool:
        """Likewise."""
        return self.done

    @property
    def hostname_ip_map(self) -> dict[str, Any]:
        """Addresses by host."""
        return self.state.hostname_ip_map

    @property
    def subnet_cidr_map(self) -> dict[Any, Any]:
        """Blocks by subnet."""
        return self.state.subnet_name_to_cidr

    @property
    def team(self) -> dict[str, list[str]]:
        """Agents by team."""
        teams: dict[str, list[str]] = self.state.scenario.team_agents
        return teams

    team_assignments = team

    @property
    def actions_in_progress(self) -> dict[str, Any]:
        """What blue agents are at."""
        s = self.state.record
        running = {
            agent: None
            if s["blue_action"][number] < 0
            else {
                "action": self._in_progress[agent],
                "remaining_ticks": int(s["blue_left"][number]),
            }
            for number, agent in enumerate(BLUE)
        }
        return Entries("environment_controller.actions_in_progress", running)

    @functools.cached_property
    def agent_interfaces(self) -> Entries:
        """What belongs to each blue agent."""
        interfaces = {agent: InterfaceView(self, agent) for agent in BLUE}
        return Entries("environment_controller.agent_interfaces", interfaces)

    def get_action_space(self, agent: str) -> Entries:
        """What an agent may name in its actions."""
        interface: InterfaceView = self.agent_interfaces[agent]
        return interface.get_action_space()

    def get_active_agents(self) -> list[str]:
        """Agents with a session of their own."""
        leading = {
            agent
            for agent, slots in zip(RED, self.state.red_slots, strict=True)
            if any(slot["abstract"] or slot["id"] == 0 for slot in slots)
        }
        return [a for a in self.state.agent_names if a not in RED or a in leading]

    def is_active(self, agent: str) -> bool:
        """Whether an agent has a session of its own."""
        return agent in self.get_active_agents()

    def get_connected_agents(self, agent: str) -> list[str]:
        """Agents that hear an agent's messages: all others that have a session of their own."""
        return [other for other in self.get_active_agents() if other != agent]

    def get_message_space(self, agent: str) -> Any:
        """Space of an agent's messages."""
        del agent
        space = self._api.MultiBinary(self.message_length)
        space._np_random = self.np_random
        return space

    def received(self, agent: str) -> list[Any]:
        """Messages that an agent received in the last step."""
        return [self._sent[sender] for sender in sorted(self._sent) if sender != agent]


class InterfaceView(View):
    """Stands for the interface of one blue agent."""

    stands_for = "environment_controller.agent_interfaces[...]"

    def __init__(self, controller: ControllerView, agent: str) -> None:
        self._controller = controller
        self.agent_name = agent
        self.active, self.internal_only = True, False
        self.scenario = controller.state.scenario
        self.allowed_subnets = self.scenario.agents[agent].allowed_subnets
        self.actions = self.scenario.agents[agent].actions
        self.action_space = self

    @property
    def messages(self) -> list[Any]:
        """Messages that the agent received in the last step."""
        return self._controller.received(self.agent_name)

    @functools.cached_property
    def _space(self) -> Entries:
        state = self._controller.state
        number = _BLUE_NUMBER[self.agent_name]
        own = set(state.subnet_hosts(number))
        entries = {
            "action": dict.fromkeys(self.actions, True),
            "allowed_subnets": self.allowed_subnets,
            "session": {0: True},
            "agent": {self.agent_name: True},
            "hostname": {name: name in own for name in state.hosts},
        }
        return Entries("get_action_space(agent)", entries)

    def get_action_space(self) -> Entries:
        """What the agent may name in its actions."""
        return self._space
