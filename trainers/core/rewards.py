"""What each agent learns from: the team's reward, its own part of it, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.agents import BLUE_OF_ZONE, BLUE_ZONES, N_BLUE
from cagexplain.cc4.network import CON, N_ZONES
from cagexplain.cc4.reward import CAUSES, RIA

_SHARE: Final = np.array([len(zones) for zones in BLUE_ZONES]) / sum(map(len, BLUE_ZONES))
"""Each agent's share of the seven defended zones."""

_DEFENDED: Final = (BLUE_OF_ZONE[:, np.newaxis] == np.arange(N_BLUE)).astype(np.float64)
"""(zones, agents): whether the agent defends the zone."""
_ANSWERED: Final = np.where(BLUE_OF_ZONE[:, np.newaxis] < 0, 1 / N_BLUE, _DEFENDED)
"""(zones, agents): how much of a zone's penalties each agent answers for, if all are shared out."""
_CONTRACTOR_IMPACTS: Final = np.zeros((len(CAUSES), N_ZONES, N_BLUE))
_CONTRACTOR_IMPACTS[RIA, CON] = 1


@dataclass(frozen=True)
class _Kind:
    """A sum of three parts.

    Attributes:
        team: how much of the team's reward each agent gets.
        parts: (causes, zones, agents) or (zones, agents), how much of which penalties.
        costs: how much of the costs of its own actions.
    """

    team: Any
    parts: Any
    costs: float

    def table(self) -> npt.NDArray[np.float64]:
        """`parts` as (causes * zones, agents)."""
        full = np.broadcast_to(self.parts, (len(CAUSES), N_ZONES, N_BLUE))
        return np.ascontiguousarray(full.reshape(-1, N_BLUE), np.float64)


_KINDS: Final = {
    "global": _Kind(1.0, 0.0, 0.0),
    "individual": _Kind(0.0, _ANSWERED, 1.0),
    "hybrid": _Kind(_SHARE, _ANSWERED, 1.0),
    "no_contractor": _Kind(1.0, -_CONTRACTOR_IMPACTS, 0.0),
    "local": _Kind(0.0, _DEFENDED, 1.0),
}
_TABLES: Final = {name: kind.table() for name, kind in _KINDS.items()}

KINDS: Final = tuple(_KINDS)
OF_THE_TEAM: Final = ("global", "no_contractor")
"""Those that are the same for all agents."""


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

    Two more are ours, not the study's, and leave out what no agent can change. ``no_contractor``:
    everybody gets the team's reward without the Impacts in the contractor network, where blue has
    no hosts and no actions. ``local``: the individual reward without what arises in contractor and
    internet. What an agent's blocks cost users of other zones is in none of its local rewards.

    Args:
        kind: one of `KINDS`.
        reward: (n,) of the team, the sum of the next two.
        reward_parts: (n, 3, 9) penalties by cause and zone.
        action_cost: (n, 5) by agent.
        out: (n, 5), overwritten.
    """
    weights = _KINDS[kind]
    out[:] = reward[:, np.newaxis] * weights.team
    if kind != "global":
        parts = reward_parts.reshape(len(reward), -1)
        out += parts @ _TABLES[kind] + weights.costs * action_cost
