"""A policy whose habits are overridden: what would it be worth if it followed a practice?

A remedy says what an agent must not do, must do, does in its idle time, or does in place of
something else, judged by what that agent has seen and done itself (`Situation`). What must not be
done leaves the mask, so that a trained policy takes the next best of its own; a policy that heeds
no mask waits instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.actions import TOTAL, ActionKind
from cagexplain.policies.base import BoolArray, Decision, Instead, IntArray, Policy, done
from cagexplain.policies.named_features import AGENT, KIND, LINK
from cagexplain.policies.situation import NONE, OFFSETS, SLEEP, Situation

Int64s = npt.NDArray[np.int64]

_SHOWS_EXISTENCE: Final = KIND == ActionKind.ANALYSE
"""Actions by whose validity policies tell which hosts exist: they stay in the mask."""
_SPARE: Final = (ActionKind.SLEEP, ActionKind.MONITOR, ActionKind.ANALYSE)


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
    forbid: Callable[[Situation], BoolArray] | None = None
    replace: Callable[[Situation, Int64s], Int64s] | None = None
    demand: Callable[[Situation], Int64s] | None = None
    occupy: Callable[[Situation], Int64s] | None = None


def idles(now: Situation, position: Int64s) -> BoolArray:
    """Whether actions ``int64[n, 5]`` can be spared: Sleep and Monitor, an Analyse, whose findings
    the official observation drops, and the setting of a traffic rule that holds already."""
    kind, link = KIND[position], LINK[position]
    blocked = np.take_along_axis(now.blocked, np.maximum(link, 0), axis=1)
    holds: BoolArray = (link >= 0) & (blocked == (kind == ActionKind.BLOCK))
    return np.isin(kind, _SPARE) | holds


class Overridden:
    """A policy under remedies.

    Of several demands on an agent the first remedy's counts, of several replacements the last.
    With no remedy it is the policy itself.

    Args:
        policy: what is overridden.
        remedies: in order of precedence.
    """

    def __init__(self, policy: Policy, remedies: Sequence[Remedy]) -> None:
        self._policy = policy
        self.remedies = tuple(remedies)
        self._now = Situation(1)
        self._begins = True

    @property
    def inner(self) -> Policy:
        """The policy that is overridden."""
        return self._policy

    @property
    def name(self) -> str:
        """The policy's, with its remedies."""
        told = ", ".join(remedy.id for remedy in self.remedies)
        return f"{self._policy.name} with {told or 'no remedy'}"

    @property
    def kind(self) -> Literal["scripted", "checkpoint", "tree"]:
        """The policy's."""
        return self._policy.kind

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes."""
        self._policy.reset(seeds)
        self._now = Situation(len(seeds))
        self._begins = True

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the policy chooses under the remedies."""
        now = self._now
        now.observe(obs, mask, free)
        forbidden = self._forbidden(free)

        def under_remedies(chosen: Int64s) -> Int64s:
            return done(self._revised(chosen, mask & ~forbidden, forbidden, free), instead)

        # Scripted policies take from the first mask what is valid throughout the episode.
        shown = mask if self._begins else mask & ~(forbidden & ~_SHOWS_EXISTENCE)
        decision = self._policy.act(obs, shown, free, under_remedies)
        self._begins = False
        now.acted(decision.actions, free)
        return decision

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Overridden:
        """Go on with copies of some environments, under the same remedies."""
        twin = Overridden(self._policy.branch(rows, seeds), self.remedies)
        twin._now = self._now.branch(rows)
        twin._begins = self._begins
        return twin

    def describe(self) -> dict[str, Any]:
        """The policy, and what it is under."""
        return {
            "name": self.name,
            "kind": self.kind,
            "policy": self._policy.describe(),
            "remedies": [remedy.id for remedy in self.remedies],
        }

    def _forbidden(self, free: BoolArray) -> BoolArray:
        """What free agents must not do: ``bool[n, 570]``. Waiting is never among it."""
        forbidden = np.zeros((len(free), TOTAL), np.bool_)
        for remedy in self.remedies:
            if remedy.forbid is not None:
                forbidden |= remedy.forbid(self._now)
        forbidden &= free[:, AGENT]
        forbidden[:, SLEEP] = False
        return forbidden

    def _revised(
        self, chosen: Int64s, allowed: BoolArray, forbidden: BoolArray, free: BoolArray
    ) -> Int64s:
        now, position = self._now, chosen + OFFSETS
        settled = np.zeros(free.shape, np.bool_)

        def takes(proposed: Int64s) -> BoolArray:
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
        position = np.where(np.take_along_axis(forbidden, position, axis=1), SLEEP, position)
        for remedy in self.remedies:
            if remedy.occupy is not None:
                proposed = remedy.occupy(now)
                taken = takes(proposed) & idles(now, position)
                position = np.where(taken, proposed, position)
                settled |= taken
        return position - OFFSETS
