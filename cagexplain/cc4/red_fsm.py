"""Red's finite-state machine: states, actions, transition table, variants.

Each red agent keeps one state per host that it knows. K: known; S: services scanned; U: user
session; R: root session; F: finished, a foreign host whose session was handed over. The suffix D
("discovered") says that the host's subnet has been swept while the host was known, or that a
session on it was lost; it only changes red's choice of actions.
"""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Variant:
    """How a red agent chooses: the host by state weight, the action by state.

    ``probability`` is ``float64[state, action]``; ``state_weight`` is ``float64[state]``, or
    ``None`` for a uniform choice of the host among all that are not F.
    """

    name: str
    summary: str
    probability: npt.NDArray[np.float64]
    state_weight: npt.NDArray[np.float64] | None = None


Rows = dict[State, dict[int, float]]
"""By state, the probability of each action that red may take."""

FINITE_STATE: Final[Rows] = {
    State.K: {0: 0.5, 1: 0.25, 2: 0.25},
    State.KD: {1: 0.5, 2: 0.5},
    State.S: {0: 0.25, 3: 0.25, 4: 0.5},
    State.SD: {3: 0.25, 4: 0.75},
    State.U: {0: 0.5, 5: 0.5},
    State.UD: {5: 1.0},
    State.R: {0: 0.5, 6: 0.25, 7: 0.25},
    State.RD: {6: 0.5, 7: 0.5},
}

DISCOVERY: Final[Rows] = {
    State.K: {0: 0.25, 1: 0.75},
    State.KD: {1: 1.0},
    State.S: {0: 0.25, 4: 0.75},
    State.SD: {4: 1.0},
    State.U: {5: 1.0},
    State.UD: {5: 1.0},
    State.R: {0: 1.0},
    State.RD: {6: 0.5, 7: 0.5},
}

_DISCOVERY_WEIGHTS: Final = {
    State.K: 20.0,
    State.KD: 20.0,
    State.S: 20.0,
    State.SD: 20.0,
    State.U: 10.0,
    State.UD: 10.0,
}

KNOWN_SERVER_PREFERENCE: Final = 0.75
"""DiscoveryFSRed: probability of preferring servers whose names are known."""


def _move(rows: Rows, source: int, target: int) -> Rows:
    """The same rows with all probability of one action moved to another."""
    moved = {state: dict(row) for state, row in rows.items()}
    for row in moved.values():
        if source in row:
            row[target] = row.get(target, 0.0) + row.pop(source)
    return moved


def variant(
    name: str, summary: str, rows: Rows, weights: dict[State, float] | None = None
) -> Variant:
    """A variant of red from its rows.

    Args:
        name, summary: as `Variant` has them.
        rows: of each state but F.
        weights: of the states, for the choice of the host; None chooses uniformly.
    """
    probability = np.zeros((N_STATES, N_RED_ACTIONS))
    for state, row in rows.items():
        for action, value in row.items():
            probability[state, action] = value
    state_weight = None
    if weights is not None:
        state_weight = np.zeros(N_STATES)
        for state, weight in weights.items():
            state_weight[state] = weight
    return Variant(name, summary, probability, state_weight)


VARIANTS: Final[dict[str, Variant]] = {
    each.name: each
    for each in (
        variant("finite_state", "FiniteStateRedAgent, the official evaluation's red", FINITE_STATE),
        variant("verbose", "VerboseFSRed: the same behaviour, it only prints", FINITE_STATE),
        variant(
            "discovery",
            "DiscoveryFSRed: explores first, prefers servers it knows by name",
            DISCOVERY,
            _DISCOVERY_WEIGHTS,
        ),
        variant("aggressive", "only the aggressive scan", _move(FINITE_STATE, 2, 1)),
        variant("stealthy", "only the stealth scan", _move(FINITE_STATE, 1, 2)),
        variant("impact", "Impact in place of Degrade", _move(FINITE_STATE, 7, 6)),
        variant("degrade", "Degrade in place of Impact", _move(FINITE_STATE, 6, 7)),
    )
}
"""``aggressive``, ``stealthy`` and ``impact`` are those of Singh et al. 2024 (arXiv 2410.17351),
``degrade`` that of Castro et al. 2025 (arXiv 2505.04843), all as changes of the action table."""
