"""CybORG's state, as a view of the engine's record."""

from __future__ import annotations

import copy
import functools
from typing import Any, Final

import numpy as np

from cagexplain.cc4 import phases
from cagexplain.cc4.agents import BLUE, BLUE_OF_HOST, BLUE_ZONES_DECLARED, RED, RED_ZONES
from cagexplain.cc4.network import HOST_NAMES, HOST_ZONE, N_ZONES, ZONES
from cagexplain.envs.lookalike import hosts as host_views
from cagexplain.envs.lookalike.history import History, monitored
from cagexplain.envs.lookalike.missing import View, not_there
from cagexplain.envs.lookalike.parts import ACTION_CLASSES, Parts

_USER: Final = "ubuntu"
_KNOWN_AT_FIRST: Final = {"Interfaces": "All", "System info": "All", "User info": "All"}


_NOT_KEPT: Final = {
    "Session": ("parent", "children"),
    "RedAbstractSession": ("children", "ports", "operating_system", "ot_service"),
}
"""Attributes of red's sessions that the engine does not keep, by class: whose child an exploit's
session is, what red has learnt."""


def _no_attribute(name: str) -> Any:
    def missing(session: Any) -> Any:
        raise not_there(f"Session.{name}", "of a session of red is not known to the engine")

    return property(missing, lambda session, value: None)


@functools.cache
def _red_class(api: type, leads: bool) -> type:
    """A session of red. Whoever takes the place of a lost first one has no parent, and so has what
    was not made by an exploit.

    Args:
        api: class of CybORG.
        leads: whether it is its agent's first one.
    """
    names = [name for name in _NOT_KEPT[api.__name__] if not (leads and name == "parent")]
    return type(api.__name__, (api,), {name: _no_attribute(name) for name in names})


