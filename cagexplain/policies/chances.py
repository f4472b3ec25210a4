"""Random numbers of policies that sample: one stream per environment, from its episode's seed."""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.arrays import IntArray

_CHUNK: Final = 512
"""Steps for which random numbers are drawn at once."""


class Chances:
    """Uniform numbers for the five agents of each environment, step after step.

    Args:
        seeds: ``int[n]`` of the episodes.
    """

    def __init__(self, seeds: IntArray) -> None:
        self._generators = [np.random.default_rng([int(seed), N_BLUE]) for seed in seeds]
        self._drawn = np.empty((len(seeds), 0, N_BLUE), np.float32)
        self._step = 0

    def next(self) -> npt.NDArray[np.float32]:
        """The numbers of this step, in [0, 1): ``float32[n, 5]``."""
        at = self._step % _CHUNK
        if at == 0:
            self._drawn = np.stack(
                [g.random((_CHUNK, N_BLUE), dtype=np.float32) for g in self._generators]
            )
        self._step += 1
        return self._drawn[:, at]

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Chances:
        """Copies of the streams of some environments, ``int[m]``, or new ones of `seeds`."""
        if seeds is not None:
            return Chances(seeds)
        twin = copy.copy(self)
        twin._generators = [copy.deepcopy(self._generators[i]) for i in rows]
        twin._drawn = self._drawn[rows]
        return twin
