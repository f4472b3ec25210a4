"""How well a policy does: returns over episodes, by mission phase, cause and subnet.

An episode's return follows the official evaluation: the sum of the team rewards of all calls but
the last, whose reward the official loop never adds (498 of 499 for the default length).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean, stdev
from typing import Any, Final

import numpy as np

from cagexplain.cc4 import agents, network, phases, reward
from cagexplain.common.arrays import Int64Array, IntArray, RealArray
from cagexplain.envs import Engine, Env, EnvParams
from cagexplain.policies.base import Decision, Policy, rows_at_once
from cagexplain.policies.blocks import Block, Here, Place, blocks
from cagexplain.policies.rollout import (
    DEFAULT_BATCH,
    OFFICIAL,
    PROTOCOLS,
    SEEDS,
    Observer,
    play,
)
from cagexplain.stats import means
from cagexplain.stats.means import CONFIDENCE, MIN_EPISODES, MIN_EPISODES_OF_PARTS

WITHOUT_CONTRACTOR: Final = "without Impacts in the contractor network"


class Scorer(Observer):
    """Adds up the counted rewards of a batch.

    Attributes:
        penalties: ``int64[n, phase, cause, zone]``, causes in the order of ``reward.CAUSES``.
        costs: ``int64[n, phase, blue agent]`` of submitted actions.
    """

    def begin(self, env: Env, seeds: Int64Array) -> None:
        """Start from zero, with the episodes of seeds ``int64[n]``."""
        n = len(seeds)
        self.penalties = np.zeros(
            (n, phases.N_PHASES, len(reward.CAUSES), network.N_ZONES), dtype=np.int64
        )
        self.costs = np.zeros((n, phases.N_PHASES, agents.N_BLUE), dtype=np.int64)
        self._to_count = phases.calls(env.params.steps) - phases.OFFICIAL_UNCOUNTED

    def after_step(self, env: Env, decision: Decision) -> None:
        """Add the step's rewards, unless it is the one that does not count."""
        if self._to_count > 0:
            every = np.arange(len(env.phase))
            self.penalties[every, env.phase] += env.reward_parts
            self.costs[every, env.phase] += env.action_cost
            self._to_count -= 1


