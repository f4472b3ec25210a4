"""A policy that may not rest."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.layout import ACTION_AGENT, ACTION_TYPE, WAITS
from cagexplain.common.arrays import BoolArray
from cagexplain.policies.base import Decision, Instead
from cagexplain.policies.wrappers.base import Wrapper

_RESTING: Final = np.isin(ACTION_TYPE, WAITS)


class MaskSleep(Wrapper):
    """A policy whose free agents' masks leave out Sleep, and Monitor which is the same.

    The study masks Sleep when it asks what a policy does about each state of the attacker. A busy
    agent keeps its mask, as it has nothing to choose.
    """

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the wrapped policy chooses from the smaller mask; see `Policy.act`."""
        return self.inner.act(obs, mask & ~(_RESTING & free[:, ACTION_AGENT]), free, instead)

    def describe(self) -> dict[str, Any]:
        """What the wrapped policy says, and that Sleep is masked."""
        return {**self.inner.describe(), "mask_sleep": True}
