"""A policy whose habits are overridden: what would it be worth if it followed a practice?

A remedy says what an agent must not do, must do, does in its idle time, or does in place of
something else, judged by what that agent has seen and done itself (`Knowledge`). Where a
policy chooses what it must not do, it takes the next best of its own if it weighs its actions, and
waits otherwise; a policy that draws its actions draws again, so that the rest keep the chances
that they had. Choices that no remedy touches stay as they are, to the bit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import TOTAL, ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import (
    ACTION_AGENT,
    ACTION_LINK,
    ACTION_TYPE,
    NONE,
    OFFSETS,
    SLEEP,
    WAITS,
    positions,
)
from cagexplain.common.arrays import BoolArray, Int64Array, IntArray
from cagexplain.policies.base import Decision, Instead, Policy, Weighing, done
from cagexplain.policies.knowledge import Knowledge
from cagexplain.policies.wrappers.base import Changed, unwrapped


@dataclass(frozen=True)
class Remedy:
    """What could be done about a finding, as a rule that overrides a policy.

    The four parts of the rule work on actions as positions among the 570 of all agents; a proposal
    of `NONE` leaves an agent to itself. What is forbidden to a free agent stays undone, whichever
    remedy proposes it.

    Attributes:
        id: short name.
        title: what to do, as an imperative sentence.
        text: the same for someone who does not know CC4, with its cost.
        checks: ids of the practice checks that it answers.
        forbid: actions that must not be chosen: ``bool[n, 570]``.
        replace: given the choice ``int64[n, 5]``, what to do in its place: ``int64[n, 5]``.
        demand: what must be done, whatever the choice: ``int64[n, 5]``.
        occupy: what to do in idle time (`idles`): ``int64[n, 5]``.
    """

    id: str
    title: str
    text: str
    checks: tuple[str, ...]
    forbid: Callable[[Knowledge], BoolArray] | None = None
    replace: Callable[[Knowledge, Int64Array], Int64Array] | None = None
    demand: Callable[[Knowledge], Int64Array] | None = None
    occupy: Callable[[Knowledge], Int64Array] | None = None


def idles(now: Knowledge, position: Int64Array, *, sees_files: bool) -> BoolArray:
    """Whether actions ``int64[n, 5]`` can be spared: Sleep and Monitor, the setting of a traffic
    rule that holds already, and an Analyse unless the policy `sees_files` that it lists, which the
    official observation drops."""
    action_type, link = ACTION_TYPE[position], ACTION_LINK[position]
    blocked = np.take_along_axis(now.blocked, np.maximum(link, 0), axis=1)
    holds: BoolArray = (link != NONE) & (blocked == (action_type == ActionKind.BLOCK))
    spare = WAITS if sees_files else (*WAITS, ActionKind.ANALYSE)
    return np.isin(action_type, spare) | holds


class Overridden(Changed):
    """A policy under remedies.

    Of several demands on an agent the first remedy's counts, of several replacements the last.
    With no remedy it is the policy itself.

    Args:
        policy: what is overridden.
        remedies: in order of precedence.

    Attributes:
        decisions: ``int64[n]`` in the episodes so far: submissions of free agents, and of busy
            ones that were changed.
        changed: ``int64[n]`` those that were changed.
    """

    def __init__(self, policy: Policy, remedies: Sequence[Remedy]) -> None:
        super().__init__(policy)
        self.remedies = tuple(remedies)
        self._begin(np.zeros(1, np.int64))

    @property
    def name(self) -> str:
        """The policy's, with its remedies."""
        names = ", ".join(remedy.id for remedy in self.remedies)
        return f"{self.inner.name} with {names or 'no remedy'}"

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes."""
        super().reset(seeds)
        self._begin(seeds)

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the policy chooses under the remedies."""
        self._now.observe(obs, mask, free)

        def under_remedies(chosen: Int64Array) -> Int64Array:
            revised = self._revised(chosen, mask, free)
            other = revised != chosen
            self.changed += other.sum(axis=1)
            self.decisions += (free | other).sum(axis=1)
            return done(revised, instead)

        decision = self.inner.act(obs, mask, free, under_remedies)
        self._now.acted(decision.actions, free)
        return decision

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments, under the same remedies."""
        twin = super().branch(rows, seeds)
        twin._now = self._now.branch(rows)
        twin.decisions, twin.changed = self.decisions[rows], self.changed[rows]
        twin._generators = (
            [copy.deepcopy(self._generators[i]) for i in rows]
            if seeds is None
            else _generators(seeds)
        )
        return twin

    @property
    def change(self) -> dict[str, Any]:
        """The remedies."""
        return {"remedies": [remedy.id for remedy in self.remedies]}

    def _begin(self, seeds: IntArray) -> None:
        self._now = Knowledge.fresh(len(seeds))
        self.decisions, self.changed = (np.zeros(len(seeds), np.int64) for _ in range(2))
        self._generators = _generators(seeds)

    def _forbidden(self, free: BoolArray) -> BoolArray:
        """What free agents must not do: ``bool[n, 570]``. Waiting is never among it."""
        forbidden = np.zeros((len(free), TOTAL), np.bool_)
        for remedy in self.remedies:
            if remedy.forbid is not None:
                forbidden |= remedy.forbid(self._now)
        forbidden &= free[:, ACTION_AGENT]
        forbidden[:, SLEEP] = False
        return forbidden

    def _revised(self, chosen: Int64Array, mask: BoolArray, free: BoolArray) -> Int64Array:
        now, original = self._now, positions(chosen)
        position = original.copy()
        forbidden = self._forbidden(free)
        allowed = mask & ~forbidden
        settled = np.zeros(free.shape, np.bool_)

        def takes(proposed: Int64Array) -> BoolArray:
            # A busy agent has nothing to choose, but it can keep silent.
            open_to = free | (proposed == SLEEP)
            valid = np.take_along_axis(allowed, np.maximum(proposed, 0), axis=1)
            taken: BoolArray = (proposed != NONE) & valid & open_to & ~settled
            return taken

        for remedy in self.remedies:
            if remedy.replace is not None:
                proposed = remedy.replace(now, position)
                position = np.where(takes(proposed), proposed, position)
        for remedy in self.remedies:
            if remedy.demand is not None:
                proposed = remedy.demand(now)
                taken = takes(proposed)
                position = np.where(taken, proposed, position)
                settled |= taken
        if forbidden.any():
            self._choose_again(position, forbidden)
        for remedy in self.remedies:
            if remedy.occupy is not None:
                proposed = remedy.occupy(now)
                taken = takes(proposed) & idles(now, position, sees_files=self.reads)
                position = np.where(taken, proposed, position)
                settled |= taken
        return np.where(position == original, chosen, position - OFFSETS)

    def _choose_again(self, position: Int64Array, forbidden: BoolArray) -> None:
        """Put the next best in place of what is forbidden, in `position` itself."""
        env, agent = np.nonzero(np.take_along_axis(forbidden, position, axis=1))
        if len(env) == 0:
            return
        position[env, agent] = SLEEP[agent]
        core = unwrapped(self.inner)
        if not isinstance(core, Weighing):
            return
        weights = np.where(forbidden, -np.inf, core.weights())
        greedy = core.values or getattr(core, "deterministic", True)
        for e, a in zip(env.tolist(), agent.tolist(), strict=True):
            agent_weights = weights[e, actions.slice_of(a)]
            best = agent_weights.max()
            if best == -np.inf:
                continue
            if greedy:
                action = int(agent_weights.argmax())
            else:
                total = np.cumsum(np.exp(agent_weights - best))
                action = int((total > self._generators[e].random() * total[-1]).argmax())
            position[e, a] = OFFSETS[a] + action


def _generators(seeds: IntArray) -> list[np.random.Generator]:
    """For choices that are drawn again; apart from what trained policies draw with the seeds."""
    return [np.random.default_rng([int(seed), N_BLUE, 2]) for seed in seeds]
