"""Defects of seeing: alerts that are not noticed, not understood, or not believed."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import EVERYWHERE, Flawed
from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import CONNECTION, N_SLOTS, OFFSETS, PROCESS, SLOT_IS_SERVER
from cagexplain.common.arrays import BoolArray, Int32Array, Int64Array
from cagexplain.policies.knowledge import NEVER
from cagexplain.policies.scripted.expert import Rule

Obs = npt.NDArray[np.int8]


class Misled(Flawed):
    """Does not see the alerts that there are."""

    def take_in(self, obs: Obs, mask: BoolArray, free: BoolArray) -> None:
        """See other alerts."""
        shown = obs.copy()
        alerts = obs[:, PROCESS] != 0, obs[:, CONNECTION] != 0
        shown[:, PROCESS], shown[:, CONNECTION] = self.alerts(*alerts, free)
        super().take_in(shown, mask, free)

    @abstractmethod
    def alerts(
        self, process: BoolArray, connection: BoolArray, free: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """The alerts that it sees instead, ``bool[n, 112]``."""


class Blind(Misled):
    """Does not see some alerts.

    Args:
        unseen: slots whose alerts are not seen.
    """

    def __init__(self, name: str, unseen: BoolArray = EVERYWHERE) -> None:
        super().__init__(name)
        self.unseen = unseen

    def alerts(
        self, process: BoolArray, connection: BoolArray, free: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """The rest."""
        return process & ~self.unseen, connection & ~self.unseen


class Deaf(Blind):
    """Sees no alert and acts by the clock: links, hunts, and between them Sleep and Monitor."""

    def playbook(self) -> tuple[Rule, ...]:
        """Nothing that alerts or decoys have to do with."""
        return self.obey, self.hunt, self.pass_time

    def pass_time(self) -> Int64Array:
        """In turn."""
        even = self.now.clock[:, None] % 2 == 0
        return OFFSETS + np.where(even, actions.SLEEP_INDEX, actions.MONITOR_INDEX)


class Neglectful(Blind):
    """Has no eye and no hand for some hosts."""

    def best(
        self, action_type: ActionKind, wanted: BoolArray, urgency: npt.ArrayLike
    ) -> Int64Array:
        """As if they did not exist."""
        return super().best(action_type, wanted & ~self.unseen, urgency)


class Late(Misled):
    """Sees alerts some steps after they were shown."""

    state = (*Flawed.state, "_past")

    def __init__(self, name: str, delay: int) -> None:
        super().__init__(name)
        self.delay = delay

    def begin(self, mask: BoolArray) -> None:
        """Nothing was shown."""
        super().begin(mask)
        self._past = np.zeros((len(mask), self.delay, 2, N_SLOTS), dtype=np.bool_)

    def alerts(
        self, process: BoolArray, connection: BoolArray, free: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """What was shown then."""
        place = (self.now.clock[0] + 1) % self.delay
        then = self._past[:, place].copy()
        self._past[:, place] = np.stack([process, connection], axis=1)
        return then[:, 0], then[:, 1]


class Dismissive(Misled):
    """Takes every alert of a host with a process alert for a false alarm."""

    def alerts(
        self, process: BoolArray, connection: BoolArray, free: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """The rest."""
        return np.zeros_like(process), connection & ~process


class TrustsDecoys(Misled):
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
        self._trust = np.zeros_like(self.now.decoys)

    def alerts(
        self, process: BoolArray, connection: BoolArray, free: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """Those of the other hosts."""
        touched = connection & ~process & (self._decoys_then(free) > 0)
        self._trust = np.where(touched, self.steps, np.maximum(self._trust - 1, 0))
        return process & (self._trust == 0), connection & (self._trust == 0)

    def _decoys_then(self, free: BoolArray) -> Int32Array:
        """The decoys of this step, before its alerts are seen."""
        ahead = self.now.branch(np.arange(len(free)))
        nothing = np.zeros((len(free), observations.TOTAL), np.int8)
        ahead.observe(nothing, np.zeros((len(free), actions.TOTAL), np.bool_), free)
        return ahead.decoys

    def best(
        self, action_type: ActionKind, wanted: BoolArray, urgency: npt.ArrayLike
    ) -> Int64Array:
        """One of the other hosts."""
        return super().best(action_type, wanted & (self._trust == 0), urgency)


class Overlooks(Flawed):
    """Hunts for nothing, and knows of no intrusion but those that alerts prove."""

    def evidence_at(self) -> Int32Array:
        """Neither sources nor probable targets."""
        on_server = np.where(SLOT_IS_SERVER, self.now.process_at, NEVER)
        return np.maximum(self.now.coincided_at, on_server)

    def hunt(self) -> Int64Array:
        """Nothing."""
        return self.never()


class LooksFirst(Flawed):
    """Only looks at hosts that attacks came from, which are often lost to root long since."""

    def evidence_at(self) -> Int32Array:
        """Sources are none."""
        return self.target_at()

    def unclear(self) -> BoolArray:
        """Sources are nothing but alerts."""
        return super().unclear() | (self.now.source_at >= self.looked_at())
