"""Many CC4 environments behind arrays."""

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions as action_layout
from cagexplain.cc4 import observations, phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.red_views import RedView, no_choices
from cagexplain.cc4.sightings import Sightings
from cagexplain.common import machine
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import checks, full_state, raw
from cagexplain.envs.truth import GroundTruth, of_state
from cagexplain.sim import rng
from cagexplain.sim.params import EnvParams
from cagexplain.sim.red_view import view_batch
from cagexplain.sim.sight import sight_batch
from cagexplain.sim.state import Error, blank
from cagexplain.sim.step import (
    Refusal,
    check_batch,
    check_red_choices,
    reset_batch,
    step_batch,
)

MIN_ENVS_PER_THREAD: Final = 4
"""Below this, handing work to a thread costs more than it saves."""

_BLANK: Final = blank()

_VIEWS: Final = {
    "reward_parts": "reward_parts",
    "action_cost": "action_cost",
    "phase": "phase",
    "step_count": "step",
    "done": "done",
}
"""Public arrays that show a field of the state."""


@dataclass(frozen=True)
class Snapshot:
    """Complete states of a batch, as ``save`` gives them: restoring one continues its episodes
    exactly."""

    states: np.ndarray[Any, np.dtype[np.void]]
    obs: npt.NDArray[np.int8]
    mask: npt.NDArray[np.bool_]
    reward: npt.NDArray[np.float32]

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """``bool[n, 5]``: the agent has no action in progress."""
        free: npt.NDArray[np.bool_] = self.states["blue_action"] < 0
        return free

    def sightings(self) -> Sightings:
        """What the raw observations of the last step tell beyond ``obs``, as arrays."""
        sightings = Sightings.nothing(len(self.states))
        sight_batch(self.states, *sightings, 0, len(self.states))
        return sightings


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
    * ``reds`` - which red each environment plays against, a ``RedTable`` each

    An episode is done after call ``steps - 1``. It is always a truncation: CC4 has no terminal
    state. Nothing resets by itself: ``reset_where(env.done)`` begins the next episodes.

    The results do not depend on the batch size or on the number of threads: every environment draws
    from a generator of its own. A copy (``copy.deepcopy``, ``pickle``, a process that was given the
    environment) goes on as the original would.

    What cannot be used is refused with a ``UsageError`` before anything changes.
    """

    reward_parts: npt.NDArray[np.int32]
    action_cost: npt.NDArray[np.int32]
    phase: npt.NDArray[np.int8]
    step_count: npt.NDArray[np.int32]
    done: npt.NDArray[np.bool_]

    def __init__(
        self,
        n_envs: int,
        *,
        params: EnvParams | Sequence[EnvParams] | None = None,
        threads: int | None = None,
    ) -> None:
        """``params``: of all environments, or of each, then different in red only; the attribute
        has those of the first. ``threads``: at most this many; by default the cores this process
        may use."""
        self.n_envs = n_envs = checks.n_envs(n_envs)
        each = checks.all_params(params, n_envs)
        self.params = each[0]
        self.reds = tuple(entry.red_table for entry in each)
        cores = machine.cores() if threads is None else checks.workers(threads, "threads")
        self.threads = max(1, min(cores, n_envs // MIN_ENVS_PER_THREAD))
        self._pool: ThreadPoolExecutor | None = None
        self._pool_process = 0
        bounds = np.linspace(0, n_envs, self.threads + 1).astype(int).tolist()
        self._slices = list(itertools.pairwise(bounds))
        different = {entry.red: entry for entry in each}
        self._compiled_params = np.concatenate([entry.compiled() for entry in different.values()])
        place = {red: number for number, red in enumerate(different)}
        self._which_params = np.array([place[entry.red] for entry in each], dtype=np.int64)
        self.state = np.repeat(_BLANK, n_envs)
        # Compiled code gets arrays of ours, of one dtype and layout, whatever the caller's were.
        self._chosen = np.zeros(n_envs, dtype=np.bool_)
        self._submitted = np.zeros((n_envs, N_BLUE), dtype=np.int64)
        self._messages = np.zeros((n_envs, N_BLUE, observations.MESSAGE_BITS), dtype=np.int8)
        self._no_red_choices = no_choices(n_envs)
        self.obs = np.zeros((n_envs, observations.TOTAL), dtype=np.int8)
        self.mask = np.zeros((n_envs, action_layout.TOTAL), dtype=np.bool_)
        self.reward = np.zeros(n_envs, dtype=np.float32)
        self._outgrown = np.zeros(n_envs, dtype=np.int8)
        self._ready = False
        self._show_state()

    def _show_state(self) -> None:
        """Makes the arrays that are views of the state."""
        for name, field in _VIEWS.items():
            setattr(self, name, self.state[field])
        self.done = self.done.view(np.bool_)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but threads, and views, which a copy would detach from its state."""
        return {name: value for name, value in vars(self).items() if name not in _VIEWS} | {
            "_pool": None
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What was sent without copying (Ray, joblib) is read-only.
        for name, value in state.items():
            writable = (
                np.require(value, requirements="W") if isinstance(value, np.ndarray) else value
            )
            setattr(self, name, writable)
        self._show_state()

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

        The first time all have to be chosen. ``seeds`` has one entry per environment; those of
        environments not chosen are not used.
        """
        flags = checks.chosen(chosen, self.n_envs)
        n_worlds = 1 + checks.skip_worlds(skip_worlds)
        if not self._ready:
            checks.first_seeds(seeds is not None)
            if not flags.all():
                raise UsageError(
                    "the first reset leaves environments out",
                    field="chosen",
                    remedy="Reset all of them first",
                )
        if seeds is not None:
            seed_list = checks.seeds(seeds, self.n_envs)
            for e in np.flatnonzero(flags):
                self.state["rng"][e] = rng.seeded(seed_list[e])
        self._ready = True
        self._chosen[:] = flags
        self._run(
            reset_batch,
            self.state,
            self._compiled_params,
            self._which_params,
            _BLANK,
            self._chosen,
            n_worlds,
            self.obs,
            self.mask,
        )
        self.reward[self._chosen] = 0.0  # not `flags`, which may be `done` itself

    def step(
        self,
        actions: npt.ArrayLike,
        messages: npt.ArrayLike | None = None,
        red_choices: npt.ArrayLike | None = None,
    ) -> None:
        """Plays one step with the agents' action indices (``[n, 5]``) and 8-bit messages
        (``[n, 5, 8]``, none: zeros).

        Indices behind an agent's layout (``cc4.actions.extra_index``) are what CybORG takes as
        action objects only; the mask does not speak of them.

        ``red_choices`` (``[n, 6, 3]``, see ``cc4.red_views``) are what the free red agents do, in
        place of what their table would draw; what it holds for others is not looked at.

        Raises:
            UsageError: an index that is none of its agent's actions, a choice that red does not
                have, or a wrong shape.
            CagexplainError: an environment outgrew a capacity of the engine.
        """
        submitted = checks.actions(actions, self.n_envs)
        sent = None if messages is None else checks.bits(messages, "messages", self._messages.shape)
        checks.was_reset(self._ready, "step")
        self._submitted[:] = submitted
        problem = check_batch(self.state, self._compiled_params, self._submitted)
        if problem:
            raise checks.outside_layout() if problem == Refusal.ACTION else checks.is_over()
        choices = self._no_red_choices
        if red_choices is not None:
            choices = checks.red_choices(red_choices, self.n_envs)
            if check_red_choices(self.state, self._compiled_params, self._which_params, choices):
                raise checks.unusable_red_choice()
        self._messages[:] = 0 if sent is None else sent
        self._run(
            step_batch,
            self.state,
            self._compiled_params,
            self._which_params,
            self._submitted,
            self._messages,
            choices,
            self.reward,
            self.obs,
            self._outgrown,
        )
        if self._outgrown.any():
            self._raise_capacity()

    def _run(self, work: Callable[..., None], *arrays: Any) -> None:
        """Runs compiled work over the batch, one slice per thread."""
        if self.threads == 1:
            work(*arrays, 0, self.n_envs)
            return
        pool = self._workers()
        others = [pool.submit(work, *arrays, *bounds) for bounds in self._slices[1:]]
        work(*arrays, *self._slices[0])  # the calling thread plays the first slice itself
        for other in others:
            other.result()

    def _workers(self) -> ThreadPoolExecutor:
        """The other threads, started when they are first needed; again in a forked process, which
        has the pool but not its threads."""
        if self._pool is None or self._pool_process != os.getpid():
            self._pool, self._pool_process = ThreadPoolExecutor(self.threads - 1), os.getpid()
        return self._pool

    def _raise_capacity(self) -> None:
        env = int(np.flatnonzero(self._outgrown)[0])
        name = Error(int(self._outgrown[env])).name.lower().replace("_", " ")
        raise CagexplainError(
            f"environment {env} outgrew the engine's room for {name} in step "
            f"{int(self.step_count[env])}",
            where="engine",
            field=name,
            remedy="Play shorter episodes, or raise the capacity in cagexplain/sim/state.py",
        )

    def truth(self) -> GroundTruth:
        """What really is and happened, for recorders and tests."""
        checks.was_reset(self._ready, "truth")
        return of_state(self.state)

    def full_state(self, env: int) -> dict[str, Any]:
        """One environment's complete state as named entries (see ``envs.full_state``)."""
        return full_state.of_record(self._record(env, "full_state"))

    def raw_observation(self, env: int, agent: int) -> dict[str, Any]:
        """The dictionary behind a blue agent's vector (see ``envs.raw``)."""
        number = checks.agent_index(agent)
        return raw.of_record(self._record(env, "raw_observation"), number)

    def sightings(self) -> Sightings:
        """What the raw observations of the last step tell beyond ``obs``, as arrays."""
        checks.was_reset(self._ready, "sightings")
        sightings = Sightings.nothing(self.n_envs)
        self._run(sight_batch, self.state, *sightings)
        return sightings

    def red_view(self) -> RedView:
        """What the red agents know now, as whoever chooses in their place may use it.

        They digest their last observations for it, which the next step would begin with: the
        transitions that ``truth()`` tells of are those from here on.
        """
        checks.was_reset(self._ready, "red_view")
        view = RedView.nothing(self.n_envs)
        self._run(view_batch, self.state, self._compiled_params, self._which_params, *view)
        return view

    def generator_state(self, env: int) -> dict[str, Any]:
        """State of an environment's generator, as NumPy's PCG64 gives it."""
        return dict(rng.to_numpy(self._record(env, "generator_state")["rng"]).state)

    def _record(self, env: int, asked: str) -> Any:
        checks.was_reset(self._ready, asked)
        return self.state[checks.env_index(env, self.n_envs)]

    def save(self, rows: npt.ArrayLike | None = None) -> Snapshot:
        """A copy of some environments (by default of all), generators included.

        ``rows``: integers, which environments.
        """
        checks.was_reset(self._ready, "save")
        chosen = np.arange(self.n_envs) if rows is None else checks.rows(rows, self.n_envs)
        return Snapshot(
            self.state[chosen], self.obs[chosen], self.mask[chosen], self.reward[chosen]
        )

    def restore(self, snapshot: Snapshot, rows: npt.ArrayLike | None = None) -> None:
        """Continues from a snapshot.

        ``rows``: for each environment, the row of the snapshot it continues from (by default its
        own), so that one saved state can be played on many times. How long the episodes last
        follows from this environment's parameters.
        """
        n_saved = _rows_of(snapshot, like=self)
        sources = np.arange(self.n_envs) if rows is None else rows
        chosen = checks.rows(sources, n_saved, self.n_envs)
        # Copies records straight to their place; assigning `states[chosen]` takes 14 times as long.
        np.take(snapshot.states, chosen, out=self.state, mode="clip")
        self.obs[:] = snapshot.obs[chosen]
        self.mask[:] = snapshot.mask[chosen]
        self.reward[:] = snapshot.reward[chosen]
        self.done[:] = self.step_count >= phases.calls(self.params.steps)
        self._ready = True

    def reseed(self, seeds: npt.ArrayLike) -> None:
        """Gives every environment new chances from here on: the episode goes on from its present
        state, with the generator ``numpy.random.default_rng(seed)``. Environments that were
        restored from one state and get the same seed meet the same chances (common random numbers)
        for as long as they draw alike.

        ``seeds``: one integer per environment.
        """
        checks.was_reset(self._ready, "reseed")
        seed_list = checks.seeds(seeds, self.n_envs)
        generators = {seed: rng.seeded(seed) for seed in set(seed_list)}
        self.state["rng"] = [generators[seed] for seed in seed_list]

    def close(self) -> None:
        """Ends the threads. A later step starts them again."""
        if self._pool is not None and self._pool_process == os.getpid():
            self._pool.shutdown()
        self._pool = None


def _rows_of(snapshot: Snapshot, like: BatchedEnv) -> int:
    """How many environments a snapshot holds, if it is one of this kind of environment.

    Raises:
        UsageError: it is not.
    """
    if isinstance(snapshot, Snapshot) and isinstance(snapshot.states, np.ndarray):
        n = snapshot.states.size
        pairs = [(snapshot.states, like.state)] + [
            (getattr(snapshot, name), getattr(like, name)) for name in ("obs", "mask", "reward")
        ]
        if all(
            isinstance(saved, np.ndarray)
            and saved.dtype == ours.dtype
            and saved.shape == (n, *ours.shape[1:])
            for saved, ours in pairs
        ):
            return n
    raise UsageError(
        "the snapshot does not fit this environment",
        field="snapshot",
        remedy="Restore what save() of the same version returned",
    )
