"""How blue reacts: what it does after every kind of event, when, how reliably.

For each event, response and lag the share of free decisions that hold the response is set against
the base rate of the decisions without the event, matched by episode, zone and phase. Whether the
surplus is more than chance and habit is tested as `association` tells; all tests of a trace
together hold the error of 5 % (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.analysis import association as test
from cagexplain.analysis import passes
from cagexplain.analysis.intervals import CONFIDENCE
from cagexplain.analysis.reaction_counts import (
    BROKEN_DOWN,
    FOLLOW,
    HOST_RESPONSES,
    LAGS,
    N_PLACEBO,
    WINDOWS,
    ZONE_RESPONSES,
    Collector,
    Counts,
)
from cagexplain.analysis.reaction_events import ALERT, EVENTS, MESSAGE, ZONES
from cagexplain.analysis.results import Result
from cagexplain.analysis.survival import HORIZON, Survival, estimate
from cagexplain.cc4 import actions, agents, network, phases
from cagexplain.cc4.actions import ActionKind
from cagexplain.tracing.trace import Trace

ALPHA: Final = 1 - CONFIDENCE
MIN_EXPOSED: Final = 30
MIN_EPISODES: Final = 5
CONSISTENT: Final = 0.2
"""Surplus of responses from which on a significant reaction is called consistent (the border of
good practice for alerts that change what a blue agent does)."""
FLIPS: Final = 1_999
_SAME_HOST_PREFERENCE: Final = 0.05
NO_OBSERVATIONS: Final = (
    "The trace was recorded without observations, so nothing is known about what blue saw"
)

Scope = Literal["host", "zone"]
HOST: Final[Scope] = "host"
ZONE: Final[Scope] = "zone"
Verdict = Literal["yes", "weak", "no", "not enough data"]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LagPoint(Result):
    """What blue did so many steps after an event.

    Attributes:
        lag: steps; 0 is the first decision that can know of the event. Negative lags are before it:
            what they show is no reaction of blue's.
        n: free decisions at this lag (of the host's owner; one for each host with the event).
        count: of those, the ones that hold the response.
        rate: their share; None where n is too small.
        base: the share that decisions without the event lead to expect; None likewise.
        difference: rate - base, with confidence limits `low` and `high`.
        lift: rate / base; None also where the base is zero.
        p: p-value of the difference being chance or habit; None for negative lags too.
        adjusted_p: the same, adjusted for all tests of the trace.
    """

    lag: int
    n: int
    count: int
    rate: float | None
    base: float | None
    difference: float | None
    low: float | None
    high: float | None
    lift: float | None
    p: float | None
    adjusted_p: float | None


@dataclass(frozen=True)
class Part(Result):
    """A reaction on hosts in one zone, or in one phase, at its best lag.

    Attributes:
        name: of the zone or phase.
        n, rate, base, difference, low, high: as in `LagPoint`.
    """

    name: str
    n: int
    rate: float | None
    base: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Reaction(Result):
    """How often a response follows an event.

    Attributes:
        event: name of the kind of event.
        source: what kind of thing that is, see `reaction_events.EventKind`.
        response: type of blue action.
        scope: "host": on the host of the event; "zone": anywhere in the zones of the agent that
            defends it.
        episodes: with any exposed decision at lag 0.
        lags: all lags, ascending.
        best: the lag with the largest difference among the significant ones; without any, the one
            with the smallest p-value; None without enough data.
        significant: whether any lag is, after adjustment.
        by_zone, by_phase: the reaction at its best lag; only for alerts and compromises on hosts.
    """

    event: str
    source: str
    response: str
    scope: Scope
    episodes: int
    lags: tuple[LagPoint, ...]
    best: LagPoint | None
    significant: bool
    by_zone: tuple[Part, ...]
    by_phase: tuple[Part, ...]

    def at(self, lag: int) -> LagPoint:
        """The point of a lag; ``IndexError`` if it is not covered."""
        return self.lags[int(np.flatnonzero(lag == LAGS)[0])]


@dataclass(frozen=True)
class Times(Result):
    """How long blue and the clean-up take after an event.

    Attributes:
        event, source: as in `Reaction`.
        response: steps until the owner starts Analyse, Remove or Restore on the host; 0 is at once.
        eviction: steps until the host is clean; only events that found it compromised count.
        follow: durations are censored here.
    """

    event: str
    source: str
    response: Survival
    eviction: Survival
    follow: int


@dataclass(frozen=True)
class Dependence(Result):
    """How much an agent's kind of action tells about the alerts that it saw.

    Attributes:
        agent: blue agent.
        window: observations that the pattern of alerts (none, process, connection, both) is made
            of: 1 is the one decided on.
        n: decisions.
        bits: mutual information of pattern and kind of action; None with too few decisions.
        habit_bits: the part that phase and habits alone would give.
        normalised: `bits` less `habit_bits` in shares of the entropy of the actions.
        p: by sign-flips of whole episodes; None likewise.
        adjusted_p: adjusted for all agents and windows.
    """

    agent: str
    window: int
    n: int
    bits: float | None
    habit_bits: float | None
    normalised: float | None
    p: float | None
    adjusted_p: float | None


@dataclass(frozen=True)
class Answer(Result):
    """Are there consistent reactions?

    Attributes:
        verdict: "yes": a significant reaction whose consistency is at least `CONSISTENT` with all
            of its interval; "weak": significant, but smaller or uncertain; "no"; "not enough data".
        consistency: largest surplus over the base rate of one response to one visible event at one
            lag, per free decision of an agent that has the event anywhere in its zones. Of a
            policy that always responds so and never else, 1. If no reaction is significant: the
            largest surplus over what habits lead to expect, which is no more than chance. None
            without enough data.
        low, high: limits that hold for all candidates at once, so also for the one picked.
        event, response, scope, lag: the picked one; None if nothing was done more often after any
            event.
        rate, base: shares of the response there, found and expected without a reaction.
        n: free decisions that they are about.
        significant: pairs of event and response that are significant after adjustment.
        pairs: that had enough data.
        tests: number of tests that were adjusted for.
        about: what the events are: visible ones, or red's actions if observations are missing.
    """

    verdict: Verdict
    consistency: float | None
    low: float | None
    high: float | None
    event: str | None
    response: str | None
    scope: Scope | None
    lag: int | None
    rate: float | None
    base: float | None
    n: int
    significant: int
    pairs: int
    tests: int
    about: str


@dataclass(frozen=True)
class Reactions(Result):
    """Everything about a policy's reactions.

    Attributes:
        episodes, decisions: that were looked at.
        without_alerts: why nothing is said about alerts; None where something is.
        answer: the short one.
        reactions: every event with every response, events in their order. Without observations
            those on alerts are left out.
        times: by event; likewise.
        dependence: by agent and window; empty without observations.
        alpha: error that all tests of reactions together hold.
    """

    episodes: int
    decisions: int
    without_alerts: str | None
    answer: Answer
    reactions: tuple[Reaction, ...]
    times: tuple[Times, ...]
    dependence: tuple[Dependence, ...]
    alpha: float

    def of(self, event: str, response: str, scope: Scope = HOST) -> Reaction:
        """Look a reaction up; ``KeyError`` if there is no such."""
        found = {(r.event, r.response, r.scope): r for r in self.reactions}
        return found[event, response, scope]

    def times_of(self, event: str) -> Times:
        """Look the times of an event up; ``KeyError`` if there are none."""
        return {times.event: times for times in self.times}[event]


def reactions(trace: Trace) -> Reactions:
    """Find how the blue agents of a trace react."""
    collector = Collector()
    passes.run(trace, [collector])
    return summarise(collector.counts, observed=collector.observed)


def summarise(counts: Counts, *, observed: bool) -> Reactions:
    """Find the reactions in counts.

    Args:
        counts: of all episodes, from a `Collector`.
        observed: whether the trace held what blue saw.
    """
    tables = [_Table(counts, HOST), _Table(counts, ZONE)]
    adjusted = test.holm(np.concatenate([table.p.ravel() for table in tables]))
    tables[0].adjusted = adjusted[: tables[0].p.size].reshape(tables[0].p.shape)
    tables[1].adjusted = adjusted[tables[0].p.size :].reshape(tables[1].p.shape)
    return Reactions(
        episodes=len(counts.decisions),
        decisions=int(counts.decisions.sum()),
        without_alerts=None if observed else NO_OBSERVATIONS,
        answer=_answer(counts, tables, observed=observed),
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


class _Table:
    """The counts and tests of one scope; arrays are ``[event, lag, response]``.

    Attributes:
        p: ``[event, tested lag, response]``; NaN where no test was made.
        adjusted: the same, adjusted.
    """

    def __init__(self, counts: Counts, scope: Scope) -> None:
        self.scope = scope
        self.kinds = HOST_RESPONSES if scope == HOST else ZONE_RESPONSES
        exposed, found, base, expected = (
            getattr(counts, f"{scope}_{what}") for what in ("exposed", "found", "base", "expected")
        )
        self.exposed = exposed.sum(axis=0, dtype=np.int64)
        self.found = found.sum(axis=0, dtype=np.int64)
        self.base = base.sum(axis=0, dtype=np.float64)
        self.episodes = np.count_nonzero(exposed, axis=0)
        self.enough = (self.exposed >= MIN_EXPOSED) & (self.episodes >= MIN_EPISODES)
        self.limits = test.difference_limits(found - base, exposed[..., None], CONFIDENCE)
        self.p = self._tests(found, expected)
        self.adjusted = self.p
        self._parts = counts if scope == HOST else None

    def _tests(self, found: npt.NDArray[np.int16], expected: npt.NDArray[np.float32]) -> FloatArray:
        scores = found[:, :, N_PLACEBO:] - expected
        observed = self.found[:, N_PLACEBO:]
        exposed = np.broadcast_to(self.exposed[:, N_PLACEBO:, None], observed.shape)
        # A response that never occurs in these strata cannot be missing either: that is no test.
        made = self.enough[:, N_PLACEBO:, None] & (expected.sum(axis=0) > 0)
        p = np.full(observed.shape, np.nan)
        p[made] = test.p_values(scores[:, made], observed[made], exposed[made])
        return p

    def reactions(self, event: int) -> Iterator[Reaction]:
        """All responses to an event."""
        for r, kind in enumerate(self.kinds):
            lags = tuple(self._point(event, lag, r) for lag in range(len(LAGS)))
            best = _best(lags)
            yield Reaction(
                event=EVENTS[event].name,
                source=EVENTS[event].source,
                response=actions.KIND_NAMES[kind],
                scope=self.scope,
                episodes=int(self.episodes[event, N_PLACEBO]),
                lags=lags,
                best=best,
                significant=any(_significant(point) for point in lags),
                by_zone=self._breakdown(event, best, r, zones=True),
                by_phase=self._breakdown(event, best, r, zones=False),
            )

    def _point(self, event: int, lag: int, r: int) -> LagPoint:
        n, count = int(self.exposed[event, lag]), int(self.found[event, lag, r])
        if not self.enough[event, lag]:
            return LagPoint(int(LAGS[lag]), n, count, *([None] * 8))
        rate, base = count / n, float(self.base[event, lag, r]) / n
        difference, low, high = (_number(limit[event, lag, r]) for limit in self.limits)
        tested = lag - N_PLACEBO
        return LagPoint(
            lag=int(LAGS[lag]),
            n=n,
            count=count,
            rate=rate,
            base=base,
            difference=difference,
            low=low,
            high=high,
            lift=rate / base if base > 0 else None,
            p=_number(self.p[event, tested, r]) if tested >= 0 else None,
            adjusted_p=_number(self.adjusted[event, tested, r]) if tested >= 0 else None,
        )

    def _breakdown(
        self, event: int, best: LagPoint | None, r: int, *, zones: bool
    ) -> tuple[Part, ...]:
        if best is None or self._parts is None or event >= BROKEN_DOWN:
            return ()
        names = [network.ZONES[zone] for zone in ZONES] if zones else list(phases.PHASE_NAMES)
        groups = slice(0, len(ZONES)) if zones else slice(len(ZONES), None)
        at = (slice(None), event, best.lag, groups)
        exposed = self._parts.part_exposed[at]
        found, base = self._parts.part_found[at][..., r], self._parts.part_base[at][..., r]
        limits = test.difference_limits(found - base, exposed, CONFIDENCE)
        return tuple(
            _part(name, exposed[:, g], found[:, g], base[:, g], [limit[g] for limit in limits])
            for g, name in enumerate(names)
        )


def _part(
    name: str,
    exposed: npt.NDArray[np.int16],
    found: npt.NDArray[np.int16],
    base: npt.NDArray[np.float32],
    limits: list[np.float64],
) -> Part:
    n = int(exposed.sum(dtype=np.int64))
    if n < MIN_EXPOSED or np.count_nonzero(exposed) < MIN_EPISODES:
        return Part(name, n, *([None] * 5))
    rate, expected = float(found.sum(dtype=np.int64)) / n, float(base.sum(dtype=np.float64)) / n
    return Part(name, n, rate, expected, *(_number(limit) for limit in limits))


def _significant(point: LagPoint) -> bool:
    return point.adjusted_p is not None and point.adjusted_p < ALPHA


def _best(lags: tuple[LagPoint, ...]) -> LagPoint | None:
    significant = [point for point in lags if _significant(point)]
    if significant:
        return max(significant, key=lambda point: abs(point.difference or 0.0))
    tested = [point for point in lags if point.p is not None]
    return min(tested, key=lambda point: point.p or 0.0) if tested else None


def _answer(counts: Counts, tables: list[_Table], *, observed: bool) -> Answer:
    sources = {ALERT, MESSAGE} if observed else {e.source for e in EVENTS} - {ALERT}
    about = "what blue could see" if observed else "red's actions, as observations are missing"
    events = [i for i, event in enumerate(EVENTS) if event.source in sources]
    made = [~np.isnan(table.p).all(axis=1) for table in tables]
    found = [(table.adjusted < ALPHA).any(axis=1) for table in tables]
    tests = sum(int(np.count_nonzero(~np.isnan(table.p))) for table in tables)
    candidates = sum(int(np.count_nonzero(~np.isnan(table.p[events]))) for table in tables)
    confidence = 1 - ALPHA / max(candidates, 1)
    picks = [
        pick
        for table in tables
        for event in events
        for r, kind in enumerate(table.kinds)
        if kind != ActionKind.SLEEP
        for pick in _picks(counts, table, event, r, confidence)
    ]
    # What was found at all counts before what is only large; an answer on the very host before
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
            significant=sum(int(f.sum()) for f in found),
            pairs=sum(int(m.sum()) for m in made),
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
        significant=sum(int(f.sum()) for f in found),
        pairs=sum(int(m.sum()) for m in made),
        tests=tests,
        about=about,
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

    @property
    def rank(self) -> tuple[bool, float]:
        return self.significant, self.value - _SAME_HOST_PREFERENCE * (self.scope == ZONE)


def _picks(counts: Counts, table: _Table, event: int, r: int, confidence: float) -> Iterator[_Pick]:
    """The lag of a pair that is best for the answer, if it was tested with a surplus."""
    found, base, expected = (
        getattr(counts, f"{table.scope}_{what}")[:, event, first:, r]
        for what, first in (("found", N_PLACEBO), ("base", N_PLACEBO), ("expected", 0))
    )
    adjusted = table.adjusted[event, :, r]
    tested = ~np.isnan(adjusted)
    # Without significance a surplus over the base rate may be all habit.
    base = np.where(tested & (adjusted < ALPHA), base, expected)
    # Per decision of the agent: with several exposed hosts it can only respond on one of them.
    exposed = counts.zone_exposed[:, event, N_PLACEBO:]
    value, low, high = test.difference_limits(found - base, exposed, confidence)
    usable = tested & (value > 0)
    significant = usable & (adjusted < ALPHA)
    chosen = significant if significant.any() else usable
    if not chosen.any():
        return
    lag = int(np.argmax(np.where(chosen, value, -np.inf)))
    n = int(exposed[:, lag].sum(dtype=np.int64))
    yield _Pick(
        significant=bool(significant[lag]),
        value=float(value[lag]),
        low=_number(low[lag]),
        high=_number(high[lag]),
        event=EVENTS[event].name,
        response=actions.KIND_NAMES[table.kinds[r]],
        scope=table.scope,
        lag=lag,
        rate=float(found[:, lag].sum(dtype=np.int64)) / n,
        base=float(base[:, lag].sum(dtype=np.float64)) / n,
        n=n,
    )


def _times(counts: Counts, event: int) -> Times:
    return Times(
        event=EVENTS[event].name,
        source=EVENTS[event].source,
        response=estimate(counts.answered[:, event], counts.unanswered[:, event], horizon=HORIZON),
        eviction=estimate(counts.evicted[:, event], counts.stayed[:, event], horizon=HORIZON),
        follow=FOLLOW,
    )


def _dependence(counts: Counts) -> tuple[Dependence, ...]:
    places = [(w, agent) for w in range(len(WINDOWS)) for agent in range(agents.N_BLUE)]
    p = np.array([_dependence_p(counts, w, agent) for w, agent in places])
    adjusted = test.holm(p)
    found = []
    for (w, agent), raw, after in zip(places, p, adjusted, strict=True):
        table = counts.patterns[:, w, agent].sum(axis=0)
        habits = counts.patterns_expected[:, w, agent].sum(axis=0, dtype=np.float64)
        bits, entropy = test.information(table)
        habit_bits, _ = test.information(habits)
        known = not np.isnan(raw)
        found.append(
            Dependence(
                agent=agents.BLUE[agent],
                window=WINDOWS[w],
                n=int(table.sum()),
                bits=bits if known else None,
                habit_bits=habit_bits if known else None,
                normalised=(bits - habit_bits) / entropy if known and entropy > 0 else None,
                p=_number(raw),
                adjusted_p=_number(after),
            )
        )
    return tuple(found)


def _dependence_p(counts: Counts, window: int, agent: int) -> float:
    """NaN if no two patterns have enough decisions to be compared."""
    observed, expected = (
        table[:, window, agent].reshape(len(table), -1)
        for table in (counts.patterns, counts.patterns_expected)
    )
    often = counts.patterns[:, window, agent].sum(axis=(0, 2)) >= MIN_EXPOSED
    if np.count_nonzero(often) < 2 or len(observed) < MIN_EPISODES:
        return float("nan")
    return test.sign_flip(observed, expected, flips=FLIPS)


def _number(value: np.float64 | float) -> float | None:
    return None if np.isnan(value) else float(value)
