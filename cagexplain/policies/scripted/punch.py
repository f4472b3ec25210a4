"""The published rule of the CC4 team of that name, as far as the flat observation carries it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import ACTION_SLOT, ACTION_TYPE, NONE, OFFSETS, ON_SLOT
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted.base import Informed, Rota
from cagexplain.policies.targets import act_on, at_target


class Punch(Informed):
    """Analyse each host in turn, and Restore it when it looks compromised.

    The published rule decides on the files that Analyse lists. The flat observation does not carry
    them, so here Analyse tells nothing and only costs its two steps. What is left of "looks
    compromised" is that an alert, of either kind, was shown on the host since it was last restored.
    Alerts are shown for one step only, so they are remembered until the host's turn, also while
    the agent is busy. This misses what raises no alert (users who were phished, escalation), and
    restores hosts that were only scanned, or falsely reported.
    """

    state: ClassVar[tuple[str, ...]] = (*Informed.state, "_rota")

    def begin(self, mask: BoolArray) -> None:
        """Set up new episodes."""
        super().begin(mask)
        self._rota = Rota(mask, ActionKind.ANALYSE)

    def decide(self) -> Int64Array:
        """Restore the host that was just analysed, or Analyse the next."""
        now = self.now
        looks_compromised = now.alerted_at >= now.restored_at
        analysed = (now.action != NONE) & (ACTION_TYPE[now.action] == ActionKind.ANALYSE)
        restore = now.free & analysed & at_target(looks_compromised, now.action)
        target = np.where(restore, ACTION_SLOT[now.action], NONE)
        return np.where(
            restore,
            act_on(ON_SLOT[ActionKind.RESTORE], target),
            self._rota.next(now.free & ~restore) + OFFSETS,
        )
