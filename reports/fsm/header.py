"""What stands above the sections of the page about one policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from markupsafe import Markup

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.metrics.estimate import Soc
from cagexplain.analysis.reactions.results import Reactions
from reports.fsm import run
from reports.kit import estimates, numbers
from reports.kit.sections import Tile, render

_REACTS: Final = {"yes": "Yes", "weak": "Weakly", "no": "No"}
"""Whether there are consistent reactions."""


def header(analysis: FsmAnalysis) -> Markup:
    """Make the head of the page: whose it is, the most important figures, warnings."""
    facts = analysis.facts
    return render(
        "fsm/header.html.j2",
        facts=facts,
        episodes=len(facts.seeds),
        tiles=_tiles(analysis),
        brief_facts=run.brief(facts),
    )


def _tiles(analysis: FsmAnalysis) -> Iterator[Tile]:
    total, n = analysis.returns.total, len(analysis.facts.seeds)
    yield Tile(numbers.number(total.mean), "return per episode", estimates.estimate_interval(total))
    yield _clean(analysis.soc)
    yield _aimed(analysis.soc)
    yield _reacts(analysis.reactions)
    yield _in_root(analysis)
    yield Tile(
        numbers.number(analysis.effort.total),
        "blue decisions",
        f"{numbers.number(analysis.effort.total / n)} per episode, all agents together",
    )


def _clean(soc: Soc) -> Tile:
    clean, no_root = soc.metric("clean_hosts"), soc.metric("non_escalated_hosts")
    return Tile(
        numbers.percent(clean.value),
        "of defended host-time is clean",
        f"{estimates.metric_limits(clean)}; without root {numbers.percent(no_root.value)}",
    )


def _aimed(soc: Soc) -> Tile:
    precision = soc.metric("recovery_precision")
    name = "of Removes and Restores are useful"
    if precision.value is None:
        return Tile("–", name, precision.reason or "")
    return Tile(numbers.percent(precision.value), name, estimates.metric_limits(precision))


def _reacts(reactions: Reactions) -> Tile:
    short = reactions.answer
    if short.consistency is None:
        return Tile("–", "whether it reacts", "not enough data")
    strongest = f"{short.response} after “{short.event}”" if short.event else "nothing stands out"
    return Tile(_REACTS[short.verdict], "does it react consistently?", strongest)


def _in_root(analysis: FsmAnalysis) -> Tile:
    in_root = max(
        (mix for mix in analysis.mix.targeted if mix.group in ("R", "RD")),
        key=lambda mix: mix.total,
    )
    top = in_root.top
    if top is None:
        return Tile("never", f"does blue act on hosts in {in_root.group}", "no decision there")
    named = in_root.clear or top.low is None
    return Tile(
        top.name if named else "No favourite",
        f"{'most often done to' if named else 'among actions on'} hosts in {in_root.group}",
        f"{top.name} {numbers.percent(top.share)} of {numbers.number(in_root.total)}, "
        f"{estimates.interval(top)}",
    )
