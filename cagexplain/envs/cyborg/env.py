"""Many CybORG environments behind the same arrays as the engine's, spread over processes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import fields
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions as action_layout
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.processes import spawning
from cagexplain.envs import checks
from cagexplain.envs.cyborg.entries import of_cyborg, plain
from cagexplain.envs.cyborg.locate import load
from cagexplain.envs.cyborg.world import Frame, World
from cagexplain.envs.truth import GroundTruth
from cagexplain.sim.params import EnvParams

_SIZES, _ALL_SIZES = np.array(action_layout.SIZES), np.array(action_layout.ALL_SIZES)
_TRANSITION_FIELDS: Final = ("trans_agent", "trans_host", "trans_from", "trans_to", "trans_cause")
_TAKEN: Final = frozenset({"steps", "red"})
"""Parameters that CybORG takes; the rates are written in its code."""


class CybORGEnv:
    """``n_envs`` CybORG environments with the arrays of
    :class:`~cagexplain.envs.batched.BatchedEnv`, bit for bit.

    Each of ``workers`` processes (at most one per environment) plays its share; a single one is
    this process.

    Raises:
        CagexplainError: CybORG cannot be used, or failed; then the seed and step are named.
        UsageError: a parameter that CybORG does not offer.
    """

    def __init__(
        self,
        n_envs: int,
        *,
        params: EnvParams | None = None,
        workers: int = 1,
        path: Path | None = None,
    ) -> None:
        self.n_envs = n_envs = checks.n_envs(n_envs)
        self.params = checks.params(params)
        n_workers = min(checks.workers(workers, "workers"), n_envs)
        defaults = EnvParams().as_dict()
        for name, value in self.params.as_dict().items():
            if name not in _TAKEN and value != defaults[name]:
                raise UsageError(
                    f"CybORG cannot be told another {name}",
                    field=name,
                    remedy="Leave the default, or use --engine native",
                )
        load(path)  # an unusable CybORG is reported here, not by a worker
        shares = np.array_split(np.arange(n_envs), n_workers)
        make = _Local if n_workers == 1 else _Remote
        self._workers = [make(len(share), self.params, path) for share in shares]
        self._shares = [slice(int(share[0]), int(share[-1]) + 1) for share in shares]
        self._seeds: list[int | None] = [None] * n_envs
        self._frames: list[Frame] = []
        self.skipped_worlds = 0
        """Worlds of its generator before the one that was played after the seeds were given."""

    def reset(self, seeds: npt.ArrayLike | None = None, *, skip_worlds: int = 0) -> None:
        """Start a new episode everywhere; see ``BatchedEnv.reset``."""
        skipped = checks.skip_worlds(skip_worlds)
        if not self._frames:
            checks.first_seeds(seeds is not None)
        if seeds is not None:
            self._seeds = [*checks.seeds(seeds, self.n_envs)]
            self.skipped_worlds = skipped
        seed_list = self._seeds if seeds is not None else [None] * self.n_envs
        self._all("reset", lambda share: (seed_list[share], skipped))

    def step(self, actions: npt.ArrayLike, messages: npt.ArrayLike | None = None) -> None:
        """Play one step; see ``BatchedEnv.step``."""
        submitted = checks.actions(actions, self.n_envs)
        sent = np.zeros((self.n_envs, N_BLUE, MESSAGE_BITS), dtype=np.int8)
        if messages is not None:
            sent[:] = checks.bits(messages, "messages", sent.shape)
        checks.was_reset(bool(self._frames), "step")
        inside = (submitted >= 0) & (submitted < _SIZES)
        behind = (submitted >= action_layout.FIRST_EXTRA) & (submitted < _ALL_SIZES)
        if not (inside | behind).all():
            raise checks.outside_layout()
        if self.done.any():
            raise checks.is_over()
        self._all("step", lambda share: (submitted[share], sent[share]))

    def truth(self) -> GroundTruth:
        """What really is and happened, for recorders and tests."""
        checks.was_reset(bool(self._frames), "truth")
        return self._truth

    def full_state(self, env: int) -> dict[str, Any]:
        """One environment's complete state as named entries (see ``envs.full_state``)."""
        return self._one("full_state", env)

    def raw_observation(self, env: int, agent: int) -> dict[str, Any]:
        """The dictionary behind a blue agent's vector (see ``envs.raw``)."""
        return self._one("raw_observation", env, checks.agent_index(agent))

    def sightings(self) -> Sightings:
        """What the raw observations of the last step tell beyond ``obs``."""
        each = [Sightings(**self._one("sightings", env)) for env in range(self.n_envs)]
        return Sightings(*(np.concatenate(parts) for parts in zip(*each, strict=True)))

    def generator_state(self, env: int) -> dict[str, Any]:
        """State of an environment's generator, as NumPy's PCG64 gives it."""
        return self._one("generator_state", env)

    def listen(self, env: int, tell: Callable[[str], None]) -> None:
        """Have every random draw of an environment told from the next reset on; one worker only."""
        (worker,) = self._workers
        assert isinstance(worker, _Local)
        worker.listen(env, tell)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.close()

    def _one(self, method: str, env: int, *arguments: Any) -> dict[str, Any]:
        """Ask the worker that plays an environment."""
        checks.was_reset(bool(self._frames), method)
        env = checks.env_index(env, self.n_envs)
        share, worker = next(
            (share, worker)
            for share, worker in zip(self._shares, self._workers, strict=True)
            if share.start <= env < share.stop
        )
        worker.ask(method, (env - share.start, *arguments))
        answer: dict[str, Any] = worker.answer()
        return answer

    def _all(self, method: str, arguments: Callable[[slice], tuple[Any, ...]]) -> None:
        """Let every worker do its share at the same time, and collect the frames."""
        for share, worker in zip(self._shares, self._workers, strict=True):
            worker.ask(method, arguments(share))
        frames: list[Frame] = []
        try:
            for share, worker in zip(self._shares, self._workers, strict=True):
                first = share.start
                frames += worker.answer()
        except _Failure as failure:
            self.close()
            env = first + max(failure.env, 0)
            step = int(self.step_count[env]) if method == "step" else 0
            seeds = self._seeds[share] if failure.env < 0 else [self._seeds[env]]
            named = ", ".join(map(str, seeds))
            raise CagexplainError(
                f"failed in step {step} with seed {named}: {failure}",
                where="CybORG",
                remedy="What was finished before is kept; look into CybORG, or leave the seed out",
            ) from failure
        self._frames = frames
        self._stack()

    def _stack(self) -> None:
        """Put the environments' frames side by side in the public arrays."""
        frames = self._frames
        longest = max(int(frame["trans_n"]) for frame in frames)
        for frame in frames:
            for name in _TRANSITION_FIELDS:
                frame[name] = np.pad(frame[name], (0, longest - len(frame[name])))
        joined = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}
        self._truth = GroundTruth(**{f.name: joined.pop(f.name) for f in fields(GroundTruth)})
        self.obs, self.mask, self.free = (joined[name] for name in ("obs", "mask", "free"))
        self.reward, self.reward_parts = joined["reward"], joined["reward_parts"]
        self.action_cost, self.phase = joined["action_cost"], joined["phase"]
        self.step_count, self.done = joined["step_count"], joined["done"]


