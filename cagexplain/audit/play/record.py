"""Records the episodes that are audited, also of a policy that fails on some of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import Engine, EnvParams
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.rollout import DEFAULT_BATCH, Observer, play
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace


class PolicyFailure(CagexplainError):
    """A policy raised an error, or answered what is no action."""


class Guarded:
    """A policy whose errors are told as such, not as errors of ours."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @property
    def inner(self) -> Policy:
        """The wrapped policy."""
        return self._policy

    @property
    def name(self) -> str:
        """The wrapped policy's."""
        return self._policy.name

    @property
    def kind(self) -> Literal["scripted", "checkpoint", "tree"]:
        """The wrapped policy's."""
        return self._policy.kind

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes."""
        self._step = 0
        self._policy.reset(seeds)

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Any = None,
    ) -> Decision:
        """What the wrapped policy chooses.

        Raises:
            PolicyFailure: it failed.
        """
        self._step += 1
        try:
            return self._policy.act(obs, mask, free, instead)
        except Exception as error:
            raise PolicyFailure(
                f"the policy failed in step {self._step - 1}: {type(error).__name__}: {error}",
                where=self.name,
                remedy="Mend the policy, or audit it with other seeds",
            ) from error

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Guarded:
        """Go on with copies of some environments."""
        twin = Guarded(self._policy.branch(rows, seeds))
        twin._step = self._step
        return twin

    def describe(self) -> dict[str, Any]:
        """What the wrapped policy says."""
        return self._policy.describe()


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
