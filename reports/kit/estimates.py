"""Estimates as text: what was measured with how sure it is, or why there is no number."""

from __future__ import annotations

from collections.abc import Sequence

from cagexplain.analysis.fsm.analyse import MeanReturn
from cagexplain.analysis.metrics.estimate import MetricEstimate
from cagexplain.stats.distribution import CategoryShare, Distribution
from cagexplain.stats.durations import Survival
from cagexplain.stats.interval import Interval
from cagexplain.stats.means import MIN_EPISODES, MIN_EPISODES_OF_PARTS
from reports.kit.numbers import NBSP, fixed, number, percent, plain


def interval(share: CategoryShare) -> str:
    """Its confidence interval as "55–67 %", or why there is none."""
    if share.low is None or share.high is None:
        return "no interval"
    low, high = 100 * share.low, 100 * share.high
    digits = 2 if high - low < 0.095 else 1 if high < 9.95 or high - low < 1.95 else 0
    return f"{fixed(low, digits if low else 0)}–{fixed(high, digits)}{NBSP}%"


def top_action(mix: Distribution) -> str:
    """Which action leads in a state, and how surely."""
    top = mix.top
    if top is None:
        return "Blue made no decision here."
    decisions = f"{number(mix.total)} decision{'s' * (mix.total != 1)}"
    return (
        f"Blue’s most frequent action: {top.name}, {percent(top.share)} "
        f"({interval(top)}) of {decisions}{'' if mix.clear else '; no clear lead'}."
    )


def leader(mix: Distribution) -> str:
    """The most chosen action in a few words."""
    if mix.top is None:
        return "no decisions"
    tie = "" if mix.clear or mix.top.low is None else "≈ "
    return f"{tie}{mix.top.name}, n{NBSP}={NBSP}{number(mix.total)}"


def estimate_interval(estimate: MeanReturn) -> str:
    """The confidence interval of a mean, or why there is none."""
    if estimate.low is None or estimate.high is None:
        reason = estimate.reason or "no interval"
        return reason[0].upper() + reason[1:]
    return f"95{NBSP}% interval {number(estimate.low)} to {number(estimate.high)}"


def mean_intervals() -> str:
    """The rule for intervals of returns and their parts."""
    return (
        "Intervals are Student’s over episodes, moved out on the side to which these are skewed "
        f"(Hall 1992). That of the return takes {MIN_EPISODES} episodes; those of its parts, which "
        f"rare episodes dominate, {MIN_EPISODES_OF_PARTS}: with fewer they would cover the truth "
        "less often than claimed."
    )


def too_few(n: int) -> str:
    """Why there is no number."""
    return f"not enough data: n{NBSP}={NBSP}{number(n)}"


def steps(limits: Interval, longest: int | None = None) -> str:
    """A number of steps with its interval; what is not reached is longer than was followed.

    Args:
        limits: the estimate.
        longest: how far durations were followed; the episode without.
    """
    beyond = "the episode" if longest is None else f"{longest} steps"
    if limits.value is None:
        return f"longer than {beyond}"
    if limits.low is None:
        return fixed(limits.value)
    high = f"longer than {beyond}" if limits.high is None else fixed(limits.high)
    return f"{fixed(limits.value)} ({fixed(limits.low)} to {high})"


def duration(survival: Survival) -> str:
    """The median of what took time, in words."""
    if not survival.enough:
        return too_few(survival.n)
    if survival.median.value is None:
        return f"fewer than half ended; {percent(survival.ended_share)} did"
    return f"half ended within {steps(survival.median)} steps"


def half(survival: Survival, whose: str) -> str:
    """The same about something countable, as in "half of the hosts are clean within ..."."""
    if not survival.enough:
        return f"{too_few(survival.n)}, so it is unknown when {whose}"
    if survival.median.value is None:
        return f"fewer than half of the {whose} as far as they were followed"
    return f"half of the {whose} within {steps(survival.median)} steps"


def metric_limits(metric: MetricEstimate) -> str:
    """The confidence interval of a SOC metric."""
    if metric.value is None or metric.low is None:
        return "no interval" if metric.value is not None else ""
    high = "not reached" if metric.high is None else plain(metric.high, metric.unit)
    return f"{plain(metric.low, metric.unit)} to {high}"


def either(names: Sequence[str]) -> str:
    """Names as in "A, B or C"."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
