"""Defects of answering: the wrong action, too late, too often, or none."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.flaws.base import AGENTS, Flawed, never
from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted import expert
from cagexplain.policies.scripted.expert import NOTHING, SERVER, USER, WEIGHT, ZONE, Sight

CRITICAL: Final = np.stack(
    [np.isin(ZONE, zones) for zones in ((), (network.RZA, network.OZA), (network.RZB, network.OZB))]
)
"""Slots of the restricted and operational zone of a phase's mission: ``bool[3, 5, 48]``."""


class Hesitant(Flawed):
    """Looks at a known intrusion at once, and restores the host much later.

    Args:
        delay: steps until then.
    """

    state = (*Flawed.state, "_known_for")

    def __init__(self, name: str, delay: int) -> None:
        super().__init__(name)
        self.delay = delay

    def begin(self, mask: BoolArray) -> None:
        """Nothing is known."""
        super().begin(mask)
        self._known_for = np.zeros_like(self._age)

    def remember(self, sight: Sight) -> None:
        """And since when."""
        before = self._known.copy()
        super().remember(sight)
        self._unclear |= self._known & ~before
        self._known_for = np.where(self._known, self._known_for + 1, 0)

    def restore(self, sight: Sight) -> Int64Array:
        """What has been known for long."""
        due = self._known & (self._known_for > self.delay)
        return self.best(ActionKind.RESTORE, due, WEIGHT[sight.phase])


class Answers(Flawed):
    """Answers known intrusions by another action than Restore, and then takes them for ended.

    Args:
        kind: of the answer.
        where: slots whose hosts are answered so.
        hunts: whether it hunts as the expert does.
    """

    def __init__(
        self, name: str, kind: ActionKind, where: BoolArray = SERVER | USER, hunts: bool = True
    ) -> None:
        super().__init__(name)
        self.answer = kind
        self.where = where
        self.hunts = hunts

    def restore(self, sight: Sight) -> Int64Array:
        """Restore elsewhere first."""
        weight = WEIGHT[sight.phase]
        restore = self.best(ActionKind.RESTORE, self._known & ~self.where, weight)
        answer = self.best(self.answer, self._known & self.where, weight)
        return np.where(restore != NOTHING, restore, answer)

    def hunt(self, sight: Sight) -> Int64Array:
        """As the expert, if at all."""
        return super().hunt(sight) if self.hunts else never(sight)

    def _finish(self, free: BoolArray) -> None:
        super()._finish(free)
        env, agent = np.nonzero(free & (self._running == self.answer))
        self._known[env, agent, self._on[env, agent]] = False


class Removes(Flawed):
    """Answers what it only suspects by Remove."""

    def analyse(self, sight: Sight) -> Int64Array:
        """Not an Analyse."""
        return self.best(ActionKind.REMOVE, self._unclear | sight.connection, WEIGHT[sight.phase])

    def _finish(self, free: BoolArray) -> None:
        super()._finish(free)
        env, agent = np.nonzero(free & (self._running == ActionKind.REMOVE))
        self._unclear[env, agent, self._on[env, agent]] = False


class Restless(Flawed):
    """Restores more than it has reason to.

    Args:
        after: steps since a host's last Restore after which it is restored for nothing.
        where: slots whose hosts are.
        critical: in the restricted and operational zone of the running mission only.
    """

    def __init__(
        self, name: str, after: int, where: BoolArray = SERVER | USER, critical: bool = False
    ) -> None:
        super().__init__(name)
        self.after = after
        self.where = where
        self.critical = critical

    def hunt(self, sight: Sight) -> Int64Array:
        """As the expert, then for nothing."""
        restless = self.where & (self._age > self.after)
        if self.critical:
            restless &= CRITICAL[sight.phase]
        hunt = super().hunt(sight)
        needless = self.best(ActionKind.RESTORE, restless, self._age)
        return np.where(hunt != NOTHING, hunt, needless)


class Disarmed(Flawed):
    """Forgets that a Restore takes the decoys away."""

    def _finish(self, free: BoolArray) -> None:
        had = self._decoy.copy()
        super()._finish(free)
        self._decoy |= had


class LightestFirst(Flawed):
    """Begins with the least important of all hosts that it knows or suspects red on."""

    def restore(self, sight: Sight) -> Int64Array:
        """Restore or Analyse, the wrong way round."""
        wanted, urgency = self._known | self._unclear, -WEIGHT[sight.phase]
        restore, analyse = (
            self.best(kind, wanted, urgency) for kind in (ActionKind.RESTORE, ActionKind.ANALYSE)
        )
        slot = np.where(restore == NOTHING, 0, expert.SLOT[AGENTS, restore])
        known = np.take_along_axis(self._known, slot[..., None], axis=-1)[..., 0]
        return np.where(known, restore, analyse)
