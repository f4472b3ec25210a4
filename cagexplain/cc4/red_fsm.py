"""Red's finite-state machine: states, actions, transition table.

Each red agent keeps one state per host that it knows. K: known; S: services scanned; U: user
session; R: root session; F: finished, a foreign host whose session was handed over. The suffix D
("discovered") says that the host's subnet has been swept while the host was known, or that a
session on it was lost; it only changes red's choice of actions.
"""

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt


class State(IntEnum):
    """FSM states; a larger code is a more advanced state."""

    UNKNOWN = 0
    F = 1
    K = 2
    KD = 3
    S = 4
    SD = 5
    U = 6
    UD = 7
    R = 8
    RD = 9


STATE_NAMES: Final = ("unknown", "F", "K", "KD", "S", "SD", "U", "UD", "R", "RD")
N_STATES: Final = len(State)


class RedAction(IntEnum):
    """Red's actions by their number in the FSM tables."""

    DISCOVER_SYSTEMS = 0
    AGGRESSIVE_SCAN = 1
    STEALTH_SCAN = 2
    DISCOVER_DECEPTION = 3
    EXPLOIT = 4
    ESCALATE = 5
    IMPACT = 6
    DEGRADE = 7
    WITHDRAW = 8


RED_ACTION_NAMES: Final = (
    "DiscoverRemoteSystems",
    "AggressiveServiceDiscovery",
    "StealthServiceDiscovery",
    "DiscoverDeception",
    "ExploitRemoteService",
    "PrivilegeEscalate",
    "Impact",
    "DegradeServices",
    "Withdraw",
)
N_RED_ACTIONS: Final = len(RED_ACTION_NAMES)

RED_DURATION: Final[npt.NDArray[np.int8]] = np.array([1, 1, 3, 2, 4, 2, 2, 2, 1], dtype=np.int8)
"""Steps an action takes, by action number."""

CHOICE_ORDER: Final = (0, 1, 2, 4, 5, 7, 3, 6, 8)
"""Order in which the simulator lists the actions when it draws one."""


def _table(rows: dict[State, str]) -> npt.NDArray[np.int8]:
    table = np.full((N_STATES, N_RED_ACTIONS), -1, dtype=np.int8)
    for state, row in rows.items():
        for action, name in enumerate(row.split()):
            if name != "-":
                table[state, action] = State[name]
    return table


SUCCESS: Final = _table(
    {
        State.K: "KD S S - - - - - -",
        State.KD: "KD SD SD - - - - - -",
        State.S: "SD - - S U - - - -",
        State.SD: "SD - - SD UD - - - -",
        State.U: "UD - - - - R - - S",
        State.UD: "UD - - - - RD - - SD",
        State.R: "RD - - - - - R R S",
        State.RD: "RD - - - - - RD RD SD",
        State.F: "F - - - - - - - -",
    }
)
"""``int8[state, action]``: state after a successful action; -1: no entry, the state stays. After a
failure the state stays everywhere."""

KNOWN_SERVER_PREFERENCE: Final = 0.75
"""Probability of preferring servers whose names are known, where a red does so (DiscoveryFSRed)."""
