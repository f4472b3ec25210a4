"""Where the look-alike gets the engine's records from: it steps no engine itself."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cagexplain.common.errors import UsageError
from cagexplain.envs.batched import BatchedEnv
from cagexplain.sim.state import STATE

Record = Any
"""One element of :data:`cagexplain.sim.state.STATE`."""


def record_of(content: bytes) -> Record:
    """The record that was sent as bytes, writable."""
    return np.frombuffer(bytearray(content), STATE)[0]


class Exchange(Protocol):
    """Whoever plays the engine for a look-alike."""

    def begin(self) -> Record:
        """A new episode: the record after its reset."""

    def step(self, actions: npt.NDArray[np.int64], messages: npt.NDArray[np.uint8]) -> Record:
        """Play one step of actions ``int64[5]`` and messages ``uint8[5, 8]``; the new record."""


class InProcess:
    """An exchange over an environment of this process.

    Args:
        env: one environment.
        seed: of the first episode; the next ones go on with its generator.
        skip_worlds: before the first episode; see ``BatchedEnv.reset``.
    """

    def __init__(self, env: BatchedEnv, seed: int, *, skip_worlds: int = 0) -> None:
        if env.n_envs != 1:
            raise UsageError(
                "the look-alike plays one environment", field="env", remedy="make a BatchedEnv(1)"
            )
        self.env = env
        self._seeds: list[int] | None = [seed]
        self._skip_worlds = skip_worlds

    def begin(self) -> Record:
        """The record after the reset."""
        self.env.reset(self._seeds, skip_worlds=self._skip_worlds)
        self._seeds, self._skip_worlds = None, 0
        return self.env.state[0]

    def step(self, actions: npt.NDArray[np.int64], messages: npt.NDArray[np.uint8]) -> Record:
        """The record after the step."""
        self.env.step(actions[None], messages[None])
        return self.env.state[0]
