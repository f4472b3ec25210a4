"""How much is played: a budget of time, turned into numbers of episodes once.

From then on only these numbers count, so the result does not depend on how busy the machine is
while they are played, nor on where an attack was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cagexplain.common.errors import UsageError
from cagexplain.common.results import Result

FINALISTS: Final = 5
"""Reds of which the worst is chosen."""
PARTS: Final = 9
"""Parts of a red that can be put back: the rows of its states, and its weights. Habits, which few
reds have, come on top."""
_ENOUGH: Final = 60
"""Generations by which CMA-ES has converged: with more time it plays more episodes in each."""
_SEARCH_SHARE: Final = 0.5
"""Of the budget that the search has at least; what is judged beside it is cut down before."""
_TRIED: Final = 40
"""Factors that are tried to cut it down."""


@dataclass(frozen=True)
class Plan(Result):
    """Numbers of episodes, each of a red.

    Attributes:
        portfolio: that each red of the portfolio is tried in, to choose the start.
        generations, population, episodes: of the search: generations, candidates of each, and
            episodes of a candidate.
        choice: that the finalists are played in, to choose the worst.
        held_out: that the standard red and the worst are judged in.
        side: that all other reds are judged in.
        ablation: that the worst red is played in with each of its parts put back.
        budget: seconds that it was made from; None if the generations were given.
    """

    portfolio: int = 16
    generations: int = 20
    population: int = 16
    episodes: int = 32
    choice: int = 64
    held_out: int = 300
    side: int = 100
    ablation: int = 50
    budget: float | None = None

    def fixed(self, reds: int, candidates: int) -> tuple[int, int]:
        """Episodes beside the search, of the policy and of Sleep.

        Args:
            reds: that are judged in any case, the standard one among them.
            candidates: those of them that the start is chosen from.
        """
        judged = 2 * self.held_out + (reds + FINALISTS - 2) * self.side
        chosen = candidates * self.portfolio + FINALISTS * self.choice
        return judged + chosen + PARTS * self.ablation, judged

    def searched(self) -> int:
        """Episodes of the search."""
        return self.generations * self.population * self.episodes


_LEAST: Final = Plan(
    portfolio=4, generations=1, episodes=8, choice=8, held_out=20, side=8, ablation=8
)
"""Fewer episodes of a kind would say nothing."""


def within(budget: float, speeds: tuple[float, float], reds: int, candidates: int) -> Plan:
    """The plan that a budget allows.

    Args:
        budget: seconds.
        speeds: episodes per second of the policy, and of Sleep.
        reds, candidates: as `Plan.fixed` has them.

    Raises:
        UsageError: it is too short for one generation.
    """

    def seconds(plan: Plan) -> float:
        fixed = plan.fixed(reds, candidates)
        return sum(n / speed for n, speed in zip(fixed, speeds, strict=True))

    smaller = list(_smaller())
    plan = next(
        (each for each in smaller if seconds(each) <= (1 - _SEARCH_SHARE) * budget), smaller[-1]
    )
    generation = plan.population * plan.episodes / speeds[0]
    generations = math.floor((budget - seconds(plan)) / generation)
    if generations < 1:
        shortest = math.ceil(seconds(smaller[-1]) + generation)
        raise UsageError(
            f"{budget:,.0f} s is too short: one generation and what is judged beside it take about "
            f"{shortest:,} s",
            where="--budget",
            remedy=f"Give at least {shortest}s",
        )
    more = max(1, generations // _ENOUGH)
    return replace(
        plan, generations=generations // more, episodes=plan.episodes * more, budget=budget
    )


def _smaller() -> Iterator[Plan]:
    """The default plan, and ones with ever fewer episodes."""
    whole = Plan()
    for factor in np.linspace(1, 0, _TRIED):
        yield replace(
            whole,
            **{
                name: max(getattr(_LEAST, name), math.ceil(getattr(whole, name) * factor))
                for name in ("portfolio", "episodes", "choice", "held_out", "side", "ablation")
            },
        )
