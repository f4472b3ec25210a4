"""Where a host is, as this package counts it, and how far it is compromised."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import agents

N_LEVELS: Final = 3
"""True compromise of a host: none, user session, root session."""
LEVEL_NAMES: Final = ("clean", "user session", "root session")

PLACES: Final = (*agents.BLUE, "elsewhere")
"""Whose zone a host is in: a blue agent's, or one that none defends."""
PLACE_OF_HOST: Final[npt.NDArray[np.int64]] = np.where(
    agents.BLUE_OF_HOST >= 0, agents.BLUE_OF_HOST, agents.N_BLUE
).astype(np.int64)
