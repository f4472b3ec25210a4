"""The complete state of one environment as a flat dictionary of named entries.

The same words for both simulators, so that two states can be compared entry by entry and a
difference can be read. ``FAMILIES`` tells what the entries are; a key is the family and its
parameters, joined by ``|``.
"""

from typing import Any

import numpy as np

from cagexplain.cc4 import network, services
from cagexplain.cc4.actions import KIND, KIND_NAMES
from cagexplain.cc4.agents import BLUE, BLUE_OF_HOST, RED
from cagexplain.cc4.network import HOST_NAMES, N_ZONES, ZONES
from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, STATE_NAMES
from cagexplain.sim.state import RED_SESSION

_PORTS = {bit: port for port, bit in services.PORT_BITS.items()}


def address(s: Any, host: int) -> str:
    """IP address of a host."""
    return f"10.0.{s['cidr'][network.HOST_ZONE[host]]}.{s['ip'][host]}"


def cidr(s: Any, zone: int) -> str:
    """CIDR block of a zone."""
    return f"10.0.{s['cidr'][zone]}.0/24"


def _ports(bits: int) -> list[int]:
    return sorted(port for bit, port in _PORTS.items() if bits & bit)


def _active(s: Any, host: int, code: int) -> bool:
    return code != services.Service.OTSERVICE or not s["ot_stopped"][host]


def _processes(s: Any, host: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    name = HOST_NAMES[host]
    for k in range(s["n_real"][host]):
        code = int(s["svc_order"][host, k])
        if _active(s, host, code):
            pid = int(s["svc_pid"][host, code])
            found[f"proc|{name}|{pid}"] = ["user", [int(services.PORT[code])]]
    for pid in (int(s["blue_pid"][host]), int(s["green_pid"][host])):
        if pid:
            found[f"proc|{name}|{pid}"] = ["ubuntu", []]
    node = int(s["proc_head"][host])
    while node >= 0:
        kind, pid = int(s["proc_kind"][node]), int(s["proc_pid"][node])
        if kind == RED_SESSION:
            user = _user(s, int(s["proc_session"][node]))
            found[f"proc|{name}|{pid}"] = [user, []]
        else:
            found[f"proc|{name}|{pid}"] = ["ubuntu", [int(services.PORT[kind])]]
        node = int(s["proc_next"][node])
    return found


def _user(s: Any, slot: int) -> str:
    if s["ses"]["root"][slot]:
        return "root"
    starts = int(s["ses"]["agent"][slot]) == 0 and int(s["ses"]["host"][slot]) == int(
        s["red_start"][0]
    )
    return "ubuntu" if starts and int(s["ses"]["id"][slot]) == 0 else "user"


def of_record(s: Any) -> dict[str, Any]:
    """The state of one of the engine's environments, given its record."""
    flat: dict[str, Any] = {}
    for r, agent in enumerate(RED):
        flat[f"active|{agent}"] = bool(s["red_active"][r])
        flat[f"known_sess|{agent}"] = [int(i) for i in s["known_ids"][: s["known_n"][r], r]]
        flat[f"known_subnet|{agent}"] = sorted(
            cidr(s, zone) for zone in range(N_ZONES) if s["known_zone"][r, zone]
        )
        for k in range(s["map_n"][r]):
            slot = int(s["map_slot"][k, r])
            ident, host = int(s["ses"]["id"][slot]), int(s["ses"]["host"][slot])
            pid = int(s["proc_pid"][s["ses"]["process"][slot]])
            flat[f"sess|{agent}|{ident}"] = [
                HOST_NAMES[host],
                _user(s, slot),
                pid,
                bool(s["ses"]["abstract"][slot]),
            ]
            for target in np.flatnonzero(s["ses_ports"][slot]):
                key = f"ports|{agent}|{ident}|{address(s, int(target))}"
                flat[key] = _ports(int(s["ses_ports"][slot, target]))
        for k in range(s["fsm_n"][r]):
            host = int(s["fsm_order"][r, k])
            name = HOST_NAMES[host] if s["fsm_named"][r, host] else None
            flat[f"fsm|{agent}|{address(s, host)}"] = [STATE_NAMES[s["fsm_state"][r, host]], name]
        if s["red_action"][r] >= 0:
            flat[f"inprog|{agent}"] = [RED_ACTION_NAMES[s["red_action"][r]], int(s["red_left"][r])]
    for b, agent in enumerate(BLUE):
        if s["blue_action"][b] >= 0:
            kind = KIND_NAMES[KIND[b][s["blue_action"][b]]]
            flat[f"inprog|{agent}"] = [kind, int(s["blue_left"][b])]
    for zone in range(N_ZONES):
        blocked = sorted(ZONES[other] for other in np.flatnonzero(s["blocks"][zone]))
        if blocked:
            flat[f"block|{ZONES[zone]}"] = blocked
    for host in np.flatnonzero(s["exists"]).tolist():
        name = HOST_NAMES[host]
        flat.update(_processes(s, host))
        for k in range(s["svc_n"][host]):
            code = int(s["svc_order"][host, k])
            flat[f"svc|{name}|{services.SERVICE_NAMES[code]}"] = [
                _active(s, host, code),
                int(s["svc_reliability"][host, code]),
                int(s["svc_pid"][host, code]),
            ]
        files = int(s["file_count"][host].sum())
        if files:
            flat[f"files|{name}"] = files
        events = [int(s["connection_events"][host]), int(s["process_events"][host])]
        if any(events) and BLUE_OF_HOST[host] >= 0:
            flat[f"ev|{name}"] = [0, events[0], 0, events[1]]
        node, pids = int(s["sus_head"][host]), []
        while node >= 0:
            pids.append(int(s["sus_pid"][node]))
            node = int(s["sus_next"][node])
        if pids:
            flat[f"sus|{BLUE[BLUE_OF_HOST[host]]}|{name}"] = pids
    return flat
