"""What all flawed policies share."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted import expert
from cagexplain.policies.scripted.expert import NOTHING, ZONE, Expert, Sight

AGENTS: Final = np.arange(N_BLUE)
FIRST: Final = np.broadcast_to(np.arange(expert.N_SLOTS) == 0, ZONE.shape)
"""Each agent's first slot, a server that every world has."""


def never(sight: Sight) -> Int64Array:
    """A rule that does not apply."""
    return np.full(sight.free.shape, NOTHING)


class Flawed(Expert):
    """The expert, but for what a subclass changes.

    Attributes:
        defect: what that is, in a sentence about "it".
    """

    state: ClassVar[tuple[str, ...]] = (*Expert.state, "_step")
    defect = ""

    def begin(self, mask: BoolArray) -> None:
        """Count the steps as well."""
        super().begin(mask)
        self._step = np.full(len(mask), -1)

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """As the expert."""
        self._step += 1
        return super().look(obs, free)

    def describe(self) -> dict[str, Any]:
        """Name and defect."""
        return {"kind": self.kind, "name": self.name, "rule": f"expert, but {self.defect}"}
