"""Records the episodes that are audited, also of a policy that fails on some of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cagexplain.common.arrays import IntArray
from cagexplain.envs import Engine, Env, EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.blocks import Block, Here, Place, blocks
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
    place: Place | None = None,
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
        place: where to play; by default here.

    Raises:
        PolicyFailure: it fails in every episode.
    """
    engine = engine or Engine()
    place = place or Here(engine)
    guarded = Guarded(policy)

    def recording(wanted: IntArray) -> Trace:
        Recording(folder, guarded, wanted, params, engine=engine, batch=batch, options=options).run(
            place=place
        )
        return open_trace(folder)

    try:
        return Recorded(recording(seeds), {})
    except PolicyFailure:
        failed = _failing(guarded, blocks(seeds, batch), params, place)
        good = np.array([seed for seed in seeds if int(seed) not in failed])
        if not len(good) or not failed:
            raise
        shutil.rmtree(folder)
        return Recorded(recording(good), failed)


def _failing(
    policy: Policy, suspects: Sequence[Block], params: EnvParams, place: Place
) -> dict[int, str]:
    """Messages by seed of the episodes in which the policy fails, found by halving the blocks that
    fail."""
    failed: dict[int, str] = {}
    while suspects:
        halves: list[Block] = []
        for block, failure in place.play(policy, params, suspects, _failure):
            if failure is not None and len(block.seeds) == 1:
                failed[int(block.seeds[0])] = failure
            elif failure is not None:
                halves += blocks(block.seeds, -(-len(block.seeds) // 2))
        suspects = halves
    return dict(sorted(failed.items()))


def _failure(policy: Policy, env: Env, block: Block, observers: Sequence[Observer]) -> str | None:
    """How the policy fails in a block; None if it does not."""
    try:
        play(policy, env, block.seeds, observers)
    except PolicyFailure as failure:
        return str(failure)
    return None
