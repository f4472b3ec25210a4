"""The policy protocol: what a policy sees, what it answers.

A policy acts for all five blue agents in ``n`` environments at once. Agents' observations, masks
and actions lie side by side in the layouts of ``cagexplain.cc4.observations`` and
``cagexplain.cc4.actions``; some also read what their agents' raw observations tell (`Reading`).
Nothing else reaches it, so it cannot see the ground truth. The one exception are official
submissions (`Onlooker`), which play on an environment, not on vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, IntArray

if TYPE_CHECKING:
    from cagexplain.envs import Env

Instead: TypeAlias = IntArray | Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]
"""What is done in place of a policy's choice: ``int[n, 5]`` actions, or what revises its choice,
``int64[n, 5]`` to ``int64[n, 5]``; it is called once, and must not change what it is given."""


Kind: TypeAlias = Literal["scripted", "checkpoint", "tree", "external"]
"""Where a policy comes from."""


def done(chosen: npt.NDArray[np.int64], instead: Instead | None) -> npt.NDArray[np.int64]:
    """The actions ``int64[n, 5]`` that are done when a policy has `chosen` its own."""
    if instead is None:
        return chosen
    return np.asarray(instead(chosen) if callable(instead) else instead, np.int64)


@dataclass(frozen=True)
class Decision:
    """What a policy answers in one step.

    Attributes:
        actions: ``int64[n, 5]`` index per agent; ignored (but a Restore is charged) while busy.
        messages: ``uint8[n, 5, 8]`` bits to the other agents, or None for silence.
        probability: ``float32[n, 5]`` probability of the chosen action under the policy, or None.
        entropy: ``float32[n, 5]`` entropy of the policy in nats, or None.
    """

    actions: npt.NDArray[np.int64]
    messages: npt.NDArray[np.uint8] | None = None
    probability: npt.NDArray[np.float32] | None = None
    entropy: npt.NDArray[np.float32] | None = None


class Policy(Protocol):
    """Anything that chooses blue actions."""

    @property
    def name(self) -> str:
        """Short name for tables and folders."""

    @property
    def kind(self) -> Kind:
        """Where the policy comes from."""

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes in ``len(seeds)`` environments.

        All randomness of a policy comes from these seeds, one stream per environment, so that an
        episode does not depend on which others are played beside it.
        """

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Choose for every agent.

        Args:
            obs: ``int8[n, 578]`` observations.
            mask: ``bool[n, 570]`` valid actions, the same throughout an episode.
            free: ``bool[n, 5]`` whether an agent's submission will start; False while an earlier
                action is still running.
            instead: ``int[n, 5]`` actions to take in place of what the policy would choose, as in
                "what if it had restored?", or a function that revises its choice, as a remedy
                does: it remembers the outcome as its own and goes on from there.
        """

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Policy:
        """A policy that goes on with copies of some environments; this one stays as it is.

        Args:
            rows: ``int[m]``, for each environment of the new policy the one it continues, as
                ``BatchedEnv.restore`` has it.
            seeds: ``int[m]``, new seeds of its chances; without, each copy continues its
                original's stream and so makes the same choices.
        """

    def describe(self) -> dict[str, Any]:
        """Facts for manifests, as JSON can hold them."""


@runtime_checkable
class Weighing(Protocol):
    """What policies have besides if they weigh all actions before they choose.

    Attributes:
        values: whether `weights` are values of actions; else they are log-probabilities.
    """

    values: bool

    def weights(self) -> npt.NDArray[np.float32]:
        """``float32[n, 570]`` weights of the last `act`, minus infinity for invalid actions."""


class Reading(Policy, Protocol):
    """What a policy has besides if it reads its agents' raw observations.

    Attributes:
        reads: True; wrappers say here whether what they wrap reads.
    """

    reads: bool

    def read(self, sightings: Sightings) -> None:
        """Take in what the raw observations tell that the next `act` is about."""


class Onlooker(Policy, Protocol):
    """What a policy has besides if it needs the whole state of the world.

    Attributes:
        looks: True; wrappers say here whether what they wrap looks.
    """

    looks: bool

    def look(self, env: Env) -> None:
        """Look at the environments that the next `act` is about, as they are now."""

    def carry_on(self, env: Env) -> None:
        """The episodes have ended, as the environments show. The next `reset` begins new ones for
        the same agents, with all that they remember."""


def reads(policy: Policy) -> bool:
    """Whether a policy is a `Reading` one."""
    return bool(getattr(policy, "reads", False))


def looks(policy: Policy) -> bool:
    """Whether a policy is an `Onlooker`."""
    return bool(getattr(policy, "looks", False))


def show(policy: Policy, env: Env) -> None:
    """Show a policy what it needs besides the vectors: the environments if it looks, what the raw
    observations tell if it reads them; others never get them."""
    if looks(policy):
        policy.look(env)  # type: ignore[attr-defined]
    if reads(policy):
        policy.read(env.sightings())  # type: ignore[attr-defined]


def carry_on(policy: Policy, env: Env) -> None:
    """Have a policy that looks go on to the next episode with the same agents, at its next reset;
    others begin every episode anew."""
    if looks(policy):
        policy.carry_on(env)  # type: ignore[attr-defined]


def rows_at_once(policy: Policy, usual: int) -> int:
    """How many environments a policy should play side by side: `usual` of them, unless each takes
    a process of its own (`most_rows`)."""
    most: int | None = getattr(policy, "most_rows", None)
    return usual if most is None else min(usual, most)


def decide(policy: Policy, env: Env, instead: Instead | None = None) -> Decision:
    """What a policy chooses in the environments as they are now; see `Policy.act`."""
    show(policy, env)
    if instead is None:  # which simple policies need not know
        return policy.act(env.obs, env.mask, env.free)
    return policy.act(env.obs, env.mask, env.free, instead)
