"""How blue reacts: what it does after every kind of event, when, how reliably.

For each event, response and lag the share of free decisions that hold the response is set against
the base rate of the decisions without the event, matched by episode, zone and phase. Whether the
surplus is more than chance and habit is tested as `association` tells; all tests of a trace
together hold the error of 5 % (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from cagexplain.analysis.reactions.answer import answer
from cagexplain.analysis.reactions.counts import FOLLOW, WINDOWS, Collector, ReactionCounts
from cagexplain.analysis.reactions.events import ALERT, EVENTS
from cagexplain.analysis.reactions.results import (
    HOST,
    ZONE,
    Dependence,
    Reactions,
    Times,
)
from cagexplain.analysis.reactions.tests import ALPHA, MIN_EPISODES, MIN_EXPOSED, ScopeTests, number
from cagexplain.cc4 import agents
from cagexplain.common.arrays import Array
from cagexplain.facts.batch import run
from cagexplain.facts.compact import CompactArray
from cagexplain.stats import matched
from cagexplain.stats.adjust import holm
from cagexplain.stats.durations import HORIZON, Survival, estimate
from cagexplain.tracing.trace import Trace

FLIPS: Final = 1_999
NO_OBSERVATIONS: Final = (
    "The trace was recorded without observations, so nothing is known about what blue saw"
)


def reactions(trace: Trace) -> Reactions:
    """Find how the blue agents of a trace react."""
    collector = Collector()
    run(trace, [collector])
    return summarise(collector.counts, observed=collector.observed)


def summarise(counts: ReactionCounts, *, observed: bool) -> Reactions:
    """Find the reactions in counts.

    Args:
        counts: of all episodes, from a `Collector`.
        observed: whether the trace held what blue saw.
    """
    tables = [ScopeTests(counts, HOST), ScopeTests(counts, ZONE)]
    adjusted = holm(np.concatenate([table.p.ravel() for table in tables]))
    tables[0].adjusted = adjusted[: tables[0].p.size].reshape(tables[0].p.shape)
    tables[1].adjusted = adjusted[tables[0].p.size :].reshape(tables[1].p.shape)
    return Reactions(
        episodes=len(counts.decisions),
        decisions=int(counts.decisions.sum()),
        without_alerts=None if observed else NO_OBSERVATIONS,
        answer=answer(counts, tables, observed=observed),
        reactions=tuple(
            reaction
            for event in _events(observed)
            for table in tables
            for reaction in table.reactions(event)
        ),
        times=tuple(_times(counts, event) for event in _events(observed) if EVENTS[event].on_host),
        dependence=_dependence(counts) if observed else (),
        alpha=ALPHA,
    )


def _events(observed: bool) -> Iterator[int]:
    return (i for i, event in enumerate(EVENTS) if observed or event.source != ALERT)


def _times(counts: ReactionCounts, event: int) -> Times:
    return Times(
        event=EVENTS[event].name,
        source=EVENTS[event].source,
        response=_until(counts.answered, counts.unanswered, event),
        eviction=_until(counts.evicted, counts.stayed, event),
        follow=FOLLOW,
    )


def _until(ended: CompactArray, censored: CompactArray, event: int) -> Survival:
    return estimate(ended.part(event), censored.part(event), horizon=HORIZON)


def _dependence(counts: ReactionCounts) -> tuple[Dependence, ...]:
    tables = [
        (window, agent, observed[:, agent], expected[:, agent])
        for w, window in enumerate(WINDOWS)
        for observed, expected in [(counts.patterns.part(w), counts.patterns_expected.part(w))]
        for agent in range(agents.N_BLUE)
    ]
    p = np.array([_dependence_p(observed, expected) for _, _, observed, expected in tables])
    adjusted = holm(p)
    dependence = []
    for (window, agent, observed, expected), raw, after in zip(tables, p, adjusted, strict=True):
        table = observed.sum(axis=0)
        bits, entropy = matched.information(table)
        habit_bits, _ = matched.information(expected.sum(axis=0, dtype=np.float64))
        known = not np.isnan(raw)
        dependence.append(
            Dependence(
                agent=agents.BLUE[agent],
                window=window,
                n=int(table.sum()),
                bits=bits if known else None,
                habit_bits=habit_bits if known else None,
                normalised=(bits - habit_bits) / entropy if known and entropy > 0 else None,
                p=number(raw),
                adjusted_p=number(after),
            )
        )
    return tuple(dependence)


def _dependence_p(observed: Array, expected: Array) -> float:
    """Of ``[episode, pattern, response]``; NaN if no two patterns have enough decisions to be
    compared."""
    often = observed.sum(axis=(0, 2)) >= MIN_EXPOSED
    if np.count_nonzero(often) < 2 or len(observed) < MIN_EPISODES:
        return float("nan")
    flat = (table.reshape(len(table), -1) for table in (observed, expected))
    return matched.sign_flip(*flat, flips=FLIPS)
