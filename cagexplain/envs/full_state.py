"""The complete state of one environment as a flat dictionary of named entries.

The same words for both simulators, so that two states can be compared entry by entry and a
difference can be read. A key is the entry's family and its parameters, joined by ``|``:

| family | value |
|---|---|
| ``sess`` red agent, id | host, user, pid, whether the session is abstract |
| ``known_sess`` red agent | ids that it may use as source, in the order in which it learnt them |
| ``known_subnet`` red agent | blocks that it may sweep |
| ``ports`` red agent, session id, address | ports that scans of this session found |
| ``fsm`` red agent, address | state in its table, host name if it knows it |
| ``active`` red agent | whether it acts |
| ``inprog`` red or blue agent | action in progress, steps left |
| ``svc`` host, service | active, reliability in %, pid; decoys in lower case |
| ``proc`` host, pid | user, ports it listens on |
| ``files`` host | number of files |
| ``eph`` host | ephemeral ports taken since the last Restore |
| ``ev`` host | new and seen connection events, new and seen process events, where blue watches |
| ``sus`` blue agent, host | pids that its Monitor remembers |
| ``block`` subnet | subnets whose traffic to it is blocked |

What is not an entry, and why, stands in :data:`LEFT_OUT`.
"""

from typing import Any, Final

import numpy as np

from cagexplain.cc4 import network, services
from cagexplain.cc4.actions import ALL_KIND, KIND_NAMES
from cagexplain.cc4.agents import BLUE, BLUE_OF_HOST, RED
from cagexplain.cc4.network import HOST_NAMES, N_ZONES, ZONES
from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, STATE_NAMES
from cagexplain.sim.state import RED_SESSION

LEFT_OUT: Final = {
    "names and kinds of processes": "follow from the service or session that the process serves",
    "addresses and host names that red may use": "follow from its table, which is compared",
    "decoy pids that red believes in": "stored under a key that is never looked up: no effect",
    "sessions of blue and green": "made with the world, never changed",
    "events where no blue agent watches": "pile up for ever without effect; the number of new "
    "ones in each step is compared",
    "density and properties of files": "constant; the files that Analyse reports are compared",
    "bandwidth, routes": "CC4's limits are never reached",
}
"""State of CybORG that is not compared, and the reason."""

_PORTS = {bit: port for port, bit in services.PORT_BITS.items()}


def address(s: Any, host: int) -> str:
    """IP address of a host."""
    return f"10.0.{s['cidr'][network.HOST_ZONE[host]]}.{s['ip'][host]}"


def cidr(s: Any, zone: int) -> str:
    """CIDR block of a zone."""
    return f"10.0.{s['cidr'][zone]}.0/24"


def _ports(bits: int) -> list[int]:
    return sorted(port for bit, port in _PORTS.items() if bits & bit)


def _ephemeral(words: Any) -> list[int]:
    if not words.any():
        return []
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
    return [services.FIRST_EPHEMERAL_PORT + int(port) for port in np.flatnonzero(bits)]


def _active(s: Any, host: int, code: int) -> bool:
    return code != services.Service.OTSERVICE or not s["ot_stopped"][host]


def _processes(s: Any, host: int) -> dict[str, Any]:
    processes: dict[str, Any] = {}
    name = HOST_NAMES[host]
    for k in range(s["n_real"][host]):
        code = s["svc_order"][host][k]
        if _active(s, host, code):
            pid = s["svc_pid"][host][code]
            processes[f"proc|{name}|{pid}"] = ["user", [int(services.PORT[code])]]
    for pid in (s["blue_pid"][host], s["green_pid"][host]):
        if pid:
            processes[f"proc|{name}|{pid}"] = ["ubuntu", []]
    node = s["proc_head"][host]
    while node >= 0:
        kind, pid = s["proc_kind"][node], s["proc_pid"][node]
        if kind == RED_SESSION:
            user = _user(s, s["proc_session"][node])
            processes[f"proc|{name}|{pid}"] = [user, []]
        else:
            processes[f"proc|{name}|{pid}"] = ["ubuntu", [int(services.PORT[kind])]]
        node = s["proc_next"][node]
    return processes


