"""Many CC4 environments behind arrays."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions as action_layout
from cagexplain.cc4 import observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common import machine
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import full_state, raw
from cagexplain.envs.truth import GroundTruth, of_state
from cagexplain.sim import rng
from cagexplain.sim.params import EnvParams
from cagexplain.sim.state import STATE, Error, blank
from cagexplain.sim.step import Refusal, check_batch, reset_batch, step_batch

MIN_ENVS_PER_THREAD: Final = 4
"""Below this, handing work to a thread costs more than it saves."""


@dataclass(frozen=True)
class Snapshot:
    """Complete states of a batch: restoring one continues its episodes exactly."""

    states: np.ndarray[Any, np.dtype[np.void]]
    obs: npt.NDArray[np.int8]
    mask: npt.NDArray[np.bool_]
    reward: npt.NDArray[np.float32]


class BatchedEnv:
    """``n_envs`` independent CC4 environments, stepped together by the compiled engine.

    The outputs are preallocated and overwritten by every ``reset`` and ``step``: copy what
    you keep.

    * ``obs`` - ``int8[n, 578]``: the agents' official vectors side by side
      (:data:`cagexplain.cc4.observations.OFFSETS`)
    * ``mask`` - ``bool[n, 570]``: valid actions, fixed for an episode
    * ``free`` - ``bool[n, 5]``: the agent's next submission starts an action. No ground truth: an
      agent knows it, its raw observation says IN_PROGRESS while it is busy
    * ``reward`` - ``float32[n]``: team reward of the step; every agent gets all of it
    * ``reward_parts`` - ``int32[n, 3, 9]``: its penalties by cause and zone
    * ``action_cost`` - ``int32[n, 5]``: its action costs by agent
    * ``phase`` - ``int8[n]``, ``step_count`` - ``int32[n]``, ``done`` - ``bool[n]``

    An episode is done after call ``steps - 1``. It is always a truncation: CC4 has no terminal
    state. Nothing resets by itself.

    The results do not depend on the batch size or on the number of threads: every environment draws
    from a generator of its own.
    """

    def __init__(
        self, n_envs: int, *, params: EnvParams | None = None, threads: int | None = None
    ) -> None:
        """``threads``: at most this many; by default the cores this process may use."""
        if n_envs < 1:
            raise UsageError(f"{n_envs} is no batch size", field="n_envs", remedy="give at least 1")
        self.params = params or EnvParams()
        self.n_envs = n_envs
        cores = threads or machine.cores()
        self.threads = max(1, min(cores, n_envs // MIN_ENVS_PER_THREAD))
        # The calling thread plays the first slice itself.
        self._pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None
        bounds = np.linspace(0, n_envs, self.threads + 1).astype(int).tolist()
        self._slices = list(itertools.pairwise(bounds))
        self._compiled_params = self.params.compiled()
        self._blank = blank()
        self.state = np.repeat(self._blank, n_envs)
        self._submitted = np.zeros((n_envs, N_BLUE), dtype=np.int64)
        self._messages = np.zeros((n_envs, N_BLUE, observations.MESSAGE_BITS), dtype=np.int8)
        self.obs = np.zeros((n_envs, observations.TOTAL), dtype=np.int8)
        self.mask = np.zeros((n_envs, action_layout.TOTAL), dtype=np.bool_)
        self.reward = np.zeros(n_envs, dtype=np.float32)
        self.reward_parts: npt.NDArray[np.int32] = self.state["reward_parts"]
        self.action_cost: npt.NDArray[np.int32] = self.state["action_cost"]
        self.phase: npt.NDArray[np.int8] = self.state["phase"]
        self.step_count: npt.NDArray[np.int32] = self.state["step"]
        self.done: npt.NDArray[np.bool_] = self.state["done"].view(np.bool_)
        self._outgrown = np.zeros(n_envs, dtype=np.int8)
        self._ready = False

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """``bool[n, 5]``: the agent has no action in progress."""
        free: npt.NDArray[np.bool_] = self.state["blue_action"] < 0
        return free

    def reset(self, seeds: npt.ArrayLike | None = None, *, skip_worlds: int = 0) -> None:
        """Starts a new episode everywhere.

        With ``seeds`` (one integer per environment) each generator is replaced by
        ``numpy.random.default_rng(seed)``; without, it continues, as CybORG's does. ``skip_worlds``
        worlds are generated and thrown away first: 1 gives the world that CybORG plays after it was
        constructed with the seed and reset without one.
        """
        self.reset_where(np.ones(self.n_envs, dtype=np.bool_), seeds, skip_worlds=skip_worlds)

    def reset_where(
        self,
        chosen: npt.NDArray[np.bool_],
        seeds: npt.ArrayLike | None = None,
        *,
        skip_worlds: int = 0,
    ) -> None:
        """Starts a new episode in the chosen environments (``bool[n]``), the others untouched.

        ``seeds`` has one entry per environment; those of environments not chosen are ignored.
        """
        if seeds is not None:
            seed_list = np.atleast_1d(np.asarray(seeds)).tolist()
            if len(seed_list) != self.n_envs:
                raise _wrong_seeds(len(seed_list), self.n_envs)
            for e in np.flatnonzero(chosen):
                self.state["rng"][e] = rng.seeded(seed_list[e])
        elif not self._ready:
            raise UsageError(
                "the first reset has no seeds",
                field="seeds",
                remedy="give one seed per environment; later resets may go without",
            )
        self._ready = True
        flags = np.ascontiguousarray(chosen, dtype=np.bool_)
        self._run(reset_batch, self.state, self._blank, flags, 1 + skip_worlds, self.obs, self.mask)
        self.reward[flags] = 0.0

    def step(self, actions: npt.ArrayLike, messages: npt.ArrayLike | None = None) -> None:
        """Plays one step with the agents' action indices (``[n, 5]``) and 8-bit messages
        (``[n, 5, 8]``, none: zeros).

        Raises:
            UsageError: an index outside its agent's layout, or a wrong shape.
            CagexplainError: an environment outgrew a capacity of the engine.
        """
        submitted = np.asarray(actions)
        if submitted.shape != self._submitted.shape or submitted.dtype.kind not in "iu":
            raise UsageError(
                f"actions are {submitted.dtype} of shape {submitted.shape}",
                field="actions",
                remedy=f"give integers of shape {self._submitted.shape}",
            )
        if not self._ready:
            raise UsageError(
                "the environment was not reset", field="step", remedy="call reset(seeds) first"
            )
        self._submitted[:] = submitted
        problem = check_batch(self.state, self._compiled_params, self._submitted)
        if problem:
            self._refuse(Refusal(problem))
        if messages is None:
            self._messages.fill(0)
        else:
            np.not_equal(messages, 0, out=self._messages.view(np.bool_))
        self._run(
            step_batch,
            self.state,
            self._compiled_params,
            self._submitted,
            self._messages,
            self.reward,
            self.obs,
            self._outgrown,
        )
        if self._outgrown.any():
            self._raise_capacity()

    def _run(self, work: Callable[..., None], *arrays: Any) -> None:
        """Runs compiled work over the batch, one slice per thread."""
        if self._pool is None:
            work(*arrays, 0, self.n_envs)
            return
        others = [self._pool.submit(work, *arrays, *bounds) for bounds in self._slices[1:]]
        work(*arrays, *self._slices[0])
        for other in others:
            other.result()

    def _refuse(self, reason: Refusal) -> None:
        if reason is Refusal.ACTION:
            raise UsageError(
                "an index is outside its agent's action layout",
                field="actions",
                remedy=f"give indices below {action_layout.SIZES}",
            )
        raise UsageError("an episode is over", field="step", remedy="reset it before the next step")

    def _raise_capacity(self) -> None:
        env = int(np.flatnonzero(self._outgrown)[0])
        name = Error(int(self._outgrown[env])).name.lower().replace("_", " ")
        raise CagexplainError(
            f"environment {env} outgrew the engine's room for {name} in step "
            f"{int(self.step_count[env])}",
            where="engine",
            field=name,
            remedy="play shorter episodes, or raise the capacity in cagexplain/sim/state.py",
        )

    def truth(self) -> GroundTruth:
        """What really is and happened, for recorders and tests."""
        return of_state(self.state)

    def full_state(self, env: int) -> dict[str, Any]:
        """One environment's complete state as named entries (see ``envs.full_state``)."""
        return full_state.of_record(self.state[env])

    def raw_observation(self, env: int, agent: int) -> dict[str, Any]:
        """The dictionary behind a blue agent's vector (see ``envs.raw``)."""
        return raw.of_record(self.state[env], agent)

    def generator_state(self, env: int) -> dict[str, Any]:
        """State of an environment's generator, as NumPy's PCG64 gives it."""
        return dict(rng.to_numpy(self.state[env]["rng"]).state)

    def save(self, rows: npt.ArrayLike | None = None) -> Snapshot:
        """A copy of some environments (by default of all), generators included."""
        kept = np.arange(self.n_envs) if rows is None else np.asarray(rows)
        return Snapshot(self.state[kept], self.obs[kept], self.mask[kept], self.reward[kept])

    def restore(self, snapshot: Snapshot, rows: npt.ArrayLike | None = None) -> None:
        """Continues from a snapshot.

        ``rows``: for each environment, the row of the snapshot it continues from (by default its
        own), so that one saved state can be played on many times.
        """
        chosen = np.arange(self.n_envs) if rows is None else np.asarray(rows)
        fits = snapshot.states.dtype == STATE and chosen.shape == (self.n_envs,)
        if not fits or chosen.min() < 0 or chosen.max() >= len(snapshot.states):
            raise UsageError(
                "the snapshot does not fit this environment",
                field="snapshot",
                remedy="restore a snapshot of the same version, one row per environment",
            )
        # Copies records straight to their place; assigning `states[chosen]` takes 14 times as long.
        np.take(snapshot.states, chosen, out=self.state, mode="clip")
        self.obs[:] = snapshot.obs[chosen]
        self.mask[:] = snapshot.mask[chosen]
        self.reward[:] = snapshot.reward[chosen]
        self._ready = True

    def reseed(self, seeds: npt.ArrayLike) -> None:
        """Gives every environment new chances from here on: the episode goes on from its present
        state, with the generator ``numpy.random.default_rng(seed)``. Environments that were
        restored from one state and get the same seed meet the same chances (common random numbers)
        for as long as they draw alike.

        ``seeds``: one integer per environment.
        """
        seed_list = np.atleast_1d(np.asarray(seeds)).tolist()
        if len(seed_list) != self.n_envs:
            raise _wrong_seeds(len(seed_list), self.n_envs)
        generators = {seed: rng.seeded(seed) for seed in set(seed_list)}
        self.state["rng"] = [generators[seed] for seed in seed_list]

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def _wrong_seeds(seeds: int, n_envs: int) -> UsageError:
    return UsageError(
        f"{seeds} seeds for {n_envs} environments",
        field="seeds",
        remedy="give one seed per environment",
    )
