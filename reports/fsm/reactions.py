"""How blue reacts to what it sees and to what red does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.reactions.events import EVENTS
from cagexplain.analysis.reactions.results import HOST, ZONE, Reaction, Reactions, Scope, Times
from reports.fsm import reactions_words
from reports.kit import estimates, numbers
from reports.kit.charts import Chart, Frame, Line, Tick, survival_chart, ticks
from reports.kit.sections import Section, gap, render

_PROFILES: Final = 12
"""Reactions that are shown by lag."""
_CHARTS: Final = 6
"""Events whose times are shown at once; the others are one click away."""
_SCOPES: Final[dict[Scope, str]] = {
    HOST: "On the same host",
    ZONE: "Anywhere in the agent’s subnets",
}
_SHADES: Final = (0.02, 0.05, 0.15, 0.4)
"""Differences of shares at which a cell gets darker."""
_RESPONSE: Final = "until blue starts Analyse, Remove or Restore on the host"
_EVICTION: Final = "until the host is clean"


@dataclass(frozen=True)
class Cell:
    """An event and a response in the overview.

    Attributes:
        text: the difference from the base rate at the best lag, or why there is none.
        note: the lag and the lift.
        look: CSS classes; coloured if significant.
        title: the whole story.
    """

    text: str
    note: str
    look: str
    title: str


@dataclass(frozen=True)
class Heat:
    """An overview: events by responses."""

    name: str
    responses: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def section(reactions: Reactions) -> Section:
    """Make the section."""
    shown = _picked(reactions, _PROFILES)
    html = render(
        "fsm/reactions.html.j2",
        asks="Are there consistent reactions to what blue sees and to what red does?",
        says=reactions_words.answer(reactions),
        tested=reactions_words.tested(reactions),
        gap=_gap(reactions),
        alpha=reactions.alpha,
        heats=[_heat(reactions, scope, name) for scope, name in _SCOPES.items()],
        profiles=[_profile(reaction) for reaction in shown],
        times=reactions.times,
        time_charts=[_time_chart(t) for t in reactions.times if t.response.enough],
        charts_shown=_CHARTS,
        responses=_RESPONSE,
        evictions=_EVICTION,
        parts=[r for r in shown if r.by_zone],
        dependence=reactions.dependence,
        reactions=reactions.reactions,
        where=_SCOPES,
        limits=reactions_words.limits,
    )
    return Section("reactions", "Reactions", html)


def _gap(reactions: Reactions) -> str:
    if reactions.without_alerts is None:
        return ""
    return gap(
        f"{reactions.without_alerts}.",
        "The answer is about red’s actions instead. Record the trace again without "
        "--no-observations to learn about alerts.",
    )


def _heat(reactions: Reactions, scope: Scope, name: str) -> Heat:
    apart = {event.name for event in EVENTS if scope == HOST and not event.on_host}
    of_scope = [r for r in reactions.reactions if r.scope == scope and r.event not in apart]
    responses = list(dict.fromkeys(reaction.response for reaction in of_scope))
    rows: dict[str, list[Cell]] = {}
    for reaction in of_scope:
        rows.setdefault(reaction.event, []).append(_cell(reaction))
    return Heat(name, responses, list(rows.items()))


def _cell(reaction: Reaction) -> Cell:
    best = reaction.best
    if best is None or best.difference is None:
        most = max(point.n for point in reaction.lags)
        return Cell("–", f"n = {numbers.number(most)}", "empty", estimates.too_few(most))
    lift = "" if best.lift is None else f", ×{best.lift:.1f}"
    note = f"lag {best.lag}{lift}"
    title = f"{reaction.response} after “{reaction.event}”: {reactions_words.profile(reaction)}"
    if not reaction.significant:
        return Cell(numbers.points(best.difference), note, "unsure", f"{title}; not significant")
    size = sum(abs(best.difference) >= limit for limit in _SHADES)
    sense = "more" if best.difference > 0 else "less"
    look = f"{sense} much{max(size, 1)}"
    arrow = "▲" if best.difference > 0 else "▼"
    return Cell(f"{arrow} {numbers.points(best.difference)} ★", note, look, f"{title}; significant")


def _profile(reaction: Reaction) -> Chart:
    known = [point for point in reaction.lags if point.rate is not None]
    highest = max((p.base or 0.0) + (p.high or p.difference or 0.0) for p in known)
    frame = Frame(reaction.lags[-1].lag, _round_up(min(highest, 1.0)), x_least=reaction.lags[0].lag)
    lines = [
        Line(
            "expected without the event", "base", frame.line([(p.lag, p.base or 0) for p in known])
        ),
        Line(
            "observed",
            "look0",
            frame.line([(p.lag, p.rate or 0) for p in known]),
            frame.band(
                [(p.lag, (p.base or 0) + p.low) for p in known if p.low is not None],
                [(p.lag, (p.base or 0) + p.high) for p in known if p.high is not None],
            ),
        ),
    ]
    place = "" if reaction.scope == HOST else " in the agent’s subnets"
    return Chart(
        f"{reaction.event} → {reaction.response}{place}",
        reactions_words.profile(reaction),
        frame,
        [Tick(frame.x(lag), f"{lag}") for lag in _lag_ticks(reaction)],
        [Tick(frame.y(v), numbers.percent(v)) for v in ticks(0, frame.y_most, 3)],
        "steps after the event",
        lines,
        start=frame.x(-0.5),
    )


def _lag_ticks(reaction: Reaction) -> Iterator[int]:
    first, last = reaction.lags[0].lag, reaction.lags[-1].lag
    return (lag for lag in range(first, last + 1) if lag % 5 == 0)


def _round_up(value: float) -> float:
    """The next of a few round shares, so that pictures can be compared."""
    return next(limit for limit in (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if value <= limit + 1e-9)


def _time_chart(times: Times) -> Chart:
    return survival_chart(
        times.event,
        reactions_words.times(times),
        [(_RESPONSE, "look0", times.response), (_EVICTION, "look1", times.eviction)],
        "steps after the event",
    )


def _picked(reactions: Reactions, most: int) -> list[Reaction]:
    """The reactions worth a picture: significant ones, those on the host itself and large ones
    first."""
    significant = [r for r in reactions.reactions if r.significant and r.best is not None]
    return sorted(significant, key=_size)[:most]


def _size(reaction: Reaction) -> tuple[bool, float]:
    difference = reaction.best.difference if reaction.best is not None else None
    return reaction.scope != HOST, -abs(difference or 0.0)
