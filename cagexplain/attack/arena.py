"""Plays reds against a policy: many reds in one batch of environments, on all cores.

A step of a batch is compiled code for the most part, the engine's and the policy's, which runs
without Python's lock. So each core has a thread with a copy of the policy and a batch of its own.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

import numpy as np

from cagexplain.attack.results import Aim
from cagexplain.attack.watch import Watch, Watched
from cagexplain.cc4 import phases
from cagexplain.cc4.reds import REDS, STANDARD, RedTable
from cagexplain.common import machine
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.envs import BatchedEnv, Env, EnvParams
from cagexplain.policies.base import Decision, Policy, rows_at_once
from cagexplain.policies.evaluation import Scorer, in_contractor
from cagexplain.policies.rollout import Observer, play
from cagexplain.policies.wrappers.terse import Terse

Seen = TypeVar("Seen", bound=Observer)
Result = TypeVar("Result")

BATCH: Final = 256
"""Environments that a thread steps together: what Python takes per step is then next to nothing."""

_WARM_UP, _SAMPLE = 3, 100
"""Lengths of the episodes that `Arena.speed` plays."""


@dataclass(frozen=True)
class Trial:
    """A red, and the seeds ``int64[n]`` of the episodes that it is played in."""

    red: RedTable
    seeds: Int64Array


class Opponent(Protocol):
    """Whom reds are played against: a policy, or a mixture of several."""

    def scores(self, trials: Sequence[Trial], aim: Aim) -> list[FloatArray]:
        """What the reds aim at, lower is worse for blue: ``float64[n]`` of each trial."""


def worst_first(
    opponent: Opponent, reds: Sequence[RedTable], seeds: Int64Array, aim: Aim
) -> list[RedTable]:
    """Reds by what they do on seeds ``int64[n]``, the one that is worst for blue first."""
    scores = opponent.scores([Trial(red, seeds) for red in reds], aim)
    order = np.argsort([score.mean() for score in scores], kind="stable")
    return [reds[i] for i in order]


class Arena(AbstractContextManager["Arena"]):
    """A policy that reds are played against; a context manager.

    Args:
        policy: to attack.
        params: of the environment; red is replaced.
        workers: threads; by default one per core. A policy whose environments are processes of
            their own (`rows_at_once`) has one.
        advance: is told environment steps as they are played, from any thread.
    """

    def __init__(
        self,
        policy: Policy,
        params: EnvParams,
        workers: int | None = None,
        advance: Callable[[int], None] = lambda steps: None,
    ) -> None:
        self.rows = rows_at_once(policy, BATCH)
        self.workers = 1 if self.rows < BATCH else workers or machine.cores()
        self._params, self._advance = params, advance
        self._policies = [Terse(policy)]
        self._policies += [copy.deepcopy(self._policies[0]) for _ in range(1, self.workers)]
        self._pool = ThreadPoolExecutor(self.workers)
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:  # nobody waits for what the threads are at
            self._stopped.set()
        self._pool.shutdown(cancel_futures=True)

    def scores(self, trials: Sequence[Trial], aim: Aim) -> list[FloatArray]:
        """What the reds aim at, lower is worse for the policy: ``float64[n]`` of each trial."""

        def score(scorer: Scorer) -> FloatArray:
            total = scorer.penalties.sum(axis=(1, 2, 3)) + scorer.costs.sum(axis=(1, 2))
            if aim == "without-contractor":
                total = total - in_contractor(scorer.penalties)
            points: FloatArray = total.astype(np.float64)
            return points

        parts = self._play(trials, Scorer, score)
        return _by_trial(trials, np.concatenate(parts))

    def watch(self, trials: Sequence[Trial]) -> list[Watched]:
        """What becomes of the reds, in full."""
        whole = Watched.joined(self._play(trials, Watch, Watch.watched))
        ends = np.cumsum([len(trial.seeds) for trial in trials])
        return [
            whole.part(end - len(trial.seeds), end) for trial, end in zip(trials, ends, strict=True)
        ]

    def speed(self) -> float:
        """Steps per second, from a short play after one that compiles."""
        red = REDS[STANDARD]
        for steps in (_WARM_UP, _SAMPLE):
            params = replace(self._params, steps=min(steps, self._params.steps))
            rows = np.arange(self.rows * self.workers)
            began = time.perf_counter()
            self._play([Trial(red, rows)], Scorer, lambda _: None, params)
            seconds = time.perf_counter() - began
        return len(rows) * phases.calls(params.steps) / seconds

    def _play(
        self,
        trials: Sequence[Trial],
        watch: Callable[[], Seen],
        result: Callable[[Seen], Result],
        params: EnvParams | None = None,
    ) -> list[Result]:
        """Plays all episodes, by trial, cut into batches for the threads; in their order."""
        seeds = np.concatenate([trial.seeds for trial in trials])
        against = {id(t.red): replace(params or self._params, red=t.red) for t in trials}
        each = [against[id(trial.red)] for trial in trials for _ in trial.seeds]
        # Of equal size, so that no thread waits for the others.
        number = -(-len(seeds) // (self.rows * self.workers)) * self.workers
        jobs = [part for part in np.array_split(np.arange(len(seeds)), number) if len(part)]
        idle = list(self._policies)

        def work(rows: Int64Array) -> Result:
            policy, seen = idle.pop(), watch()
            env = BatchedEnv(len(rows), params=[each[row] for row in rows], threads=1)
            try:
                play(policy, env, seeds[rows], [seen, _Progress(self._advance, self._stopped)])
            finally:
                env.close()
                idle.append(policy)
            return result(seen)

        return list(self._pool.map(work, jobs))


def _by_trial(trials: Sequence[Trial], values: FloatArray) -> list[FloatArray]:
    return np.split(values, np.cumsum([len(trial.seeds) for trial in trials])[:-1])


class Stopped(Exception):
    """The arena was left while an episode was being played."""


class _Progress(Observer):
    def __init__(self, advance: Callable[[int], None], stopped: threading.Event) -> None:
        self._advance, self._stopped = advance, stopped

    def after_step(self, env: Env, decision: Decision) -> None:
        self._advance(env.n_envs)
        if self._stopped.is_set():
            raise Stopped
