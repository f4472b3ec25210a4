"""One CybORG environment, watched from outside.

CybORG is driven through ``BlueFlatWrapper`` only. What it does not tell by itself (who started
what, what was dropped, which table entry of red changed why) is read by standing between its
controller and five of the controller's methods; nothing is computed anew that CybORG knows.
"""

from __future__ import annotations

import contextlib
import functools
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import network
from cagexplain.cc4.actions import (
    ALL_FROM_ZONE,
    ALL_HOST,
    ALL_KIND,
    ALL_TO_ZONE,
    HOST_KINDS,
    INVALID_ACTION,
    KIND_NAMES,
    SIZES,
    TRAFFIC_KINDS,
    ActionKind,
)
from cagexplain.cc4.agents import BLUE, BLUE_OF_HOST, N_BLUE, N_RED, RED
from cagexplain.cc4.green import GREEN_ACTION_NAMES, GreenAction, GreenFailure
from cagexplain.cc4.network import HOST_ZONE, N_HOSTS, N_ZONES, ZONES
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.red_fsm import (
    N_RED_ACTIONS,
    RED_ACTION_NAMES,
    STATE_NAMES,
    RedAction,
    State,
)
from cagexplain.cc4.reward import ASF, CAUSES, LWF, RIA
from cagexplain.cc4.services import (
    DECOYS,
    MAX_RELIABILITY,
    OS_NAMES,
    REAL,
    SERVICE_NAMES,
    Service,
)
from cagexplain.cc4.sightings import Reader, Sightings
from cagexplain.envs.cyborg.locate import Api
from cagexplain.envs.cyborg.reds import red_class
from cagexplain.sim.fsm import FIRST_OBSERVED, OWN_SESSION, REASSIGNED, SESSION_LOST
from cagexplain.sim.params import EnvParams

Frame = dict[str, Any]
"""Everything about one environment after a reset or step: the arrays of
:class:`~cagexplain.envs.protocol.Env` and the fields of
:class:`~cagexplain.envs.truth.GroundTruth`, without the leading axis."""

_ANALYSE: Final = KIND_NAMES[ActionKind.ANALYSE]
_RED_ACTION: Final = {name: number for number, name in enumerate(RED_ACTION_NAMES)}
_GREEN_ACTION: Final = {name: number for number, name in enumerate(GREEN_ACTION_NAMES)}
_RED_INDEX: Final = {name: index for index, name in enumerate(RED)}
_BLUE_INDEX: Final = {name: index for index, name in enumerate(BLUE)}
_STATE: Final = {name: code for code, name in enumerate(STATE_NAMES)}
_ZONE: Final = {name: zone for zone, name in enumerate(ZONES)}

_NO_SESSION: Final = -1
"""A session that no agent has: CybORG refuses actions that name it."""

_BRIEF: Final = 60
"""Characters of an argument that are shown."""


def scenario_of(api: Api, params: EnvParams) -> Any:
    """CybORG's generator of the episodes of some parameters; of them it knows length and red."""
    return api.EnterpriseScenarioGenerator(
        blue_agent_class=api.SleepAgent,
        green_agent_class=api.EnterpriseGreenAgent,
        red_agent_class=red_class(api, params.red_table),
        steps=params.steps,
    )


