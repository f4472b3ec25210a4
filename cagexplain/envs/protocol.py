"""What everything above the environments relies on, whichever simulator is behind it."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.sightings import Sightings
from cagexplain.envs.truth import GroundTruth
from cagexplain.sim.params import EnvParams


class Env(Protocol):
    """``n_envs`` independent CC4 environments that are reset and stepped together.

    :class:`~cagexplain.envs.batched.BatchedEnv` documents the arrays, all of which are overwritten
    by ``reset`` and ``step``; :class:`~cagexplain.envs.cyborg.CybORGEnv` fills the same ones.
    """

    params: EnvParams
    n_envs: int
    obs: npt.NDArray[np.int8]
    mask: npt.NDArray[np.bool_]
    reward: npt.NDArray[np.float32]
    reward_parts: npt.NDArray[np.int32]
    action_cost: npt.NDArray[np.int32]
    phase: npt.NDArray[np.int8]
    step_count: npt.NDArray[np.int32]
    done: npt.NDArray[np.bool_]

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """``bool[n, 5]``: the agent's next submission starts an action."""

    def reset(self, seeds: npt.ArrayLike | None = None, *, skip_worlds: int = 0) -> None:
        """Start a new episode everywhere; ``skip_worlds`` worlds are drawn and discarded first."""

    def step(self, actions: npt.ArrayLike, messages: npt.ArrayLike | None = None) -> None:
        """Play one step with ``[n, 5]`` action indices and ``[n, 5, 8]`` message bits."""

    def truth(self) -> GroundTruth:
        """What really is and happened, for recorders and tests."""

    def full_state(self, env: int) -> dict[str, Any]:
        """One environment's complete state as named entries (see ``envs.full_state``)."""

    def raw_observation(self, env: int, agent: int) -> dict[str, Any]:
        """The dictionary behind a blue agent's vector (see ``envs.raw``)."""

    def sightings(self) -> Sightings:
        """What the raw observations of the last step tell beyond ``obs``, as arrays."""

    def generator_state(self, env: int) -> dict[str, Any]:
        """State of an environment's generator, as NumPy's PCG64 gives it."""

    def close(self) -> None:
        """Give back threads or processes."""
