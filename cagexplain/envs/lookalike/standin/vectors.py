"""The official flat vectors, read from a record."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import observations
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.network import ALPHABETICAL, N_ZONES
from cagexplain.cc4.observations import BLOCK, HOSTS_PER_BLOCK
from cagexplain.cc4.phases import COMMS_POLICY

_RANKED: Final = list(ALPHABETICAL)


def of_record(s: Any, agent: int) -> npt.NDArray[np.int64]:
    """A blue agent's vector after the last step or reset: ``int64[92]``, of agent 4 ``[210]``."""
    hosts = observations.HOSTS[agent].reshape(-1, HOSTS_PER_BLOCK)
    blocks = np.zeros((len(BLUE_ZONES[agent]), BLOCK), dtype=np.int64)
    for block, zone, slots in zip(blocks, BLUE_ZONES[agent], hosts, strict=True):
        parts = np.split(block, np.cumsum([N_ZONES, N_ZONES, N_ZONES, HOSTS_PER_BLOCK]))
        which, blocked, prohibited, process, connection = parts
        which[observations.RANK[zone]] = 1
        blocked[:] = s["blocks"][zone][_RANKED]
        prohibited[:] = COMMS_POLICY[s["phase"], zone][_RANKED]
        process[:] = s["process_events"][slots] > 0
        connection[:] = s["connection_events"][slots] > 0
    heard = [s["messages"][sender] for sender in range(N_BLUE) if sender != agent]
    return np.concatenate([[int(s["phase"])], blocks.ravel(), *heard], dtype=np.int64)
