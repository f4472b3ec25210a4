"""Which FSM state a host is in: the definition that every per-state statistic rests on.

Each red agent keeps its own state per host. The *zone red agent* of a host is the one that owns its
subnet. A host's state is that agent's; as long as that agent does not know the host, it is the most
advanced state that any red agent holds, and ``unknown`` if none does. The codes of
``cagexplain.cc4.red_fsm.State`` ascend with advancement.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import agents, network
from cagexplain.cc4.red_fsm import State

_OWNED: Final = np.flatnonzero(agents.RED_OF_HOST >= 0)
_OWNER: Final = agents.RED_OF_HOST[_OWNED]
_BLUE_HOSTS: Final = [
    np.flatnonzero(np.isin(network.HOST_ZONE, zones)) for zones in agents.BLUE_ZONES
]


def host_states(fsm_state: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """State of each host, from the tables of the red agents.

    Args:
        fsm_state: ``int8[n, 6, 137]`` state code by red agent and host, 0 where it knows nothing.

    Returns:
        ``int8[n, 137]`` state codes.
    """
    states: npt.NDArray[np.int8] = fsm_state.max(axis=1)
    by_owner = fsm_state[:, _OWNER, _OWNED]
    states[:, _OWNED] = np.where(by_owner != State.UNKNOWN, by_owner, states[:, _OWNED])
    return states


def zone_states(states: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Most advanced state among the hosts that each blue agent defends, ``int8[n, 5]``, from the
    states of all hosts, ``int8[n, 137]``.
    """
    return np.stack([states[:, hosts].max(axis=1) for hosts in _BLUE_HOSTS], axis=1)
