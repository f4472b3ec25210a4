"""A policy that answers actions and messages only."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.policies.base import Decision, Instead, Policy, show
from cagexplain.policies.wrappers.base import Wrapper

if TYPE_CHECKING:
    from cagexplain.envs import Env


class Terse(Wrapper):
    """A policy that reports no probabilities: as a branch of itself a trained one computes what
    free agents choose only, which saves half of its time and changes nothing that it does.

    Attributes:
        playing: the branch that plays.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.playing: Policy = policy

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, with seeds ``int[n]``."""
        super().reset(seeds)
        self.playing = self.inner.branch(np.arange(len(seeds)), seeds)

    def look(self, env: Env) -> None:
        """Show the environments to the branch that plays."""
        show(self.playing, env)

    def read(self, sightings: Sightings) -> None:
        """Hand what the raw observations tell to the branch that plays."""
        self.playing.read(sightings)  # type: ignore[attr-defined]

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the branch chooses; see `Policy.act`."""
        return self.playing.act(obs, mask, free, instead)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments; see `Policy.branch`."""
        twin = copy.copy(self)
        twin.inner = twin.playing = self.playing.branch(rows, seeds)
        return twin
