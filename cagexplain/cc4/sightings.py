"""What blue's raw observations tell beyond the flat vectors, as arrays.

The raw observation of a step has an entry per host on which something was seen. Read with the rules
of CC4, its details tell an exploit from a false alarm, and where an attack came from:

* a process entry that holds only ``PID`` is a session that an exploit has just opened; users' false
  alarms show a connection in its place;
* a connection entry with a ``remote_address`` is an attack from there, unless it is green's: those
  have no ``local_port`` (a user who was refused, by the remote port 8800, or a false alarm), while
  red's lack it only where a host on the path noticed a brute force, whose remote port is 22;
* an attack whose ``local_port`` is a service's, not an ephemeral one, is a scan of the host (or the
  probe and the brute force that follow one).

An agent knows the addresses of its own hosts from its first observation. Others stay "outside".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from cagexplain.cc4 import services
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import N_SLOTS, NONE, SLOT_OF_HOST, SLOT_START
from cagexplain.cc4.network import HOST_NAMES
from cagexplain.common.arrays import BoolArray, Int8Array, Int64Array

UNKNOWN: Final = -1
"""What an Analyse listed, where nobody has told."""
SSH_PORT: Final = 22

_HOST: Final = {name: host for host, name in enumerate(HOST_NAMES)}


class Sightings(NamedTuple):
    """What the agents of ``n`` environments are shown in a step, by agent slot.

    A set of hosts of an agent is an integer, whose bit i stands for the agent's slot number i.

    Attributes:
        exploited: ``bool[n, 112]`` a process entry with only a process id.
        scanned_by: ``int64[n, 112]`` hosts of the same agent that the host was scanned from.
        attacked_by: ``int64[n, 112]`` hosts of the same agent that it was attacked from in any way.
        outside: ``bool[n, 112]`` it was attacked from a host that is not the agent's.
        passed_by: ``int64[n, 5]`` hosts of the agent whose brute force one of its routers noticed.
        listed: ``int8[n, 5]`` files that an Analyse which has just ended listed, one bit per entry
            of ``services.FILE_NAMES``; `UNKNOWN` if none has.
        decoy: ``int8[n, 5]`` service that a DeployDecoy which has just ended deployed, or `NONE`.
    """

    exploited: BoolArray
    scanned_by: Int64Array
    attacked_by: Int64Array
    outside: BoolArray
    passed_by: Int64Array
    listed: Int8Array
    decoy: Int8Array

    @classmethod
    def nothing(cls, n: int) -> Sightings:
        """Of ``n`` environments in which nothing was seen."""
        return cls(
            exploited=np.zeros((n, N_SLOTS), np.bool_),
            scanned_by=np.zeros((n, N_SLOTS), np.int64),
            attacked_by=np.zeros((n, N_SLOTS), np.int64),
            outside=np.zeros((n, N_SLOTS), np.bool_),
            passed_by=np.zeros((n, N_BLUE), np.int64),
            listed=np.full((n, N_BLUE), UNKNOWN, np.int8),
            decoy=np.full((n, N_BLUE), NONE, np.int8),
        )


class Reader:
    """Reads the raw observations of one environment's agents, as CybORG gives them.

    Enumerations may be given by name, addresses as text.

    Args:
        first: the five observations after the reset, which tell the agents' addresses.
    """

    def __init__(self, first: Sequence[Mapping[str, Any]]) -> None:
        self._slot = [
            {
                str(interface["ip_address"]): int(SLOT_OF_HOST[_HOST[name]])
                for name, entry in _hosts(observation)
                for interface in entry.get("Interface", ())
            }
            for observation in first
        ]

    def read(self, raw: Sequence[Mapping[str, Any]]) -> Sightings:
        """What the five observations of a step tell: `Sightings` of one environment."""
        now = Sightings.nothing(1)
        for agent, observation in enumerate(raw):
            self._read(agent, observation, now)
        return now

    def _read(self, agent: int, observation: Mapping[str, Any], now: Sightings) -> None:
        kind = str(observation.get("action", "")).partition(" ")[0]
        success = getattr(observation["success"], "name", observation["success"])
        if kind == "Analyse" and success == "TRUE":
            now.listed[0, agent] = 0
        for name, entry in _hosts(observation):
            slot = int(SLOT_OF_HOST[_HOST[name]])
            for file in entry.get("Files", ()):
                now.listed[0, agent] |= 1 << services.FILE_NAMES.index(file["File Name"])
            for process in entry.get("Processes", ()):
                if "service_name" in process:
                    now.decoy[0, agent] = services.SERVICE_NAMES.index(
                        getattr(process["service_name"], "name", process["service_name"]),
                        services.N_REAL,
                    )
                elif process.keys() == {"PID"}:
                    now.exploited[0, slot] = True
                for connection in process.get("Connections", ()):
                    self._attack(agent, slot, connection, now)

    def _attack(self, agent: int, slot: int, connection: Mapping[str, Any], now: Sightings) -> None:
        remote, port = connection.get("remote_address"), connection.get("local_port")
        if remote is None or (port is None and connection["remote_port"] != SSH_PORT):
            return
        source = self._slot[agent].get(str(remote), NONE)
        if source == NONE:
            if slot != NONE:
                now.outside[0, slot] = True
            return
        bit = 1 << (source - int(SLOT_START[agent]))
        if slot == NONE:
            now.passed_by[0, agent] |= bit
            return
        now.attacked_by[0, slot] |= bit
        if port is not None and port < services.FIRST_EPHEMERAL_PORT:
            now.scanned_by[0, slot] |= bit


def _hosts(observation: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The entries about hosts."""
    return [(name, entry) for name, entry in observation.items() if name in _HOST]
