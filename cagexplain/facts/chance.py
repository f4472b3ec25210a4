"""Other moments to hold one against: what would have been so at any time has no reason."""

from __future__ import annotations

from typing import Final

import numpy as np

from cagexplain.common.arrays import IntArray

N_OTHERS: Final = 8
"""Moments that each one is held against."""
APART: Final = 12
"""Steps between them: more than what counts as a reason, so that each tells something new."""


def other_steps(step: IntArray, steps: int) -> IntArray:
    """``int[moment, 8]`` steps before each moment, spread evenly over the last hundred.

    What comes after the moment does not count, as it may follow from what was done. Only where the
    episode has just begun, later steps stand in for those that are missing.

    Args:
        step: ``int[moment]``.
        steps: of the episode.
    """
    before = step[:, None] - APART * np.arange(1, N_OTHERS + 1)
    others: IntArray = np.minimum(np.abs(before), steps - 1)
    return others
