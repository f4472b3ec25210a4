"""A policy some of whose actions have no effect: what are they worth?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.actions import ALL_KIND, KIND_NAMES, ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.common.arrays import BoolArray
from cagexplain.policies.base import Decision, Instead, Policy
from cagexplain.policies.wrappers.base import Changed


class Without(Changed):
    """A policy with Sleep in place of all its actions of some types.

    The policy is not told: it takes them for done and goes on from there. One that knew would
    choose the same again and again, so that the rest of what it does would be lost with them.

    Args:
        policy: whose actions are replaced.
        types: of the actions.
    """

    def __init__(self, policy: Policy, types: Sequence[ActionKind]) -> None:
        super().__init__(policy)
        self.types = tuple(types)

    @property
    def name(self) -> str:
        """The policy's, and what it is without."""
        return f"{self.inner.name} without {', '.join(KIND_NAMES[kind] for kind in self.types)}"

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the wrapped policy chooses, or Sleep; see `Policy.act` for the shapes."""
        decision = self.inner.act(obs, mask, free, instead)
        void = np.isin(ALL_KIND[np.arange(N_BLUE), decision.actions], self.types)
        return replace(decision, actions=np.where(void, SLEEP_INDEX, decision.actions))

    @property
    def change(self) -> dict[str, Any]:
        """What it is without."""
        return {"without": [KIND_NAMES[kind] for kind in self.types]}
