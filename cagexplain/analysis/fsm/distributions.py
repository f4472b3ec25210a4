"""How blue's decisions are split over its actions in each state of the attacker.

Attribution of a decision (a *started* action) to a state:

- *targeted view*: the state of the host that the action targets (Analyse, Remove, Restore and
  DeployDecoy have one);
- *situational view*: the most advanced state among the hosts that the agent defends; all actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cagexplain.analysis.fsm.counts import SITUATIONAL, TARGETED, Counts, pool
from cagexplain.cc4 import actions, agents, phases, red_fsm
from cagexplain.common.arrays import IntArray
from cagexplain.common.results import Result
from cagexplain.facts.places import LEVEL_NAMES
from cagexplain.stats.distribution import Distribution, distributions
from cagexplain.stats.entropy import entropies

TARGETED_KINDS: Final = tuple(sorted(int(kind) for kind in actions.HOST_KINDS))
"""Action types that target a host."""
_KINDS_OF_VIEW: Final = {
    TARGETED: TARGETED_KINDS,
    SITUATIONAL: tuple(range(actions.N_KINDS)),
}


def action_distributions(
    counts: IntArray, groups: Sequence[str], kinds: Sequence[int]
) -> tuple[Distribution, ...]:
    """One distribution over action types per group, with its entropy.

    Args:
        counts: ``[episode, group, action type]``, all types.
        groups: names.
        kinds: action types that can occur.
    """
    chosen = counts[:, :, list(kinds)]
    plain = distributions(chosen, groups, [actions.KIND_NAMES[kind] for kind in kinds])
    return tuple(
        replace(distribution, entropy=entropy)
        for distribution, entropy in zip(plain, entropies(chosen), strict=True)
    )


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
