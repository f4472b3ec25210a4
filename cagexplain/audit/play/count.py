"""Plays a policy in memory and counts: for prices, robustness and references, which need no trace.

The same seeds give the same episodes whatever is played beside them, so episodes of two plays on
the same seeds are pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import phases
from cagexplain.common.arrays import IntArray
from cagexplain.envs import Engine, EnvParams
from cagexplain.facts.batch import Collector, in_memory
from cagexplain.policies.base import Policy
from cagexplain.policies.evaluation import Scorer, in_contractor, of_others
from cagexplain.policies.rollout import batches, play
from cagexplain.tracing.recorder import Recorder

BATCH: Final = 200
"""Episodes played side by side: each takes half as long as in fifties, and 2 MB."""


@dataclass(frozen=True)
class Played:
    """What was played.

    Attributes:
        seeds: ``int64[episode]``.
        returns: ``float64[episode]`` official returns.
        of_others: ``float64[episode, 5]`` the same without what each agent's subnets and actions
            cost.
        without_contractor: ``float64[episode]`` the same without the Impacts in the contractor
            network, which nobody can prevent.
    """

    seeds: npt.NDArray[np.int64]
    returns: npt.NDArray[np.float64]
    of_others: npt.NDArray[np.float64]
    without_contractor: npt.NDArray[np.float64]


def count(
    policy: Policy,
    seeds: IntArray,
    collectors: Sequence[Collector],
    params: EnvParams | None = None,
    *,
    threads: int | None = None,
) -> Played:
    """Play one episode per seed and show all of them to the collectors.

    Args:
        policy: to play; its episodes do not depend on the batches.
        seeds: ``int[episode]``.
        collectors: such as `cagexplain.audit.judge.Tallies`; they see the episodes
            in the order of the seeds. Episodes are numbered from 0.
        params: of the environment; CC4's own by default.
        threads: of the simulator; all cores by default.
    """
    params = params or EnvParams()
    engine = Engine("native", threads)
    returns, others, contractor = [], [], []
    first = 0
    for part in batches(seeds, BATCH):
        env = engine.make(len(part), params)
        try:
            recorder, scorer = Recorder(first), Scorer()
            play(policy, env, part, [recorder, scorer])
        finally:
            env.close()
        tables = recorder.tables()
        reward = tables["steps"].column("reward").to_numpy().reshape(len(part), -1)
        counted = phases.calls(params.steps) - phases.OFFICIAL_UNCOUNTED
        returns.append(reward[:, :counted].astype(np.float64).sum(axis=1))
        others.append(of_others(scorer.penalties, scorer.costs).astype(np.float64))
        contractor.append(in_contractor(scorer.penalties).astype(np.float64))
        for batch in in_memory(tables):
            for collector in collectors:
                collector.add(batch)
        first += len(part)
    whole = np.concatenate(returns)
    return Played(
        np.asarray(seeds, dtype=np.int64),
        whole,
        np.concatenate(others),
        whole - np.concatenate(contractor),
    )
