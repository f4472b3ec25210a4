"""Defects of the policy itself: rules that are missing, collapse, loops and waste."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import AGENTS, FIRST, Flawed
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted import scripted
from cagexplain.policies.scripted.expert import NOTHING, Rule, Sight


class Without(Flawed):
    """Leaves out some rules of the playbook."""

    def __init__(self, name: str, *rules: str) -> None:
        super().__init__(name)
        self.left_out = rules

    def playbook(self) -> tuple[Rule, ...]:
        """The others."""
        return tuple(rule for rule in super().playbook() if rule.__name__ not in self.left_out)


class Idler(Flawed):
    """Fills its spare time with something useless."""

    def __init__(self, name: str, kind: ActionKind) -> None:
        super().__init__(name)
        self.pastime = kind

    def playbook(self) -> tuple[Rule, ...]:
        """That comes last."""
        return *super().playbook(), self.fill

    def fill(self, sight: Sight) -> Int64Array:
        """On the first host, over and over."""
        wanted = np.broadcast_to(FIRST, self._exists.shape)
        return self.best(self.pastime, wanted, np.zeros_like(self._age))


class Collapsed(Flawed):
    """One agent does the same thing for ever."""

    def __init__(self, name: str, agent: int, kind: ActionKind) -> None:
        super().__init__(name)
        self.agent = agent
        self.only = kind

    def playbook(self) -> tuple[Rule, ...]:
        """That goes before everything."""
        return self.insist, *super().playbook()

    def insist(self, sight: Sight) -> Int64Array:
        """On its first host."""
        wanted = np.broadcast_to(FIRST, self._exists.shape)
        action = self.best(self.only, wanted, np.zeros_like(self._age))
        return np.where(self.agent == AGENTS, action, NOTHING)


class Frozen(Flawed):
    """Waits as long as any of an agent's hosts shows an alert."""

    def playbook(self) -> tuple[Rule, ...]:
        """Waiting goes before everything."""
        return self.wait, *super().playbook()

    def wait(self, sight: Sight) -> Int64Array:
        """Sleep."""
        alarm = (sight.process | sight.connection).any(axis=-1)
        return np.where(alarm, scripted.SLEEP, NOTHING)


class Impatient(Flawed):
    """Submits a Restore again and again until it is done, and pays each time."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """As the expert while free."""
        chosen = super().choose(obs, mask, free)
        again = ~free & (self._running == ActionKind.RESTORE)
        slot = np.maximum(self._on, 0)
        restores = scripted.HOST_ACTIONS[ActionKind.RESTORE][AGENTS, slot]
        return np.where(again, restores, chosen)