@dataclass(frozen=True)
class MeanReturn:
    """A mean over episodes.

    Attributes:
        mean: over episodes.
        sd: sample standard deviation between episodes; None for a single one.
        low, high: confidence limits of the mean (see `cagexplain.stats.means`); None where
            `reason` says why.
        reason: why there is no interval; None if there is one.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """Returns of a policy, episode by episode.

    Attributes:
        policy: what the policy says about itself.
        options: how it was played.
        seeds: ``int64[n]`` of the episodes.
        penalties: ``int64[n, phase, cause, zone]``, never positive.
        costs: ``int64[n, phase, blue agent]`` of submitted actions, never positive.
    """

    policy: dict[str, Any]
    options: dict[str, Any]
    seeds: Int64Array
    penalties: Int64Array
    costs: Int64Array

    @property
    def returns(self) -> Int64Array:
        """Official return of each episode: ``[n]``."""
        return _sum(self.by_phase, 1)

    @property
    def without_contractor(self) -> Int64Array:
        """The same without red's Impacts in the contractor network, where blue has no hosts and no
        actions: ``[n]``. They are most of the variance of the returns of a good defence."""
        return self.returns - in_contractor(self.penalties)

    @property
    def by_phase(self) -> Int64Array:
        """Return by mission phase: ``[n, 3]``."""
        return _sum(self.penalties, 2, 3) + _sum(self.costs, 2)

    @property
    def by_cause(self) -> Int64Array:
        """Return by cause, in the order of ``reward.CAUSE_NAMES``: ``[n, 4]``."""
        return np.column_stack([_sum(self.penalties, 1, 3), _sum(self.costs, 1, 2)])

    @property
    def by_zone(self) -> Int64Array:
        """Return by subnet, without the cost of actions: ``[n, 9]``."""
        return _sum(self.penalties, 1, 2)

    @property
    def of_others(self) -> Int64Array:
        """Return without what each agent's subnets and actions cost: ``[n, 5]``."""
        return of_others(self.penalties, self.costs)

    @property
    def protocol(self) -> str:
        """Which worlds were played: one of ``rollout.PROTOCOLS``."""
        return str(self.options["protocol"])

    def official(self) -> tuple[float, float | None]:
        """Mean and sample standard deviation of the returns as the official script has them, digit
        by digit; no deviation of a single episode, where the script fails."""
        returns = self.returns.tolist()
        return mean(returns), stdev(returns) if len(returns) > 1 else None

    def summary(self) -> dict[str, dict[str, MeanReturn]]:
        """Estimates of the return and of its parts, by heading and name."""
        groups: dict[str, tuple[Sequence[str], list[MeanReturn]]] = {
            "return": (
                ("return", WITHOUT_CONTRACTOR),
                [*estimate(self.returns[:, None]), *estimate(self.without_contractor[:, None])],
            ),
            "phase": (phases.PHASE_NAMES, estimate_parts(self.by_phase)),
            "cause": (reward.CAUSE_NAMES, estimate_parts(self.by_cause)),
            "subnet": (network.ZONES, estimate_parts(self.by_zone)),
        }
        return {
            heading: dict(zip(names, estimates, strict=True))
            for heading, (names, estimates) in groups.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        episodes = [
            {
                "seed": int(seed),
                "return": int(total),
                "phase": dict(zip(phases.PHASE_NAMES, by_phase.tolist(), strict=True)),
                "cause": dict(zip(reward.CAUSE_NAMES, by_cause.tolist(), strict=True)),
            }
            for seed, total, by_phase, by_cause in zip(
                self.seeds, self.returns, self.by_phase, self.by_cause, strict=True
            )
        ]
        if self.protocol == OFFICIAL:
            for number, episode in enumerate(episodes):
                episode["world"] = _CONSTRUCTION + number
        summary = {
            heading: {name: vars(value) for name, value in group.items()}
            for heading, group in self.summary().items()
        }
        return {
            "policy": self.policy,
            "options": self.options,
            "protocol": {"name": self.protocol, "worlds": PROTOCOLS[self.protocol]},
            "confidence": CONFIDENCE,
            "summary": summary,
            "episodes": episodes,
        }


def in_contractor(penalties: Int64Array) -> Int64Array:
    """What Impacts in the contractor network cost: ``[n]``, never positive.

    Args:
        penalties: as `Scorer` counts them.
    """
    return _sum(penalties[:, :, reward.RIA, network.CON], 1)


def of_others(penalties: Int64Array, costs: Int64Array) -> Int64Array:
    """Returns without what each agent's subnets and actions cost: ``[n, 5]``.

    Args:
        penalties, costs: as `Scorer` counts them.
    """
    zones, actions = _sum(penalties, 1, 2), _sum(costs, 1)
    everything = zones.sum(axis=1) + actions.sum(axis=1)
    in_subnets = [zones[:, list(agents.BLUE_ZONES[a])].sum(axis=1) for a in range(agents.N_BLUE)]
    others: Int64Array = everything[:, None] - np.stack(in_subnets, axis=1) - actions
    return others


def _sum(values: Int64Array, *axes: int) -> Int64Array:
    total: Int64Array = values.sum(axis=axes)
    return total


def evaluate(
    policy: Policy,
    seeds: IntArray,
    params: EnvParams | None = None,
    *,
    batch: int | None = None,
    engine: Engine | None = None,
    skip_worlds: int = 0,
    observers: Sequence[Observer] = (),
    place: Place | None = None,
    after_batch: Callable[[Evaluation], None] = lambda _: None,
) -> Evaluation:
    """Play an episode per seed and add up its rewards.

    Args:
        policy: the policy.
        seeds: ``int[n]`` of the episodes.
        params: of the environment; CC4's own by default.
        batch: episodes played side by side, without effect on the results; by default
            `DEFAULT_BATCH`, or fewer that the policy or `place` wants.
        engine: the simulator; ours by default.
        skip_worlds: see `play`.
        observers: further observers of the play, such as a progress bar.
        place: where to play; by default here, on `engine` and before `observers`.
        after_batch: is given the result so far, so that it survives a simulator that fails.
    """
    params, engine = params or EnvParams(), engine or Engine()
    options = _options(params, engine, SEEDS, skip_worlds)
    place = place or Here(engine, observers)
    batch = batch or place.size(len(seeds), rows_at_once(policy, DEFAULT_BATCH))
    playing = partial(_scored, skip_worlds=skip_worlds)
    parts: dict[int, tuple[Block, tuple[Int64Array, Int64Array]]] = {}
    for block, scores in place.play(policy, params, blocks(seeds, batch), playing):
        parts[block.number] = block, scores
        finished, scored = zip(*(parts[number] for number in sorted(parts)), strict=True)
        penalties, costs = (np.concatenate(each) for each in zip(*scored, strict=True))
        result = Evaluation(
            policy=policy.describe(),
            options=options,
            seeds=np.concatenate([block.seeds for block in finished]),
            penalties=penalties,
            costs=costs,
        )
        after_batch(result)
    return result


def _scored(
    policy: Policy,
    env: Env,
    block: Block,
    observers: Sequence[Observer],
    *,
    skip_worlds: int,
) -> tuple[Int64Array, Int64Array]:
    """Penalties and costs of a block, as `Scorer` has them."""
    scorer = Scorer()
    play(policy, env, block.seeds, [scorer, *observers], skip_worlds=skip_worlds)
    return scorer.penalties, scorer.costs


def evaluate_official(
    policy: Policy,
    seed: int,
    episodes: int,
    params: EnvParams | None = None,
    *,
    engine: Engine | None = None,
    observers: Sequence[Observer] = (),
    after_episode: Callable[[Evaluation], None] = lambda _: None,
) -> Evaluation:
    """Play the worlds that the official evaluation script plays, one after the other.

    The script's numbers depend on nothing else: it, too, leaves the last reward out.

    Args:
        policy: the policy. In episode k of 0, 1, ... its own chances are those of ``seed + k``;
            the agents of a submission play all episodes, as in the script, with generators that
            are seeded once, with ``seed``.
        seed: of the one generator.
        episodes: to play.
        params: of the environment; CC4's own by default.
        engine: the simulator; ours by default.
        observers: further observers of the play, such as a progress bar.
        after_episode: is given the result so far.
    """
    params, engine = params or EnvParams(), engine or Engine()
    options = _options(params, engine, OFFICIAL, _CONSTRUCTION)
    env, scorer = engine.make(1, params), Scorer()
    penalties, costs = [], []
    try:
        for k in range(episodes):
            play(
                policy,
                env,
                np.array([seed + k]),
                [scorer, *observers],
                skip_worlds=0 if k else _CONSTRUCTION,
                continued=k > 0,
            )
            penalties.append(scorer.penalties)
            costs.append(scorer.costs)
            result = Evaluation(
                policy=policy.describe(),
                options=options,
                seeds=np.full(k + 1, seed, dtype=np.int64),
                penalties=np.concatenate(penalties),
                costs=np.concatenate(costs),
            )
            after_episode(result)
    finally:
        env.close()
    return result


_CONSTRUCTION: Final = 1
"""Worlds that CybORG draws while it is constructed, before its first reset."""


def _options(params: EnvParams, engine: Engine, protocol: str, skip_worlds: int) -> dict[str, Any]:
    """How a policy was played."""
    return {
        **params.as_dict(),
        "condition": params.condition,
        "protocol": protocol,
        "skip_worlds": skip_worlds,
        "engine": engine.describe(),
    }


def estimate(
    values: IntArray | RealArray, *, least: int = MIN_EPISODES, confidence: float = CONFIDENCE
) -> list[MeanReturn]:
    """Means of the columns of `values`, with intervals.

    Args:
        values: ``[episodes, quantities]``.
        least: episodes below which there is no interval.
        confidence: level of each interval.
    """
    n = len(values)
    mean = values.mean(axis=0).tolist()
    unknown: list[float | None] = [None] * len(mean)
    sd = values.std(axis=0, ddof=1).tolist() if n > 1 else unknown
    low = high = unknown
    reason = means.too_few(n, least)
    if reason is None:
        low, high = (limit.tolist() for limit in means.limits(values, confidence))
    return [MeanReturn(*row, reason) for row in zip(mean, sd, low, high, strict=True)]


def estimate_parts(values: IntArray | RealArray) -> list[MeanReturn]:
    """`estimate` for parts of a return, which rare episodes can dominate: they take more of them.

    Args:
        values: ``[episodes, parts]``.
    """
    return estimate(values, least=MIN_EPISODES_OF_PARTS)
