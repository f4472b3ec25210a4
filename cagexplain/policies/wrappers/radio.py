"""A team whose radio fails: messages get lost on their way, or arrive as their opposite."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.layout import MESSAGES
from cagexplain.common.arrays import BoolArray
from cagexplain.policies.base import Decision, Instead, Policy
from cagexplain.policies.wrappers.base import Changed, require_vectors

Failure = Literal["lost", "inverted"]
_SAYS: Final[dict[Failure, str]] = {"lost": "messages lost", "inverted": "messages inverted"}


class Radio(Changed):
    """A policy whose agents hear nothing, or the opposite of every bit that was sent to them.

    Args:
        policy: is shown the changed observations.
        messages: what happens to them.
    """

    def __init__(self, policy: Policy, messages: Failure) -> None:
        require_vectors(policy, "messages")
        super().__init__(policy)
        self.messages = messages

    @property
    def name(self) -> str:
        """The policy's, with the failure."""
        return f"{self.inner.name} ({_SAYS[self.messages]})"

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the policy chooses on what it hears; see `Policy.act`."""
        heard = obs.copy()
        heard[:, MESSAGES] = 0 if self.messages == "lost" else 1 - obs[:, MESSAGES]
        return self.inner.act(heard, mask, free, instead)

    @property
    def change(self) -> dict[str, Any]:
        """What happens to its messages."""
        return {"messages": self.messages}
