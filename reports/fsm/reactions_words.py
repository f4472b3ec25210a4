"""What the analysis of reactions says, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cagexplain.analysis.reactions.events import COMPROMISE, EVENTS
from cagexplain.analysis.reactions.results import Answer, LagPoint, Reaction, Reactions, Times
from reports.kit import numbers
from reports.kit.estimates import duration, half, too_few
from reports.kit.numbers import NBSP, number, percent, points
from reports.kit.sections import Takeaway

_VERDICTS: Final = {
    "yes": "Yes, there are consistent reactions",
    "weak": "There are reactions, but weak ones",
    "no": "No consistent reaction was found",
    "not enough data": "Whether there are reactions is unknown",
}
_COMPROMISES: Final = {event.name for event in EVENTS if event.source == COMPROMISE}
_WHERE: Final = {
    "host": "on the same host",
    "zone": "anywhere in the subnets of the agent that defends it",
}


def limits(point: LagPoint) -> str:
    """The confidence interval of the difference at a lag."""
    return numbers.interval(point.low, point.high, points)


def decisions(lag: int) -> str:
    """The decisions at a lag after an event, as in "in half of the ..."."""
    if lag == 0:
        return "first decisions that can know of it"
    return f"decisions {lag} step{'s' * (lag != 1)} after the first that can know of it"


def answer(reactions: Reactions) -> str:
    """Are there consistent reactions? The answer with its number."""
    short = reactions.answer
    if short.verdict == "not enough data" or short.consistency is None:
        return f"{_VERDICTS['not enough data']}: {_episodes(reactions)}."
    span = ""
    if short.low is not None and short.high is not None:
        span = f" ({percent(max(short.low, 0.0))} to {percent(short.high)})"
    return (
        f"{_VERDICTS[short.verdict]}: consistency {percent(short.consistency)}{span}, where "
        f"100{NBSP}% would mean that blue always gives one answer and never otherwise. "
        f"{strongest(short)}"
    )


def _episodes(reactions: Reactions) -> str:
    return f"{too_few(reactions.episodes)} episode{'s' * (reactions.episodes != 1)}"


def strongest(short: Answer) -> str:
    """The reaction that the short answer rests on."""
    if short.event is None or short.scope is None or short.lag is None:
        return ""
    if short.window is None:
        how_often = f"in {percent(short.rate)} of the {decisions(short.lag)}"
    else:
        how_often = (
            f"in {percent(short.rate)} of cases within {short.window} steps, most often "
            f"{_soon(short.lag)}"
        )
    return (
        f"The strongest: {short.response} {_WHERE[short.scope]} after “{short.event}”, "
        f"{how_often}, against {percent(short.base)} expected otherwise "
        f"(n{NBSP}={NBSP}{number(short.n)})."
    )


def _soon(lag: int) -> str:
    """When a response comes, counted from the first decision that can know of its event."""
    if lag == 0:
        return "at once"
    return f"after {lag} step{'s' * (lag != 1)}"


def _strongest_plainly(short: Answer) -> str:
    """The same for a reader in a hurry, against what happens without the event."""
    if short.event is None or short.scope is None:
        return "No answer to any event stands out from what blue does anyway."
    return (
        f"The clearest: after “{short.event}”, {short.response} {_WHERE[short.scope]} in "
        f"{percent(short.rate)} of {number(short.n)} cases; without the event it would be "
        f"{percent(short.base)}."
    )


def tested(reactions: Reactions) -> str:
    """How many reactions are significant, of how many."""
    short = reactions.answer
    return (
        f"{short.significant} of {short.pairs} pairs of event and response differ significantly "
        f"from the base rate, after adjusting for {number(short.tests)} tests (Holm 1979)."
    )


def profile(reaction: Reaction) -> str:
    """What a lag profile shows."""
    best = reaction.best
    if best is None or best.rate is None or best.base is None or best.difference is None:
        return "not enough data"
    return (
        f"{percent(best.rate)} at lag {best.lag} against {percent(best.base)} expected, "
        f"{points(best.difference)} ({limits(best)})"
    )


def times(times: Times) -> str:
    """How long response and eviction take."""
    return f"response: {duration(times.response)}; eviction: {duration(times.eviction)}"


def findings(reactions: Reactions) -> Iterator[Takeaway]:
    """What a reader in a hurry should know."""
    short = reactions.answer
    if short.consistency is None:
        yield Takeaway(_VERDICTS["not enough data"], f"{_episodes(reactions)}.".capitalize())
        return
    yield Takeaway(_VERDICTS[short.verdict], _strongest_plainly(short))
    for time in reactions.times:
        if time.event in _COMPROMISES and time.eviction.enough:
            yield Takeaway(
                f"After a {time.event}, {half(time.eviction, 'hosts are clean')}",
                f"Blue: {half(time.response, 'hosts get an Analyse, Remove or Restore')}. "
                f"{number(time.eviction.n)} such events; waiting that the episode cut short counts "
                "as longer.",
            )
