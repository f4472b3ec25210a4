"""SOC metrics in words."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.analysis.metrics.estimate import EXPLAINED, Metric, Soc
from reports.fsm.overview_words import Finding
from reports.kit.numbers import NBSP, number, percent


def value(amount: float | None, unit: str) -> str:
    """An amount in the unit of its metric."""
    if amount is None:
        return "–"
    if unit == "share":
        return percent(amount, 1)
    if unit == "steps":
        digits = 0 if abs(amount) >= 10 or amount == round(amount) else 1
    else:
        digits = 0 if abs(amount) >= 100 else 1 if abs(amount) >= 10 else 2
    return f"{amount:,.{digits}f}".replace("-", "−")


def published(amount: float, unit: str) -> str:
    """The same for a value of others, which has no more digits than they give."""
    return percent(amount) if unit == "share" else f"{amount:g}"


def limits(metric: Metric) -> str:
    """Its confidence interval."""
    if metric.value is None or metric.low is None:
        return "no interval" if metric.value is not None else ""
    high = "not reached" if metric.high is None else value(metric.high, metric.unit)
    return f"{value(metric.low, metric.unit)} to {high}"


def told(metric: Metric) -> str:
    """The value with its interval, or why there is none."""
    if metric.value is None:
        return f"no value ({(metric.reason or 'unknown').rstrip('.').lower()})"
    span = limits(metric)
    return f"{value(metric.value, metric.unit)} ({span})"


def answer(soc: Soc) -> str:
    """How well, how fast and at what price."""
    clean, dwell = soc.metric("clean_hosts"), soc.metric("dwell_median")
    precision, green = soc.metric("recovery_precision"), soc.metric("green_availability")
    parts = [f"Defended hosts are clean {told(clean)} of the time"]
    if dwell.value is None:
        unseen = "fewer than half of red’s stays are seen to end"
        few = f"how long red stays cannot be told (n{NBSP}={NBSP}{number(dwell.n)})"
        parts.append(unseen if dwell.reason == EXPLAINED["median"] else few)
    else:
        parts.append(f"half of red’s stays end within {told(dwell)} steps")
    if precision.value is not None:
        parts.append(f"{told(precision)} of Removes and Restores are useful")
    parts.append(f"users’ work succeeds in {told(green)}")
    return f"{'; '.join(parts)}."


def findings(soc: Soc) -> Iterator[Finding]:
    """What a reader in a hurry should know."""
    useful, wasted = soc.metric("useful_recoveries"), soc.metric("wasted_recoveries")
    precision = soc.metric("recovery_precision")
    if precision.value is not None:
        yield Finding(
            f"{percent(precision.value)} of Removes and Restores hit what they are good for",
            f"{value(useful.value, useful.unit)} useful and {value(wasted.value, wasted.unit)} "
            f"wasted recoveries per episode; share with interval: {told(precision)}.",
        )
    silent, visible = soc.metric("dwell_silent_median"), soc.metric("dwell_visible_median")
    if silent.value is not None and visible.value is not None:
        yield Finding(
            f"Red’s stays that began without an event last {number(silent.value)} steps in the "
            f"median, the others {number(visible.value)}",
            f"Intervals {limits(silent)} and {limits(visible)}; silent ones come mostly from mail "
            "that users open.",
        )
