"""Decisions to learn trees from: all valid actions with their features, and the teacher's choice.

The teacher labels the states that the student visits (Ross et al. 2011), and says how much the
choice matters there (`cagexplain.policies.teacher`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, observations, phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import ACTION_TYPE, OFFSETS, SLEEP_INDEX, positions
from cagexplain.common.arrays import BoolArray, FloatArray, Int16Array, Int64Array
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Policy, decide, reads, rows_at_once
from cagexplain.policies.knowledge import Knowledge
from cagexplain.policies.rollout import DEFAULT_BATCH, batches
from cagexplain.policies.teacher import Teacher
from cagexplain.policies.trees.named_features import FEATURES, NAMES, ActionFacts, facts_of
from cagexplain.tracing.trace import Trace

KEPT: Final = 400
"""Decisions that a round of roll-outs keeps of each agent and type of action, drawn at random: rare
types are learned, and judged, as well as frequent ones."""

_ALERTS: Final = [NAMES.index(f"hosts with {kind} alert now") for kind in ("process", "connection")]
_IDENTITY: Final = [
    column
    for column, feature in enumerate(FEATURES)
    if feature.scope in ("action", "link") or (feature.scope == "host" and feature.causal)
]
"""Columns of what an action is and of all that is remembered of its host: not where that host
stands in lists."""


@dataclass(frozen=True)
class Samples:
    """Decisions of one agent; the rows of a decision are its valid actions, in layout order.

    Attributes:
        features: ``int16[m, features]``.
        teacher: ``float64[m]`` probability that the teacher takes the action; of a trace, 1 for the
            one that it took.
        decision: ``int64[m]`` number of the decision, ascending from 0.
        action: ``int64[m]`` index in the agent's layout.
        importance: ``float64[d]`` of the decisions.
        episode: ``int64[d]``.
        weight: ``float64[d]`` decisions of the episodes that each stands for.
    """

    features: Int16Array
    teacher: FloatArray
    decision: Int64Array
    action: Int64Array
    importance: FloatArray
    episode: Int64Array
    weight: FloatArray

    @property
    def decisions(self) -> int:
        """Number of decisions."""
        return len(self.episode)

    @property
    def alerted(self) -> BoolArray:
        """``bool[d]``: the agent saw an alert."""
        first = np.searchsorted(self.decision, np.arange(self.decisions))
        return np.asarray((self.features[first][:, _ALERTS] > 0).any(axis=1))

    @property
    def action_type(self) -> Int64Array:
        """``int64[m]`` of the rows' actions."""
        return np.asarray(self.features[:, : actions.N_KINDS].argmax(axis=1), np.int64)

    @property
    def alike(self) -> Int64Array:
        """``int64[m]``: rows of one number are, within a decision, the same action as far as its
        agent can tell: of one type, and on hosts of one kind and subnet of which it remembers all
        the same."""
        identity = np.ascontiguousarray(self.features[:, _IDENTITY])
        keys = identity.view(np.dtype((np.void, identity.strides[0]))).ravel()
        return np.asarray(np.unique(keys, return_inverse=True)[1], np.int64)

    def of_episodes(self, episodes: Int64Array) -> Samples:
        """Those of some episodes ``int64[k]``, as often as they are listed."""
        parts = [self.only(self.episode == episode) for episode in episodes]
        return joined(parts)

    def only(self, decisions: BoolArray) -> Samples:
        """Some of the decisions, flagged in ``bool[d]``."""
        rows = decisions[self.decision]
        number = np.cumsum(decisions) - 1
        return Samples(
            self.features[rows],
            self.teacher[rows],
            number[self.decision[rows]],
            self.action[rows],
            self.importance[decisions],
            self.episode[decisions],
            self.weight[decisions],
        )


def joined(parts: Sequence[Samples]) -> Samples:
    """All decisions, one part after the other."""
    starts = np.cumsum([0, *(part.decisions for part in parts)])
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Samples)
        if field.name != "decision"
    }
    decision = np.concatenate([p.decision + s for p, s in zip(parts, starts[:-1], strict=True)])
    return Samples(decision=decision, **columns)


