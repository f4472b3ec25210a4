"""Mission phases, where green works in each, and the comms policy shown to blue."""

from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.network import ADM, CON, INT, N_ZONES, OFF, OZA, OZB, PAZ, RZA, RZB

N_PHASES: Final = 3
PHASE_NAMES: Final = ("pre-planning", "mission A", "mission B")
DEFAULT_STEPS: Final = 500
OFFICIAL_UNCOUNTED: Final = 1
"""Rewards at the end of an episode that the official score leaves out: an episode of ``steps`` has
``steps - 1`` calls, and the loop stops before it adds the reward of the call that says done."""


def calls(steps: int) -> int:
    """Number of step calls of an episode: the call number ``steps - 1`` returns done."""
    return steps - 1


def lengths(steps: int) -> tuple[int, int, int]:
    """Calls per phase, were all ``steps`` calls played: a remainder goes to the earlier phases."""
    return (steps + 2) // 3, (steps + 1) // 3, steps // 3


def of_step(t: int, steps: int) -> int:
    """Phase in which call ``t`` (counted from 0) is played."""
    first, second, _ = lengths(steps)
    return 0 if t < first else 1 if t < first + second else 2


_HQ = (PAZ, ADM, OFF)

_GREEN_PARTNERS: Final[tuple[dict[int, tuple[int, ...]], ...]] = (
    {
        **dict.fromkeys(_HQ, (CON, RZA, RZB)),
        CON: (*_HQ, RZA, RZB),
        RZA: (*_HQ, CON, OZA, RZB),
        OZA: (RZA,),
        RZB: (*_HQ, CON, RZA, OZB),
        OZB: (RZB,),
    },
    {
        **dict.fromkeys(_HQ, (CON, RZA, RZB)),
        CON: (*_HQ, RZB),
        RZA: _HQ,
        OZA: (),
        RZB: (*_HQ, CON, OZB),
        OZB: (RZB,),
    },
    {
        **dict.fromkeys(_HQ, (CON, RZA, RZB)),
        CON: (*_HQ, RZA),
        RZA: (*_HQ, CON, OZA),
        OZA: (RZA,),
        RZB: _HQ,
        OZB: (),
    },
)


def _green_reach() -> npt.NDArray[np.bool_]:
    reach = np.zeros((N_PHASES, N_ZONES, N_ZONES), dtype=np.bool_)
    for phase, partners in enumerate(_GREEN_PARTNERS):
        for zone, others in partners.items():
            reach[phase, zone, [zone, *others]] = True
    return reach


GREEN_REACH: Final = _green_reach()
"""``bool[phase, zone, zone]``: a green user of the first zone may access servers of the second."""


def _mission_zones() -> npt.NDArray[np.bool_]:
    zones = np.zeros((N_PHASES, N_ZONES), dtype=np.bool_)
    zones[1, [RZA, OZA]] = zones[2, [RZB, OZB]] = True
    return zones


MISSION_ZONES: Final = _mission_zones()
"""``bool[phase, zone]``: the restricted and the operational zone of the phase's mission."""

RUNNING_OPERATION: Final[npt.NDArray[np.int64]] = np.array([INT, OZA, OZB])
COMING_OPERATION: Final[npt.NDArray[np.int64]] = np.array([OZA, OZB, INT])
"""``int64[phase]``: the operational zone of the mission that runs, and of the next phase's; the
internet, where nothing of the mission is, in a phase without one."""


def _comms_policy() -> npt.NDArray[np.int8]:
    open_zones = (INT, ADM, OFF, PAZ, CON, RZA, RZB)
    pairs = {frozenset((a, b)) for a in open_zones for b in open_zones if a != b}
    pairs |= {frozenset((RZA, OZA)), frozenset((RZB, OZB))}
    closed: tuple[set[frozenset[int]], ...] = (
        set(),
        {frozenset((RZA, zone)) for zone in (OZA, CON, RZB, INT)},
        {frozenset((RZB, zone)) for zone in (OZB, CON, RZA, INT)},
    )
    policy = np.ones((N_PHASES, N_ZONES, N_ZONES), dtype=np.int8)
    for phase in range(N_PHASES):
        for a, b in (sorted(pair) for pair in pairs - closed[phase]):
            policy[phase, a, b] = policy[phase, b, a] = 0
    return policy


COMMS_POLICY: Final = _comms_policy()
"""``int8[phase, zone, zone]``: 1 where traffic should be blocked. Information only: nothing
enforces it, it is not what green uses, and a zone's own entry is always 1."""
