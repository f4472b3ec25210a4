"""How the returns of the episodes spread, and what the worst of them have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.analysis.episodes.spread import ENOUGH, Spread, Trait
from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports.kit.numbers import number, percent
from reports.kit.pages import source
from reports.kit.sections import Section, gap, render
from reports.shared import show

BINS: Final = 24
"""Bars of the histogram."""
TRAITS: Final = 4
"""Traits of the worst episodes that are told."""
_TITLE: Final = "Episode by episode"


@dataclass(frozen=True)
class Bar:
    """A bar of the histogram: place, width and heights in per cent of the drawing, what it says.

    `worst` is the height of the part that belongs to the worst decile.
    """

    start: float
    width: float
    height: float
    worst: float
    title: str


def section(analysis: FsmAnalysis | None) -> Section:
    """Make the section; a marked gap without an analysis of the trace."""
    if analysis is None:
        html = gap(
            "The trace was not analysed.", "Its report has all of it.", "cagexplain fsm-report"
        )
        return Section("spread", _TITLE, html)
    spread, seeds = analysis.spread, analysis.facts.seeds
    low, high = min(spread.returns), max(spread.returns)
    html = render(
        "shared/spread.html.j2",
        says=says(spread),
        common=list(common(spread)),
        bars=list(histogram(spread)),
        ends=(number(low), number(high)),
        n=len(spread.returns),
        worst=[(episode, seeds[episode], spread.returns[episode]) for episode in spread.worst],
        traits=[(_name(trait), trait) for trait in spread.traits],
        enough=ENOUGH,
    )
    return Section("spread", _TITLE, html, source("shared/spread.css"))


def says(spread: Spread) -> str:
    """The distribution in a sentence."""
    low, middle, high = np.quantile(spread.returns, (0.25, 0.5, 0.75)).tolist()
    text = (
        f"Half of the episodes return between {number(low)} and {number(high)}, the median "
        f"{number(middle)}"
    )
    if not spread.worst:
        return f"{text}."
    n = len(spread.worst)
    return (
        f"{text}; the worst tenth ({n} episode{'s' * (n != 1)}) {number(spread.mean_of(True))} on "
        f"average, the others {number(spread.mean_of(False))}."
    )


def common(spread: Spread) -> Iterator[str]:
    """What the worst episodes have in common, as sentences."""
    if not spread.worst:
        yield (
            f"With fewer than {ENOUGH} episodes, nothing is said about what the worst of them have "
            "in common."
        )
    elif not spread.traits:
        yield (
            "Nothing that was looked at goes with bad episodes for certain: neither how idle an "
            "agent was nor how long the attacker held a subnet."
        )
    for trait in spread.traits[:TRAITS]:
        worst, rest = percent(trait.worst), percent(trait.rest)
        if trait.kind == "idle":
            yield (
                f"The worse an episode, the more {show.agent(trait.name)} idled: {worst} of its "
                f"decisions in the worst tenth, {rest} in the others."
            )
        else:
            yield (
                f"The worse an episode, the longer the attacker held {show.place(trait.name)}: "
                f"{worst} of the time of its machines in the worst tenth, {rest} in the others."
            )


def _name(trait: Trait) -> str:
    if trait.kind == "idle":
        return f"share of decisions in which {show.agent(trait.name)} idles"
    return f"share of time in which the attacker holds machines of {show.place(trait.name)}"


def histogram(spread: Spread) -> Iterator[Bar]:
    """The returns as bars on an even scale from the lowest to the highest."""
    returns = np.array(spread.returns)
    inside = np.isin(np.arange(len(returns)), spread.worst)
    counts, edges = np.histogram(returns, bins=BINS)
    worst, _ = np.histogram(returns[inside], bins=edges)
    most = int(counts.max())
    for i, (n, bad) in enumerate(zip(counts.tolist(), worst.tolist(), strict=True)):
        low, high = edges[i : i + 2].tolist()
        if n:
            title = f"{number(low)} to {number(high)}: {n} episode{'s' * (n != 1)}"
            yield Bar(100 * i / BINS, 100 / BINS, 100 * n / most, 100 * bad / most, title)
