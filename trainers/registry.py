"""The algorithms by name. A new one is a file of its own, imported here, and one entry."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv
from trainers import maddpg, ppo, qmix
from trainers.core.clock import Clock


class Learner(Protocol):
    """What the run loop asks of an algorithm."""

    def round(
        self, env: BatchedEnv, seeds: npt.NDArray[np.int64], number: int, of: int, clock: Clock
    ) -> dict[str, float]:
        """Play one episode per environment, learn, and report metrics: among them "return", and
        "gradient_steps", the steps of an acting network's optimiser in this round (the mean over
        the networks).

        All randomness must follow from the run's seed and `number`, so that a resumed run
        repeats it.

        Args:
            env: n environments.
            seeds: (n,) of the episodes.
            number: of this round, from 0.
            of: number of rounds of the whole run.
            clock: gets the time of each part.
        """

    def weights(self) -> dict[str, Any]:
        """What acting needs, for a checkpoint."""

    def state(self) -> dict[str, Any]:
        """Everything that learning changes, as plain containers and tensors.

        A replay memory goes by the name "memory": finished runs leave it out.
        """

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""


@dataclass(frozen=True)
class Algorithm:
    """An entry of the registry.

    Attributes:
        presets: name -> settings, a dataclass with `envs`, `observation` and `acting` among
            its fields.
        make: (settings, seed, threads, device) -> learner.
        check: refuses settings that make no sense together; UsageError gives the reason.
    """

    presets: Mapping[str, Any]
    make: Callable[[Any, int, int, str], Learner]
    check: Callable[[Any], None]


_FAMILIES: Final = ((ppo, ppo.PPO), (qmix, qmix.QMIX), (maddpg, maddpg.MADDPG))

ALGORITHMS: Final[dict[str, Algorithm]] = {
    name: Algorithm(family.presets(name), make, family.check)
    for family, make in _FAMILIES
    for name in family.MEMBERS
}


def find_algorithm(name: str) -> Algorithm:
    """The entry of an algorithm; UsageError if there is none."""
    _check_name(name, ALGORITHMS, "algorithm")
    return ALGORITHMS[name]


def find_preset(algorithm: str, name: str) -> Any:
    """The settings of a preset; UsageError if there is none."""
    presets = find_algorithm(algorithm).presets
    _check_name(name, presets, "preset")
    return presets[name]


def check_combination(algorithm: str, settings: Any) -> None:
    """Refuse settings that make no sense together; UsageError gives the reason."""
    find_algorithm(algorithm).check(settings)


def _check_name(name: str, known: Iterable[str], kind: str) -> None:
    known = list(known)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}"
        raise UsageError(f"there is no {kind} {name!r}", remedy=hint)
