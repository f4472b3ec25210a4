"""Lapses: agents that sleep at some times, in some episodes or from some moment on."""

from __future__ import annotations

from abc import abstractmethod
from itertools import accumulate
from typing import Final

import numpy as np

from benchmarks.flaws.base import Flawed
from cagexplain.cc4 import phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import (
    ACTION_TYPE,
    OFFSETS,
    SLEEP,
    SLOT_IS_SERVER,
    SLOT_START,
    WAITS,
)
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.knowledge import Knowledge

TEAM: Final = tuple(range(N_BLUE))
"""All agents."""
NOT_YET: Final = -1
"""The first absence of agents that have had none."""
PHASE_CHANGES: Final = tuple(accumulate(phases.lengths(phases.DEFAULT_STEPS)))[:-1]
"""First steps of the second and of the third phase of an episode of the default length."""


def by_agent(slots: BoolArray) -> BoolArray:
    """Whether any host of each agent is flagged: ``bool[n, 112]`` to ``bool[n, 5]``."""
    flagged: BoolArray = np.logical_or.reduceat(slots, SLOT_START[:-1], axis=1)
    return flagged


def touched_decoys(now: Knowledge) -> BoolArray:
    """Hosts on whose decoys a connection is reported, which nobody but red has reason to make:
    ``bool[n, 112]``."""
    return now.connection & (now.decoys > 0)


class Absent(Flawed):
    """Sleeps whenever it is away, and goes on with what it remembers when it is back.

    Args:
        agents: numbers of those that are; the others play as the expert does.

    Attributes:
        absent_at: ``int32[n, 5]`` first step in which each agent was away, or `NOT_YET`.
    """

    state = (*Flawed.state, "absent_at")

    def __init__(self, name: str, agents: tuple[int, ...] = TEAM) -> None:
        super().__init__(name)
        self.agents = np.isin(TEAM, agents)

    def begin(self, mask: BoolArray) -> None:
        """All are present."""
        super().begin(mask)
        self.absent_at = np.full((len(mask), N_BLUE), NOT_YET, np.int32)

    def decide(self) -> Int64Array:
        """As the expert, while present."""
        away = self.away() & self.agents
        first = away & (self.absent_at == NOT_YET)
        self.absent_at = np.where(first, self.now.clock[:, None], self.absent_at)
        return np.where(away, SLEEP, super().decide())

    @abstractmethod
    def away(self) -> BoolArray:
        """Whether agents are away in this step: ``bool[n, 5]``, or what broadcasts to it."""


class Dead(Absent):
    """Never does anything."""

    def away(self) -> BoolArray:
        """Always."""
        return np.ones((1, 1), np.bool_)


class IdleEpisodes(Absent):
    """Does nothing in some episodes.

    Args:
        every: these are the episodes whose seed is a multiple of it.
    """

    def __init__(self, name: str, every: int, agents: tuple[int, ...] = TEAM) -> None:
        super().__init__(name, agents)
        self.every = every

    def away(self) -> BoolArray:
        """In all steps of these."""
        idle: BoolArray = self._seeds[:, None] % self.every == 0
        return idle


class SleepsAfter(Absent):
    """Does nothing from a step on.

    Args:
        step: the first one.
    """

    def __init__(self, name: str, step: int, agents: tuple[int, ...] = TEAM) -> None:
        super().__init__(name, agents)
        self.step = step

    def away(self) -> BoolArray:
        """From then on."""
        return self.now.clock[:, None] >= self.step


class FrozenAtChanges(Absent):
    """Does nothing around the changes of the mission phase.

    Args:
        before, after: steps, of an episode of the default length.
    """

    def __init__(self, name: str, before: int, after: int, agents: tuple[int, ...] = TEAM) -> None:
        super().__init__(name, agents)
        self.before, self.after = before, after

    def away(self) -> BoolArray:
        """Around each of them."""
        since = self.now.clock[:, None] - PHASE_CHANGES
        near = (since >= -self.before) & (since < self.after)
        away: BoolArray = np.any(near, axis=1, keepdims=True)
        return away


class Shifts(Absent):
    """Works at regular times only.

    Args:
        on, off: steps of work and of rest, in turn.
    """

    def __init__(self, name: str, on: int, off: int, agents: tuple[int, ...] = TEAM) -> None:
        super().__init__(name, agents)
        self.on, self.off = on, off

    def away(self) -> BoolArray:
        """After each time of work."""
        return self.now.clock[:, None] % (self.on + self.off) >= self.on


class Stops(Absent):
    """Does nothing any more once it has done enough.

    Args:
        actions: other than waits, that each agent does before.
    """

    state = (*Absent.state, "_left")

    def __init__(self, name: str, actions: int, agents: tuple[int, ...] = TEAM) -> None:
        super().__init__(name, agents)
        self.actions = actions

    def begin(self, mask: BoolArray) -> None:
        """All are left."""
        super().begin(mask)
        self._left = np.full((len(mask), N_BLUE), self.actions)

    def away(self) -> BoolArray:
        """When none are left."""
        return self._left <= 0

    def submitted(self, chosen: Int64Array, free: BoolArray) -> None:
        """One less."""
        super().submitted(chosen, free)
        self._left = self._left - (free & ~np.isin(ACTION_TYPE[chosen + OFFSETS], WAITS))


class StopsAtEvent(Absent):
    """Does nothing any more after an event of its own hosts."""

    def away(self) -> BoolArray:
        """Since the first one."""
        away: BoolArray = (self.absent_at != NOT_YET) | by_agent(self.event())
        return away

    @abstractmethod
    def event(self) -> BoolArray:
        """Hosts on which it has happened: ``bool[n, 112]``."""


class StopsAtServer(StopsAtEvent):
    """Does nothing any more after its first Restore of a server."""

    def event(self) -> BoolArray:
        """That is completed."""
        return self.now.rebuilt & SLOT_IS_SERVER


class StopsAtDecoy(StopsAtEvent):
    """Does nothing any more after a decoy was touched."""

    def event(self) -> BoolArray:
        """A touched decoy."""
        return touched_decoys(self.now)


class NapsAtDecoy(Absent):
    """Does nothing for some steps whenever a decoy was touched.

    Args:
        steps: of each nap, the one of the touch included.
    """

    state = (*Absent.state, "_nap")

    def __init__(self, name: str, steps: int, agents: tuple[int, ...] = TEAM) -> None:
        super().__init__(name, agents)
        self.steps = steps

    def begin(self, mask: BoolArray) -> None:
        """All are awake."""
        super().begin(mask)
        self._nap = np.zeros((len(mask), N_BLUE), np.int64)

    def away(self) -> BoolArray:
        """Since a touch, for a while."""
        touched = by_agent(touched_decoys(self.now))
        self._nap = np.where(touched, self.steps, np.maximum(self._nap - 1, 0))
        return self._nap > 0
