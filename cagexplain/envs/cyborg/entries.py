"""CybORG's complete state in the words of :mod:`cagexplain.envs.full_state`."""

from __future__ import annotations

import enum
import ipaddress
from typing import Any

import numpy as np

from cagexplain.cc4 import network
from cagexplain.cc4.agents import BLUE, BLUE_OF_HOST, RED
from cagexplain.envs.cyborg.world import service_name


def of_cyborg(cyborg: Any) -> dict[str, Any]:
    """The state of a CybORG environment."""
    controller = cyborg.environment_controller
    state = controller.state
    flat: dict[str, Any] = {}
    for agent in RED:
        flat.update(_red(agent, controller, state))
    for agent in (*RED, *BLUE):
        running = controller.actions_in_progress.get(agent)
        if running is not None and type(running["action"]).__name__ != "Sleep":
            flat[f"inprog|{agent}"] = [
                type(running["action"]).__name__,
                running["remaining_ticks"],
            ]
    for zone, blocked in state.blocks.items():
        if blocked:
            flat[f"block|{zone}"] = sorted(blocked)
    for name, host in state.hosts.items():
        flat.update(_host(name, host))
    for agent in BLUE:
        remembered = state.sessions[agent][0].sus_pids
        for name, pids in remembered.items():
            if pids:
                flat[f"sus|{agent}|{name}"] = list(pids)
    return flat


def _red(agent: str, controller: Any, state: Any) -> dict[str, Any]:
    interface = controller.agent_interfaces[agent]
    space = interface.action_space.get_action_space()
    flat: dict[str, Any] = {
        f"active|{agent}": interface.active,
        f"known_sess|{agent}": [ident for ident, known in space["session"].items() if known],
        f"known_subnet|{agent}": sorted(
            str(cidr) for cidr, known in space["subnet"].items() if known
        ),
    }
    for ident, session in state.sessions[agent].items():
        ports = getattr(session, "ports", None)
        flat[f"sess|{agent}|{ident}"] = [
            session.hostname,
            session.username,
            session.pid,
            ports is not None,  # only abstract sessions remember scans
        ]
        for address, scanned in (ports or {}).items():
            if scanned:
                flat[f"ports|{agent}|{ident}|{address}"] = sorted(set(scanned))
    for address, entry in interface.agent.host_states.items():
        flat[f"fsm|{agent}|{address}"] = [entry["state"], entry["hostname"]]
    return flat


def _host(name: str, host: Any) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for process in host.processes:
        listening = sorted(c.local_port for c in process.connections if c.remote_port is None)
        flat[f"proc|{name}|{process.pid}"] = [process.user, listening]
    for service, details in host.services.items():
        flat[f"svc|{name}|{service_name(service)}"] = [
            details.active,
            details.get_service_reliability(),
            details.process,
        ]
    if host.ephemeral_ports:
        flat[f"eph|{name}"] = sorted(set(host.ephemeral_ports))
    if host.files:
        flat[f"files|{name}"] = len(host.files)
    events = host.events
    counts = [
        len(events.network_connections),
        len(events.old_network_connections),
        len(events.process_creation),
        len(events.old_process_creation),
    ]
    if any(counts) and BLUE_OF_HOST[network.host_index(name)] >= 0:
        flat[f"ev|{name}"] = counts
    return flat


def plain(value: Any) -> Any:
    """CybORG's values in plain types: enumerations by name, addresses as text, arrays as lists."""
    match value:
        case enum.Enum():
            return value.name
        case ipaddress.IPv4Address() | ipaddress.IPv4Network():
            return str(value)
        case dict():
            return {str(key): plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [plain(entry) for entry in value]
        case np.ndarray() | np.generic():
            return value.tolist()
    return value
