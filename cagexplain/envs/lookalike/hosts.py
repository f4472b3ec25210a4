"""Hosts of a world as objects of CybORG's class whose changing parts are read from the record."""

from __future__ import annotations

import functools
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from cagexplain.cc4 import network, services
from cagexplain.cc4.agents import BLUE_OF_HOST, RED
from cagexplain.cc4.network import HOST_NAMES, HOST_ZONE, INTERNET_HOST, ROUTER_LINKS, ROUTER_SLOT
from cagexplain.cc4.services import Exploit, Service
from cagexplain.envs.lookalike.missing import not_there
from cagexplain.envs.lookalike.parts import Parts
from cagexplain.sim.state import RED_SESSION, Event

_OS_VERSION: Final = {"UBUNTU": "22.04.2 LTS", "KALI": "K2019_4"}
_SERVICE_PATH: Final = "/ usr / sbin"
_TEMP: Final = "/tmp/"
REVERSE_SHELL_PORT: Final = 4444
_PROCESS_TYPE: Final = {
    Service.SSHD: "SSH",
    Service.OTSERVICE: "UNKNOWN",
    Service.APACHE2: "WEBSERVER",
    Service.MYSQLD: "MYSQL",
    Service.SMTP: "SMTP",
}
_FALSE_PROCESS: Final = int(Event.LOCAL_WORK_FALSE_POSITIVE)
_FALSE_ACCESS: Final = int(Event.ACCESS_FALSE_POSITIVE)
_ON_PATH: Final = int(Event.BRUTE_FORCE_PATH)
_EXPLOIT_SESSION: Final = int(Event.EXPLOIT_SESSION)
_WATCHED: Final = (BLUE_OF_HOST >= 0).tolist()
_HOST: Final = 3
"""Place of the host in an event as a tuple."""
_CHANGING: Final = ("events", "ephemeral_ports", "files", "processes", "services", "sessions")
"""Attributes of a host that the record decides."""


def address(s: Any, host: int) -> IPv4Address:
    """IP address of a host."""
    return IPv4Address(f"10.0.{s['cidr'][HOST_ZONE[host]]}.{s['ip'][host]}")


def cidr(s: Any, zone: int) -> IPv4Network:
    """Block of a subnet."""
    return IPv4Network(f"10.0.{s['cidr'][zone]}.0/24")


def nodes(s: Any, host: int, kind: str = "proc") -> list[int]:
    """Nodes of one of a host's linked lists: ``proc``esses made after the reset, or ``sus``picious
    pids that blue remembers."""
    chain: list[int] = []
    node = int(s[f"{kind}_head"][host])
    while node >= 0:
        chain.append(node)
        node = int(s[f"{kind}_next"][node])
    return chain


def _data_links(host: int) -> list[str]:
    zone = int(HOST_ZONE[host])
    router = network.router_of(zone)
    if host != router:
        return [HOST_NAMES[router]]
    neighbours = [b if a == zone else a for a, b in ROUTER_LINKS if zone in (a, b)]
    return [HOST_NAMES[network.router_of(neighbour)] for neighbour in neighbours]


def _info(host: int) -> dict[str, dict[str, str]]:
    zone = int(HOST_ZONE[host])
    if host == INTERNET_HOST or host != network.server(zone):
        return {}
    return {
        HOST_NAMES[network.server(other)]: {"Interfaces": "ip_address"}
        for other in network.INFO_LINKS[zone]
    }


@functools.cache
def host_class(api: type) -> type:
    """A subclass of CybORG's host that asks its state for what changes.

    Args:
        api: CybORG's class.
    """

    def reader(name: str) -> property:
        return property(lambda host: host.reader.read(name, host.slot))

    return type("Host", (api,), {name: reader(name) for name in _CHANGING})


def pristine(api: Parts, s: Any, host: int) -> Any:
    """A host as the scenario generator makes it, without sessions."""
    name = HOST_NAMES[host]
    distribution = services.OS_NAMES[s["os"][host]]
    serves = host != INTERNET_HOST and host % network.HOSTS_PER_ZONE != ROUTER_SLOT
    real = s["svc_order"][host][: s["n_real"][host]].tolist()
    pids = {code: int(s["svc_pid"][host][code]) for code in real}
    return api.Host(
        np_random=None,
        hostname=name,
        host_type="",
        system_info={
            "OSType": "LINUX",
            "Architecture": api.Enums.Architecture.x64,
            "OSDistribution": distribution,
            "OSVersion": _OS_VERSION[distribution],
        },
        interfaces=[
            api.Interface(
                name="eth0",
                ip_address=address(s, host),
                subnet=cidr(s, int(HOST_ZONE[host])),
                interface_type="wired",
                data_links=_data_links(host),
                swarm=False,
            )
        ],
        info=_info(host) or None,
        users=[
            api.User(groups=[{"GID": 0, "Group Name": "root"}], uid=0, username="root"),
            api.User(
                groups=[{"GID": 1, "Group Name": "user"}],
                uid=1000,
                username="user",
                bruteforceable=True,
            ),
        ],
        services={_service_key(api, code): api.Service(process=pids[code]) for code in real}
        if serves
        else None,
        processes=[_service_process(api, code, pids[code]) for code in real] if serves else None,
        respond_to_ping=serves,
    )


