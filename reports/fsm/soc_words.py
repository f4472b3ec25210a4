"""SOC metrics in words."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.analysis.metrics.estimate import MetricEstimate, Soc
from reports.kit.estimates import metric_limits
from reports.kit.numbers import number, percent, plain
from reports.kit.sections import Takeaway


def published(amount: float, unit: str) -> str:
    """The same for a value of others, which has no more digits than they give."""
    return percent(amount) if unit == "share" else f"{amount:g}"


def shown(metric: MetricEstimate) -> str:
    """The value with its interval, or why there is none."""
    if metric.value is None:
        return f"no value ({(metric.reason or 'unknown').rstrip('.').lower()})"
    span = metric_limits(metric)
    return f"{plain(metric.value, metric.unit)} ({span})"


def answer(soc: Soc) -> str:
    """How well, how fast and at what price."""
    clean, dwell = soc.metric("clean_hosts"), soc.metric("dwell_median")
    precision, green = soc.metric("recovery_precision"), soc.metric("green_availability")
    parts = [f"Defended hosts are clean {shown(clean)} of the time"]
    if dwell.value is None:
        parts.append(f"the length of incidents has {shown(dwell)}")
    else:
        parts.append(f"half of the incidents end within {shown(dwell)} steps")
    if precision.value is not None:
        parts.append(f"{shown(precision)} of Removes and Restores are useful")
    parts.append(f"users’ work succeeds in {shown(green)}")
    return f"{'; '.join(parts)}."


def findings(soc: Soc) -> Iterator[Takeaway]:
    """What a reader in a hurry should know."""
    useful, wasted = soc.metric("useful_recoveries"), soc.metric("wasted_recoveries")
    precision = soc.metric("recovery_precision")
    if precision.value is not None:
        yield Takeaway(
            f"{percent(precision.value)} of Removes and Restores are useful",
            f"{plain(useful.value, useful.unit)} useful and {plain(wasted.value, wasted.unit)} "
            f"wasted recoveries per episode; share with interval: {shown(precision)}.",
        )
    silent, visible = soc.metric("dwell_silent_median"), soc.metric("dwell_visible_median")
    if silent.value is not None and visible.value is not None:
        yield Takeaway(
            f"Incidents that begin without an event last {number(silent.value)} steps in the "
            f"median, the others {number(visible.value)}",
            f"Intervals {metric_limits(silent)} and {metric_limits(visible)}; silent ones come "
            "mostly from mails that users open.",
        )
