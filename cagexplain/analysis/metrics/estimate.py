"""Metrics of a security operations centre: how well, how fast and at what price blue defends.

What each one means, and what others report, is one table of definitions here, which the
documentation and the pages print. Values come with intervals over episodes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.analysis.metrics.collect import Collector
from cagexplain.analysis.metrics.definitions import (
    COUNTED,
    DEFENDED,
    TIMED,
    Better,
    Definition,
    Published,
    Times,
)
from cagexplain.common.results import Result
from cagexplain.facts.batch import run
from cagexplain.facts.waits import waits
from cagexplain.stats.durations import HORIZON
from cagexplain.stats.estimates import Estimate, OfDurations, Quantile, estimate, estimates
from cagexplain.stats.interval import Interval
from cagexplain.tracing.trace import Trace

TEAM: Final = "team"
MIN_EVENTS: Final = 20
"""Fewest events (recoveries, incidents, ...) that a share or a mean of them is given for."""
EXPLAINED: Final = {
    "none": "There were none.",
    "few": "Not enough data: n = {n}.",
    "median": "Not reached: fewer than half have ended as far as they were followed.",
    "blind": "The trace was recorded without observations.",
    "mean": f"Not reached: too few were followed for {HORIZON} steps.",
}


@dataclass(frozen=True)
class MetricEstimate(Result):
    """A value of one metric.

    Attributes:
        key, name, unit, formula: from its definition.
        scope: ``"team"``, or the subnet or agent that it is about.
        value: None if the data do not carry one; then `reason` says why.
        low, high: confidence limits at 95 %; None with fewer than
            `cagexplain.stats.estimates.MIN_EPISODES` that have any, or where they are not reached.
        n: what the value rests on: episodes for counts per episode, otherwise the denominator of
            the formula (host-steps, recoveries, attempts) or the number of times.
        episodes: that have any of it.
        better: whether a good defence has a higher or a lower value.
        published: values of others, with their source.
        reason: why there is no value; None if there is one.
    """

    key: str
    name: str
    unit: str
    formula: str
    scope: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    episodes: int
    better: Better
    published: tuple[Published, ...]
    reason: str | None


@dataclass(frozen=True)
class Soc(Result):
    """All metrics of a trace.

    Attributes:
        episodes: number of episodes.
        steps: of an episode.
        metrics: in the order of the definitions; of each the team's first, then those of its parts.
    """

    episodes: int
    steps: int
    metrics: tuple[MetricEstimate, ...]

    def metric(self, key: str, scope: str = TEAM) -> MetricEstimate:
        """One metric; ``KeyError`` if there is no such one."""
        for metric in self.metrics:
            if (metric.key, metric.scope) == (key, scope):
                return metric
        raise KeyError((key, scope))


def soc(trace: Trace) -> Soc:
    """Measure a trace; see `of_collected` for one that passes by together with other analyses.

    Raises:
        CagexplainError: a file of the trace is damaged.
    """
    collector = Collector()
    run(trace, [collector])
    return of_collected(collector)


def of_collected(collected: Collector) -> Soc:
    """Estimate all metrics from what was collected."""
    metrics = [*_counted(collected), *_timed(collected)]
    return Soc(collected.episodes, collected.steps, tuple(metrics))


def _counted(collected: Collector) -> Iterator[MetricEstimate]:
    """Counts per episode, and ratios of counts."""
    for each in COUNTED:
        sums = collected.sums(each.key)
        for i, scope in enumerate((TEAM, *each.parts.names)):
            estimated = estimate(each.statistic, sums[:, i])
            few = not each.statistic.counted and estimated.n < MIN_EVENTS
            yield _metric(each, scope, estimated, "few" if few else None)


def _timed(collected: Collector) -> Iterator[MetricEstimate]:
    """Times, with those that were not seen to end as censored."""
    incidents = collected.incidents

    @functools.cache
    def of_scope(times: Times, scope: str) -> dict[OfDurations, Estimate]:
        """All statistics of the same times, which are resampled once."""
        cases = waits(incidents, *times)
        if scope != TEAM:
            cases = cases.where(DEFENDED.of(cases) == DEFENDED.names.index(scope))
        statistics = [each.statistic for each in TIMED if each.times == times]
        lengths = statistics[0].lengths(cases, collected.episodes, collected.steps)
        return dict(zip(statistics, estimates(statistics, lengths), strict=True))

    for each in TIMED:
        for scope in (TEAM, *DEFENDED.names) if each.by_zone else (TEAM,):
            if "alert" in (each.begin, each.end) and not collected.observed:
                yield _metric(each, scope, _NOTHING, "blind")
                continue
            estimated, reason = of_scope(each.times, scope)[each.statistic], None
            if estimated.n < MIN_EVENTS:
                reason = "few"
            elif np.isinf(estimated.value):
                reason = "median" if isinstance(each.statistic, Quantile) else "mean"
            yield _metric(each, scope, estimated, reason)


_NOTHING: Final = Estimate(np.nan, np.nan, np.nan, 0, 0, np.nan, None)


def _metric(
    definition: Definition, scope: str, estimated: Estimate, reason: str | None
) -> MetricEstimate:
    """A result; without value where there is a reason, a key of `EXPLAINED`."""
    n = round(estimated.n)
    if reason == "few" and not n:
        reason = "none"
    interval = estimated.interval if reason is None else Interval(None, None, None)
    return MetricEstimate(
        key=definition.key,
        name=definition.name,
        unit=definition.unit,
        formula=definition.formula,
        scope=scope,
        **vars(interval),
        n=n,
        episodes=estimated.episodes,
        better=definition.better,
        published=definition.published if scope == TEAM else (),
        reason=EXPLAINED[reason].format(n=n) if reason else None,
    )
