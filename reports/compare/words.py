"""What a comparison says, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cagexplain.analysis.compare.comparison import Comparison, DifferingGroup, Pair
from cagexplain.analysis.compare.differences import GroupDifference, MetricDifference
from cagexplain.analysis.compare.samples import RETURN, return_of
from cagexplain.cc4 import phases
from reports.kit import numbers
from reports.kit.numbers import number, p_value, percent, points
from reports.kit.sections import Takeaway
from reports.kit.terms import CAUSES

_NAMES: Final = {
    RETURN: "Return",
    **{return_of(cause): f"Return: {text}" for cause, text in CAUSES.items()},
    **{return_of(phase): f"Return: {phase}" for phase in phases.PHASE_NAMES},
}
"""How the return and its parts are called; other metrics have names for readers."""
_VIEWS: Final = {
    "all decisions": "All decisions",
    "targeted": "Targeted view",
    "situational": "Situational view",
    "alerts of the target": "Alerts of the target",
    "kind of the target": "Kind of the target",
    "alerts in the zone": "Alerts in the agent’s subnets",
}
"""Names of views for readers; others keep their own."""


def signed(value: float, unit: str) -> str:
    """A difference in the unit of its metric, with its sign."""
    return points(value) if unit == "share" else numbers.signed(value)


def span(difference: MetricDifference) -> str:
    """The confidence interval of a difference."""
    return numbers.interval(
        difference.low, difference.high, lambda value: signed(value, difference.unit)
    )


def metric_name(name: str) -> str:
    """Name of a metric for readers."""
    return _NAMES.get(name, name)


def view_name(view: str) -> str:
    """Name of a view for readers."""
    return _VIEWS.get(view, view[:1].upper() + view[1:])


def title(comparison: Comparison) -> str:
    """What is compared."""
    if comparison.condition == "phase":
        return "How the policy differs between mission phases"
    if comparison.condition == "agent":
        return "How the blue agents differ"
    return "Where these policies differ"


def overall(comparison: Comparison) -> str:
    """In how many situations the choices differ."""
    groups = [group for pair in comparison.pairs for view in pair.views for group in view.groups]
    tested = [group for group in groups if group.p is not None]
    if not tested:
        return "Whether they differ is unknown: no situation has enough data."
    differing = sum(group.significant for group in tested)
    return (
        f"Choices differ significantly in {number(differing)} of {number(len(tested))} comparisons "
        f"of a situation; {number(len(groups) - len(tested))} more lack data."
    )


def findings(comparison: Comparison) -> Iterator[Takeaway]:
    """What a reader in a hurry should know, pair by pair."""
    for pair in comparison.pairs:
        returns = [metric for metric in pair.metrics if metric.metric == RETURN]
        yield from (_returns(pair, metric) for metric in returns)
        if pair.most and pair.most[0].difference.significant:
            yield _most(pair, pair.most[0])
        elif pair.most:
            yield Takeaway(
                f"{pair.a} and {pair.b} do not differ significantly in any situation",
                "What differs may be chance; more episodes would show smaller differences.",
            )


def _returns(pair: Pair, difference: MetricDifference) -> Takeaway:
    values = f"{_value(difference.value_a)} and {_value(difference.value_b)} per episode"
    if difference.difference is None:
        return Takeaway(
            f"Whether {pair.a} or {pair.b} has the better return is unknown", f"{values}."
        )
    seeds = "the same seeds" if pair.paired else "different seeds"
    change = signed(difference.difference, difference.unit)
    detail = (
        f"{values}; difference {change} ({span(difference)}), "
        f"adjusted p {p_value(difference.p_adjusted)}, on {seeds}."
    )
    if not difference.significant:
        return Takeaway(f"The returns of {pair.a} and {pair.b} do not differ significantly", detail)
    better, worse = (pair.b, pair.a) if difference.difference > 0 else (pair.a, pair.b)
    return Takeaway(f"{better} has a better return than {worse}", detail)


def _value(value: float | None) -> str:
    return "–" if value is None else number(value)


def _most(pair: Pair, place: DifferingGroup) -> Takeaway:
    difference = place.difference
    return Takeaway(
        f"{pair.a} and {pair.b} differ most in “{difference.group}” ({place.view})",
        f"{changed(difference)}. {distance(difference)}, "
        f"adjusted p {p_value(difference.p_adjusted)}.",
    )


def changed(difference: GroupDifference) -> str:
    """The action whose share differs most, seen from the first sample."""
    if difference.action is None or difference.change is None:
        return "not enough data"
    return f"{difference.action} {points(difference.change)}"


def distance(difference: GroupDifference) -> str:
    """The effect size with its interval and what chance would show."""
    if difference.distance is None:
        return "not enough data"
    limits = (
        ""
        if difference.low is None or difference.high is None
        else f" ({percent(difference.low)} to {percent(difference.high)})"
    )
    chance = "" if difference.chance is None else f"; chance alone {percent(difference.chance)}"
    return f"{percent(difference.distance)} of choices differ{limits}{chance}"
