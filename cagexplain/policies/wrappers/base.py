"""A policy around a policy: what all wrappers share."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.common.errors import UsageError
from cagexplain.policies.base import Decision, Instead, Kind, Policy, carry_on, looks, reads

if TYPE_CHECKING:
    from typing import Self

    from cagexplain.envs import Env


def unwrapped(policy: Policy) -> Policy:
    """The policy inside of all wrappers."""
    inner: Policy | None = getattr(policy, "inner", None)
    return policy if inner is None else unwrapped(inner)


def require_vectors(policy: Policy, what: str) -> None:
    """Refuse to change what a policy sees that looks at the world itself.

    Args:
        policy: to be shown other observations.
        what: is to be changed.

    Raises:
        UsageError: it is an `Onlooker`.
    """
    if looks(policy):
        raise UsageError(
            f"its {what} cannot be changed: it plays on an environment of its own",
            where=policy.name,
            remedy="Change the environment's parameters in place of its observations",
        )


class Wrapper:
    """Does as the wrapped policy does; a subclass changes what it is about.

    Args:
        policy: the wrapped policy.

    Attributes:
        inner: the wrapped policy.
    """

    def __init__(self, policy: Policy) -> None:
        self.inner = policy

    @property
    def name(self) -> str:
        """The wrapped policy's."""
        return self.inner.name

    @property
    def kind(self) -> Kind:
        """The wrapped policy's."""
        return self.inner.kind

    @property
    def looks(self) -> bool:
        """Whether the wrapped policy is an `Onlooker`."""
        return looks(self.inner)

    @property
    def reads(self) -> bool:
        """Whether the wrapped policy is a `Reading` one."""
        return reads(self.inner)

    @property
    def most_rows(self) -> int | None:
        """The wrapped policy's; see `rows_at_once`."""
        return getattr(self.inner, "most_rows", None)

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, with seeds ``int[n]``."""
        self.inner.reset(seeds)

    def look(self, env: Env) -> None:
        """Show the environments to the wrapped policy."""
        self.inner.look(env)  # type: ignore[attr-defined]

    def read(self, sightings: Sightings) -> None:
        """Hand the wrapped policy what the raw observations tell."""
        self.inner.read(sightings)  # type: ignore[attr-defined]

    def carry_on(self, env: Env) -> None:
        """Have the wrapped policy go on to the next episode."""
        carry_on(self.inner, env)

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the wrapped policy chooses; see `Policy.act` for the shapes."""
        return self.inner.act(obs, mask, free, instead)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments, wrapped likewise; see `Policy.branch`."""
        twin = copy.copy(self)
        twin.inner = self.inner.branch(rows, seeds)
        return twin

    def describe(self) -> dict[str, Any]:
        """What the wrapped policy says."""
        return self.inner.describe()


class Changed(Wrapper, ABC):
    """A policy that is another one by what the wrapper does to it."""

    @property
    @abstractmethod
    def change(self) -> dict[str, Any]:
        """What it does, as JSON can hold it."""

    def describe(self) -> dict[str, Any]:
        """The wrapped policy, and what is done to it."""
        policy = self.inner.describe()
        return {"name": self.name, "kind": self.kind, "policy": policy, **self.change}
