"""Plays policies under several conditions, on all cores, and counts what is asked for.

A play is cut into batches of episodes, which worker processes take one after the other: a step of a
batch is many short calls into NumPy, which threads of one process would only take turns at.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np

from cagexplain.audit.play.count import BATCH, count
from cagexplain.audit.play.main_numbers import measure_of
from cagexplain.cc4 import phases
from cagexplain.common.arrays import FloatArray, Int64Array, IntArray
from cagexplain.common.cluster import Cluster
from cagexplain.common.errors import CagexplainError
from cagexplain.common.processes import deaf_to_interrupts, spawning
from cagexplain.envs import Engine, EnvParams
from cagexplain.facts.batch import Batch
from cagexplain.facts.view import TABLES, Facts, View
from cagexplain.policies.base import Policy, rows_at_once
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.rollout import batches
from cagexplain.policies.wrappers.overrides import Overridden, Remedy
from cagexplain.policies.wrappers.terse import Terse

Workers: TypeAlias = int | Cluster
"""Where a `Team` plays: in so many processes, of which 1 is this one; or on a cluster."""


@dataclass(frozen=True)
class Play:
    """A policy under some conditions.

    Attributes:
        policy: name among the policies of the `Team`.
        seeds: ``int[episode]``.
        keys: numbers to count, as `cagexplain.audit.play.main_numbers.measure_of` has them.
        params: of the environment.
        remedies: that it is under.
        wrapped: what is done to the policy first, such as noise on its alerts; with several worker
            processes it must be such that it can be sent to another process.
    """

    policy: str
    seeds: Int64Array
    keys: tuple[str, ...] = ()
    params: EnvParams = field(default_factory=EnvParams)
    remedies: tuple[Remedy, ...] = ()
    wrapped: Callable[[Policy], Policy] | None = None

    def __str__(self) -> str:
        return f"'{self.policy}' on seeds {self.seeds[0]} to {self.seeds[-1]}"


@dataclass(frozen=True)
class PlayCounts:
    """What came of a play.

    Attributes:
        returns: ``float64[episode]`` official returns.
        of_others: ``float64[episode, 5]`` the same without what each agent's subnets and actions
            cost.
        without_contractor: ``float64[episode]`` returns without the Impacts in the contractor
            network, which nobody can prevent.
        sums: ``float64[episode, column]`` by key.
        decisions: ``int64[episode]``; 0 without remedies.
        changed: ``int64[episode]`` those that a remedy changed.
    """

    returns: FloatArray
    of_others: FloatArray
    without_contractor: FloatArray
    sums: Mapping[str, FloatArray]
    decisions: Int64Array
    changed: Int64Array

    def part(self, episodes: slice | IntArray) -> PlayCounts:
        """Some of the episodes: a slice, or their numbers ``int[k]``."""
        return PlayCounts(
            self.returns[episodes],
            self.of_others[episodes],
            self.without_contractor[episodes],
            {key: sums[episodes] for key, sums in self.sums.items()},
            self.decisions[episodes],
            self.changed[episodes],
        )


class Team:
    """Policies, and the processes that play them; a context manager.

    Args:
        policies: by name. Worker processes get copies, so with several of them every policy must be
            such that it can be copied to another process.
        workers: number of processes, of which 1 plays in this one; or a cluster.
        advance: is told environment steps as batches are finished.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        workers: Workers = 1,
        advance: Callable[[int], None] = lambda steps: None,
    ) -> None:
        self._policies = dict(policies)
        self._advance = advance
        self._cluster = workers if isinstance(workers, Cluster) else None
        self._pool: ProcessPoolExecutor | None = None
        if not isinstance(workers, Cluster) and workers > 1:
            context = spawning()
            theirs, self._life = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(
                workers,
                mp_context=context,
                initializer=_begin,
                initargs=(self._policies, theirs),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            if error is not None:  # nobody waits for what they are at
                self._life.close()
            self._pool.shutdown(cancel_futures=True)
            self._life.close()

    def play(self, plays: Sequence[Play]) -> list[PlayCounts]:
        """Play everything.

        Raises:
            CagexplainError: a worker process died.
        """
        cut = [_cut(play, self._policies[play.policy]) for play in plays]
        jobs = [(i, job) for i, some in enumerate(cut) for job in some]
        counted: dict[int, PlayCounts] = {}
        for number, counts in self._done([job for _, job in jobs]):
            job = jobs[number][1]
            counted[number] = counts
            self._advance(len(job.seeds) * phases.calls(job.params.steps))
        parts: list[list[PlayCounts]] = [[] for _ in plays]
        for number, (i, _) in enumerate(jobs):
            parts[i].append(counted[number])
        return [_joined(part) for part in parts]

    def _done(self, jobs: list[Play]) -> Iterator[tuple[int, PlayCounts]]:
        """The number of each job and what came of it, as they are finished."""
        if self._cluster is not None:
            yield from self._cluster.each(_play_alone, self._policies, jobs)
            return
        if self._pool is None:
            yield from enumerate(_play(self._policies, job, None) for job in jobs)
            return
        try:
            with deaf_to_interrupts():
                futures = [self._pool.submit(_work, job) for job in jobs]
            yield from enumerate(future.result() for future in futures)
        except BrokenProcessPool as error:
            raise CagexplainError(
                "a worker process died, probably for lack of memory",
                remedy="Play fewer episodes, or on a machine with more memory",
            ) from error


def _cut(play: Play, policy: Policy) -> Iterator[Play]:
    size = rows_at_once(policy, BATCH)
    return (replace(play, seeds=seeds) for seeds in batches(play.seeds, size))


_POLICIES: dict[str, Policy] = {}
"""Of a worker process."""


def _begin(policies: dict[str, Policy], life: Connection) -> None:
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()
    import torch

    # Every core has a worker already.
    torch.set_num_threads(1)
    _POLICIES.update(policies)


def _end_with(life: Connection) -> None:
    """End when the audit closes its end, on which it sends nothing, or is killed, as build servers
    do with what takes long."""
    with contextlib.suppress(EOFError, OSError):
        life.recv()
    os._exit(1)


def _work(play: Play) -> PlayCounts:
    return _play_alone(_POLICIES, play)


def _play_alone(policies: Mapping[str, Policy], play: Play) -> PlayCounts:
    """Play on one core."""
    return _play(policies, play, 1)


def _play(policies: Mapping[str, Policy], play: Play, threads: int | None) -> PlayCounts:
    seeds = play.seeds
    policy = policies[play.policy]
    if play.wrapped is not None:
        policy = play.wrapped(policy)
    if play.remedies:
        policy = Overridden(policy, play.remedies)
    terse = Terse(policy)
    if play.keys:
        sums = _Sums(play.keys, Facts(steps=play.params.steps))
        played = count(terse, seeds, [sums], play.params, threads=threads)
        returns, others, without = played.returns, played.of_others, played.without_contractor
        counted = {key: np.concatenate(arrays) for key, arrays in sums.parts.items()}
    else:
        engine = Engine("native", threads)
        scored = evaluate(terse, seeds, play.params, batch=BATCH, engine=engine)
        returns, others, without = (
            x.astype(np.float64)
            for x in (scored.returns, scored.of_others, scored.without_contractor)
        )
        counted = {}
    decisions = changed = np.zeros(len(seeds), np.int64)
    if isinstance(terse.playing, Overridden):
        decisions, changed = terse.playing.decisions, terse.playing.changed
    return PlayCounts(returns, others, without, counted, decisions, changed)


def _joined(parts: Sequence[PlayCounts]) -> PlayCounts:
    return PlayCounts(
        np.concatenate([part.returns for part in parts]),
        np.concatenate([part.of_others for part in parts]),
        np.concatenate([part.without_contractor for part in parts]),
        {key: np.concatenate([part.sums[key] for part in parts]) for key in parts[0].sums},
        np.concatenate([part.decisions for part in parts]),
        np.concatenate([part.changed for part in parts]),
    )


class _Sums:
    """Collects the sums of some numbers per episode."""

    tables = TABLES

    def __init__(self, keys: Sequence[str], facts: Facts) -> None:
        self._facts = facts
        self.parts: dict[str, list[FloatArray]] = {key: [] for key in keys}

    def add(self, batch: Batch) -> None:
        view = View(batch, self._facts)
        for key, arrays in self.parts.items():
            arrays.append(measure_of(key).counted(view)[0])