class World:
    """An environment of CybORG, with the same meaning of seeds as the engine."""

    def __init__(self, api: Api, params: EnvParams) -> None:
        self._scenario = scenario_of(api, params)
        self._api = api
        self._talks = params.red == "verbose"
        self.tell: Callable[[str], None] | None = None
        """Is told every random draw from the next seeded reset on: method, arguments, result, and
        which function drew."""
        self.cyborg: Any = None
        self._wrapper: Any = None
        self.raw: dict[str, Any] = {}
        """What each blue agent's last vector was made of. CybORG must not be asked twice: it adds
        the parts of an observation up anew each time."""

    def reset(self, seed: int | None, skip_worlds: int = 0) -> Frame:
        """Start an episode on world ``skip_worlds`` of the seed's generator, or on the next one."""
        with self._hush():
            if seed is not None:
                # The generator is set afresh, so the world of the constructor does not count.
                self.cyborg = self._api.CybORG(self._scenario, seed=0)
                self._wrapper = self._api.BlueFlatWrapper(self.cyborg)
                _stand_before(self._wrapper, "observation_change", self._on_observation)
                self.cyborg.set_seed(seed)
                if self.tell is not None:
                    self.cyborg.np_random = _Talking(self.cyborg.np_random, self.tell)
            # A reset keeps the dump that it asks for, so it must get the real one.
            vars(self.cyborg.environment_controller).pop("get_true_state", None)
            for _ in range(1 + skip_worlds):
                vectors, info = self._wrapper.reset()
        self._watch()
        self._reader = Reader([self.raw[agent] for agent in BLUE])
        return self._frame(vectors, info)

    def sightings(self) -> Sightings:
        """What the agents' raw observations tell, of one environment."""
        return self._reader.read([self.raw[agent] for agent in BLUE])

    def step(self, actions: npt.NDArray[Any], messages: npt.NDArray[Any]) -> Frame:
        """Play one step of actions ``int[5]`` and messages ``int8[5, 8]``."""
        self._begin_step(actions)
        with self._hush():
            vectors, rewards, _, _, info = self._wrapper.step(
                {agent: self._action(b, int(actions[b])) for b, agent in enumerate(BLUE)},
                {agent: messages[b].astype(bool) for b, agent in enumerate(BLUE)},
            )
        self._end_step(rewards)
        return self._frame(vectors, info)

    def _action(self, blue: int, index: int) -> Any:
        """What CybORG is handed for an index: behind the layout, an action object."""
        if index < SIZES[blue]:
            return index
        if index == INVALID_ACTION[blue]:
            return self._api.InvalidAction()
        agent, kind = BLUE[blue], ActionKind(ALL_KIND[blue, index])
        host, to_zone, from_zone = (
            int(table[blue, index]) for table in (ALL_HOST, ALL_TO_ZONE, ALL_FROM_ZONE)
        )
        classes = self._controller.agent_interfaces[agent].action_space.get_action_space()["action"]
        make = {action.__name__: action for action in classes}[KIND_NAMES[kind]]
        session = 0 if host >= 0 or to_zone >= 0 else _NO_SESSION
        if kind in HOST_KINDS:
            return make(session=session, agent=agent, hostname=network.HOST_NAMES[host])
        if kind in TRAFFIC_KINDS:
            zones = {"from_subnet": ZONES[from_zone], "to_subnet": ZONES[to_zone]}
            return make(session=session, agent=agent, **zones)
        return make(session=session, agent=agent)

    def _hush(self) -> contextlib.AbstractContextManager[Any]:
        """Discards what VerboseFSRed prints."""
        return (
            contextlib.redirect_stdout(io.StringIO()) if self._talks else contextlib.nullcontext()
        )

    # --- standing between ------------------------------------------------------------------------

    def _watch(self) -> None:
        """Prepare for a new episode: read the world, wrap the methods that tell what happens."""
        controller = self.cyborg.environment_controller
        self._controller, self._state = controller, controller.state
        self._slot = {str(ip): network.host_index(n) for ip, n in self._state.ip_addresses.items()}
        self._zone_of_cidr = {
            str(cidr): _ZONE[name.lower()] for name, cidr in self._state.subnet_name_to_cidr.items()
        }
        self._hosts = {network.host_index(n): host for n, host in self._state.hosts.items()}
        self._green_host = {
            name: network.host_index(next(iter(sessions.values())).hostname)
            for name, sessions in self._state.sessions.items()
            if name.startswith("green") and sessions
        }
        self._pairs = [(self._hosts[h], h) for h in sorted(self._hosts)]
        self._piled_up = np.zeros((N_HOSTS, 2), dtype=np.int64)
        self._reward = 0.0
        self._facts: Frame = {
            "reward_parts": np.zeros((len(CAUSES), N_ZONES), dtype=np.int32),
            "action_cost": np.zeros(N_BLUE, dtype=np.int32),
            "blue_action": np.full(N_BLUE, -1, dtype=np.int16),
            "blue_ticks": np.zeros(N_BLUE, dtype=np.int8),
            "blue_submitted": np.full(N_BLUE, -1, dtype=np.int16),
            "blue_started": np.zeros(N_BLUE, dtype=np.bool_),
            "blue_done": np.full(N_BLUE, -1, dtype=np.int16),
            "blue_outcome": np.zeros(N_BLUE, dtype=np.int8),
            "blue_found": np.zeros(N_BLUE, dtype=np.int16),
            "red_action": np.full(N_RED, -1, dtype=np.int8),
            "red_target": np.full(N_RED, -1, dtype=np.int16),
            "red_target_zone": np.full(N_RED, -1, dtype=np.int8),
            "green_action": np.full(N_HOSTS, -1, dtype=np.int8),
            "green_failure": np.zeros(N_HOSTS, dtype=np.int8),
            "green_target": np.full(N_HOSTS, -1, dtype=np.int16),
            **_nothing_of_red(),
        }
        self._transitions: list[tuple[int, int, int, int, int]] = []
        self._fixed = {
            "host_exists": np.isin(np.arange(N_HOSTS), list(self._hosts)),
            "host_os": np.zeros(N_HOSTS, dtype=np.int8),
            "services": np.zeros(N_HOSTS, dtype=np.int16),
        }
        for slot, host in self._hosts.items():
            self._fixed["host_os"][slot] = OS_NAMES.index(host.distribution.name)
            for name in host.services:
                service = SERVICE_NAMES.index(service_name(name))
                if service < len(REAL):
                    self._fixed["services"][slot] |= 1 << service
        _stand_before(controller, "get_true_state", _Deferred)
        _stand_before(controller, "_filter_obs", _filtered)
        _stand_before(controller, "replace_action_if_invalid", self._on_choice)
        _stand_before(controller, "sort_action_order", self._on_sort)
        _stand_before(controller, "execute_action", self._on_execution)
        for red, name in enumerate(RED):
            agent = controller.agent_interfaces[name].agent
            _stand_before(agent, "_host_state_transition", self._on_transition(red, agent))
            _stand_before(agent, "_process_new_observations", self._on_sightings(red, agent))
            _stand_before(agent, "_session_removal_state_change", self._on_loss(red, agent))

    def _begin_step(self, actions: npt.NDArray[Any]) -> None:
        facts = self._facts
        facts["blue_submitted"][:] = actions
        facts["blue_started"][:] = facts["blue_action"] < 0
        facts["blue_action"][facts["blue_started"]] = actions[facts["blue_started"]]
        facts["reward_parts"][:] = 0
        for name, value in _nothing_of_red().items():
            facts[name][...] = value
        self._transitions.clear()
        self._dropped: set[str] = set()

    def _on_observation(self, original: Callable[..., Any], agent: str, observation: Any) -> Any:
        self.raw[agent] = observation
        return original(agent, observation)

    def _on_choice(self, original: Callable[..., Any], action: Any, interface: Any) -> Any:
        """An agent's choice is about to be accepted, unless the agent is busy."""
        chosen = original(action, interface)
        name, kind = interface.agent_name, type(chosen).__name__
        if name in self._green_host:
            host = self._green_host[name]
            self._facts["green_action"][host] = _GREEN_ACTION.get(kind, GreenAction.SLEEP)
            self._facts["green_failure"][host] = 0
            self._facts["green_target"][host] = -1
        elif name in _BLUE_INDEX:
            self._facts["action_cost"][_BLUE_INDEX[name]] = action.cost
        elif (
            name in _RED_INDEX
            and kind in _RED_ACTION
            and self._controller.actions_in_progress.get(name) is None
        ):
            red, facts = _RED_INDEX[name], self._facts
            host, zone = self._target(name, chosen)
            facts["red_action"][red] = facts["red_started"][red] = _RED_ACTION[kind]
            facts["red_target"][red] = facts["red_start_host"][red] = host
            facts["red_target_zone"][red] = facts["red_start_zone"][red] = zone
            facts["red_start_source"][red] = self._host_of_session(name, chosen.session)
        return chosen

    def _on_sort(self, original: Callable[..., Any], due: dict[str, list[Any]]) -> Any:
        """What is due in this step; what is missing from the answer is dropped."""
        facts = self._facts
        for name, red in _RED_INDEX.items():
            for action in due.get(name, ()):
                if type(action).__name__ in _RED_ACTION:
                    facts["red_done"][red] = facts["red_action"][red]
                    facts["red_done_host"][red] = facts["red_target"][red]
                    facts["red_done_zone"][red] = facts["red_target_zone"][red]
                    facts["red_done_source"][red] = self._host_of_session(name, action.session)
                    facts["red_outcome"][red] = Outcome.DROPPED
                    facts["red_action"][red] = -1
        result = original(due)
        self._kept = {id(action): name for name, action in result}
        return result

    def _on_execution(self, original: Callable[..., Any], action: Any) -> Any:
        name = self._kept.pop(id(action), None)
        if name in _RED_INDEX and type(action).__name__ in _RED_ACTION:
            red = _RED_INDEX[name]
            before = self._defended_events()
            observed = original(action)
            succeeded = observed.data["success"] == True  # noqa: E712 - a ternary of CybORG's
            self._facts["red_outcome"][red] = Outcome.SUCCESS if succeeded else Outcome.FAILURE
            self._facts["red_detected"][red] = self._defended_events() > before
            return observed
        observed = original(action)
        failed = observed.data["success"] == False  # noqa: E712
        if name in _BLUE_INDEX:
            outcome = Outcome.FAILURE if failed else Outcome.SUCCESS
            self._facts["blue_outcome"][_BLUE_INDEX[name]] = outcome
            if type(action).__name__ == _ANALYSE:
                self._facts["blue_found"][_BLUE_INDEX[name]] = _listed_files(observed.data)
        elif name in self._green_host:
            self._on_green(self._green_host[name], action, failed)
        return observed

    def _on_green(self, host: int, action: Any, failed: bool) -> None:
        access = type(action).__name__ == GREEN_ACTION_NAMES[GreenAction.ACCESS]
        if access:
            self._facts["green_target"][host] = self._slot[str(action.dest_ip)]
        if failed:
            self._facts["green_failure"][host] = (
                GreenFailure.TRAFFIC_BLOCKED if access else GreenFailure.SERVICE_DEGRADED
            )
            self._charge(host, ASF if access else LWF)

    def _on_transition(self, red: int, agent: Any) -> Callable[..., Any]:
        """Red applies its table to the hosts that its last action concerned."""

        def hook(original: Callable[..., Any], action: Any, success: Any) -> Any:
            number = _RED_ACTION.get(type(action).__name__, -1)
            if number < 0 or success.name == "IN_PROGRESS":
                return original(action, success)
            if number == RedAction.DISCOVER_SYSTEMS:
                zone = self._zone_of_cidr[str(action.subnet)]
                concerned = [ip for ip in agent.host_states if HOST_ZONE[self._slot[ip]] == zone]
            else:
                host, _ = self._target(RED[red], action)
                concerned = [ip for ip in agent.host_states if self._slot[ip] == host]
            before = {ip: agent.host_states[ip]["state"] for ip in concerned}
            original(action, success)
            usual = number if success.name == "TRUE" else N_RED_ACTIONS + number
            for ip, state in before.items():
                now = agent.host_states[ip]["state"]
                cause = REASSIGNED if now == "F" != state else usual
                self._note(red, ip, _STATE[state], now, cause)
            return None

        return hook

    def _on_sightings(self, red: int, agent: Any) -> Callable[..., Any]:
        def hook(original: Callable[..., Any], observation: Any) -> None:
            known = set(agent.host_states)
            original(observation)
            for ip, entry in agent.host_states.items():
                if ip not in known:
                    self._note(red, ip, State.UNKNOWN, entry["state"], FIRST_OBSERVED)

        return hook

    def _on_loss(self, red: int, agent: Any) -> Callable[..., Any]:
        def hook(original: Callable[..., Any], observation: Any) -> None:
            before = {ip: entry["state"] for ip, entry in agent.host_states.items()}
            original(observation)
            for ip, state in before.items():
                now = agent.host_states[ip]["state"]
                if now != state:
                    cause = SESSION_LOST if _STATE[state] >= State.U else OWN_SESSION
                    self._note(red, ip, _STATE[state], now, cause)

        return hook

    def _note(self, red: int, ip: str, before: int, now: str, cause: int) -> None:
        self._transitions.append((red, self._slot[ip], before, _STATE[now], cause))

    def _end_step(self, rewards: dict[str, float]) -> None:
        facts, controller = self._facts, self._controller
        self._reward = rewards[BLUE[0]]
        for b, name in enumerate(BLUE):
            running = controller.actions_in_progress.get(name)
            facts["blue_done"][b] = facts["blue_action"][b] if running is None else -1
            facts["blue_ticks"][b] = 0 if running is None else running["remaining_ticks"]
            if running is None:
                facts["blue_action"][b] = -1
            else:
                facts["blue_outcome"][b] = Outcome.NONE
        for red, name in enumerate(RED):
            sessions = self._state.sessions[name].values()
            impact = facts["red_done"][red] == RedAction.IMPACT
            if impact and any(session.active for session in sessions):
                self._charge(int(facts["red_done_host"][red]), RIA)

    def _charge(self, host: int, cause: int) -> None:
        """One penalty, from CybORG's own table for the phase."""
        zone = HOST_ZONE[host]
        machine = self._controller.team_reward_calculators["Blue"]["BlueRewardMachine"]
        table = machine.get_phase_rewards(self._state.mission_phase)
        self._facts["reward_parts"][cause, zone] += table[ZONES[zone]][CAUSES[cause]]

    # --- reading ---------------------------------------------------------------------------------

    def _target(self, name: str, action: Any) -> tuple[int, int]:
        """Host slot (-1: a whole zone) and zone of a red action."""
        if hasattr(action, "subnet"):
            return -1, self._zone_of_cidr[str(action.subnet)]
        if hasattr(action, "ip_address"):
            host = self._slot[str(action.ip_address)]
        else:
            host = network.host_index(action.hostname)
        return host, int(HOST_ZONE[host])

    def _host_of_session(self, name: str, ident: int) -> int:
        session = self._state.sessions[name].get(ident)
        return -1 if session is None else network.host_index(session.hostname)

    def _defended_events(self) -> int:
        return sum(
            len(host.events.network_connections) + len(host.events.process_creation)
            for host, slot in self._pairs
            if BLUE_OF_HOST[slot] >= 0
        )

    def _events(self) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
        """Events of the last step. Blue's Monitor moves those that it sees aside; where it does
        not look they pile up, and the new ones are those beyond the old number."""
        process, connection = (np.zeros(N_HOSTS, dtype=np.int16) for _ in range(2))
        for host, slot in self._pairs:
            events = host.events
            if BLUE_OF_HOST[slot] >= 0:
                process[slot] = len(events.process_creation) + len(events.old_process_creation)
                connection[slot] = len(events.network_connections) + len(
                    events.old_network_connections
                )
            else:
                now = len(events.process_creation), len(events.network_connections)
                process[slot], connection[slot] = now - self._piled_up[slot]
                self._piled_up[slot] = now
        return process, connection

    def _frame(self, vectors: dict[str, Any], info: dict[str, Any]) -> Frame:
        process, connection = self._events()
        level = np.zeros(N_HOSTS, dtype=np.int8)
        fsm = np.zeros((N_RED, N_HOSTS), dtype=np.int8)
        active = np.zeros(N_RED, dtype=np.bool_)
        for red, name in enumerate(RED):
            for session in self._state.sessions[name].values():
                slot = network.host_index(session.hostname)
                level[slot] = max(level[slot], 2 if session.has_privileged_access() else 1)
            interface = self._controller.agent_interfaces[name]
            active[red] = interface.active
            for ip, entry in interface.agent.host_states.items():
                fsm[red, self._slot[ip]] = _STATE[entry["state"]]
        decoys, reliability = np.zeros(N_HOSTS, np.int8), np.full(N_HOSTS, MAX_RELIABILITY, np.int8)
        stopped = np.zeros(N_HOSTS, dtype=np.bool_)
        for host, slot in self._pairs:
            for name, service in host.services.items():
                known = service_name(name)
                decoys[slot] += known in DECOYS
                stopped[slot] |= known == SERVICE_NAMES[Service.OTSERVICE] and not service.active
                points = service.get_service_reliability()
                reliability[slot] = min(reliability[slot], points)
        moves = np.array(self._transitions, dtype=np.int16).reshape(-1, 5)
        return {
            **self._fixed,
            **{name: value.copy() for name, value in self._facts.items()},
            "obs": np.concatenate([vectors[agent] for agent in BLUE]).astype(np.int8),
            "mask": np.concatenate([info[agent]["action_mask"] for agent in BLUE]).astype(np.bool_),
            "free": self._facts["blue_action"] < 0,
            "reward": np.float32(self._reward),
            "phase": np.int8(self._state.mission_phase),
            "step_count": np.int32(self._controller.step_count),
            "done": np.bool_(self._controller.done),
            "host_level": level,
            "decoys": decoys,
            "reliability": reliability,
            "ot_stopped": stopped,
            "fsm_state": fsm,
            "red_active": active,
            "red_busy": self._facts["red_action"] >= 0,
            "process_events": process,
            "connection_events": connection,
            "trans_n": np.int16(len(moves)),
            "trans_agent": moves[:, 0].astype(np.int8),
            "trans_host": moves[:, 1],
            "trans_from": moves[:, 2].astype(np.int8),
            "trans_to": moves[:, 3].astype(np.int8),
            "trans_cause": moves[:, 4].astype(np.int8),
        }


