"""Defects of traffic control, and of what agents tell each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import AGENTS, Flawed
from cagexplain.cc4 import network, observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.base import Decision, Instead
from cagexplain.policies.scripted.expert import NOTHING, Rule, Sight
from cagexplain.policies.scripted.scripted import CommsBlock


def _ends() -> tuple[Int64Array, Int64Array]:
    """Zones to and from which the traffic of each agent's pairs goes: ``[5, 24]`` each."""
    ends = np.full((2, *CommsBlock.REAL.shape), network.INT)
    for agent, pairs in enumerate(CommsBlock.PAIRS):
        ends[:, agent, : len(pairs)] = np.transpose(pairs)
    return ends[0], ends[1]


TO, FROM = _ends()


class Closes(Flawed):
    """Blocks pairs that the policy keeps open.

    Args:
        pairs: which, ``bool[5, 24]``.
        phases: in which.
    """

    def __init__(self, name: str, pairs: BoolArray, phases: tuple[int, ...] = (0, 1, 2)) -> None:
        super().__init__(name)
        self.pairs = pairs
        self.phases = phases

    def closed(self, sight: Sight) -> BoolArray:
        """Those besides what the policy closes."""
        now = np.isin(sight.phase, self.phases)[:, None, None]
        return super().closed(sight) | (self.pairs & now)


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
        self._policy = np.zeros((n, *CommsBlock.REAL.shape), dtype=np.bool_)
        self._last = np.zeros((n, *CommsBlock.REAL.shape), dtype=np.bool_)

    def closed(self, sight: Sight) -> BoolArray:
        """The last phase's pairs, for a while."""
        new = sight.phase != self._phase
        self._phase = sight.phase.copy()
        self._changed = np.where(new, self._step, self._changed)
        self._last = np.where(new[:, None, None], self._policy, self._last)
        self._policy = super().closed(sight)
        late = self._step - self._changed < self.delay
        return np.where(late[:, None, None], self._last, self._policy)


class Flapper(Flawed):
    """Opens a blocked pair in its spare time, which the playbook then blocks again."""

    def playbook(self) -> tuple[Rule, ...]:
        """That comes last."""
        return *super().playbook(), self.flap

    def flap(self, sight: Sight) -> Int64Array:
        """The first pair that is blocked."""
        blocked = (sight.obs[:, CommsBlock.BLOCKED] != 0) & CommsBlock.REAL
        action = CommsBlock.ALLOW[AGENTS, blocked.argmax(axis=-1)]
        return np.where(blocked.any(axis=-1), action, NOTHING)


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

    def closed(self, sight: Sight) -> BoolArray:
        """What one end wants closed, the other one wants open."""
        closed = super().closed(sight)
        for lag, (to, frm) in enumerate((self.ends, self.ends[::-1])):
            wants = (self._step - lag) // self.period % 2 == lag
            closed = np.where((to == TO) & (frm == FROM), wants[:, None, None], closed)
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
        word = _scrambled(self._seeds[:, None] * N_BLUE + AGENTS, self._step[:, None])
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