class _Failure(Exception):
    """CybORG failed in environment ``env`` of a worker's share (-1: the process died)."""

    def __init__(self, env: int, reason: str) -> None:
        super().__init__(reason)
        self.env = env


class _Local:
    """A share of the environments in this process."""

    def __init__(self, n_envs: int, params: EnvParams, path: Path | None) -> None:
        api = load(path)
        self._worlds = [World(api, params) for _ in range(n_envs)]
        self._answer: Any = None

    def ask(self, method: str, arguments: tuple[Any, ...]) -> None:
        """Do it right away; errors wait for :meth:`answer`."""
        try:
            self._answer = getattr(self, method)(*arguments)
        except _Failure as failure:
            self._answer = failure

    def answer(self) -> Any:
        """The result of the last question."""
        if isinstance(self._answer, _Failure):
            raise self._answer
        return self._answer

    def reset(self, seeds: list[int | None], skip_worlds: int) -> list[Frame]:
        """Reset every environment."""
        return [
            _tried(e, self._worlds[e].reset, seeds[e], skip_worlds)
            for e in range(len(self._worlds))
        ]

    def step(self, actions: npt.NDArray[Any], messages: npt.NDArray[Any]) -> list[Frame]:
        """Step every environment."""
        return [
            _tried(e, self._worlds[e].step, actions[e], messages[e])
            for e in range(len(self._worlds))
        ]

    def full_state(self, env: int) -> dict[str, Any]:
        """State of one environment."""
        return of_cyborg(self._worlds[env].cyborg)

    def raw_observation(self, env: int, agent: int) -> dict[str, Any]:
        """What an agent's vector was made of, in plain values."""
        observation: dict[str, Any] = plain(self._worlds[env].raw[BLUE[agent]])
        return observation

    def sightings(self, env: int) -> dict[str, Any]:
        """What the agents' raw observations tell, as the entries of `Sightings`."""
        return self._worlds[env].sightings()._asdict()

    def generator_state(self, env: int) -> dict[str, Any]:
        """State of the generator that everything in CybORG draws from."""
        return dict(self._worlds[env].cyborg.np_random.bit_generator.state)

    def listen(self, env: int, tell: Callable[[str], None]) -> None:
        """Have every random draw told."""
        self._worlds[env].tell = tell

    def close(self) -> None:
        """Nothing to give back."""


def _tried(env: int, work: Callable[..., Frame], *arguments: Any) -> Frame:
    try:
        return work(*arguments)
    except Exception as error:  # CybORG is foreign code: anything can come out of it
        raise _Failure(env, f"{type(error).__name__}: {error}") from error


class _Remote:
    """A share of the environments in a process of its own."""

    def __init__(self, n_envs: int, params: EnvParams, path: Path | None) -> None:
        context = spawning()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, n_envs, params, path), daemon=True
        )
        self._process.start()
        theirs.close()

    def ask(self, method: str, arguments: tuple[Any, ...]) -> None:
        """Send the question."""
        with contextlib.suppress(OSError):  # answer() tells that the process has died
            self._pipe.send((method, arguments))

    def answer(self) -> Any:
        """Wait for the answer."""
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            raise _Failure(-1, f"its process ended with code {self._process.exitcode}") from error
        if isinstance(answer, _Failure):
            raise answer
        return answer

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(timeout=1)
        if self._process.is_alive():
            self._process.kill()


def _questions(pipe: Connection) -> Iterator[tuple[str, tuple[Any, ...]]]:
    with pipe:
        while True:
            try:
                yield pipe.recv()
            except (EOFError, OSError):
                return


def _serve(pipe: Connection, n_envs: int, params: EnvParams, path: Path | None) -> None:
    """Answer questions until the pipe is closed."""
    share = _Local(n_envs, params, path)
    for method, arguments in _questions(pipe):
        share.ask(method, arguments)
        try:
            pipe.send(share._answer)
        except OSError:
            return
