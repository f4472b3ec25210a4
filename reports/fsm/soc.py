"""Metrics of a security operations centre, beside what others publish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.metrics.definitions import TIMED, TIMES
from cagexplain.analysis.metrics.estimate import TEAM, MetricEstimate, Soc
from cagexplain.stats.durations import HORIZON
from reports.fsm import soc_words
from reports.kit import estimates, numbers
from reports.kit.sections import Section, render

_GROUPS: Final = (
    (
        "How well hosts are kept",
        (
            *("clean_hosts", "non_escalated_hosts", "incidents", "silent_incidents"),
            *("escalated_incidents", "impacts", "stopped_services"),
        ),
    ),
    (
        "How well aimed",
        (
            *("useful_recoveries", "wasted_recoveries", "recovery_precision"),
            *("restore_effect", "remove_effect"),
        ),
    ),
    (
        "At what price",
        (
            *("green_availability", "local_work_availability", "access_availability"),
            *("restore_downtime", "blocks", "hurtful_blocks", "green_blocked"),
            *("action_cost", "cost_for_nothing"),
        ),
    ),
)
"""Metrics by what a reader asks; those that stand nowhere are about speed."""
_FAST: Final = "How fast"
_TIMED: Final = {definition.key for definition in TIMED}
"""Times, which have a table of their own."""


@dataclass(frozen=True)
class Group:
    """Metrics that answer one question."""

    title: str
    metrics: Sequence[MetricEstimate]


@dataclass(frozen=True)
class TimeRow:
    """A time by both of its statistics."""

    name: str
    formula: str
    median: MetricEstimate
    mean: MetricEstimate


@dataclass(frozen=True)
class Spread:
    """A metric by its parts: subnets or agents."""

    name: str
    unit: str
    metrics: Sequence[MetricEstimate]


def section(soc: Soc) -> Section:
    """Make the section."""
    team = [metric for metric in soc.metrics if metric.scope == TEAM]
    html = render(
        "fsm/soc.html.j2",
        asks="How well, how fast and at what price does the policy defend?",
        says=soc_words.answer(soc),
        groups=list(_groups(team)),
        times=list(_times(soc)),
        spreads=list(_spreads(soc)),
        sources=_sources(team),
        episodes=soc.episodes,
        horizon=HORIZON,
        value=numbers.plain,
        limits=estimates.metric_limits,
        published=soc_words.published,
    )
    return Section("soc", "SOC metrics", html)


def _groups(team: Sequence[MetricEstimate]) -> Iterator[Group]:
    group_of = {key: title for title, keys in _GROUPS for key in keys}
    for title in (*dict(_GROUPS), _FAST):
        metrics = [m for m in team if group_of.get(m.key, _FAST) == title and m.key not in _TIMED]
        yield Group(title, metrics)


def _times(soc: Soc) -> Iterator[TimeRow]:
    for time in TIMES:
        median, mean = (soc.metric(time.metric(statistic)) for statistic in ("median", "mean"))
        yield TimeRow(time.name, time.formula, median, mean)


def _spreads(soc: Soc) -> Iterator[Spread]:
    for metric in soc.metrics:
        if metric.scope == TEAM:
            parts = [m for m in soc.metrics if m.key == metric.key and m.scope != TEAM]
            if parts:
                yield Spread(metric.name, metric.unit, parts)


def _sources(team: Sequence[MetricEstimate]) -> list[str]:
    return list(dict.fromkeys(p.source for metric in team for p in metric.published))
