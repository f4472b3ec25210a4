"""Blue's raw observations: the dictionaries behind the flat vectors.

They tell what the vectors drop: whether an action is still running and how it ended, the files that
Analyse found, which decoy was deployed, ports, addresses and pids of the events. Keys and nesting
are CybORG's; enumerations are given by name, addresses as text.
"""

from typing import Any

import numpy as np

from cagexplain.cc4 import actions as action_layout
from cagexplain.cc4 import services
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE, BLUE_ZONES_DECLARED, N_BLUE
from cagexplain.cc4.network import HOST_NAMES, HOST_ZONE, HOSTS_PER_ZONE
from cagexplain.cc4.outcome import Outcome
from cagexplain.sim.state import Event

_OS_VERSION = {"UBUNTU": "UNKNOWN", "KALI": "K2019_4"}
_VULNERABLE_LOOKS = ("apache2", "tomcat", "vsftpd")
"""Decoys whose process carries the property ``rfi``."""


def of_record(s: Any, agent: int) -> dict[str, Any]:
    """Raw observation of a blue agent (0..4) after the last step or reset.

    ``success`` is UNKNOWN for Sleep and after a reset, IN_PROGRESS while an action runs (``action``
    is then missing), otherwise TRUE or FALSE. ``message`` holds the four received messages. Every
    other key is a host about which there is something: at first all hosts of the agent's zones with
    its session, later the result of its own action and the events of the step.
    """
    if s["step"] == 0:
        return _initial(s, agent)
    observation = _own_action(s, agent)
    observation["message"] = [
        s["messages"][sender].astype(np.bool_) for sender in range(N_BLUE) if sender != agent
    ]
    _own_result(s, agent, observation)
    _events(s, agent, observation)
    return observation


def success(s: Any, agent: int) -> str:
    """The entry ``success`` of a raw observation alone."""
    return "UNKNOWN" if s["step"] == 0 else str(_own_action(s, agent)["success"])


def _address(s: Any, host: int) -> str:
    return f"10.0.{s['cidr'][HOST_ZONE[host]]}.{s['ip'][host]}"


def _system(s: Any, host: int) -> dict[str, Any]:
    distribution = services.OS_NAMES[s["os"][host]]
    return {
        "Hostname": HOST_NAMES[host],
        "OSType": "LINUX",
        "OSDistribution": distribution,
        "OSVersion": _OS_VERSION[distribution],
        "Architecture": "x64",
        "position": [0.0, 0.0],
    }


def _hosts_of(s: Any, agent: int) -> list[int]:
    return [
        host
        for zone in BLUE_ZONES_DECLARED[agent]
        for host in range(zone * HOSTS_PER_ZONE, (zone + 1) * HOSTS_PER_ZONE)
        if s["exists"][host]
    ]


def _initial(s: Any, agent: int) -> dict[str, Any]:
    hosts = _hosts_of(s, agent)
    parent = int(s["blue_parent"][agent])
    children = [host for host in hosts if host != parent]
    observation: dict[str, Any] = {"success": "UNKNOWN"}
    for host in hosts:
        pid = int(s["blue_pid"][host])
        observation[HOST_NAMES[host]] = {
            "Interface": [
                {
                    "interface_name": "eth0",
                    "ip_address": _address(s, host),
                    "Subnet": f"10.0.{s['cidr'][HOST_ZONE[host]]}.0/24",
                }
            ],
            "Sessions": [
                {
                    "session_id": 0 if host == parent else 1 + children.index(host),
                    "username": "ubuntu",
                    "timeout": 0,
                    "PID": pid,
                    "Type": "VELOCIRAPTOR_SERVER" if host == parent else "UNKNOWN",
                    "agent": BLUE[agent],
                }
            ],
            "Processes": [{"PID": pid, "username": "ubuntu"}],
            "User Info": [
                {"username": "root", "Groups": [{"GID": 0}]},
                {"username": "user", "Groups": [{"GID": 1}]},
            ],
            "System info": _system(s, host),
        }
    return observation


def _target(s: Any, agent: int) -> tuple[ActionKind, int]:
    """Kind and host of the action that completed; what cannot be played is a Sleep."""
    index = int(s["blue_done"][agent])
    host = int(action_layout.ALL_HOST[agent, index])
    if not action_layout.ACCEPTED[agent, index] or (host >= 0 and not s["exists"][host]):
        return ActionKind.SLEEP, -1
    return ActionKind(int(action_layout.ALL_KIND[agent, index])), host


