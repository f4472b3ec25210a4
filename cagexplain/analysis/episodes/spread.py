"""How the returns of the episodes spread, and what the worst of them have in common.

A mean hides a policy that is good in most episodes and lost in some. Beside the distribution of the
returns stand the worst decile and its traits: how idle each agent was, and how long red held each
subnet. A trait is told of the worst episodes if it goes with the return over all episodes (Spearman
rank correlation, Holm's correction for all traits), so that it does not rest on the few worst.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.stats import spearmanr

from cagexplain.analysis.fsm.counts import SITUATIONAL, Counts, pool
from cagexplain.analysis.metrics.definitions import DEFENDED
from cagexplain.cc4 import actions, agents
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import FloatArray
from cagexplain.common.results import Result
from cagexplain.stats.adjust import holm

DECILE: Final = 0.1
"""Share of the episodes that count as the worst."""
ENOUGH: Final = 20
"""Episodes without which the worst decile is not told apart."""
SIGNIFICANT: Final = 0.05
_IDLE: Final = (ActionKind.SLEEP, ActionKind.MONITOR)


@dataclass(frozen=True)
class Trait(Result):
    """What goes with a bad return.

    Attributes:
        kind: ``"idle"``: share of an agent's decisions that are Sleep or Monitor; ``"held"``: share
            of the time of a subnet's hosts that red holds.
        name: of the agent or subnet.
        worst, rest: mean over the worst decile and over the other episodes.
        correlation: rank correlation with the return, over all episodes.
        p_adjusted: of no correlation, corrected for the number of traits.
    """

    kind: Literal["idle", "held"]
    name: str
    worst: float
    rest: float
    correlation: float
    p_adjusted: float


@dataclass(frozen=True)
class Spread(Result):
    """The returns of the episodes.

    Attributes:
        returns: of each, in the order of the trace.
        worst: numbers of the worst decile, the worst first; empty with fewer than `ENOUGH`.
        traits: that surely go with a bad return, the closest first.
    """

    returns: tuple[float, ...]
    worst: tuple[int, ...] = ()
    traits: tuple[Trait, ...] = ()

    def mean_of(self, worst: bool) -> float:
        """Mean return of the worst decile, or of the other episodes."""
        inside = np.isin(np.arange(len(self.returns)), self.worst)
        return float(np.mean(np.array(self.returns)[inside == worst]))


def spread(counts: Counts, clean: FloatArray) -> Spread:
    """Look at the returns of a trace.

    Args:
        counts: of the trace.
        clean: ``float64[episode, 1 + subnet, 2]`` steps of hosts without red, and all, of the team
            and of each of `DEFENDED`.
    """
    returns = counts.returns
    if len(returns) < ENOUGH:
        return Spread(tuple(returns.tolist()))
    worst = np.argsort(returns, kind="stable")[: round(DECILE * len(returns))]
    values = np.hstack([_idle(counts), 1 - clean[:, 1:, 0] / np.maximum(clean[:, 1:, 1], 1)])
    kinds: list[Literal["idle", "held"]] = ["idle"] * agents.N_BLUE
    kinds += ["held"] * len(DEFENDED.names)
    varied = np.flatnonzero(np.ptp(values, axis=0) > 0).tolist()
    if not varied or np.ptp(returns) == 0:
        return Spread(tuple(returns.tolist()), tuple(worst.tolist()))
    tests = [spearmanr(values[:, i], returns) for i in varied]
    adjusted = holm([float(test.pvalue) for test in tests])
    inside = np.isin(np.arange(len(returns)), worst)
    names = (*agents.BLUE, *DEFENDED.names)
    traits = [
        Trait(
            kinds[i],
            names[i],
            float(values[inside, i].mean()),
            float(values[~inside, i].mean()),
            float(test.statistic),
            float(p),
        )
        for i, test, p in zip(varied, tests, adjusted, strict=True)
        if p < SIGNIFICANT and test.statistic < 0
    ]
    traits.sort(key=lambda trait: trait.correlation)
    return Spread(tuple(returns.tolist()), tuple(worst.tolist()), tuple(traits))


def _idle(counts: Counts) -> FloatArray:
    """Share of each agent's decisions that are Sleep or Monitor: ``float64[episode, agent]``."""
    by_agent = (pool(counts.decisions, agent)[:, SITUATIONAL] for agent in range(agents.N_BLUE))
    chosen = np.stack([decisions.sum(axis=1) for decisions in by_agent], axis=1)
    assert chosen.shape[-1] == actions.N_KINDS
    idle: FloatArray = chosen[..., list(map(int, _IDLE))].sum(axis=-1) / np.maximum(
        chosen.sum(axis=-1), 1
    )
    return idle
