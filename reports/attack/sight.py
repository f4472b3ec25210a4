"""What blue saw of the attack, from the trace of its episodes."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.analysis.fsm.analyse import FsmAnalysis, RedActionSummary
from cagexplain.analysis.metrics.estimate import MetricEstimate, Soc
from reports.kit import estimates, numbers
from reports.kit.numbers import number, percent
from reports.kit.sections import Section, gap, render

_TITLE = "What blue saw of it"
_SHOWN = (
    *("incidents", "silent_incidents", "escalated_incidents"),
    *("time_to_detect_median", "alert_to_response_median", "dwell_median"),
    *("recovery_precision", "clean_hosts"),
)
"""Metrics of the defence that tell what was seen, and what came of it."""


def section(analysis: FsmAnalysis | None) -> Section:
    """Make the section; a marked gap without a trace."""
    if analysis is None:
        html = gap("There is no trace of episodes under this attacker.", "Attack again to get one.")
        return Section("sight", _TITLE, html)
    html = render(
        "attack/sight.html.j2",
        asks="What did blue see of the attack?",
        says=_says(analysis),
        metrics=[(m, numbers.amount(m.value or 0, m.unit)) for m in _metrics(analysis.soc)],
        limits=estimates.metric_limits,
        actions=[action for action in analysis.red_actions if action.results.total],
        seen=_seen,
        episodes=analysis.soc.episodes,
    )
    return Section("sight", _TITLE, html)


def silent_share(soc: Soc) -> float | None:
    """Share of the incidents that began without an event on their host."""
    every, silent = soc.metric("incidents").value, soc.metric("silent_incidents").value
    return silent / every if every and silent is not None else None


def _says(analysis: FsmAnalysis) -> str:
    share = silent_share(analysis.soc)
    due = sum(action.results.total for action in analysis.red_actions)
    left = sum(action.detected for action in analysis.red_actions)
    seen = f"{percent(left / due)} of its actions left an event that blue watches" if due else ""
    if share is None:
        return f"It never got onto a defended host; {seen or 'it did nothing'}."
    return f"{percent(share)} of its incidents began without any event on the host; {seen}."


def _metrics(soc: Soc) -> Iterator[MetricEstimate]:
    for key in _SHOWN:
        metric = soc.metric(key)
        if metric.value is not None:
            yield metric


def _seen(action: RedActionSummary) -> str:
    return f"{number(action.detected)} ({percent(action.detected / action.results.total)})"
