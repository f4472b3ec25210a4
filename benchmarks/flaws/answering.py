"""Defects of answering: the wrong action, too late, too often, or none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import EVERYWHERE, Flawed
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import NONE, SLOT_ZONE
from cagexplain.cc4.phases import MISSION_ZONES
from cagexplain.common.arrays import BoolArray, Int32Array, Int64Array
from cagexplain.policies.targets import at_target


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
        self._known_for = np.zeros_like(self.now.restored_at)

    def take_in(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> None:
        """And since when it is known."""
        super().take_in(obs, mask, free)
        self._known_for = np.where(self.known(), self._known_for + 1, 0)

    def unclear(self) -> BoolArray:
        """Also what became known."""
        known_since = self.now.clock[:, None] + 1 - self._known_for
        return super().unclear() | (self.known() & (known_since >= self.looked_at()))

    def restore(self) -> Int64Array:
        """What has been known for long."""
        return self.best(ActionKind.RESTORE, self._known_for > self.delay, self.weight())


class Answers(Flawed):
    """Answers known intrusions by Remove, and then takes them for ended.

    Args:
        where: slots whose hosts are answered so.
        hunts: whether it hunts as the expert does.
    """

    def __init__(self, name: str, where: BoolArray = EVERYWHERE, hunts: bool = True) -> None:
        super().__init__(name)
        self.where = where
        self.hunts = hunts

    def known(self) -> BoolArray:
        """What there was evidence of since the last answer."""
        return super().known() & (self.evidence_at() >= self.now.removed_at)

    def looked_at(self) -> Int32Array:
        """The answer is a look, too."""
        return np.maximum(super().looked_at(), self.now.removed_at)

    def restore(self) -> Int64Array:
        """Restore elsewhere first."""
        weight = self.weight()
        restore = self.best(ActionKind.RESTORE, self.known() & ~self.where, weight)
        remove = self.best(ActionKind.REMOVE, self.known() & self.where, weight)
        return np.where(restore != NONE, restore, remove)

    def hunt(self) -> Int64Array:
        """As the expert, if at all."""
        return super().hunt() if self.hunts else self.never()


class Removes(Flawed):
    """Answers what it only suspects by Remove."""

    def looked_at(self) -> Int32Array:
        """That is its look."""
        return np.maximum(super().looked_at(), self.now.removed_at)

    def analyse(self) -> Int64Array:
        """Not an Analyse."""
        wanted = self.unclear() | self.now.connection
        return self.best(ActionKind.REMOVE, wanted, self.weight())


class Restless(Flawed):
    """Restores more than it has reason to.

    Args:
        after: steps since a host's last Restore after which it is restored for nothing.
        where: slots whose hosts are.
        critical: in the restricted and operational zone of the running mission only.
    """

    def __init__(
        self, name: str, after: int, where: BoolArray = EVERYWHERE, critical: bool = False
    ) -> None:
        super().__init__(name)
        self.after = after
        self.where = where
        self.critical = critical

    def hunt(self) -> Int64Array:
        """As the expert, then for nothing."""
        age = self.age()
        restless = self.where & (age > self.after)
        if self.critical:
            restless &= MISSION_ZONES[self.now.phase][:, SLOT_ZONE]
        hunt = super().hunt()
        needless = self.best(ActionKind.RESTORE, restless, age)
        return np.where(hunt != NONE, hunt, needless)


class Disarmed(Flawed):
    """Forgets that a Restore takes the decoys away."""

    def armed(self) -> BoolArray:
        """What ever had a decoy."""
        return self.now.decoyed_at >= 0


class LightestFirst(Flawed):
    """Begins with the least important of all hosts that it knows or suspects red on."""

    def restore(self) -> Int64Array:
        """Restore or Analyse, the wrong way round."""
        known = self.known()
        restore, analyse = (
            self.best(action_type, known | self.unclear(), -self.weight())
            for action_type in (ActionKind.RESTORE, ActionKind.ANALYSE)
        )
        return np.where(at_target(known, restore), restore, analyse)