def _listed_files(data: dict[str, Any]) -> int:
    """Kinds of files in the answer to an Analyse, which lists none but those that red left."""
    hosts = (entry for entry in data.values() if isinstance(entry, dict))
    return len({file["File Name"] for entry in hosts for file in entry.get("Files", ())})


def service_name(name: Any) -> str:
    """A service's name as our tables spell it (CybORG uses enumerations and plain text)."""
    return str(getattr(name, "name", name))


def _nothing_of_red() -> Frame:
    """What a step in which red does nothing says of it."""
    return {
        "red_started": np.full(N_RED, -1, dtype=np.int8),
        "red_start_host": np.full(N_RED, -1, dtype=np.int16),
        "red_start_zone": np.full(N_RED, -1, dtype=np.int8),
        "red_start_source": np.full(N_RED, -1, dtype=np.int16),
        "red_done": np.full(N_RED, -1, dtype=np.int8),
        "red_outcome": np.zeros(N_RED, dtype=np.int8),
        "red_done_host": np.full(N_RED, -1, dtype=np.int16),
        "red_done_zone": np.full(N_RED, -1, dtype=np.int8),
        "red_done_source": np.full(N_RED, -1, dtype=np.int16),
        "red_detected": np.zeros(N_RED, dtype=np.bool_),
    }