class StateView(View):
    """Stands for ``environment_controller.state`` in one episode.

    Args:
        api: CybORG's classes.
        record: after the reset.
        steps: length of the episode.
    """

    stands_for = "environment_controller.state"

    def __init__(self, api: Parts, record: Any, steps: int) -> None:
        self._api = api
        self._steps = steps
        self.record = record
        self.history = History()
        self._reader = host_views.Reader(api, self)
        self._existing = np.flatnonzero(record["exists"]).tolist()
        self.operational_firewall = False
        self._red_sessions: dict[str, dict[int, Any]] | None = None

    def advance(self, record: Any) -> None:
        """There is a newer record."""
        self.record = record
        self.history.note(record)
        for host in self._newly_restored():
            self._restore_sessions(host)
        self._reader.forget()
        self._red_sessions = None
        self.__dict__.pop("red_slots", None)

    def _newly_restored(self) -> list[int]:
        before, now = self._restorations, self.history.n_restored
        restored = [host for host in now if now[host] != before.get(host, 0)]
        if restored:
            self.__dict__["_restorations"] = dict(now)
        return restored

    @functools.cached_property
    def _restorations(self) -> dict[int, int]:
        return {}

    # --- the world ---

    @functools.cached_property
    def subnet_name_to_cidr(self) -> dict[Any, Any]:
        """Blocks by the enumeration of subnets."""
        names = list(self._api.SUBNET)
        return {names[zone]: host_views.cidr(self.record, zone) for zone in range(N_ZONES)}

    @functools.cached_property
    def subnets_cidr_to_name(self) -> dict[Any, Any]:
        """The other way round."""
        return {block: name for name, block in self.subnet_name_to_cidr.items()}

    @functools.cached_property
    def hostname_ip_map(self) -> dict[str, Any]:
        """Addresses by host."""
        return {HOST_NAMES[host]: host_views.address(self.record, host) for host in self._existing}

    @functools.cached_property
    def ip_addresses(self) -> dict[Any, str]:
        """Hosts by address."""
        return {ip: name for name, ip in self.hostname_ip_map.items()}

    @functools.cached_property
    def hostname_subnet_map(self) -> dict[str, Any]:
        """Subnets by host."""
        names = list(self._api.SUBNET)
        return {HOST_NAMES[host]: names[HOST_ZONE[host]] for host in self._existing}

    @functools.cached_property
    def scenario(self) -> Any:
        """The scenario that the world was made from."""
        api = self._api
        generator = scenario_generator(api, self._steps)
        agents = {}
        for number, name in enumerate(BLUE):
            known = {
                HOST_NAMES[host]: dict(_KNOWN_AT_FIRST) | {"Sessions": name}
                for host in self.hosts_of_zones(BLUE_ZONES_DECLARED[number])
            }
            agents[name] = api.ScenarioAgent(
                name,
                "Blue",
                list(self.sessions[name].values()),
                [getattr(api, kind) for kind in ACTION_CLASSES],
                {"Hosts": known},
                [ZONES[zone] for zone in BLUE_ZONES_DECLARED[number]],
                None,
                True,
                (api.Monitor, {"session": 0, "agent": name}),
            )
        teams = {
            "Blue": list(BLUE),
            "Red": list(RED),
            "Green": [name for name in self.agent_names if name.startswith("green")],
        }
        for number, name in enumerate(RED):
            agents[name] = _Bare(name, "Red", [ZONES[zone] for zone in RED_ZONES[number]])
        for name in teams["Green"]:
            zone = HOST_ZONE[self._green_hosts[name]]
            agents[name] = _Bare(name, "Green", [ZONES[zone]])
        agents_in_order = {name: agents[name] for name in self.agent_names}
        return api.Scenario(
            agents=agents_in_order,
            team_calcs=None,
            team_agents=teams,
            hosts=self.hosts,
            subnets=self.subnets_by_name,
            mission_phases=phases.lengths(self._steps),
            allowed_subnets_per_mphase=generator._set_allowed_subnets_per_mission_phase(),
            predeployed=False,
            max_bandwidth=generator.MAX_BANDWIDTH,
        )

    @functools.cached_property
    def subnets_by_name(self) -> dict[Any, Any]:
        """Subnets as the scenario has them."""
        blank = _blank_subnets(self._api)
        subnets = {}
        for zone, name in enumerate(self._api.SUBNET):
            subnet = subnets[name] = copy.copy(blank[name])
            subnet.hosts = [HOST_NAMES[host] for host in self.hosts_of_zones((zone,))]
            subnet.ip_addresses = [self.hostname_ip_map[host] for host in subnet.hosts]
            subnet.size = len(subnet.hosts)
            subnet.cidr = self.subnet_name_to_cidr[name]
        return subnets

    @functools.cached_property
    def subnets(self) -> dict[Any, Any]:
        """Subnets by their blocks."""
        return {subnet.cidr: subnet for subnet in self.subnets_by_name.values()}

    def hosts_of_zones(self, zones: tuple[int, ...]) -> list[int]:
        """Hosts that exist in some zones, zone by zone."""
        return [host for zone in zones for host in self._existing if HOST_ZONE[host] == zone]

    # --- agents and their sessions ---

    @functools.cached_property
    def _green_hosts(self) -> dict[str, int]:
        hosts = self.record["green_host"][: self.record["n_green"]].tolist()
        return {f"green_agent_{k}": host for k, host in enumerate(hosts)}

    @functools.cached_property
    def agent_names(self) -> tuple[str, ...]:
        """All agents, in the scenario's order."""
        return (*BLUE, *self._green_hosts, *RED)

    @functools.cached_property
    def _residents(self) -> dict[str, dict[int, Any]]:
        """Sessions of blue and green, which nobody ends; a restoration changes their order."""
        s, api = self.record, self._api
        sessions: dict[str, dict[int, Any]] = {}
        for number, agent in enumerate(BLUE):
            hosts = self.hosts_of_zones(BLUE_ZONES_DECLARED[number])
            parent = int(s["blue_parent"][number])
            of_agent = sessions[agent] = {}
            order = [parent, *(host for host in hosts if host != parent)]
            for ident, host in enumerate(order):
                leads = host == parent
                of_agent[ident] = (api.VelociraptorServer if leads else api.Session)(
                    name=f"blue_session_{number}_{hosts.index(host)}",
                    username=_USER,
                    session_type="VelociraptorServer" if leads else "blue_session",
                    hostname=HOST_NAMES[host],
                    pid=int(s["blue_pid"][host]),
                    ident=ident,
                    agent=agent,
                    parent=None if leads else 0,
                    num_children=len(hosts) - 1 if leads else None,
                )
            of_agent[0].children = {k: child for k, child in of_agent.items() if k > 0}
        for k, (agent, host) in enumerate(self._green_hosts.items()):
            session = api.Session(
                name=f"green_session_{k + 1}",
                username=_USER,
                session_type="green_session",
                hostname=HOST_NAMES[host],
                pid=int(s["green_pid"][host]),
                ident=0,
                agent=agent,
            )
            sessions[agent] = {0: session}
        return sessions

    @functools.cached_property
    def resident(self) -> dict[int, list[tuple[str, int]]]:
        """Agent and id of blue's and green's sessions, by host."""
        slots: dict[int, list[tuple[str, int]]] = {host: [] for host in self._existing}
        names = {HOST_NAMES[host]: host for host in self._existing}
        for agent, sessions in self._residents.items():
            for ident, session in sessions.items():
                slots[names[session.hostname]].append((agent, ident))
        return slots

    def _restore_sessions(self, host: int) -> None:
        """A restoration takes a host's sessions out of the lists and puts them back at the end."""
        for agent, ident in self.resident[host]:
            sessions = self._residents[agent]
            sessions[ident] = sessions.pop(ident)

    def blue_session_on(self, host: int) -> Any:
        """The session of the blue agent that defends a host."""
        agent, ident = next((agent, ident) for agent, ident in self.resident[host] if agent in BLUE)
        return self._residents[agent][ident]

    @functools.cached_property
    def red_slots(self) -> list[list[Any]]:
        """Session entries of each red agent, in its order."""
        s = self.record
        return [
            [s["ses"][slot] for slot in s["map_slot"][: s["map_n"][r], r].tolist()]
            for r in range(len(RED))
        ]

    @property
    def sessions(self) -> dict[str, dict[int, Any]]:
        """Sessions by agent and id."""
        if self._red_sessions is None:
            self._remember_suspicious()
            red = {
                agent: {int(slot["id"]): self._red_session(agent, slot) for slot in slots}
                for agent, slots in zip(RED, self.red_slots, strict=True)
            }
            self._red_sessions = {**self._residents, **red}
        return self._red_sessions

    def _remember_suspicious(self) -> None:
        s = self.record
        for agent in BLUE:
            self._residents[agent][0].sus_pids = {}
        for host in self.history.suspicious:
            pids = [int(s["sus_pid"][node]) for node in host_views.nodes(s, host, "sus")]
            leading = self._residents[BLUE[BLUE_OF_HOST[host]]][0]
            leading.sus_pids[HOST_NAMES[host]] = pids

    @property
    def sessions_count(self) -> dict[str, int]:
        """Number of sessions by agent."""
        raise not_there("environment_controller.state.sessions_count")

    def _red_session(self, agent: str, slot: Any) -> Any:
        api, s = self._api, self.record
        host, pid = int(slot["host"]), int(s["proc_pid"][slot["process"]])
        starts = self._starts(slot)
        common = {
            "ident": int(slot["id"]),
            "hostname": HOST_NAMES[host],
            "username": self.user(slot),
            "agent": agent,
            "pid": pid,
        }
        leads = bool(slot["id"] == 0)
        if slot["abstract"]:
            return _red_class(api.RedAbstractSession, leads)(
                **common,
                session_type="RedAbstractSession",
                name="red_session_0" if starts else None,
            )
        exploit = self.history.exploits.get((host, pid), -1)
        kind = host_views.EXPLOIT_SESSION_TYPE.get(exploit, "red_reverse_shell")  # type: ignore[call-overload]
        return _red_class(api.Session, leads)(**common, session_type=kind)

    def _starts(self, slot: Any) -> bool:
        """Whether it is the session that red begins with."""
        entry = (int(slot["agent"]), int(slot["host"]), int(slot["id"]))
        return entry == (0, int(self.record["red_start"][0]), 0)

    def user(self, slot: Any) -> str:
        """User of a red session."""
        if slot["root"]:
            return "root"
        return _USER if self._starts(slot) else "user"

    # --- hosts ---

    def eventful_hosts(self, agent: str) -> list[str]:
        """Hosts whose events an agent's Monitor reports: the parent session's comes last."""
        number = BLUE.index(agent)
        hosts = [host for host in self._reader.eventful if BLUE_OF_HOST[host] == number]
        return [HOST_NAMES[host] for host in monitored(self.record, hosts)]

    def subnet_hosts(self, agent: int) -> list[str]:
        """Names of the hosts in a blue agent's zones."""
        return [HOST_NAMES[host] for host in self.hosts_of_zones(BLUE_ZONES_DECLARED[agent])]

    @functools.cached_property
    def _pristine(self) -> dict[int, Any]:
        """Hosts as they were made, with the sessions of the beginning and their backup."""
        api, s = self._api, self.record
        hosts = {host: host_views.pristine(api, s, host) for host in self._existing}
        for host, pristine in hosts.items():
            sessions: dict[str, list[int]] = {agent: [] for agent in self.agent_names}
            for agent, ident in self.resident[host]:
                sessions[agent].append(ident)
                session = self._residents[agent][ident]
                process = api.Process(
                    pid=session.pid,
                    process_name=session.session_type,
                    username=session.username,
                )
                pristine.processes.append(process)
            pristine.sessions = sessions
            pristine.create_backup()
        return hosts

    @property
    def originals(self) -> dict[int, list[Any]]:
        """Processes that hosts were made with."""
        return {host: pristine.processes for host, pristine in self._pristine.items()}

    def restored_processes(self, host: int) -> list[Any]:
        """Processes that a restoration brings back."""
        backup = copy.copy(self._pristine[host])
        backup.restore()
        processes: list[Any] = backup.processes
        return processes

    @functools.cached_property
    def hosts(self) -> dict[str, Any]:
        """Hosts by name."""
        kind = host_views.host_class(self._api.Host)
        hosts = {}
        for host, pristine in self._pristine.items():
            view: Any = object.__new__(kind)
            fixed = {k: v for k, v in vars(pristine).items() if not hasattr(kind, k)}
            view.__dict__.update(fixed, reader=self._reader, slot=host)
            hosts[HOST_NAMES[host]] = view
        return hosts

    # --- what changes ---

    @property
    def mission_phase(self) -> int:
        """0, 1 or 2."""
        return int(self.record["phase"])

    @property
    def blocks(self) -> dict[str, list[str]]:
        """Blocked sources by destination."""
        return self.history.blocks

    def get_true_state(self, info: Any) -> Any:
        """What CybORG says of hosts; see its ``State.get_true_state``."""
        return self._api.State.get_true_state(self, info)


class _Bare(View):
    """Stands for the scenario's entry of a red or green agent."""

    stands_for = "scenario.agents[...]"

    def __init__(self, name: str, team: str, allowed_subnets: list[str]) -> None:
        self.name, self.team, self.allowed_subnets = name, team, allowed_subnets
        self.starting_sessions: list[Any] = []


@functools.cache
def _generator(generator: type, steps: int) -> Any:
    return generator(steps=steps)


def scenario_generator(api: Parts, steps: int) -> Any:
    """CybORG's generator of such episodes."""
    return _generator(api.EnterpriseScenarioGenerator, steps)


class _First:
    """A generator that takes the first of everything."""

    def choice(self, n: int) -> int:
        del n
        return 0


def _blank_subnets(api: Parts) -> dict[Any, Any]:
    """The scenario's subnets, with access lists, in no particular world."""
    return _blank(api.EnterpriseScenarioGenerator)


@functools.cache
def _blank(generator: type) -> dict[Any, Any]:
    maker = generator()
    maker.np_random = _First()
    subnets: dict[Any, Any] = maker._generate_subnets()
    return subnets
