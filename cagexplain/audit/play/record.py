"""Records the episodes that are audited, also of a policy that fails on some of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cagexplain.common.arrays import IntArray
from cagexplain.envs import Engine, EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.rollout import DEFAULT_BATCH, Observer, play
from cagexplain.policies.wrappers.guarded import Guarded, PolicyFailure
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace


@dataclass(frozen=True)
class Recorded:
    """Episodes for an audit.

    Attributes:
        trace: of the episodes that were played to their end.
        failed: message by seed of those in which the policy failed.
    """

    trace: Trace
    failed: dict[int, str]


def record(
    folder: Path,
    policy: Policy,
    seeds: IntArray,
    params: EnvParams,
    *,
    engine: Engine | None = None,
    batch: int = DEFAULT_BATCH,
    options: dict[str, Any] | None = None,
    observers: Sequence[Observer] = (),
) -> Recorded:
    """Record a policy; episodes in which it fails are left out and told.

    Args:
        folder: of the trace, new or empty.
        policy: to play.
        seeds: ``int[n]`` of the episodes.
        params: of the environment.
        engine: the simulator; ours by default.
        batch: episodes played side by side.
        options: further facts for the trace's manifest.
        observers: of the play, such as a progress bar.

    Raises:
        PolicyFailure: it fails in every episode.
    """
    engine = engine or Engine()
    guarded = Guarded(policy)

    def recording(wanted: IntArray) -> Trace:
        Recording(folder, guarded, wanted, params, engine=engine, batch=batch, options=options).run(
            observers
        )
        return open_trace(folder)

    try:
        return Recorded(recording(seeds), {})
    except PolicyFailure:
        failed = _failing(guarded, seeds, params, engine, batch)
        good = np.array([seed for seed in seeds if int(seed) not in failed])
        if not len(good) or not failed:
            raise
        shutil.rmtree(folder)
        return Recorded(recording(good), failed)


def _failing(
    policy: Policy, seeds: IntArray, params: EnvParams, engine: Engine, size: int
) -> dict[int, str]:
    """Seeds of the episodes in which the policy fails, found by halving the batches that fail."""
    if len(seeds) > size:
        first = _failing(policy, seeds[:size], params, engine, size)
        return first | _failing(policy, seeds[size:], params, engine, size)
    env = engine.make(len(seeds), params)
    try:
        play(policy, env, seeds)
    except PolicyFailure as failure:
        if len(seeds) == 1:
            return {int(seeds[0]): str(failure)}
        half = len(seeds) // 2
        first = _failing(policy, seeds[:half], params, engine, size)
        return first | _failing(policy, seeds[half:], params, engine, size)
    finally:
        env.close()
    return {}
