"""Defects of seeing: alerts that are not noticed, not understood, or not believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import Flawed, never
from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted.expert import ZONE, Rule, Sight


class Blind(Flawed):
    """Does not see some alerts.

    Args:
        process, connection: slots whose alerts of the kind are not seen.
    """

    def __init__(self, name: str, process: Any = True, connection: Any = True) -> None:
        super().__init__(name)
        self.unseen = np.asarray(process, np.bool_), np.asarray(connection, np.bool_)

    def alerts(self, obs: npt.NDArray[np.int8]) -> tuple[BoolArray, BoolArray]:
        """The rest."""
        process, connection = super().alerts(obs)
        return process & ~self.unseen[0], connection & ~self.unseen[1]


class Deaf(Blind):
    """Sees no alert and acts by the clock: links, hunts, and between them Sleep and Monitor."""

    def playbook(self) -> tuple[Rule, ...]:
        """Nothing that alerts or decoys have to do with."""
        return self.obey, self.hunt, self.pass_time

    def pass_time(self, sight: Sight) -> Int64Array:
        """In turn."""
        even = self._step[:, None] % 2 == 0
        return np.where(even, actions.SLEEP_INDEX, actions.MONITOR_INDEX)


class Neglectful(Blind):
    """Has no eye and no hand for some hosts."""

    def __init__(self, name: str, slots: BoolArray) -> None:
        super().__init__(name, slots, slots)

    def begin(self, mask: BoolArray) -> None:
        """As if they did not exist."""
        super().begin(mask)
        self._exists &= ~self.unseen[0]


class Late(Flawed):
    """Sees alerts some steps after they were shown."""

    state = (*Flawed.state, "_past")

    def __init__(self, name: str, delay: int) -> None:
        super().__init__(name)
        self.delay = delay

    def begin(self, mask: BoolArray) -> None:
        """Nothing was shown."""
        super().begin(mask)
        self._past = np.zeros((len(mask), self.delay, 2, *ZONE.shape), dtype=np.bool_)

    def alerts(self, obs: npt.NDArray[np.int8]) -> tuple[BoolArray, BoolArray]:
        """What was shown then."""
        place = self._step[0] % self.delay
        then = self._past[:, place].copy()
        self._past[:, place] = np.stack(super().alerts(obs), axis=1)
        return then[:, 0], then[:, 1]


class Dismissive(Flawed):
    """Takes every alert of a host with a process alert for a false alarm."""

    def alerts(self, obs: npt.NDArray[np.int8]) -> tuple[BoolArray, BoolArray]:
        """The rest."""
        process, connection = super().alerts(obs)
        return np.zeros_like(process), connection & ~process


class TrustsDecoys(Flawed):
    """Leaves a host alone for a while when its decoy was touched, as if the decoy kept it safe.

    Args:
        steps: how long.
    """

    state = (*Flawed.state, "_trust")

    def __init__(self, name: str, steps: int) -> None:
        super().__init__(name)
        self.steps = steps

    def begin(self, mask: BoolArray) -> None:
        """No decoy was touched."""
        super().begin(mask)
        self._trust = np.zeros_like(self._age)

    def alerts(self, obs: npt.NDArray[np.int8]) -> tuple[BoolArray, BoolArray]:
        """Those of the other hosts."""
        process, connection = super().alerts(obs)
        touched = connection & ~process & self._decoy
        self._trust = np.where(touched, self.steps, np.maximum(self._trust - 1, 0))
        return process & (self._trust == 0), connection & (self._trust == 0)

    def best(
        self, kind: ActionKind, wanted: BoolArray, urgency: npt.NDArray[np.integer]
    ) -> Int64Array:
        """One of the other hosts."""
        return super().best(kind, wanted & (self._trust == 0), urgency)


class Overlooks(Flawed):
    """Hunts for nothing, and knows of no intrusion but those that alerts prove."""

    def remember(self, sight: Sight) -> None:
        """Neither sources nor probable targets."""
        super().remember(replace(sight, source=np.zeros_like(sight.source)))
        self._scanned[:] = False

    def hunt(self, sight: Sight) -> Int64Array:
        """Nothing."""
        return never(sight)


class LooksFirst(Flawed):
    """Only looks at hosts that attacks came from, which are often lost to root long since."""

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """Sources are nothing but alerts."""
        sight = super().look(obs, free)
        self._unclear |= sight.source
        return replace(sight, source=np.zeros_like(sight.source))
