"""What all flawed policies share."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from cagexplain.cc4.layout import N_SLOTS, NONE, SLOT_START
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted.expert import Expert

EVERYWHERE: Final[BoolArray] = np.ones(N_SLOTS, np.bool_)
"""All agent slots: ``bool[112]``."""
FIRST: Final = np.isin(np.arange(N_SLOTS), SLOT_START)
"""Each agent's first slot, a server that every world has: ``bool[112]``."""


class Flawed(Expert):
    """The expert, but for what a subclass changes.

    Attributes:
        defect: what that is, in a sentence about "it".
    """

    defect = ""

    def never(self) -> Int64Array:
        """A rule that does not apply."""
        return np.full(self.now.free.shape, NONE)

    def describe(self) -> dict[str, Any]:
        """Name and defect."""
        return {"kind": self.kind, "name": self.name, "rule": f"expert, but {self.defect}"}