class _Talking(np.random.Generator):
    """The same generator, which tells what is drawn from it."""

    def __init__(self, silent: np.random.Generator, tell: Callable[[str], None]) -> None:
        super().__init__(silent.bit_generator)
        self._tell = tell

    def _draw(self, method: str, *arguments: Any, **named: Any) -> Any:
        result = getattr(super(), method)(*arguments, **named)
        parameters = ", ".join(
            [*map(_brief, arguments), *(f"{k}={_brief(v)}" for k, v in named.items())]
        )
        drawer = sys._getframe(2).f_code.co_qualname
        self._tell(f"{method}({parameters}) -> {_brief(result)} in {drawer}")
        return result

    def choice(self, *arguments: Any, **named: Any) -> Any:
        return self._draw("choice", *arguments, **named)

    def integers(self, *arguments: Any, **named: Any) -> Any:
        return self._draw("integers", *arguments, **named)

    def random(self, *arguments: Any, **named: Any) -> Any:
        return self._draw("random", *arguments, **named)

    def shuffle(self, *arguments: Any, **named: Any) -> Any:
        return self._draw("shuffle", *arguments, **named)


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}..."


class _Deferred(Mapping[str, Any]):
    """CybORG's dump of its whole state, made when somebody reads it.

    CybORG makes three of them in a step, for reward calculators that do not look at them; that is
    half of its time. One that does look (in a modified CybORG) finds what it would have found.
    """

    def __init__(self, original: Callable[..., Any], *arguments: Any) -> None:
        self._make = functools.partial(original, *arguments)
        self._filters: list[dict[str, Any]] = []
        self._dump: Any = None

    def filter_addresses(self, **options: Any) -> None:
        """Noted, to be applied to the dump."""
        self._filters.append(options)

    @property
    def data(self) -> _Deferred:
        """The dump's dictionary."""
        return self

    def _loaded(self) -> Any:
        if self._dump is None:
            self._dump = self._make()
            for options in self._filters:
                self._dump.filter_addresses(**options)
        return self._dump.data

    def __getitem__(self, key: str) -> Any:
        return self._loaded()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())


def _filtered(original: Callable[..., Any], observation: Any, *arguments: Any) -> Any:
    """CybORG's filter of addresses, where there are any: it spends a fifth of its time filtering
    observations that name no host."""
    if not isinstance(observation, _Deferred) and not any(
        isinstance(entry, dict) or hasattr(entry, "filter_addresses")
        for entry in observation.data.values()
    ):
        return observation
    return original(observation, *arguments)


def _stand_before(target: Any, method: str, hook: Callable[..., Any]) -> None:
    """Let ``hook(original, *arguments)`` answer in place of a method of one object."""
    vars(target).pop(method, None)  # the controller outlives an episode: do not pile up
    original = getattr(target, method)
    setattr(target, method, functools.partial(hook, original))
