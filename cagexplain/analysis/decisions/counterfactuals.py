"""What would have happened: other actions played on from the state in which a decision was made.

The state of the whole world is cloned, the agent takes another action, the others what they took,
and the policy goes on. Every alternative meets the same chances: future i has the same seed for all
of them (common random numbers; Law 2015, section 11.2), so that differences are paired by future.
They rest on the true state, of which the agent saw only its part: they tell which action was better
then, not whether the agent could have known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.analysis.decisions.replay import Moment
from cagexplain.cc4 import phases, reward
from cagexplain.common.arrays import Int64Array
from cagexplain.common.results import Result
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import decide, rows_at_once
from cagexplain.policies.evaluation import estimate

ROLLOUTS: Final = 64
HORIZON: Final = 100
ENOUGH: Final = 50
"""Futures below which no interval is given: few alternatives change a future, and then by much."""
_ROWS: Final = 256
"""Environments that a thread plays side by side: what a step of them needs stays in the cache."""


@dataclass(frozen=True)
class FutureDifference(Result):
    """A mean over roll-outs with confidence limits.

    Attributes:
        mean: in points of reward.
        low, high: limits; None with fewer than `ENOUGH` roll-outs.
    """

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ActionFuture(Result):
    """What followed an action.

    Attributes:
        rollouts: futures that were played.
        steps: that each was played for; fewer than the horizon where the episode ends before.
        mean_return: mean sum of team rewards over these steps.
        advantage: its return minus that of the chosen action, paired by future.
        by_cause: the advantage's parts, by name of the cause (`reward.CAUSE_NAMES`). They have no
            limits: a cause can rest on one future in hundreds.
    """

    rollouts: int
    steps: int
    mean_return: float
    advantage: FutureDifference
    by_cause: dict[str, FutureDifference]


@dataclass(frozen=True)
class Question:
    """What is to be played on from a decision.

    Attributes:
        moment: of the decision.
        actions: alternatives, indices in the agent's layout; the chosen action among them.
    """

    moment: Moment
    actions: tuple[int, ...]


def returns(
    questions: Sequence[Question],
    params: EnvParams,
    *,
    rollouts: int = ROLLOUTS,
    horizon: int = HORIZON,
    workers: int = 1,
    screening: bool = False,
    advance: Callable[[int], None] = lambda steps: None,
) -> list[Int64Array]:
    """Play all alternatives of all questions.

    Args:
        questions: the decisions with their alternatives.
        params: of the environment.
        rollouts: futures per alternative.
        horizon: steps that each is played for, the decision's own included; fewer at the end of
            the episode, whose last reward does not count, as in the official score.
        workers: threads; without effect on the results.
        screening: play other futures: decisions are not to be judged by those that chose them.
        advance: is told environment steps as they are played (from any thread).

    Returns:
        For each question ``int64[alternative, rollout, cause]``: sums of rewards by cause
        (`reward.CAUSE_NAMES`).
    """
    player = _Player(params, rollouts, horizon, screening, advance)
    pieces = [
        (question.moment, question.actions[at : at + share], i)
        for i, question in enumerate(questions)
        for share in (max(1, rows_at_once(question.moment.policy, _ROWS) // rollouts),)
        for at in range(0, len(question.actions), share)
    ]
    with ThreadPoolExecutor(workers) as pool:
        played = list(pool.map(lambda piece: player.play(*piece[:2]), pieces))
    return [
        np.concatenate([part for (_, _, at), part in zip(pieces, played, strict=True) if at == i])
        for i in range(len(questions))
    ]


class _Player:
    """Plays alternatives; each thread keeps an environment, which is costly to set up."""

    def __init__(
        self,
        params: EnvParams,
        rollouts: int,
        horizon: int,
        screening: bool,
        advance: Callable[[int], None],
    ) -> None:
        self._params, self._rollouts, self._horizon = params, rollouts, horizon
        self._screening = screening
        self._advance = advance
        self._own = threading.local()

    def play(self, moment: Moment, actions: Sequence[int]) -> Int64Array:
        rows, n = len(actions) * self._rollouts, self._rollouts
        seeds = np.tile(_seeds(moment, n, self._screening), len(actions))
        env = self._environment(rows)
        env.restore(moment.snapshot, np.zeros(rows, np.int64))
        env.reseed(seeds)
        policy = moment.policy.branch(np.zeros(rows, np.int64), seeds)
        instead: Int64Array | None = np.tile(moment.submitted, (rows, 1))
        assert instead is not None
        instead[:, moment.place.agent] = np.repeat(actions, n)
        sums = np.zeros((rows, len(reward.CAUSE_NAMES)), np.int64)
        for _ in range(steps_to_play(moment, self._params, self._horizon)):
            decision = decide(policy, env, instead)
            env.step(decision.actions, decision.messages)
            sums[:, :-1] += env.reward_parts.sum(axis=2)
            sums[:, -1] += env.action_cost.sum(axis=1)
            instead = None
            self._advance(rows)
        return sums.reshape(len(actions), n, -1)

    def _environment(self, rows: int) -> BatchedEnv:
        env: BatchedEnv | None = getattr(self._own, "env", None)
        if env is None or env.n_envs != rows:
            self._own.env = env = BatchedEnv(rows, params=self._params, threads=1)
        return env


def steps_to_play(moment: Moment, params: EnvParams, horizon: int) -> int:
    """Steps from a decision on whose rewards count, at most `horizon`."""
    counted = phases.calls(params.steps) - phases.OFFICIAL_UNCOUNTED
    return max(0, min(horizon, counted - moment.place.step))


def outcomes(
    question: Question, played: Int64Array, params: EnvParams, horizon: int
) -> dict[int, ActionFuture]:
    """What the roll-outs of a question say of each of its actions.

    Intervals are those of a mean over futures (`cagexplain.stats.means`), which are independent
    given the state. Each holds by itself.

    Args:
        question: that was played.
        played: what `returns` gave for it, ``int64[action, future]``.
        params: of the environment.
        horizon: that it was played with.
    """
    n = played.shape[1]
    chosen = played[question.actions.index(question.moment.chosen)]
    parts = played - chosen
    advantages = estimate(parts.sum(axis=2).T, least=ENOUGH)
    steps = steps_to_play(question.moment, params, horizon)
    return {
        action: ActionFuture(
            rollouts=n,
            steps=steps,
            mean_return=float(played[i].sum(axis=1).mean()),
            advantage=FutureDifference(advantage.mean, advantage.low, advantage.high),
            by_cause={
                name: FutureDifference(float(mean), None, None)
                for name, mean in zip(reward.CAUSE_NAMES, parts[i].mean(axis=0), strict=True)
            },
        )
        for i, (action, advantage) in enumerate(zip(question.actions, advantages, strict=True))
    }


def _seeds(moment: Moment, rollouts: int, screening: bool) -> Int64Array:
    """Seeds of the futures of a decision: the first ones are the same however many there are."""
    key = (1,) if screening else ()
    entropy = np.random.SeedSequence([moment.seed, moment.place.step], spawn_key=key)
    return (entropy.generate_state(rollouts, np.uint64) >> np.uint64(1)).astype(np.int64)