def _service_key(api: Parts, code: int) -> Any:
    """The key of a service: an enumeration's member for real ones, a text for decoys."""
    name = services.SERVICE_NAMES[code]
    return getattr(api.Enums.ProcessName, name) if code < services.N_REAL else name


def _service_process(api: Parts, code: int, pid: int) -> Any:
    process = api.Process(
        process_name=_service_key(api, code),
        pid=pid,
        path=_SERVICE_PATH,
        username="user",
        open_ports=[{"local_address": "0.0.0.0", "local_port": int(services.PORT[code])}],
        process_type=getattr(api.Enums.ProcessType, _PROCESS_TYPE[Service(code)]),
    )
    if code == Service.SMTP:
        process.version = api.Enums.ProcessVersion.HARAKA_2_8_9
    return process


class Reader:
    """Reads the changing parts of hosts from the newest record, each at most once a step.

    Args:
        api: CybORG's classes.
        state: the state that the hosts belong to.
    """

    def __init__(self, api: Parts, state: Any) -> None:
        self._api = api
        self._state = state
        self._cache: dict[tuple[str, int], Any] = {}
        self._quiet: dict[int, Any] = {}
        self._eventful: dict[int, Any] | None = None
        self._piled: dict[int, Any] = {}
        self._taken: dict[int, int] = {}
        self._addresses: dict[int, IPv4Address] = {}

    def forget(self) -> None:
        """There is a newer record."""
        self._cache.clear()
        self._eventful = None

    def read(self, name: str, host: int) -> Any:
        """An attribute of a host."""
        if name == "events":  # asked for hundreds of times a step
            return self._events(host)
        key = name, host
        if key not in self._cache:
            self._cache[key] = getattr(self, f"_{name}")(host)
        return self._cache[key]

    # --- events ---

    def _events(self, host: int) -> Any:
        events = (self._eventful or self.eventful).get(host)
        if events is None:
            events = self._quiet.get(host)
            if events is None:
                events = self._quiet[host] = self._api.HostEvents()
        return events

    @property
    def eventful(self) -> dict[int, Any]:
        """Events of hosts that have any. Where a blue agent watches, its Monitor has moved them
        aside; elsewhere they pile up."""
        if self._eventful is None:
            s = self._state.record
            self._eventful = eventful = dict(self._piles())
            for event in s["events"][: s["event_n"]].tolist():
                host = event[_HOST]
                if _WATCHED[host]:
                    if host not in eventful:
                        eventful[host] = self._api.HostEvents()
                    events = eventful[host]
                    self._add(event, events.old_network_connections, events.old_process_creation)
        return self._eventful

    def _piles(self) -> dict[int, Any]:
        for host, pile in self._state.history.piled_up.items():
            events = self._piled.setdefault(host, self._api.HostEvents())
            for event in pile[self._taken.get(host, 0) :]:
                self._add(event, events.network_connections, events.process_creation)
            self._taken[host] = len(pile)
        return self._piled

    def _add(self, event: tuple[int, ...], connections: list[Any], processes: list[Any]) -> None:
        """Adds one of the engine's events, as a tuple, to CybORG's."""
        pid, local_port, remote_port, host, partner, kind, count = event
        here, other = self.address(host), self.address(partner)
        ends: dict[str, Any]
        if kind == _FALSE_PROCESS:
            processes.append({"local_address": here, "local_port": local_port})
            return
        if kind == _EXPLOIT_SESSION:
            connection = {
                "local_address": here,
                "local_port": local_port,
                "remote_address": other,
                "remote_port": REVERSE_SHELL_PORT,
            }
            processes.append({"pid": pid, "Connections": [connection]})
            return
        if kind == _FALSE_ACCESS:
            ends = {"local_address": other, "remote_address": here}
        elif kind == _ON_PATH:  # the target is a host of its own
            ends = {"local_address": self.address(local_port), "remote_address": other}
        else:
            ends = {"local_address": here, "remote_address": other}
            if local_port >= 0:
                ends["local_port"] = local_port
        for _ in range(count):
            connections.append(self._api.NetworkConnection(**ends, remote_port=remote_port))

    def address(self, host: int) -> IPv4Address:
        """IP address of a host."""
        known = self._addresses.get(host)
        if known is None:
            known = self._addresses[host] = address(self._state.record, host)
        return known

    # --- the rest ---

    def _ephemeral_ports(self, host: int) -> Any:
        raise not_there("Host.ephemeral_ports", "in its order is not known to the engine")

    def _sessions(self, host: int) -> dict[str, list[int]]:
        state = self._state
        sessions: dict[str, list[int]] = {agent: [] for agent in state.agent_names}
        for agent, ident in state.resident[host]:
            sessions[agent].append(ident)
        for agent, slots in zip(RED, state.red_slots, strict=True):
            for slot in slots:
                if slot["host"] == host:  # the first session is listed first
                    place = 0 if slot["id"] == 0 else len(sessions[agent])
                    sessions[agent].insert(place, int(slot["id"]))
        return sessions

    def _files(self, host: int) -> list[Any]:
        users = ("user", "root")
        return [
            self._api.File(
                name=services.FILE_NAMES[kind],
                path=_TEMP,
                user=self._state.hosts[HOST_NAMES[host]].get_user(users[kind]),
                user_permissions=7,
                density=services.MALICIOUS_DENSITY,
                signed=False,
            )
            for kind in self._state.history.files.get(host, ())
        ]

    def _services(self, host: int) -> dict[Any, Any]:
        s, api = self._state.record, self._api
        entries = {}
        for code in s["svc_order"][host][: s["svc_n"][host]].tolist():
            active = code != Service.OTSERVICE or not s["ot_stopped"][host]
            session = None
            if code >= services.N_REAL:
                session = self._state.blue_session_on(host)
            service = api.Service(int(s["svc_pid"][host][code]), active=active, session=session)
            service._percent_reliable = int(s["svc_reliability"][host][code])
            entries[_service_key(api, code)] = service
        return entries

    def _processes(self, host: int) -> list[Any]:
        s, state = self._state.record, self._state
        original = state.originals[host]
        if host in state.history.n_restored:
            original = state.restored_processes(host)
        stopped = int(s["svc_pid"][host][Service.OTSERVICE]) if s["ot_stopped"][host] else None
        processes = [process for process in original if process.pid != stopped]
        for node in nodes(s, host):
            kind, pid = int(s["proc_kind"][node]), int(s["proc_pid"][node])
            if kind == RED_SESSION:
                processes.append(self._red_process(s, host, int(s["proc_session"][node]), pid))
            else:
                processes.append(self._decoy_process(kind, pid))
        return processes

    def _red_process(self, s: Any, host: int, slot: int, pid: int) -> Any:
        api, history, user = self._api, self._state.history, self._state.user(s["ses"][slot])
        if (host, pid) in history.exploits:
            process = api.Process(
                pid=pid,
                process_name=services.FILE_NAMES[0],
                parent_pid=1,
                path=_TEMP,
                username=user,
            )
        else:
            process = api.Process(
                pid=pid,
                process_name=api.Enums.SessionType.RED_ABSTRACT_SESSION,
                username=user,
            )
        for here, port, there, remote_port in history.connections.get((host, pid), ()):
            process.connections.append(
                api.NetworkConnection(
                    local_address=self.address(here),
                    local_port=port,
                    remote_address=self.address(there),
                    remote_port=remote_port,
                    application_protocol="tcp",
                )
            )
        return process

    def _decoy_process(self, kind: int, pid: int) -> Any:
        api = self._api
        factories = {factory.SERVICE_NAME: factory for factory in api.DeployDecoy.CANDIDATE_DECOYS}
        decoy = factories[services.SERVICE_NAMES[kind]].make_decoy(None)
        return api.Process(
            pid=pid,
            process_name=decoy.name,
            parent_pid=1,
            username="ubuntu",
            process_version=decoy.version,
            process_type=decoy.process_type,
            open_ports=decoy.open_ports,
            decoy_type=api.DeployDecoy.DECOY_TYPE,
            properties=decoy.properties,
        )


EXPLOIT_SESSION_TYPE: Final = {Exploit.SSH_BRUTE_FORCE: "SSH"}
"""Type of the session that an exploit makes, where it is no reverse shell."""
