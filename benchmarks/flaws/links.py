"""Defects of traffic control, and of what agents tell each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import Flawed
from cagexplain.cc4 import observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import LINK_FROM, LINK_TO, N_LINKS, ON_LINK
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.base import Decision, Instead
from cagexplain.policies.scripted.expert import Rule
from cagexplain.policies.targets import act_on, best_link


class Closes(Flawed):
    """Blocks links that the policy keeps open.

    Args:
        links: which, ``bool[56]``.
        phases: in which.
    """

    def __init__(self, name: str, links: BoolArray, phases: tuple[int, ...] = (0, 1, 2)) -> None:
        super().__init__(name)
        self.links = links
        self.phases = phases

    def closed(self) -> BoolArray:
        """Those besides what the policy closes."""
        return super().closed() | (self.links & np.isin(self.now.phase, self.phases)[:, None])


class SlowToFollow(Flawed):
    """Goes on with the last phase's communication policy for some steps."""

    state = (*Flawed.state, "_phase", "_changed", "_policy", "_last")

    def __init__(self, name: str, delay: int) -> None:
        super().__init__(name)
        self.delay = delay

    def begin(self, mask: BoolArray) -> None:
        """There was no phase before."""
        super().begin(mask)
        n = len(mask)
        self._phase = np.zeros(n, dtype=np.int8)
        self._changed = np.full(n, -self.delay)
        self._policy = np.zeros((n, N_LINKS), dtype=np.bool_)
        self._last = np.zeros((n, N_LINKS), dtype=np.bool_)

    def closed(self) -> BoolArray:
        """The last phase's links, for a while."""
        new = self.now.phase != self._phase
        self._phase = self.now.phase.copy()
        self._changed = np.where(new, self.now.clock, self._changed)
        self._last = np.where(new[:, None], self._policy, self._last)
        self._policy = super().closed().copy()
        late = self.now.clock - self._changed < self.delay
        return np.where(late[:, None], self._last, self._policy)


class Flapper(Flawed):
    """Opens a blocked link in its spare time, which the playbook then blocks again."""

    def playbook(self) -> tuple[Rule, ...]:
        """That comes last."""
        return *super().playbook(), self.flap

    def flap(self) -> Int64Array:
        """The first link that is blocked."""
        return act_on(ON_LINK[ActionKind.ALLOW], best_link(self.now.blocked))


class Quarrel(Flawed):
    """The agents at the two ends of a link undo what the other one has just done.

    Args:
        one, other: the zones.
        period: steps after which each changes its mind.
    """

    def __init__(self, name: str, one: int, other: int, period: int) -> None:
        super().__init__(name)
        self.ends = one, other
        self.period = period

    def closed(self) -> BoolArray:
        """What one end wants closed, the other one wants open."""
        closed = super().closed()
        for lag, (to, frm) in enumerate((self.ends, self.ends[::-1])):
            wants = (self.now.clock - lag) // self.period % 2 == lag
            closed = np.where((to == LINK_TO) & (frm == LINK_FROM), wants[:, None], closed)
        return closed


class Babbler(Flawed):
    """Sends messages that mean nothing."""

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """With bits that have nothing to do with what it sees."""
        decision = super().act(obs, mask, free, instead)
        bits = observations.MESSAGE_BITS
        senders = self._seeds[:, None] * N_BLUE + np.arange(N_BLUE)
        word = _scrambled(senders, self.now.clock[:, None])
        messages = (word[..., None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
        return replace(decision, messages=messages.astype(np.uint8))


def _scrambled(seed: npt.NDArray[Any], step: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Bits that depend on everything in no visible way: a round of SplitMix64."""
    word = seed.astype(np.uint64) * np.uint64(1_000_003) + step.astype(np.uint64)
    word = word * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: npt.NDArray[np.uint64] = word ^ (word >> np.uint64(31))
    return scrambled
