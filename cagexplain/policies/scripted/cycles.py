"""Scripted policies whose returns the reference data records for the real CC4 simulator: cycles of
actions, and rules on what a single observation shows.

They are kept to the letter, so that the same seed gives the same episode.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import (
    BLOCKED,
    NONE,
    OFFSETS,
    ON_LINK,
    ON_SLOT,
    PROCESS,
    PROHIBITED,
    SLEEP_INDEX,
)
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted.base import Rota, Scripted
from cagexplain.policies.targets import act_on, best_link, best_slot


class Constant(Scripted):
    """The same action in every step."""

    rests = True

    def __init__(self, name: str, indices: tuple[int, ...]) -> None:
        super().__init__(name)
        self._indices = np.array(indices, dtype=np.int64)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        return np.tile(self._indices, (len(mask), 1))


class Random(Scripted):
    """Uniform over the valid actions in every step, busy or not.

    The stream is that of the reference data: ``default_rng(10000 + seed)``, one choice per agent
    and step in agent order. A broadcast ``integers`` call draws the same numbers.
    """

    state = ("_generators",)

    def begin(self, mask: BoolArray) -> None:
        """Set up new episodes."""
        self.reseed()

    def reseed(self) -> None:
        """A generator for each seed."""
        self._generators = [np.random.default_rng(10_000 + int(seed)) for seed in self._seeds]

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        parts = [mask[:, actions.slice_of(agent)] for agent in range(N_BLUE)]
        counts = np.stack([part.sum(axis=1) for part in parts], axis=1)
        ranks = np.stack([g.integers(0, n) for g, n in zip(self._generators, counts, strict=True)])
        # The action of rank r is the first one up to which r + 1 actions are valid.
        return np.stack(
            [
                (np.cumsum(part, axis=1) > ranks[:, agent, None]).argmax(axis=1)
                for agent, part in enumerate(parts)
            ],
            axis=1,
        )


class Cycle(Scripted):
    """All valid actions of some types in turn, for ever, one whenever the agent is free."""

    state = ("_rota",)

    def __init__(self, name: str, *types: ActionKind) -> None:
        super().__init__(name)
        self._types = types

    def begin(self, mask: BoolArray) -> None:
        """Set up new episodes."""
        self._rota = Rota(mask, *self._types)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        return self._rota.next(free)


class Spam(Cycle):
    """A cycle that goes on while the agent is busy: most submissions are ignored, all are paid."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        return self._rota.next(np.ones_like(free))


class Once(Cycle):
    """A cycle that is gone through once, then Sleep."""

    rests = True

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        return self._rota.next(free & self._rota.unfinished)


class Reactive(Scripted):
    """Respond to the first process alert of the last observation, else Analyse hosts in turn."""

    state = ("_rota",)

    def __init__(self, name: str, response: ActionKind) -> None:
        super().__init__(name)
        self._response = ON_SLOT[response]

    def begin(self, mask: BoolArray) -> None:
        """Set up new episodes."""
        self._rota = Rota(mask, ActionKind.ANALYSE)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        response = act_on(self._response, best_slot(obs[:, PROCESS] != 0))
        alarm = response != NONE
        routine = self._rota.next(free & ~alarm)
        return np.where(free & alarm, response - OFFSETS, routine)


class CommsBlock(Scripted):
    """Make the blocks agree with the comms policy that the observation shows, a link at a time."""

    rests = True

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        prohibited = obs[:, PROHIBITED] != 0
        wrong = best_link(prohibited != (obs[:, BLOCKED] != 0))
        block = np.take_along_axis(prohibited, np.maximum(wrong, 0), axis=1)
        correction = np.where(
            block, ON_LINK[ActionKind.BLOCK][wrong], ON_LINK[ActionKind.ALLOW][wrong]
        )
        return np.where(free & (wrong != NONE), correction - OFFSETS, SLEEP_INDEX)
