"""How blue's decisions are split over its actions in each state of the attacker.

Attribution of a decision (a *started* action) to a state:

- *targeted view*: the state of the host that the action targets (Analyse, Remove, Restore and
  DeployDecoy have one);
- *situational view*: the most advanced state among the hosts that the agent defends; all actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Final

import numpy as np

from cagexplain.analysis.counts import LEVEL_NAMES, SITUATIONAL, TARGETED, Counts, pool
from cagexplain.analysis.entropy import Entropy, entropies
from cagexplain.analysis.intervals import CountArray, shares
from cagexplain.analysis.results import Result
from cagexplain.cc4 import actions, agents, phases, red_fsm

TARGETED_KINDS: Final = tuple(sorted(int(kind) for kind in actions.HOST_KINDS))
"""Action types that target a host."""
_KINDS_OF_VIEW: Final = {
    TARGETED: TARGETED_KINDS,
    SITUATIONAL: tuple(range(actions.N_KINDS)),
}


@dataclass(frozen=True)
class Share(Result):
    """One category's part of a whole.

    Attributes:
        name: of the category.
        count: absolute.
        share: of the total; None if there is nothing to share.
        low, high: confidence limits that hold for all categories at once; None with fewer than
            two episodes.
    """

    name: str
    count: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Distribution(Result):
    """How one group's counts are split over the categories.

    Attributes:
        group: what is split, such as the FSM state that the decisions were made in.
        total: counts.
        episodes: episodes with any.
        shares: in the categories' order.
        entropy: of the shares; only of action distributions.
    """

    group: str
    total: int
    episodes: int
    shares: tuple[Share, ...]
    entropy: Entropy | None = None

    @property
    def top(self) -> Share | None:
        """The most frequent category; None without counts."""
        return max(self.shares, key=lambda share: share.count) if self.total else None

    @property
    def clear(self) -> bool:
        """Whether the most frequent category's interval lies above all the others'."""
        if self.top is None or self.top.low is None:
            return False
        others = [s.high for s in self.shares if s is not self.top and s.high is not None]
        return all(self.top.low > high for high in others)

    def share_of(self, name: str) -> Share:
        """Look a category up; ``KeyError`` if there is no such."""
        return {share.name: share for share in self.shares}[name]


def distributions(
    counts: CountArray, groups: Sequence[str], categories: Sequence[str]
) -> tuple[Distribution, ...]:
    """One distribution per group.

    Args:
        counts: ``[episode, group, category]``.
        groups, categories: names.
    """
    found = shares(counts)
    return tuple(
        Distribution(
            group=group,
            total=int(found.total[g]),
            episodes=int(found.episodes[g]),
            shares=tuple(
                Share(
                    name=category,
                    count=int(found.counts[g, c]),
                    share=_number(found.share[g, c]),
                    low=_number(found.low[g, c]),
                    high=_number(found.high[g, c]),
                )
                for c, category in enumerate(categories)
            ),
        )
        for g, group in enumerate(groups)
    )


def action_distributions(
    counts: CountArray, groups: Sequence[str], kinds: Sequence[int]
) -> tuple[Distribution, ...]:
    """One distribution over action types per group, with its entropy.

    Args:
        counts: ``[episode, group, action type]``, all types.
        groups: names.
        kinds: action types that can occur.
    """
    chosen = counts[:, :, list(kinds)]
    found = distributions(chosen, groups, [actions.KIND_NAMES[kind] for kind in kinds])
    return tuple(
        replace(distribution, entropy=entropy)
        for distribution, entropy in zip(found, entropies(chosen), strict=True)
    )


def _number(value: np.float64) -> float | None:
    return None if isnan(value) else float(value)


@dataclass(frozen=True)
class ActionMix(Result):
    """What blue does in each FSM state.

    Attributes:
        targeted: per state, decisions on hosts in that state.
        situational: per state, all decisions while it was the worst state among the hosts that the
            agent defends.
    """

    targeted: tuple[Distribution, ...]
    situational: tuple[Distribution, ...]


def action_mix(counts: Counts, agent: int | None = None, phase: int | None = None) -> ActionMix:
    """Action distributions per state, of the team or of one blue agent.

    Args:
        counts: of the trace.
        agent: number of the blue agent; all together without.
        phase: mission phase, 0 to 2; the whole episode without.
    """
    chosen = pool(counts.decisions, agent, phase)
    views = (
        action_distributions(chosen[:, view], red_fsm.STATE_NAMES, kinds)
        for view, kinds in _KINDS_OF_VIEW.items()
    )
    return ActionMix(*views)


def action_mix_by_agent(counts: Counts) -> dict[str, ActionMix]:
    """`action_mix` of every blue agent by its name."""
    return {name: action_mix(counts, agent) for agent, name in enumerate(agents.BLUE)}


def action_mix_by_phase(counts: Counts) -> dict[str, ActionMix]:
    """`action_mix` of the team in every mission phase by its name."""
    return {name: action_mix(counts, phase=i) for i, name in enumerate(phases.PHASE_NAMES)}


def target_truth(counts: Counts) -> tuple[Distribution, ...]:
    """Per action type that targets a host: true compromise of the target at decision time."""
    names = [actions.KIND_NAMES[kind] for kind in TARGETED_KINDS]
    return distributions(counts.target_levels[:, TARGETED_KINDS], names, LEVEL_NAMES)


def effort(counts: Counts) -> Distribution:
    """All decisions of the team by action type."""
    spent = pool(counts.decisions)[:, SITUATIONAL].sum(axis=1)
    return action_distributions(spent[:, None, :], ("all decisions",), range(actions.N_KINDS))[0]
