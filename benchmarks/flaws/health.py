"""Defects of the policy itself: rules that are missing, collapse, loops and waste."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import FIRST, Flawed
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import ACTION_TYPE, NONE, OFFSETS, SLEEP, SLOT_START
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted.expert import Rule


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

    def __init__(self, name: str, action_type: ActionKind) -> None:
        super().__init__(name)
        self.pastime = action_type

    def playbook(self) -> tuple[Rule, ...]:
        """That comes last."""
        return *super().playbook(), self.fill

    def fill(self) -> Int64Array:
        """On the first host, over and over."""
        return self.best(self.pastime, FIRST, 0)


class Collapsed(Flawed):
    """One agent does the same thing for ever."""

    def __init__(self, name: str, agent: int, action_type: ActionKind) -> None:
        super().__init__(name)
        self.agent = agent
        self.only = action_type

    def playbook(self) -> tuple[Rule, ...]:
        """That goes before everything."""
        return self.insist, *super().playbook()

    def insist(self) -> Int64Array:
        """On its first host."""
        return np.where(np.arange(N_BLUE) == self.agent, self.best(self.only, FIRST, 0), NONE)


class Frozen(Flawed):
    """Waits as long as any of an agent's hosts shows an alert."""

    def playbook(self) -> tuple[Rule, ...]:
        """Waiting goes before everything."""
        return self.wait, *super().playbook()

    def wait(self) -> Int64Array:
        """Sleep."""
        alerts = self.now.process | self.now.connection
        return np.where(np.logical_or.reduceat(alerts, SLOT_START[:-1], axis=1), SLEEP, NONE)


class Impatient(Flawed):
    """Submits a Restore again and again until it is done, and pays each time."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """As the expert while free."""
        chosen = super().choose(obs, mask, free)
        action = self.now.action
        again = ~free & (action != NONE) & (ACTION_TYPE[action] == ActionKind.RESTORE)
        return np.where(again, action - OFFSETS, chosen)
