"""A policy that also submits what lies behind the layouts of actions."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, network
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted.base import Scripted


def _groups(agent: int) -> list[npt.NDArray[np.int64]]:
    """Indices behind the layout: on routers of the agent, on traffic, without a target, any."""
    behind = np.arange(actions.SIZES[agent], actions.ALL_SIZES[agent])
    host, to_zone = (table[agent, behind] for table in (actions.ALL_HOST, actions.ALL_TO_ZONE))
    routers = [network.router_of(zone) for zone in BLUE_ZONES[agent]]
    nameless = (host < 0) & (to_zone < 0)
    return [behind[np.isin(host, routers)], behind[to_zone >= 0], behind[nameless], behind]


GROUPS = tuple(_groups(agent) for agent in range(N_BLUE))


def mixed(generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """A random action per agent: half of them of the layout, half behind it."""
    chosen = generator.integers(actions.SIZES)
    for agent in np.flatnonzero(generator.random(N_BLUE) < 0.5):
        group = GROUPS[agent][generator.integers(len(GROUPS[agent]))]
        chosen[agent] = generator.choice(group)
    return chosen


class Beyond(Scripted):
    """Random actions of the layouts and behind them, busy or not."""

    state: ClassVar[tuple[str, ...]] = ("_generators",)

    def begin(self, mask: BoolArray) -> None:
        self.reseed()

    def reseed(self) -> None:
        self._generators = [np.random.default_rng(seed) for seed in self._seeds]

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        return np.array([mixed(generator) for generator in self._generators])
