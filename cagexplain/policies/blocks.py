"""Episodes in blocks, which are played side by side, here or on a cluster.

What is played and counted of a block is a function (`Playing`), which is the same in all places:
so are the results, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import phases
from cagexplain.common.arrays import IntArray
from cagexplain.common.cluster import Cluster
from cagexplain.envs import Engine, Env, EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.rollout import Observer, batches

_LEAST: Final = 8
"""Episodes of a block on a cluster: in smaller ones a step costs more than what it plays."""
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Block:
    """Episodes that are played side by side.

    Attributes:
        number: of the block, from 0.
        first: number of its first episode.
        seeds: ``int64[n]`` of its episodes.
    """

    number: int
    first: int
    seeds: npt.NDArray[np.int64]

    def __str__(self) -> str:
        first, last = self.seeds[0], self.seeds[-1]
        return (
            f"episode of seed {first}" if first == last else f"episodes of seeds {first} to {last}"
        )


def blocks(seeds: IntArray, size: int) -> list[Block]:
    """Cut the seeds ``int[k]`` into consecutive blocks of `size`, the last one perhaps smaller."""
    return [Block(i, i * size, part) for i, part in enumerate(batches(seeds, size))]


class Playing(Protocol[T_co]):
    """Plays a block and says what came of it, such that it can be sent to another process."""

    def __call__(
        self, policy: Policy, env: Env, block: Block, observers: Sequence[Observer]
    ) -> T_co:
        """Play.

        Args:
            policy: to play.
            env: with an environment for each episode.
            block: to play.
            observers: further observers of the play, such as a progress bar.
        """


class Place(Protocol):
    """Where blocks are played."""

    def play(
        self, policy: Policy, params: EnvParams, parts: Sequence[Block], playing: Playing[T]
    ) -> Iterator[tuple[Block, T]]:
        """Play blocks, and yield each with what came of it, as they are finished."""

    def size(self, episodes: int, usual: int) -> int:
        """Episodes per block, where that has no effect on what comes of them."""


@dataclass(frozen=True)
class Here:
    """This process: one block after the other.

    Attributes:
        engine: the simulator.
        observers: further observers of the play, such as a progress bar.
    """

    engine: Engine
    observers: Sequence[Observer] = ()

    def play(
        self, policy: Policy, params: EnvParams, parts: Sequence[Block], playing: Playing[T]
    ) -> Iterator[tuple[Block, T]]:
        """As of `Place`, in the order of the blocks."""
        env: Env | None = None
        try:
            for block in parts:
                if env is None or env.n_envs != len(block.seeds):
                    if env is not None:
                        env.close()
                    env = self.engine.make(len(block.seeds), params)
                yield block, playing(policy, env, block, self.observers)
        finally:
            if env is not None:
                env.close()

    def size(self, episodes: int, usual: int) -> int:
        """The usual number."""
        return usual


@dataclass(frozen=True)
class There:
    """A cluster: a block on each core, on our own simulator.

    Attributes:
        cluster: to play on.
        advance: is told environment steps as blocks are finished.
    """

    cluster: Cluster
    advance: Callable[[int], None] = lambda steps: None

    def play(
        self, policy: Policy, params: EnvParams, parts: Sequence[Block], playing: Playing[T]
    ) -> Iterator[tuple[Block, T]]:
        """As of `Place`, in any order.

        Raises:
            CagexplainError: see `Cluster.each`.
        """
        steps = phases.calls(params.steps)
        work = (policy, params, playing)
        for i, result in self.cluster.each(_play, work, parts):
            self.advance(steps * len(parts[i].seeds))
            yield parts[i], result

    def size(self, episodes: int, usual: int) -> int:
        """The usual number, or fewer if that leaves no core without a block."""
        share = -(-episodes // self.cluster.slots)
        return min(usual, max(share, _LEAST))


def _play(work: tuple[Policy, EnvParams, Playing[T]], block: Block) -> T:
    """What a worker does with a block."""
    policy, params, playing = work
    ((_, result),) = Here(Engine(workers=1)).play(policy, params, [block], playing)
    return result
