"""What blue agents tell each other: CC4 lets each send 8 bits per step to the four others.

=======  ===========================================================================================
action   the index of the action in progress (below 242), most significant bit first
2bit     bit 0: a malicious process is seen in the zones that the agent defends; bit 1: a malicious
         connection is; the others are zero
8bit     bits 0 to 3 tell about processes, bits 4 to 7 likewise about connections. Agents 0 to 3:
         number of hosts with one, most significant bit first; 16 hosts are told as 15. Agent 4:
         whether there is any at all, then whether there is in each of its zones (alphabetical)
=======  ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import CONNECTION, PROCESS

Kind = Literal["none", "action", "2bit", "8bit"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

_ALERTS: Final = np.stack([PROCESS, CONNECTION]).reshape(2, -1, observations.HOSTS_PER_BLOCK)
"""Entries of the alerts: (process and connection, 7 zones in order of their agents, hosts)."""
_SINGLE: Final = N_BLUE - 1  # agents 0 to 3 have one zone each, agent 4 has the other three


def encode(
    kind: str, obs: npt.NDArray[np.int8], action: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8] | None:
    """The messages that all agents send with their actions.

    Args:
        kind: one of `KINDS`.
        obs: (n, 578), the agents' vectors side by side.
        action: (n, 5), each agent's action in progress after it has chosen.

    Returns:
        (n, 5, 8) bits; None for kind "none".
    """
    if kind == "none":
        return None
    message = _BYTES[kind](obs, action).astype(np.uint8)
    return np.unpackbits(message[..., np.newaxis], axis=-1)


def _two_bits(obs: npt.NDArray[np.int8], action: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    alerts = _alerts(obs)
    bits = np.empty((len(obs), N_BLUE, 2), np.bool_)
    bits[:, :_SINGLE] = alerts[:, :_SINGLE] > 0
    bits[:, _SINGLE] = (alerts[:, _SINGLE:] > 0).any(axis=1)
    number: npt.NDArray[np.int64] = bits @ np.array([128, 64])
    return number


def _eight_bits(obs: npt.NDArray[np.int8], action: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    alerts = _alerts(obs)
    half = np.empty((len(obs), N_BLUE, 2), np.int64)
    half[:, :_SINGLE] = np.minimum(alerts[:, :_SINGLE], 15)
    zones = np.array([4, 2, 1]) @ (alerts[:, _SINGLE:] > 0)
    half[:, _SINGLE] = 8 * (zones > 0) + zones
    number: npt.NDArray[np.int64] = half @ np.array([16, 1])
    return number


def _alerts(obs: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Number of hosts with an alert: (n, 7 zones in order of their agents, 2 kinds)."""
    counts: npt.NDArray[np.int64] = np.count_nonzero(obs[:, _ALERTS], axis=-1)
    return counts.transpose(0, 2, 1)


_BYTES: Final[dict[str, Callable[..., npt.NDArray[np.int64]]]] = {
    "action": lambda obs, action: action,
    "2bit": _two_bits,
    "8bit": _eight_bits,
}
"""Per kind: the message of each agent as a number below 256, (n, 5); bit 0 is worth 128."""
