"""The short answer: are there consistent reactions?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cagexplain.analysis.reactions.counts import ReactionCounts
from cagexplain.analysis.reactions.events import ALERT, EVENTS, MESSAGE
from cagexplain.analysis.reactions.exposure import MAX_LAG, N_PLACEBO
from cagexplain.analysis.reactions.results import CONSISTENT, HOST, ZONE, Answer, Scope
from cagexplain.analysis.reactions.tests import ALPHA, ScopeTests, number, windowed
from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import Array
from cagexplain.stats import matched

_SAME_HOST_PREFERENCE: Final = 0.05


def answer(counts: ReactionCounts, tables: Sequence[ScopeTests], *, observed: bool) -> Answer:
    """Are there consistent reactions?

    Args:
        counts: of all episodes.
        tables: the tests, adjusted.
        observed: whether the trace held what blue saw.
    """
    sources = {ALERT, MESSAGE} if observed else {e.source for e in EVENTS} - {ALERT}
    about = "what blue could see" if observed else "red's actions, as observations are missing"
    events = [i for i, event in enumerate(EVENTS) if event.source in sources]
    tested = [~np.isnan(table.p).all(axis=1) for table in tables]
    significant = [(table.adjusted < ALPHA).any(axis=1) for table in tables]
    tests = sum(int(np.count_nonzero(~np.isnan(table.p))) for table in tables)
    candidates = sum(int(np.count_nonzero(~np.isnan(table.p[events]))) for table in tables)
    confidence = 1 - ALPHA / max(candidates, 1)
    picks = [
        pick
        for table in tables
        for event in events
        for pick in _picks(counts, table, event, confidence)
    ]
    # What is significant at all counts before what is only large; an answer on the very host before
    # one that is somewhere in the zone, unless that is clearly more frequent.
    best = max(picks, key=lambda pick: pick.rank, default=None)
    enough = any(bool(table.enough[events, N_PLACEBO].any()) for table in tables)
    if best is None:
        return Answer(
            verdict="no" if enough else "not enough data",
            consistency=0.0 if enough else None,
            low=None,
            high=None,
            event=None,
            response=None,
            scope=None,
            lag=None,
            rate=None,
            base=None,
            n=0,
            significant=sum(int(f.sum()) for f in significant),
            pairs=sum(int(m.sum()) for m in tested),
            tests=tests,
            about=about,
        )
    consistent = best.significant and best.low is not None and best.low >= CONSISTENT
    return Answer(
        verdict="yes" if consistent else "weak" if best.significant else "no",
        consistency=best.value,
        low=best.low,
        high=best.high,
        event=best.event,
        response=best.response,
        scope=best.scope,
        lag=best.lag,
        rate=best.rate,
        base=best.base,
        n=best.n,
        significant=sum(int(f.sum()) for f in significant),
        pairs=sum(int(m.sum()) for m in tested),
        tests=tests,
        about=about,
        window=best.window,
    )


@dataclass(frozen=True)
class _Pick:
    """A candidate for the answer."""

    significant: bool
    value: float
    low: float | None
    high: float | None
    event: str
    response: str
    scope: Scope
    lag: int
    rate: float
    base: float
    n: int
    window: int | None = None

    @property
    def rank(self) -> tuple[bool, float]:
        return self.significant, self.value - _SAME_HOST_PREFERENCE * (self.scope == ZONE)


def _picks(
    counts: ReactionCounts, table: ScopeTests, event: int, confidence: float
) -> Iterator[_Pick]:
    """Of each response to an event the lag that is best for the answer."""
    # Per decision of the agent: with several exposed hosts it can only respond on one of them.
    exposed = counts.zone_exposed.part(event)[:, N_PLACEBO:]
    found, base, expected = (
        getattr(counts, f"{table.scope}_{column}").part(event)[:, first:]
        for column, first in (("found", N_PLACEBO), ("base", N_PLACEBO), ("expected", 0))
    )
    for r, kind in enumerate(table.kinds):
        if kind != ActionKind.SLEEP:
            hits, usual, habits = (column[..., r] for column in (found, base, expected))
            pick = _pick(table, event, r, hits, usual, habits, exposed, confidence)
            if pick is not None and pick.significant and table.scope == HOST:
                pick = _within(pick, counts, event, r, confidence)
            if pick is not None:
                yield pick


def _pick(
    table: ScopeTests,
    event: int,
    r: int,
    hits: Array,
    base: Array,
    expected: Array,
    exposed: Array,
    confidence: float,
) -> _Pick | None:
    """The lag of a pair that is best for the answer, if it was tested with a surplus."""
    adjusted = table.adjusted[event, :, r]
    tested = ~np.isnan(adjusted)
    # Without significance a surplus over the base rate may be all habit.
    base = np.where(tested & (adjusted < ALPHA), base, expected)
    value, low, high = matched.difference_limits(hits - base, exposed, confidence)
    # What the test found must be a surplus, too: its expectation knows habits, the base rate none.
    usable = tested & (value > 0) & ((hits - expected).sum(axis=0, dtype=np.float64) > 0)
    significant = usable & (adjusted < ALPHA)
    chosen = significant if significant.any() else usable
    if not chosen.any():
        return None
    lag = int(np.argmax(np.where(chosen, value, -np.inf)))
    n = int(exposed[:, lag].sum(dtype=np.int64))
    return _Pick(
        significant=bool(significant[lag]),
        value=float(value[lag]),
        low=number(low[lag]),
        high=number(high[lag]),
        event=EVENTS[event].name,
        response=actions.KIND_NAMES[table.kinds[r]],
        scope=table.scope,
        lag=lag,
        rate=float(hits[:, lag].sum(dtype=np.int64)) / n,
        base=float(base[:, lag].sum(dtype=np.float64)) / n,
        n=n,
    )


def _within(pick: _Pick, counts: ReactionCounts, event: int, r: int, confidence: float) -> _Pick:
    """The same for a response that comes within the tested lags."""
    n, rate, base, (value, low, high) = windowed(counts, event, r, confidence)
    if value is None or rate is None or base is None or value < pick.value:
        return pick
    return replace(
        pick, value=value, low=low, high=high, rate=rate, base=base, n=n, window=MAX_LAG + 1
    )
