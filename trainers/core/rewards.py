"""What each agent learns from: the team's reward, its own part of it, or both."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.agents import BLUE_OF_ZONE, BLUE_ZONES, N_BLUE

_SHARE: Final = np.array([len(zones) for zones in BLUE_ZONES]) / sum(map(len, BLUE_ZONES))
"""Each agent's share of the seven defended zones."""

_TEAM: Final[dict[str, Any]] = {"global": 1.0, "individual": 0.0, "hybrid": _SHARE}
"""How much of the team's reward each agent gets."""

KINDS: Final = tuple(_TEAM)

_OWNERS: Final = np.where(
    BLUE_OF_ZONE[:, np.newaxis] < 0, 1 / N_BLUE, BLUE_OF_ZONE[:, np.newaxis] == np.arange(N_BLUE)
)
"""(zones, agents): how much of a zone's penalties each agent answers for."""


def per_agent(
    kind: str,
    reward: npt.NDArray[np.float32],
    reward_parts: npt.NDArray[np.int32],
    action_cost: npt.NDArray[np.int32],
    out: npt.NDArray[np.float32],
) -> None:
    """Split the reward of a step.

    ``global``: everybody gets the team's reward. ``individual``: an agent gets the penalties that
    arise in the zones it defends, and the costs of its own actions. Nobody defends contractor and
    internet; their penalties are shared equally, so that the individual rewards sum to the team's
    reward. (The study's published code charges them to agent 4, which then also learns from what
    happens where it cannot act.) ``hybrid``: the individual reward plus the team's, scaled with
    the agent's share of the seven defended zones (1/7 for agents 0 to 3, 3/7 for agent 4); it
    sums to twice the team's reward.

    Args:
        kind: one of `KINDS`.
        reward: (n,) of the team, the sum of the next two.
        reward_parts: (n, 3, 9) penalties by cause and zone.
        action_cost: (n, 5) by agent.
        out: (n, 5), overwritten.
    """
    out[:] = reward[:, np.newaxis] * _TEAM[kind]
    if kind != "global":
        out += reward_parts.sum(axis=1) @ _OWNERS + action_cost
