"""What a report of blue's reactions holds: the short answer, every pair of event and response by
lag, times to respond and to evict, and how far actions depend on alerts. `find` fills it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cagexplain.analysis.reactions.exposure import LAGS
from cagexplain.common.results import Result
from cagexplain.stats.durations import Survival

CONSISTENT: Final = 0.2
"""Surplus of responses from which on a significant reaction is called consistent (the threshold of
good practice for alerts that change what a blue agent does)."""

Scope = Literal["host", "zone"]
HOST: Final[Scope] = "host"
ZONE: Final[Scope] = "zone"
Verdict = Literal["yes", "weak", "no", "not enough data"]


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
class Window(Result):
    """How often a response comes at all, within some steps.

    Attributes:
        steps: after the first decision that can know of the event; that one counts as well.
        n: free decisions at lag 0, one for each host with the event.
        rate, base, difference, low, high: as in `LagPoint`.
    """

    steps: int
    n: int
    rate: float | None
    base: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ReactionPart(Result):
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
        within: whether the response comes at any of the lags from 0 on; None for scope "zone".
    """

    event: str
    source: str
    response: str
    scope: Scope
    episodes: int
    lags: tuple[LagPoint, ...]
    best: LagPoint | None
    significant: bool
    by_zone: tuple[ReactionPart, ...]
    by_phase: tuple[ReactionPart, ...]
    within: Window | None = None

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
        consistency: largest surplus over the base rate of one response to one visible event, per
            free decision that can first know of it. A response on the same host counts if it comes
            within `window` steps, one elsewhere if it comes at the lag. Who always responds in one
            way and never does so else has 1. If no reaction is significant: the largest surplus at
            one lag over what habits lead to expect, which is no more than chance. None without
            enough data.
        low, high: limits that hold for all candidates at once, so also for the one picked.
        event, response, scope, lag: the picked one, at its best lag; None if nothing was done more
            often after any event.
        rate, base: shares of the response, found and expected without a reaction.
        n: free decisions that they are about.
        significant: pairs of event and response that are significant after adjustment.
        pairs: that had enough data.
        tests: number of tests that were adjusted for.
        about: what the events are: visible ones, or red's actions if observations are missing.
        window: steps in which the response counts; None if only at the lag.
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
    window: int | None = None


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
        by_pair = {(r.event, r.response, r.scope): r for r in self.reactions}
        return by_pair[event, response, scope]

    def times_of(self, event: str) -> Times:
        """Look the times of an event up; ``KeyError`` if there are none."""
        return {times.event: times for times in self.times}[event]
