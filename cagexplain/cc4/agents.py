"""Blue and red agents and the zones they defend or own."""

from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.network import (
    ADM,
    ALPHABETICAL,
    CON,
    HOST_ZONE,
    N_ZONES,
    OFF,
    OZA,
    OZB,
    PAZ,
    RZA,
    RZB,
)

N_BLUE: Final = 5
N_RED: Final = 6
BLUE: Final = tuple(f"blue_agent_{i}" for i in range(N_BLUE))
RED: Final = tuple(f"red_agent_{i}" for i in range(N_RED))

BLUE_ZONES_DECLARED: Final = ((RZA,), (OZA,), (RZB,), (OZB,), (PAZ, ADM, OFF))
"""Zones each blue agent defends, in the order in which the generator creates its sessions."""

BLUE_ZONES: Final = tuple(
    tuple(zone for zone in ALPHABETICAL if zone in zones) for zones in BLUE_ZONES_DECLARED
)
"""The same zones in the wrappers' (alphabetical) order."""

RED_ZONES: Final = ((CON,), (RZA,), (OZA,), (RZB,), (OZB,), (PAZ, ADM, OFF))
"""Zones each red agent owns. A session elsewhere is handed over to the owner of its zone."""


def _agent_of_zone(zones_of_agents: tuple[tuple[int, ...], ...]) -> npt.NDArray[np.int8]:
    owner = np.full(N_ZONES, -1, dtype=np.int8)
    for agent, zones in enumerate(zones_of_agents):
        for zone in zones:
            owner[zone] = agent
    return owner


BLUE_OF_ZONE: Final = _agent_of_zone(BLUE_ZONES)
"""``int8[9]``: blue agent that defends a zone; -1 for contractor and internet."""

RED_OF_ZONE: Final = _agent_of_zone(RED_ZONES)
"""``int8[9]``: red agent that owns a zone; -1 for the internet."""

BLUE_OF_HOST: Final[npt.NDArray[np.int8]] = BLUE_OF_ZONE[HOST_ZONE]
RED_OF_HOST: Final[npt.NDArray[np.int8]] = RED_OF_ZONE[HOST_ZONE]
