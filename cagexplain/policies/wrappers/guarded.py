"""A policy whose errors are reported as errors of the policy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.base import Decision, Instead, Policy
from cagexplain.policies.wrappers.base import Wrapper


class PolicyFailure(CagexplainError):
    """A policy raised an error, or answered what is no action."""


class Guarded(Wrapper):
    """A policy whose errors are reported as such, with the step, and not as errors of ours."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._step = 0

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, with seeds ``int[n]``."""
        self._step = 0
        super().reset(seeds)

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the wrapped policy chooses; see `Policy.act`.

        Raises:
            PolicyFailure: it failed.
        """
        self._step += 1
        try:
            return super().act(obs, mask, free, instead)
        except Exception as error:
            raise PolicyFailure(
                f"the policy failed in step {self._step - 1}: {type(error).__name__}: {error}",
                where=self.name,
                remedy="Mend the policy, or audit it with other seeds",
            ) from error