def _own_action(s: Any, agent: int) -> dict[str, Any]:
    if s["blue_done"][agent] < 0:
        return {"success": "IN_PROGRESS"}
    kind, _ = _target(s, agent)
    if kind is ActionKind.SLEEP:
        if s["blue_outcome"][agent] == Outcome.FAILURE:
            return {"success": "FALSE", "action": "InvalidAction"}
        return {"success": "UNKNOWN", "action": "Sleep"}
    success = s["blue_outcome"][agent] == Outcome.SUCCESS
    return {
        "success": "TRUE" if success else "FALSE",
        "action": action_layout.label(agent, int(s["blue_done"][agent])),
    }


def _own_result(s: Any, agent: int, observation: dict[str, Any]) -> None:
    if s["blue_done"][agent] < 0:
        return
    kind, host = _target(s, agent)
    if kind is ActionKind.ANALYSE:
        newest = int(s["blue_files_newest"][agent])
        files = [
            {
                "File Name": services.FILE_NAMES[file],
                "Known File": "UNKNOWN",
                "Path": "/tmp/",
                "Known Path": "TEMP",
                "Density": services.MALICIOUS_DENSITY,
            }
            for file in (1 - newest, newest)
            if s["blue_files"][agent][file]
        ]
        if files:
            observation[HOST_NAMES[host]] = {"Files": files}
    elif kind is ActionKind.DECOY:
        name = services.SERVICE_NAMES[s["blue_decoy"][agent]]
        process = {
            "PID": int(s["blue_decoy_pid"][agent]),
            "PPID": 1,
            "service_name": name,
            "username": "ubuntu",
        }
        if name in _VULNERABLE_LOOKS:
            process["Properties"] = ["rfi"]
        observation[HOST_NAMES[host]] = {"Processes": [process]}


def _connection(s: Any, event: Any) -> dict[str, Any]:
    """Connection details of one event, as the event that caused it recorded them."""
    kind = Event(int(event["kind"]))
    here, other = (_address(s, int(event[key])) for key in ("host", "other"))
    local_port, remote_port = int(event["local_port"]), int(event["remote_port"])
    if kind is Event.LOCAL_WORK_FALSE_POSITIVE:
        return {"local_address": here, "local_port": local_port}
    if kind is Event.ACCESS_FALSE_POSITIVE:
        # Recorded the wrong way round: the user's address is "local" on the server.
        return {"local_address": other, "remote_address": here, "remote_port": remote_port}
    if kind is Event.BRUTE_FORCE_PATH:
        target = _address(s, local_port)
        return {"local_address": target, "remote_address": other, "remote_port": remote_port}
    connection: dict[str, Any] = {"local_address": here}
    if local_port >= 0:
        connection["local_port"] = local_port
    return connection | {"remote_address": other, "remote_port": remote_port}


def _events(s: Any, agent: int, observation: dict[str, Any]) -> None:
    """What the Monitor at the end of the step saw: connections first, then processes."""
    watched = set(_hosts_of(s, agent))
    events = [event for event in s["events"][: s["event_n"]] if int(event["host"]) in watched]
    parent = s["blue_parent"][agent]  # asked last

    def place(event: Any) -> tuple[bool, int, bool]:
        return event["host"] == parent, event["host"], _is_process_event(event)

    for event in sorted(events, key=place):
        host = int(event["host"])
        entry = observation.setdefault(HOST_NAMES[host], {})
        entry.setdefault("System info", _system(s, host))
        processes = entry.setdefault("Processes", [])
        if event["kind"] == Event.EXPLOIT_SESSION:
            processes.append({"PID": int(event["pid"])})
            continue
        connection = _connection(s, event)
        processes += [{"Connections": [dict(connection)]} for _ in range(event["count"])]
        interface = {"ip_address": connection["local_address"]}
        interfaces = entry.setdefault("Interface", [])
        if interface in interfaces:  # mentioned again, it moves to the end
            interfaces.remove(interface)
        interfaces.append(interface)


def _is_process_event(event: Any) -> bool:
    return event["kind"] in (Event.EXPLOIT_SESSION, Event.LOCAL_WORK_FALSE_POSITIVE)
