"""Metrics of a security operations centre: how well, how fast and at what price blue defends.

What each one means, and what others report, is one table of definitions here, which the
documentation and the pages print. Values come with intervals over episodes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.metrics.definitions import (
    COUNTED,
    SHARE,
    TIMED,
    Better,
    Definition,
    Moment,
    Onset,
    Published,
    Statistic,
)
from cagexplain.analysis.metrics.tallies import DEFENDED, SocTallies, Tally
from cagexplain.cc4 import network
from cagexplain.common.results import Result
from cagexplain.facts.batch import run
from cagexplain.facts.stays import NEVER, Stays
from cagexplain.stats.durations import HORIZON, Survival, estimate, tally
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.shares import ratios, shares
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
class Metric(Result):
    """A value of one metric.

    Attributes:
        key, name, unit, formula: from its definition.
        scope: ``"team"``, or the subnet or agent that it is about.
        value: None if the data do not carry one; then `reason` says why.
        low, high: confidence limits at 95 %; None with fewer than two episodes, or where they are
            not reached.
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
    metrics: tuple[Metric, ...]

    def metric(self, key: str, scope: str = TEAM) -> Metric:
        """One metric; ``KeyError`` if there is no such one."""
        for metric in self.metrics:
            if (metric.key, metric.scope) == (key, scope):
                return metric
        raise KeyError((key, scope))


def soc(trace: Trace) -> Soc:
    """Measure a trace; see `of_tallies` for one that passes by together with other analyses.

    Raises:
        CagexplainError: a file of the trace is damaged.
    """
    tallies = SocTallies()
    run(trace, [tallies])
    return of_tallies(tallies)


def of_tallies(collected: SocTallies) -> Soc:
    """Estimate all metrics from what was counted."""
    tallies = collected.tallies
    episodes = len(tallies["stays"].counts)
    metrics = [*_counted(tallies, episodes), *_timed(collected, episodes)]
    return Soc(episodes, collected.steps, tuple(metrics))


@dataclass(frozen=True)
class _Value:
    """What a metric adds to its definition."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    episodes: int
    reason: str | None = None


def _metric(definition: Definition, scope: str, found: _Value) -> Metric:
    known = {
        name: getattr(definition, name)
        for name in ("key", "name", "unit", "formula", "better", "published")
    }
    if scope != TEAM:
        known["published"] = ()
    return Metric(**known, **vars(found), scope=scope)


def _counted(tallies: Mapping[str, Tally], episodes: int) -> Iterator[Metric]:
    """Counts per episode, and ratios of counts."""
    for definition in COUNTED:
        above = tallies[definition.numerator]
        scopes = [TEAM, *above.parts]
        numerator = np.column_stack([above.team, above.counts])
        if definition.denominator is None:
            denominator = np.ones_like(numerator)
        else:
            below = tallies[definition.denominator]
            denominator = np.column_stack([below.team, below.counts])
        values = (_share if definition.unit == SHARE else _mean)(numerator, denominator)
        for scope, value in zip(scopes, values, strict=True):
            enough = definition.denominator is None or value.n >= MIN_EVENTS
            yield _metric(definition, scope, value if enough else _few(value.n, value.episodes))


def _few(n: int, episodes: int) -> _Value:
    reason = EXPLAINED["few"].format(n=n) if n else EXPLAINED["none"]
    return _Value(None, None, None, n, episodes, reason)


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> list[_Value]:
    """Shares of ``[episode, scope]`` counts."""
    # The limits of two categories hold together; each alone then holds at half the error.
    found = shares(np.stack([part, whole - part], axis=2), confidence=2 * CONFIDENCE - 1)
    return [
        _Value(_known(share), _known(low), _known(high), n, episodes)
        for share, low, high, n, episodes in zip(
            found.share[:, 0],
            found.low[:, 0],
            found.high[:, 0],
            found.total.tolist(),
            found.episodes.tolist(),
            strict=True,
        )
    ]


def _mean(total: npt.NDArray[np.int64], of: npt.NDArray[np.int64]) -> list[_Value]:
    """Pooled means of ``[episode, scope]`` counts."""
    values = []
    for scope, ratio in enumerate(ratios(total, of)):
        high = ratio.high
        if ratio.value == 0 and high is not None:
            # What was never seen may still happen: exact limit of a Poisson rate (Garwood 1936).
            high = -math.log((1 - CONFIDENCE) / 2) / float(of[:, scope].sum())
        values.append(_Value(ratio.value, ratio.low, high, int(ratio.total), ratio.episodes))
    return values


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _timed(collected: SocTallies, episodes: int) -> Iterator[Metric]:
    """Times, with those that were not seen to end as censored."""
    blind = _Value(None, None, None, 0, 0, EXPLAINED["blind"])
    stays = collected.stays

    @functools.cache
    def curve(begin: Moment, end: Moment, onset: Onset, scope: str) -> Survival:
        found = durations(stays, begin, end, onset, scope)
        return estimate(*tally(*found, n_clusters=episodes, longest=collected.steps))

    for definition in TIMED:
        for scope in (TEAM, *_DEFENDED) if definition.by_zone else (TEAM,):
            if "alert" in (definition.begin, definition.end) and not collected.observed:
                yield _metric(definition, scope, blind)
                continue
            found = curve(definition.begin, definition.end, definition.onset, scope)
            yield _metric(definition, scope, _time(found, definition.statistic))


def durations(
    stays: Stays, begin: Moment, end: Moment, onset: Onset, scope: str = TEAM
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
    """Steps between two moments of the incidents that have the first one.

    Returns:
        Length, whether the second moment was seen (otherwise the time is censored where the
        incident was last looked at), and episode: ``[incident]`` each.
    """
    since, until = getattr(stays, begin), getattr(stays, end)
    seen, known = until != NEVER, (since != NEVER) & _OF_ONSET[onset](stays)
    if scope != TEAM:
        known &= network.HOST_ZONE[stays.host] == network.ZONES.index(scope)
    # Whether red has left is known one step longer than what blue saw and did meanwhile.
    last = stays.end if end == "clear" else stays.end - 1
    length = np.where(seen, until, last) - since
    return length[known], seen[known], stays.episode[known]


_DEFENDED: Final = tuple(network.ZONES[zone] for zone in DEFENDED)
_OF_ONSET: Final[Mapping[Onset, Callable[[Stays], npt.NDArray[np.bool_]]]] = {
    "all": lambda stays: np.ones(len(stays), dtype=np.bool_),
    "visible": lambda stays: stays.visible,
    "silent": lambda stays: ~stays.visible,
}


def _time(curve: Survival, statistic: Statistic) -> _Value:
    if not curve.enough:
        return _few(curve.n, curve.episodes)
    limits = curve.median if statistic == "median" else curve.restricted_mean
    reason = EXPLAINED[statistic] if limits.value is None else None
    return _Value(limits.value, limits.low, limits.high, curve.n, curve.episodes, reason)
