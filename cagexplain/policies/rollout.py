"""The one loop that plays a policy in a batch of environments.

Evaluation, recording and benchmarks watch it through observers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import phases
from cagexplain.common import machine
from cagexplain.common.arrays import IntArray
from cagexplain.common.errors import UsageError
from cagexplain.policies.base import Decision, Policy, carry_on, decide

if TYPE_CHECKING:
    from cagexplain.envs import Env

DEFAULT_BATCH: Final = 64
"""Environments played side by side: enough to hide the cost of Python per step, few enough for the
memory of a recording."""

EVALUATION_SEED: Final = 1_000_000
"""First seed of evaluation episodes. Training draws its seeds below it, so that a policy is judged
on worlds that it has not seen."""

EPISODE_BYTES: Final = 2_000
"""Memory that every episode of a play takes: its rewards by phase, cause and zone, twice while
batches are joined. Recordings and audits take more."""


SEEDS: Final = "seeds"
OFFICIAL: Final = "official"
PROTOCOLS: Final = {
    SEEDS: "every episode plays the first world of its own seed",
    OFFICIAL: "the episodes play consecutive worlds of one generator; its first one is discarded",
}
"""Which worlds are played. ``official`` is what the evaluation script of CC4 does: CybORG draws a
world when it is constructed with the seed, and another one at every reset. So an episode cannot be
played again without those before it: traces, and all that rests on them, have seeds."""


class Observer:
    """Watches the play of a batch of episodes; does nothing by itself."""

    def begin(self, env: Env, seeds: npt.NDArray[np.int64]) -> None:
        """The environments were reset to the beginning of the episodes of seeds ``int64[n]``."""

    def before_step(self, env: Env, decision: Decision) -> None:
        """The policy has decided; the environments still show what it decided on."""

    def after_step(self, env: Env, decision: Decision) -> None:
        """The environments show the result."""


def play(
    policy: Policy,
    env: Env,
    seeds: IntArray,
    observers: Sequence[Observer] = (),
    *,
    skip_worlds: int = 0,
    continued: bool = False,
) -> None:
    """Play one episode in every environment of `env`, to its end.

    Args:
        policy: chooses for all agents.
        env: environments to reset and step, ``len(seeds)`` of them.
        seeds: ``int[n]`` seed of each episode's world and outcomes; the policy gets them as well.
        observers: called in the given order.
        skip_worlds: worlds to draw and discard before the one that is played. CybORG constructed
            with a seed and then reset plays the second world of its generator.
        continued: go on with the generators of `env`, which has played an episode, and with the
            agents of a policy that looks; `seeds` are those of any other policy only.
    """
    episodes = np.asarray(seeds, dtype=np.int64)
    if continued:
        carry_on(policy, env)
    env.reset(None if continued else episodes, skip_worlds=skip_worlds)
    policy.reset(episodes)
    for observer in observers:
        observer.begin(env, episodes)
    for _ in range(phases.calls(env.params.steps)):
        decision = decide(policy, env)
        for observer in observers:
            observer.before_step(env, decision)
        env.step(decision.actions, decision.messages)
        for observer in observers:
            observer.after_step(env, decision)


def batches(seeds: IntArray, size: int) -> list[npt.NDArray[np.int64]]:
    """Cut the seeds ``int[k]`` into consecutive batches of `size`, the last one perhaps smaller."""
    episodes = np.asarray(seeds, dtype=np.int64)
    return [episodes[start : start + size] for start in range(0, len(episodes), size)]


def seed_range(first: int, episodes: int) -> npt.NDArray[np.int64]:
    """Seeds of consecutive episodes: `first`, `first` + 1, ...

    Raises:
        UsageError: so many episodes cannot fit into the memory that is free now.
    """
    required, available = episodes * EPISODE_BYTES, machine.available_bytes()
    if required > available:
        raise UsageError(
            f"{episodes:,} episodes need at least {required / 2**30:,.0f} GiB of memory, and "
            f"{available / 2**30:,.1f} GiB are free",
            field="episodes",
            remedy=f"Play at most {available // EPISODE_BYTES:,}",
        )
    return np.arange(first, first + episodes, dtype=np.int64)