class _Keeper:
    """Keeps a random sample of the decisions of each agent and type of action, with their rows.

    Every decision draws a number, and those of the smallest numbers are kept.
    """

    def __init__(self, seed: int, kept: int) -> None:
        self._kept = kept
        self._rng = np.random.default_rng([seed, 11])
        shape = (N_BLUE, actions.N_KINDS)
        self._bound = np.ones(shape)
        self._count = np.zeros(shape, np.int64)
        self._held = np.zeros(shape, np.int64)
        self._parts: list[list[tuple[Samples, FloatArray, Int64Array]]] = [
            [] for _ in range(N_BLUE)
        ]

    def keep(
        self,
        facts: ActionFacts,
        mask: BoolArray,
        free: BoolArray,
        chance: FloatArray,
        importance: FloatArray,
        episode: Int64Array,
    ) -> None:
        """Take in the decisions of one step; see `Samples` and `Teacher.label`.

        Type of action here is that of the one that the teacher is likeliest to take.
        """
        drawn = self._rng.random(free.shape)
        for agent in range(N_BLUE):
            part = actions.slice_of(agent)
            kind = ACTION_TYPE[chance[:, part].argmax(axis=1) + actions.OFFSETS[agent]]
            self._count[agent] += np.bincount(kind[free[:, agent]], minlength=actions.N_KINDS)
            env = np.flatnonzero(free[:, agent] & (drawn[:, agent] < self._bound[agent, kind]))
            if not len(env):
                continue
            number, action = np.nonzero(mask[env][:, part])
            at = action + actions.OFFSETS[agent]
            samples = Samples(
                facts.matrix(env[number], at).astype(np.int16),
                chance[env[number], at],
                number,
                action,
                importance[env, agent],
                episode[env],
                np.ones(len(env)),
            )
            self._parts[agent].append((samples, drawn[env, agent], kind[env]))
            self._held[agent] += np.bincount(kind[env], minlength=actions.N_KINDS)
            if (self._held[agent] > 2 * self._kept).any():
                self._thin(agent)

    def samples(self) -> list[Samples]:
        """What was kept, by agent."""
        kept = []
        for agent in range(N_BLUE):
            self._thin(agent)
            ((samples, _, kind),) = self._parts[agent]
            stands_for = self._count[agent] / np.maximum(self._held[agent], 1)
            kept.append(replace(samples, weight=stands_for[kind]))
        return kept

    def _thin(self, agent: int) -> None:
        """Give up the decisions of too large numbers."""
        samples = joined([part[0] for part in self._parts[agent]])
        drawn, kind = (np.concatenate([p[i] for p in self._parts[agent]]) for i in (1, 2))
        for each in np.flatnonzero(self._held[agent] > self._kept):
            self._bound[agent, each] = np.partition(drawn[kind == each], self._kept)[self._kept]
        stays = drawn < self._bound[agent, kind]
        self._parts[agent] = [(samples.only(stays), drawn[stays], kind[stays])]
        self._held[agent] = np.bincount(kind[stays], minlength=actions.N_KINDS)


def roll_out(
    teacher: Teacher,
    student: Policy | None,
    seeds: Int64Array,
    params: EnvParams,
    kept: int = KEPT,
) -> tuple[list[Samples], FloatArray]:
    """Decisions of all agents in episodes that the student plays; the teacher without one.

    Of a teacher that reads raw observations they have what these tell, too.

    Args:
        teacher: labels.
        student: acts in all seats.
        seeds: of the episodes.
        params: of the environment.
        kept: decisions of each agent and type of action.

    Returns:
        The decisions by agent, and the official return ``[len(seeds)]`` of every episode.
    """
    keeper = _Keeper(int(seeds[0]), kept)
    steps, returns = phases.calls(params.steps), []
    raw = reads(teacher.policy)
    for part in batches(seeds, rows_at_once(teacher.policy, DEFAULT_BATCH)):
        env, now = BatchedEnv(len(part), params=params), Knowledge.fresh(len(part))
        env.reset(part)
        teacher.policy.reset(part)
        if student is not None:
            student.reset(part)
        earned = np.zeros(len(part))
        for remaining in reversed(range(steps)):
            free = env.free
            now.observe(env.obs, env.mask, free, env.sightings() if raw else None)
            facts = facts_of(now, raw=raw)
            does = None if student is None else decide(student, env)
            chosen, messages, chance, importance = teacher.label(
                env, None if does is None else does.actions
            )
            keeper.keep(facts, env.mask, free, chance, importance, part)
            now.acted(chosen, free)
            env.step(chosen, messages if does is None else does.messages)
            if remaining >= phases.OFFICIAL_UNCOUNTED:
                earned += env.reward
        env.close()
        returns.append(earned)
    return keeper.samples(), np.concatenate(returns)


