"""A policy behind unreliable sensors: alerts get lost on their way to it, or come out of nothing.

A policy that reads raw observations loses with an alert what they tell of it, and the events of
routers, which are no hosts of the flat vector, likewise. An invented alert is like those of users:
it shows neither an exploit nor where it came from.

What the environment does stays as it is; the false alerts that CC4's own green users raise are a
parameter of the environment (``EnvParams.green_false_positive``).
"""

from __future__ import annotations

import copy
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import CONNECTION, N_SLOTS, ON_SLOT, PROCESS
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, Float32Array, IntArray
from cagexplain.common.errors import UsageError
from cagexplain.policies.base import Decision, Instead, Policy
from cagexplain.policies.wrappers.base import Changed, require_vectors

_ALERTS: Final = np.concatenate([PROCESS, CONNECTION])
_EXISTS: Final = np.tile(ON_SLOT[ActionKind.ANALYSE], 2)
_STREAM: Final = (N_BLUE, 1)
"""Sets these chances apart from those that a trained policy draws with the same seed."""


class NoisyAlerts(Changed):
    """A policy that is shown fewer or more alerts than there are.

    Args:
        policy: is shown the changed observations.
        drop: probability with which an alert bit is lost, each by itself in each step.
        invent: probability with which an alert bit of an existing host is set though there was
            none, likewise.

    Raises:
        UsageError: a probability is out of range.
    """

    def __init__(self, policy: Policy, *, drop: float = 0.0, invent: float = 0.0) -> None:
        for field, value in (("drop", drop), ("invent", invent)):
            if not 0.0 <= value <= 1.0:
                raise UsageError(
                    f"{value} is no probability", field=field, remedy="Give a number from 0 to 1"
                )
        require_vectors(policy, "alerts")
        super().__init__(policy)
        self._sightings: Sightings | None = None
        self.drop = drop
        self.invent = invent
        self._seed(np.zeros(1, np.int64))

    @property
    def name(self) -> str:
        """The policy's, with the noise."""
        return f"{self.inner.name} (alerts: {self.drop:g} lost, {self.invent:g} invented)"

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes; each environment has its own stream of noise."""
        super().reset(seeds)
        self._sightings = None
        self._seed(seeds)

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the policy chooses on what it is shown."""
        draws = self._draws(len(_ALERTS))
        alerts = obs[:, _ALERTS] != 0
        kept = alerts & (draws >= self.drop)
        invented = ~alerts & mask[:, _EXISTS] & (draws < self.invent)
        shown = obs.copy()
        shown[:, _ALERTS] = kept | invented
        if self._sightings is not None:
            left = self._sightings.under(kept[:, :N_SLOTS], kept[:, N_SLOTS:])
            passed = np.where(self._draws(N_BLUE) >= self.drop, left.passed_by, 0)
            super().read(left._replace(passed_by=passed))
            self._sightings = None
        return self.inner.act(shown, mask, free, instead)

    def read(self, sightings: Sightings) -> None:
        """Keep what the raw observations tell until it is known which alerts are lost."""
        self._sightings = sightings

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments."""
        twin = super().branch(rows, seeds)
        if seeds is None:
            twin._generators = [copy.deepcopy(self._generators[i]) for i in rows]
        else:
            twin._seed(seeds)
        return twin

    @property
    def change(self) -> dict[str, Any]:
        """The noise."""
        return {"alerts_dropped": self.drop, "alerts_invented": self.invent}

    def _draws(self, n: int) -> Float32Array:
        """``n`` numbers for each environment."""
        return np.stack([g.random(n, np.float32) for g in self._generators])

    def _seed(self, seeds: IntArray) -> None:
        self._generators = [np.random.default_rng([int(seed), *_STREAM]) for seed in seeds]
