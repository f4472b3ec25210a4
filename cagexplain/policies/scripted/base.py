"""What scripted blue policies share.

An agent is *free* when its submission will start; all policies but `sleep`, `monitor`, `random` and
`restore_spam` submit Sleep while busy. Actions are indices into an agent's own layout where a
policy answers, and positions among the 570 in rules that look at hosts and links
(``cagexplain.cc4.layout``).
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import ACTION_AGENT, ACTION_TYPE, OFFSETS, SLEEP, SLEEP_INDEX
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, Int64Array, IntArray
from cagexplain.policies.base import Decision, Instead, done
from cagexplain.policies.knowledge import Knowledge

if TYPE_CHECKING:
    from typing import Self


def _positions(*types: ActionKind) -> tuple[Int64Array, BoolArray]:
    """Each agent's actions of some types, type after type: positions ``int64[5, k]``, padded with
    its Sleep, and which of them are real."""
    rows = [
        np.concatenate(
            [np.flatnonzero((agent == ACTION_AGENT) & (each == ACTION_TYPE)) for each in types]
        )
        for agent in range(N_BLUE)
    ]
    width = max(map(len, rows))
    real = np.arange(width) < np.array([[len(row)] for row in rows])
    positions = np.repeat(SLEEP[:, None], width, axis=1)
    positions[real] = np.concatenate(rows)
    return positions, real


class Rota:
    """Each agent's valid actions of some types, taken in turn.

    Args:
        mask: ``bool[n, 570]`` valid actions of the episode.
        types: action types, in the order in which they are gone through.
    """

    def __init__(self, mask: BoolArray, *types: ActionKind) -> None:
        positions, real = _positions(*types)
        valid = mask[:, positions] & real
        first_valid = np.argsort(~valid, axis=-1, kind="stable")
        index = np.broadcast_to(positions - OFFSETS[:, None], valid.shape)
        self._order = np.take_along_axis(index, first_valid, axis=-1)
        self._count = valid.sum(axis=-1)
        self._taken = np.zeros_like(self._count)

    def next(self, turn: BoolArray) -> Int64Array:
        """Index of the next action of each agent, Sleep for those whose turn it is not.

        Args:
            turn: ``bool[n, 5]`` agents whose turn it is.

        Returns:
            ``int64[n, 5]``.
        """
        turn = turn & (self._count > 0)
        place = self._taken % np.maximum(self._count, 1)
        action = np.take_along_axis(self._order, place[..., None], axis=-1)[..., 0]
        self._taken += turn
        return np.where(turn, action, SLEEP_INDEX)

    def branch(self, rows: IntArray) -> Rota:
        """The same, as far gone, for copies of some environments, ``int[m]``."""
        twin = copy.copy(self)
        for name in ("_order", "_count", "_taken"):
            setattr(twin, name, getattr(self, name)[rows])
        return twin

    @property
    def unfinished(self) -> BoolArray:
        """``bool[n, 5]`` agents that have not yet gone through all their actions once."""
        unfinished: BoolArray = self._taken < self._count
        return unfinished


def _copied(state: Any, rows: IntArray) -> Any:
    """What a policy keeps per environment, for copies of some of them."""
    if isinstance(state, Rota | Knowledge):
        return state.branch(rows)
    if isinstance(state, list):
        return [copy.deepcopy(state[i]) for i in rows]
    return state[rows]


class Scripted(ABC):
    """What scripted policies share: neither messages nor probabilities, state set up at step 0.

    Attributes:
        summary: one line about the rule, for manifests; the registry hands it in.
    """

    kind: Literal["scripted", "checkpoint"] = "scripted"

    rests: ClassVar[bool] = False
    """Whether the rule submits Sleep or Monitor while free, so that Sleep cannot be masked."""

    state: ClassVar[tuple[str, ...]] = ()
    """Attributes with an entry per environment that `begin` sets: arrays, lists, a `Rota`, a
    `Knowledge`."""

    summary = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self._begun = False

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, with seeds ``int[n]``."""
        self._seeds = np.asarray(seeds)
        self._begun = False

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Choose by the rule; see `Policy.act` for the shapes. A rota goes on even if something
        else is done `instead`."""
        if not self._begun:
            self.begin(mask)
            self._begun = True
        chosen = done(self.choose(obs, mask, free), instead)
        self.submitted(chosen, free)
        return Decision(chosen)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments; see `Policy.branch`."""
        twin = copy.copy(self)
        twin._seeds = self._seeds[rows] if seeds is None else np.asarray(seeds)
        if self._begun:
            for name in self.state:
                setattr(twin, name, _copied(getattr(self, name), rows))
            if seeds is not None:
                twin.reseed()
        return twin

    def describe(self) -> dict[str, Any]:
        """Name and rule."""
        return {"kind": self.kind, "name": self.name, "rule": self.summary}

    def begin(self, mask: BoolArray) -> None:  # noqa: B027 - a rule may need no state
        """Set up the state of new episodes, whose valid actions ``bool[n, 570]`` are now known."""

    def reseed(self) -> None:  # noqa: B027 - or no chance
        """Begin the streams of random numbers of new seeds, if there are any."""

    def submitted(self, chosen: Int64Array, free: BoolArray) -> None:  # noqa: B027 - or no memory
        """Remember the actions that were submitted.

        Args:
            chosen: ``int64[n, 5]`` indices.
            free: ``bool[n, 5]``.
        """

    @abstractmethod
    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Indices of the actions, ``int64[n, 5]``; the arguments are those of `act`."""


class Informed(Scripted):
    """A scripted policy that chooses by what its agents know.

    Attributes:
        now: that knowledge.
    """

    state: ClassVar[tuple[str, ...]] = ("now",)
    reads: ClassVar[bool] = False
    """Whether the rule reads the raw observations."""
    now: Knowledge
    _sightings: Sightings | None = None

    def begin(self, mask: BoolArray) -> None:
        """Nothing is known yet."""
        self.now = Knowledge.fresh(len(mask))

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Look, then decide; busy agents submit Sleep."""
        self.take_in(obs, mask, free)
        return np.where(free, self.decide() - OFFSETS, SLEEP_INDEX)

    def read(self, sightings: Sightings) -> None:
        """Take note of what the raw observations tell, for a rule that `reads` them."""
        self._sightings = sightings

    def take_in(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> None:
        """Take in what the agents are shown; the arguments are those of `act`."""
        self.now.observe(obs, mask, free, self._sightings)
        self._sightings = None

    @abstractmethod
    def decide(self) -> Int64Array:
        """Positions of the actions of the agents that are free: ``int64[n, 5]``."""

    def submitted(self, chosen: Int64Array, free: BoolArray) -> None:
        """Remember the actions that were started."""
        self.now.acted(chosen, free)