def of_trace(trace: Trace, episodes: Sequence[int] | None = None) -> list[Samples]:
    """Decisions that a trace recorded; the teacher is the action that was taken.

    Args:
        trace: with observations.
        episodes: numbers of those to take; all by default.

    Raises:
        CagexplainError: it was recorded without observations, or a file is damaged.
    """
    keeper = _Keeper(int(trace.manifest.seeds[0]), 2 * KEPT)
    steps = phases.calls(int(trace.manifest.options["steps"]))
    blue = trace.batches("blue", ("episode", "action", "started"))
    for table, masks, did in zip(
        trace.batches("observations"), trace.batches("masks"), blue, strict=True
    ):
        numbers = masks["episode"].to_numpy()[::N_BLUE].astype(np.int64)
        n = len(numbers)
        obs = _unpacked(table, n, steps)
        mask = _valid(masks, n)
        chosen = did["action"].to_numpy().reshape(n, steps, N_BLUE).astype(np.int64)
        free = did["started"].to_numpy().reshape(n, steps, N_BLUE)
        wanted = np.ones(n, np.bool_) if episodes is None else np.isin(numbers, episodes)
        now = Knowledge.fresh(n)
        for t in range(steps):
            now.observe(obs[:, t], mask, free[:, t])
            facts = facts_of(now)
            chance = np.zeros(mask.shape)
            at = positions(chosen[:, t])
            np.put_along_axis(chance, at, 1.0, axis=1)
            # An action that the mask excludes is none of the rows; it was a Sleep.
            excluded = ~np.take_along_axis(mask, at, axis=1)
            rows, agents = np.nonzero(excluded)
            chance[rows, SLEEP_INDEX[agents] + OFFSETS[agents]] = 1.0
            keeper.keep(
                facts, mask, free[:, t] & wanted[:, None], chance, np.ones((n, N_BLUE)), numbers
            )
            now.acted(chosen[:, t], free[:, t])
    return keeper.samples()


def _unpacked(table: Any, n: int, steps: int) -> npt.NDArray[np.int8]:
    """Observations ``int8[n, steps, 578]`` of a batch."""
    obs = np.zeros((n, steps, observations.TOTAL), np.int8)
    bits = table["bits"].to_numpy().reshape(n * steps, N_BLUE)
    phase = table["phase"].to_numpy().reshape(n, steps, N_BLUE)
    for agent, size in enumerate(observations.SIZES):
        packed = np.frombuffer(b"".join(bits[:, agent]), np.uint8).reshape(n * steps, -1)
        start = observations.OFFSETS[agent]
        obs[..., start + observations.PHASE] = phase[..., agent]
        entries = np.unpackbits(packed, axis=1)[:, : size - 1]
        obs[..., start + 1 : start + size] = entries.reshape(n, steps, -1)
    return obs


def _valid(masks: Any, n: int) -> BoolArray:
    """Masks ``bool[n, 570]`` of a batch."""
    bits = masks["bits"].to_numpy().reshape(n, N_BLUE)
    parts = [
        np.unpackbits(np.frombuffer(b"".join(bits[:, a]), np.uint8).reshape(n, -1), axis=1)[
            :, : actions.SIZES[a]
        ]
        for a in range(N_BLUE)
    ]
    return np.concatenate(parts, axis=1).astype(np.bool_)
