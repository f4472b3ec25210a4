"""Watches episodes under a red: points, phantom Impacts, and how long red keeps root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.attack.results import Episodes, Losses, RootStays
from cagexplain.cc4 import reward
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.envs import Env
from cagexplain.policies.base import Decision
from cagexplain.policies.evaluation import Scorer, in_contractor
from cagexplain.stats import durations
from cagexplain.stats.durations import product_limit

_ROOT: Final = 2
_DEFENDED: Final = np.flatnonzero(BLUE_OF_HOST >= 0)


@dataclass(frozen=True)
class Watched:
    """Episodes as they were watched.

    Attributes:
        penalties, costs: as `Scorer` counts them.
        phantom: ``int64[n]`` points charged for Impacts on hosts without a root session of red.
        ended, running: ``int64[n, steps + 1]`` stays with root by their length: those that blue
            ended, and those that outlasted the episode.
        held: ``float64[n]`` mean number of defended hosts with root at a time.
    """

    penalties: Int64Array
    costs: Int64Array
    phantom: Int64Array
    ended: Int64Array
    running: Int64Array
    held: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Watched]) -> Watched:
        """The episodes of several, one after the other."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, parts), strict=True)))

    def part(self, first: int, stop: int) -> Watched:
        """Some of the episodes."""
        return Watched(*(array[first:stop] for array in _arrays(self)))

    @property
    def episodes(self) -> Episodes:
        """Their numbers, one by one."""
        returns = self.penalties.sum(axis=(1, 2, 3)) + self.costs.sum(axis=(1, 2))
        impacts = self.penalties[:, :, reward.RIA].sum(axis=(1, 2))
        columns = (returns, in_contractor(self.penalties), impacts, self.phantom)
        return Episodes(*(tuple(values.tolist()) for values in columns))

    @property
    def losses(self) -> Losses:
        """Where their points were lost."""
        penalties, costs = self.penalties.mean(axis=0), self.costs.mean(axis=0)
        return Losses(
            tuple(tuple(tuple(row) for row in phase) for phase in penalties.tolist()),
            tuple(tuple(row) for row in costs.tolist()),
        )

    @property
    def root(self) -> RootStays:
        """How long red kept root."""
        ended = self.ended.sum(axis=0).astype(np.float64)
        running = self.running.sum(axis=0).astype(np.float64)
        longer = product_limit(ended, running)
        median, p90 = (float(durations.quantile(longer, share)) for share in (0.5, 0.9))
        return RootStays(
            int(ended.sum() + running.sum()),
            int(ended.sum()),
            *(int(steps) if np.isfinite(steps) else None for steps in (median, p90)),
            float(self.held.mean()),
        )


def _arrays(watched: Watched) -> tuple[Int64Array | FloatArray, ...]:
    return (
        *(watched.penalties, watched.costs, watched.phantom),
        *(watched.ended, watched.running, watched.held),
    )


class Watch(Scorer):
    """Counts what `Watched` has, while a batch is played."""

    def begin(self, env: Env, seeds: Int64Array) -> None:
        """Start from zero, with the episodes of seeds ``int64[n]``."""
        super().begin(env, seeds)
        n, self._step, self._steps = len(seeds), 0, self._to_count + 1
        self._phantom = np.zeros(n, np.int64)
        self._ended = np.zeros((n, self._steps + 1), np.int64)
        self._since = np.full((n, len(_DEFENDED)), -1)
        self._held = np.zeros(n, np.int64)

    def after_step(self, env: Env, decision: Decision) -> None:
        """Add what the step brought."""
        truth = env.truth()
        if self._to_count > 0:
            env_number, agent = np.nonzero((truth.red_done == RedAction.IMPACT) & truth.red_active)
            host = truth.red_done_host[env_number, agent]
            lost = truth.host_level[env_number, host] < _ROOT
            zone = truth.red_done_zone[env_number, agent]
            points = reward.TABLE[env.phase[env_number], zone, reward.RIA]
            np.add.at(self._phantom, env_number[lost], points[lost])
        super().after_step(env, decision)
        self._step += 1
        root = truth.host_level[:, _DEFENDED] == _ROOT
        self._held += root.sum(axis=1)
        over = ~root & (self._since >= 0)
        row, place = np.nonzero(over)
        np.add.at(self._ended, (row, self._step - self._since[row, place]), 1)
        self._since[over] = -1
        self._since[root & (self._since < 0)] = self._step

    def watched(self) -> Watched:
        """What was counted."""
        running = np.zeros_like(self._ended)
        row, place = np.nonzero(self._since >= 0)
        np.add.at(running, (row, self._step - self._since[row, place]), 1)
        return Watched(
            self.penalties,
            self.costs,
            self._phantom,
            self._ended,
            running,
            self._held / max(self._step, 1),
        )
