"""Penalties of the blue team."""

from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.network import (
    ADM,
    CON,
    HOST_KIND,
    HOST_ZONE,
    INT,
    N_ZONES,
    OFF,
    OZA,
    OZB,
    PAZ,
    RZA,
    RZB,
    SERVER,
)
from cagexplain.cc4.phases import DEFAULT_STEPS, N_PHASES, calls, of_step

LWF, ASF, RIA = range(3)
CAUSES: Final = ("LWF", "ASF", "RIA")
"""Green local work failed (zone of its host); green access failed (zone of the *accessing* host);
a red Impact came due (zone of its target), whether it succeeded or not."""
CAUSE_NAMES: Final = (*CAUSES, "action_cost")

RESTORE_COST: Final = 1
"""Charged per *submitted* Restore, also while the agent is busy and ignores it."""
INVALID_COST: Final = 0.1
"""Charged per submitted ``InvalidAction`` object; no action of a layout is one."""

_TABLE: Final[dict[int, tuple[tuple[int, int, int], ...]]] = {
    PAZ: ((-1, -1, -3), (-1, -1, -3), (-1, -1, -3)),
    ADM: ((-1, -1, -3), (-1, -1, -3), (-1, -1, -3)),
    OFF: ((-1, -1, -3), (-1, -1, -3), (-1, -1, -3)),
    CON: ((0, -5, -5), (0, 0, 0), (0, 0, 0)),
    RZA: ((-1, -3, -1), (-2, -1, -3), (-1, -3, -3)),
    OZA: ((-1, -1, -1), (-10, 0, -10), (-1, -1, -1)),
    RZB: ((-1, -3, -1), (-1, -1, -1), (-2, -1, -3)),
    OZB: ((-1, -1, -1), (-1, -1, -1), (-10, 0, -10)),
    INT: ((0, 0, -1), (0, 0, 0), (0, 0, 0)),
}


def _table() -> npt.NDArray[np.int32]:
    table = np.zeros((N_PHASES, N_ZONES, len(CAUSES)), dtype=np.int32)
    for zone, rows in _TABLE.items():
        table[:, zone, :] = rows
    return table


TABLE: Final = _table()
"""``int32[phase, zone, cause]``: penalty of one event."""

ZONE_WEIGHT: Final[npt.NDArray[np.int64]] = -TABLE.sum(axis=2, dtype=np.int64)
"""``int64[phase, zone]``: how much the mission suffers in a zone, as the sum of its penalties."""
HOST_WEIGHT: Final[npt.NDArray[np.int64]] = 2 * ZONE_WEIGHT[:, HOST_ZONE] + (HOST_KIND == SERVER)
"""``int64[phase, host]``: rank of a host, by the weight of its zone, then servers, which many users
need and over which red reaches further zones."""
CRITICAL_ZONES: Final[npt.NDArray[np.bool_]] = ZONE_WEIGHT >= 10
"""``bool[phase, zone]``: where penalties sum up to 10 or more: the operational zone of the mission
that runs, and before the missions the contractor's, which blue does not defend."""

STAKES_DELAY: Final = 5
STAKES_HORIZON: Final = 60
"""Steps that a Restore takes, and those after it in which an Impact that it prevents would come."""


def _stakes() -> npt.NDArray[np.int64]:
    steps = np.arange(calls(DEFAULT_STEPS))
    phase = [of_step(int(t), DEFAULT_STEPS) for t in steps]
    window = STAKES_DELAY + STAKES_HORIZON + 1
    cost = np.zeros((N_ZONES, len(steps) + window), np.int64)
    cost[:, : len(steps)] = -TABLE[phase, :, RIA].T
    before = np.concatenate([np.zeros((N_ZONES, 1), np.int64), cost.cumsum(axis=1)], axis=1)
    ahead: npt.NDArray[np.int64] = before[:, steps + window] - before[:, steps + STAKES_DELAY]
    return ahead


STAKES: Final = _stakes()
"""``int64[zone, step]``: points that one Impact per step on a host would cost in the
`STAKES_HORIZON` steps after a Restore that begins in a step of an episode of official length."""
