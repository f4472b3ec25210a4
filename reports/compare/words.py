"""What a comparison says, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cagexplain.analysis.compare.comparison import Comparison, DifferingGroup, Pair
from cagexplain.analysis.compare.differences import GroupDifference, MetricDifference
from cagexplain.analysis.compare.samples import RETURN, return_of
from cagexplain.analysis.metrics.definitions import COUNTED
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
        yield from _main_metrics(pair)
        if pair.most and pair.most[0].difference.significant:
            yield _most(pair, pair.most[0])
        elif pair.most:
            yield Takeaway(
                f"{pair.a} and {pair.b} do not differ significantly in any situation",
                "What differs may be chance; more episodes would show smaller differences.",
            )


def _returns(pair: Pair, difference: MetricDifference) -> Takeaway:
    (better, best), (worse, other) = _better_first(pair, difference)
    values = f"{better} {_value(best)}, {worse} {_value(other)} per episode"
    if difference.difference is None:
        return Takeaway(
            f"Whether {better} or {worse} has the better return is unknown", f"{values}."
        )
    seeds = "the same seeds" if pair.paired else "different seeds"
    detail = f"{values}; {_gap(difference)}, on {seeds}."
    if not difference.significant:
        return Takeaway(f"The returns of {better} and {worse} do not differ significantly", detail)
    return Takeaway(f"{better} has a better return than {worse}", detail)


def _better_first(
    pair: Pair, difference: MetricDifference
) -> tuple[tuple[str, float | None], tuple[str, float | None]]:
    """Both with their values: the better one first if they surely differ, else as given."""
    a, b = (pair.a, difference.value_a), (pair.b, difference.value_b)
    return (b, a) if wins(difference) == "b" else (a, b)


def wins(difference: MetricDifference) -> str:
    """Which of the two is surely better: a, b, or neither (empty)."""
    if not difference.significant or difference.difference is None:
        return ""
    return "b" if (difference.difference > 0) == (difference.better == "higher") else "a"


def _gap(difference: MetricDifference) -> str:
    """By how much the two differ, whichever is first, with the plain interval and adjusted p."""
    assert difference.difference is not None
    size = abs(difference.difference)
    limits = ""
    if difference.low is not None and difference.high is not None:
        low, high = difference.low, difference.high
        if difference.difference < 0:
            low, high = -high, -low
        limits = f" ({_amount(low, difference.unit)} to {_amount(high, difference.unit)} by itself)"
    p = numbers.p_equals(difference.p_adjusted) if difference.p_adjusted is not None else ""
    return f"{_amount(size, difference.unit)} apart{limits}{f', adjusted p {p}' if p else ''}"


def _amount(value: float, unit: str) -> str:
    """A size in the unit of a metric: percentage points for shares."""
    if unit == "share":
        return f"{numbers.fixed(100 * value, 1)}{numbers.NBSP}pp"
    return numbers.decimal(value)


MAIN: Final = ("clean_hosts", "green_availability", "recovery_precision", "impacts", "action_cost")
"""Metrics of the defence that are named first: each of another kind, as most others follow from
one of them."""
FIRST: Final = (RETURN, *(each.name for key in MAIN for each in COUNTED if each.key == key))
"""Names of the return and of these."""


def main_of(pair: Pair) -> list[MetricDifference]:
    """The return, and the metrics to begin with."""
    by_name = {metric.metric: metric for metric in pair.metrics}
    return [by_name[name] for name in FIRST if name in by_name]


def _main_metrics(pair: Pair) -> Iterator[Takeaway]:
    """What else differs in the defence, the largest effects first."""
    sure = [m for m in main_of(pair) if m.metric != RETURN and wins(m)]
    for metric in sorted(sure, key=lambda metric: -abs(metric.effect or 0.0)):
        (better, best), (worse, other) = _better_first(pair, metric)
        values = ", ".join(
            f"{name} {numbers.plain(value, metric.unit)}"
            for name, value in ((better, best), (worse, other))
        )
        yield Takeaway(
            f"{better} is better in “{metric_name(metric.metric)}”", f"{values}; {_gap(metric)}."
        )


def _value(value: float | None) -> str:
    return "–" if value is None else number(value)


def _most(pair: Pair, place: DifferingGroup) -> Takeaway:
    difference = place.difference
    situation = difference.group.replace("_", " ")
    return Takeaway(
        f"{pair.a} and {pair.b} differ most in “{situation}” ({place.view})",
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