def _user(s: Any, slot: int) -> str:
    if s["ses"]["root"][slot]:
        return "root"
    session = {name: s["ses"][name][slot] for name in ("agent", "host", "id")}
    starts = session == {"agent": 0, "host": s["red_start"][0], "id": 0}
    return "ubuntu" if starts else "user"


class _Lists(dict[str, Any]):
    """A record's fields as plain lists, made when asked for: reading an array element by element
    is many times slower."""

    def __init__(self, record: Any) -> None:
        super().__init__()
        self.record = record

    def __missing__(self, name: str) -> Any:
        column = self.record[name]
        self[name] = column.tolist() if column.dtype.names is None else _Lists(column)
        return self[name]


def of_record(record: Any) -> dict[str, Any]:
    """The state of one of the engine's environments, given its record."""
    s = _Lists(record)
    flat: dict[str, Any] = {}
    for r, agent in enumerate(RED):
        flat[f"active|{agent}"] = bool(s["red_active"][r])
        flat[f"known_sess|{agent}"] = [row[r] for row in s["known_ids"][: s["known_n"][r]]]
        flat[f"known_subnet|{agent}"] = sorted(
            cidr(s, zone) for zone in range(N_ZONES) if s["known_zone"][r][zone]
        )
        for k in range(s["map_n"][r]):
            slot = s["map_slot"][k][r]
            ident, host = s["ses"]["id"][slot], s["ses"]["host"][slot]
            pid = s["proc_pid"][s["ses"]["process"][slot]]
            flat[f"sess|{agent}|{ident}"] = [
                HOST_NAMES[host],
                _user(s, slot),
                pid,
                bool(s["ses"]["abstract"][slot]),
            ]
            scanned = record["ses_ports"][slot]
            for target in np.flatnonzero(scanned).tolist():
                flat[f"ports|{agent}|{ident}|{address(s, target)}"] = _ports(int(scanned[target]))
        for k in range(s["fsm_n"][r]):
            host = s["fsm_order"][r][k]
            name = HOST_NAMES[host] if s["fsm_named"][r][host] else None
            flat[f"fsm|{agent}|{address(s, host)}"] = [STATE_NAMES[s["fsm_state"][r][host]], name]
        if s["red_action"][r] >= 0:
            flat[f"inprog|{agent}"] = [RED_ACTION_NAMES[s["red_action"][r]], s["red_left"][r]]
    for b, agent in enumerate(BLUE):
        if s["blue_action"][b] >= 0:
            kind = KIND_NAMES[ALL_KIND[b, s["blue_action"][b]]]
            flat[f"inprog|{agent}"] = [kind, s["blue_left"][b]]
    for zone in range(N_ZONES):
        blocked = sorted(ZONES[other] for other in np.flatnonzero(s["blocks"][zone]))
        if blocked:
            flat[f"block|{ZONES[zone]}"] = blocked
    for host in np.flatnonzero(s["exists"]).tolist():
        name = HOST_NAMES[host]
        flat.update(_processes(s, host))
        for k in range(s["svc_n"][host]):
            code = s["svc_order"][host][k]
            flat[f"svc|{name}|{services.SERVICE_NAMES[code]}"] = [
                _active(s, host, code),
                s["svc_reliability"][host][code],
                s["svc_pid"][host][code],
            ]
        taken = _ephemeral(record["ports_used"][host])
        if taken:
            flat[f"eph|{name}"] = taken
        files = sum(s["file_count"][host])
        if files:
            flat[f"files|{name}"] = files
        events = [s["connection_events"][host], s["process_events"][host]]
        if any(events) and BLUE_OF_HOST[host] >= 0:
            flat[f"ev|{name}"] = [0, events[0], 0, events[1]]
        node, pids = s["sus_head"][host], []
        while node >= 0:
            pids.append(s["sus_pid"][node])
            node = s["sus_next"][node]
        if pids:
            flat[f"sus|{BLUE[BLUE_OF_HOST[host]]}|{name}"] = pids
    return flat
