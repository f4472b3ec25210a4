"""Blue play that looks for trouble: actions in situations that sensible policies avoid.

Probes see the ground truth, which no policy may; they serve to compare simulators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE
from cagexplain.cc4.network import FIRST_USER_SLOT, HOST_KIND, HOSTS_PER_ZONE, ROUTER
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.envs.protocol import Env

Chosen = npt.NDArray[np.bool_]
_FEW: Final = 3
"""Hosts per zone that a concentrated probe touches: pids and ports are used again and again."""


def _anywhere(env: Env, agent: int) -> Chosen:
    """Also hosts that do not exist."""
    return np.ones(actions.SIZES[agent], dtype=np.bool_)


def _compromised(env: Env, agent: int) -> Chosen:
    """Hosts with a red session, or anything valid while there is none."""
    hosts = actions.HOST[agent]
    held: Chosen = (hosts < 0) | (env.truth().host_level[0][hosts] > 0)
    return held if bool(held[hosts >= 0].any()) else _valid(env, agent)


def _few(env: Env, agent: int) -> Chosen:
    """The first users of each zone, and what concerns no host."""
    slot = actions.HOST[agent] % HOSTS_PER_ZONE - FIRST_USER_SLOT
    return _valid(env, agent) & ((slot < _FEW) | (actions.HOST[agent] < 0))


def _objects(env: Env, agent: int) -> Chosen:
    """What only action objects can say, the refused ones included; of hosts, the agent's routers
    and absent ones, and a few of another agent."""
    n = actions.ALL_SIZES[agent]
    host = actions.ALL_HOST[agent, :n]
    with_index = env.truth().host_exists[0][host] & (HOST_KIND[host] != ROUTER)
    of_agent = BLUE_OF_HOST[host] == agent
    wanted = np.where(of_agent, ~with_index, host < _FEW)
    chosen: Chosen = (np.arange(n) >= actions.FIRST_EXTRA) & ((host < 0) | wanted)
    return chosen


def _valid(env: Env, agent: int) -> Chosen:
    mask: Chosen = env.mask[0][actions.slice_of(agent)]
    return mask


@dataclass(frozen=True)
class Probe:
    """How to draw: first the kind of action by weight, then among its allowed indices.

    Attributes:
        summary: one line.
        weights: of the kinds; those left out are never drawn.
        allowed: which indices of an agent may be drawn: of its layout, or all that it has.
        when_busy: whether to submit while an action is running as well.
    """

    summary: str
    weights: dict[ActionKind, float]
    allowed: Callable[[Env, int], Chosen]
    when_busy: bool = True


_K = ActionKind
PROBES: Final[dict[str, Probe]] = {
    "probe_anything": Probe(
        "any index, valid or not, busy or not", dict.fromkeys(ActionKind, 1.0), _anywhere
    ),
    "probe_evict": Probe(
        "Remove, Restore, Analyse and decoys where red is",
        {_K.REMOVE: 4, _K.RESTORE: 1, _K.ANALYSE: 1, _K.DECOY: 3, _K.SLEEP: 1},
        _compromised,
        when_busy=False,
    ),
    "probe_reuse": Probe(
        "decoys and Removes on a few hosts, so that pids and ports come again",
        {_K.DECOY: 3, _K.REMOVE: 2, _K.RESTORE: 0.3},
        _few,
        when_busy=False,
    ),
    "probe_traffic": Probe(
        "blocks toggled in all subnets, Restores between them",
        {_K.BLOCK: 2, _K.ALLOW: 3, _K.RESTORE: 1, _K.MONITOR: 1},
        _valid,
    ),
    "probe_patient": Probe(
        "seldom anything, so that red gets everywhere before it is disturbed",
        {_K.SLEEP: 60, _K.REMOVE: 1, _K.RESTORE: 0.2, _K.DECOY: 2, _K.ANALYSE: 1, _K.BLOCK: 0.2},
        _compromised,
        when_busy=False,
    ),
    "probe_objects": Probe(
        "actions without an index: on routers, on all traffic, and such as CybORG refuses",
        {_K.BLOCK: 3, _K.ALLOW: 2, _K.DECOY: 2, _K.RESTORE: 1, _K.REMOVE: 1, _K.ANALYSE: 1},
        _objects,
    ),
}


class Prober:
    """Plays a probe in one environment; messages are random bits."""

    def __init__(self, name: str, seed: int) -> None:
        self._probe = PROBES[name]
        self._rng = np.random.default_rng([seed, list(PROBES).index(name)])
        self._kinds = np.array(list(self._probe.weights))
        weights = np.array(list(self._probe.weights.values()), dtype=np.float64)
        self._weights = weights / weights.sum()

    def act(self, env: Env) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Actions ``[1, 5]`` and messages ``[1, 5, 8]``."""
        chosen = [self._draw(env, agent) for agent in range(N_BLUE)]
        messages = self._rng.integers(0, 2, (1, N_BLUE, MESSAGE_BITS), dtype=np.uint8)
        return np.array([chosen]), messages

    def _draw(self, env: Env, agent: int) -> int:
        if not env.free[0, agent] and not self._probe.when_busy:
            return actions.SLEEP_INDEX[agent]
        kind = self._rng.choice(self._kinds, p=self._weights)
        allowed = self._probe.allowed(env, agent)
        options = np.flatnonzero(allowed & (actions.ALL_KIND[agent, : allowed.size] == kind))
        return int(self._rng.choice(options)) if options.size else actions.SLEEP_INDEX[agent]
