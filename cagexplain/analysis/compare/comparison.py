"""Policies, or conditions of one policy, side by side: where they differ, and whether that can be
chance.

How the choices of two samples differ is told by the total variation distance of their shares; the
permutation test is over whole episodes (`cagexplain.stats.permutation`). Whoever looks for the
largest difference looks at all of them, so p-values are adjusted: for all groups of all views, and
for all metrics (Westfall and Young 1993: unlike the method of Holm it uses how they depend on each
other, and the number of permutations does not limit how many can be looked at), and for all pairs
(Bonferroni).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from cagexplain.analysis.compare.differences import (
    GroupDifference,
    MetricDifference,
    ViewDifference,
    metric_differences,
    view_differences,
)
from cagexplain.analysis.compare.samples import Sample, sample, samples_by
from cagexplain.analysis.fsm.analyse import RunFacts
from cagexplain.analysis.metrics.estimate import Soc
from cagexplain.cc4 import actions
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.results import Result
from cagexplain.stats.distribution import Distribution, distributions
from cagexplain.tracing.trace import Trace

T = TypeVar("T", GroupDifference, MetricDifference)

TOP: Final = 6
"""Groups that are listed as those in which most decisions differ."""
_OF_VIEW: Final = 2
"""Most groups of a view among them: the others mostly tell the same difference again."""

_NO_CONDITION: Final = frozenset({"batch", "observations"})
"""Options of a recording that do not change what is played."""
_OF_POLICY: Final = frozenset({"mask_sleep"})
"""Options that are the policy's own: they may differ, and are told."""


@dataclass(frozen=True)
class DifferingGroup(Result):
    """Where two samples differ: a group of a view."""

    view: str
    difference: GroupDifference


@dataclass(frozen=True)
class Pair(Result):
    """Two samples side by side.

    Attributes:
        a, b: their names.
        paired: whether they were played on the same seeds, and compared seed by seed.
        metrics: returns and what else is measured of an episode.
        views: choices.
        most: the groups of all views in which most decisions differ: significant ones first, then
            by the lower limit of the distance times the decisions that it is of.
    """

    a: str
    b: str
    paired: bool
    metrics: tuple[MetricDifference, ...]
    views: tuple[ViewDifference, ...]
    most: tuple[DifferingGroup, ...]


@dataclass(frozen=True)
class Favourite(Result):
    """The action most often chosen for the hosts of a state.

    Attributes:
        state: of the target.
        action: action type; None without decisions in at least two episodes.
        share, low, high: of the decisions, with limits that hold for all action types at once.
        clear: whether its limits lie above those of all others.
        tied: the others whose limits overlap its.
        total, episodes: decisions on hosts of the state, and episodes that have any.
    """

    state: str
    action: str | None
    share: float | None
    low: float | None
    high: float | None
    clear: bool
    tied: tuple[str, ...]
    total: int
    episodes: int


@dataclass(frozen=True)
class SampleResult(Result):
    """What was compared.

    Attributes:
        name: of the sample.
        facts: of its trace.
        episodes: how many.
        views: distributions of the choices, by view; those by part are left out.
        favourites: per state, as in Figure 8 of the study.
        soc: all SOC metrics, parts of the network included; None of a part of a trace.
    """

    name: str
    facts: RunFacts
    episodes: int
    views: dict[str, tuple[Distribution, ...]]
    favourites: tuple[Favourite, ...]
    soc: Soc | None


@dataclass(frozen=True)
class Condition(Result):
    """An option in which the traces differ: its name and its value in each."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Comparison(Result):
    """Samples side by side.

    Attributes:
        samples: in the order given.
        condition: "phase" or "agent" if they are parts of one trace.
        conditions: options of recording in which they differ beside the policy: then differences
            need not be the policy's.
        pairs: every sample with every later one.
        left_out: what could not be compared, and why.
    """

    samples: tuple[SampleResult, ...]
    condition: str | None
    conditions: tuple[Condition, ...]
    pairs: tuple[Pair, ...]
    left_out: tuple[str, ...]


def compare_traces(traces: Sequence[Trace], *, allow_different: bool = False) -> Comparison:
    """Compare policies by their traces.

    Args:
        traces: two or more.
        allow_different: accept other attackers, lengths or other conditions of the episodes.

    Raises:
        UsageError: there is only one trace.
        CagexplainError: the conditions of the episodes differ, or a trace is damaged.
    """
    if len(traces) < 2:
        raise UsageError(
            "one trace cannot be compared with itself",
            remedy="Name a second one, or divide it with --by phase or --by agent",
        )
    conditions = _different(traces)
    for condition in conditions:
        if not allow_different and condition.name not in _OF_POLICY:
            values = " and ".join(dict.fromkeys(condition.values))
            raise CagexplainError(
                f"the traces were recorded under different conditions: {values}",
                where=traces[-1].path / "manifest.json",
                field=f"options.{condition.name}",
                remedy="Compare traces of the same conditions, or accept the difference with "
                "--allow-different-conditions",
            )
    names = _names(traces)
    samples = [sample(trace, name) for trace, name in zip(traces, names, strict=True)]
    return compare_samples(samples, conditions=conditions)


def compare_parts(trace: Trace, condition: str) -> Comparison:
    """Compare the mission phases ("phase") or the blue agents ("agent") of one trace."""
    return compare_samples(samples_by(trace, condition), condition=condition)


def compare_samples(
    samples: Sequence[Sample],
    *,
    condition: str | None = None,
    conditions: tuple[Condition, ...] = (),
) -> Comparison:
    """Compare every sample with every later one, in the views and metrics that all have."""
    views = [v for v in samples[0].tables if all(v in s.tables for s in samples)]
    metrics = [m for m in samples[0].metrics if all(m in s.metrics for s in samples)]
    times = [t for t in samples[0].times if all(t in s.times for s in samples)]
    every = {name: None for s in samples for name in _contents(s)}
    pairs = [_pair(a, b, views, metrics, times) for a, b in itertools.combinations(samples, 2)]
    return Comparison(
        samples=tuple(map(_result, samples)),
        condition=condition,
        conditions=conditions,
        pairs=tuple(_ranked(_for_pairs(pair, len(pairs))) for pair in pairs),
        left_out=tuple(
            f"{name}: not recorded in {', '.join(_lacking(samples, name))}"
            for name in every
            if name not in {*views, *metrics, *times}
        ),
    )


def _contents(s: Sample) -> tuple[str, ...]:
    return (*s.tables, *s.metrics, *s.times)


def _lacking(samples: Sequence[Sample], name: str) -> list[str]:
    return [s.name for s in samples if name not in _contents(s)]


def _different(traces: Sequence[Trace]) -> tuple[Condition, ...]:
    options = [
        {**trace.manifest.options, "engine": trace.manifest.engine.get("name")} for trace in traces
    ]
    keys = [key for key in dict.fromkeys(itertools.chain(*options)) if key not in _NO_CONDITION]
    conditions = (Condition(key, tuple(str(each.get(key)) for each in options)) for key in keys)
    return tuple(condition for condition in conditions if len(set(condition.values)) > 1)


def _names(traces: Sequence[Trace]) -> list[str]:
    """Names of the policies; where two are the same, with the folders of their traces."""
    names = [str(trace.manifest.policy.get("name", "unnamed")) for trace in traces]
    folders = [trace.path.resolve().name for trace in traces]
    with_folders = [
        name if names.count(name) == 1 else f"{name} ({folder})"
        for name, folder in zip(names, folders, strict=True)
    ]
    return [
        name if with_folders.count(name) == 1 else f"{name} #{place + 1}"
        for place, name in enumerate(with_folders)
    ]


def _result(s: Sample) -> SampleResult:
    views = {
        view: distributions(t.counts, t.groups, [actions.KIND_NAMES[kind] for kind in t.kinds])
        for view, t in s.tables.items()
        if " by " not in view
    }
    return SampleResult(
        s.name, s.facts, len(s.seeds), views, tuple(map(favourite, views["targeted"])), s.soc
    )


def favourite(choices: Distribution) -> Favourite:
    """The action most often chosen in a group, and what it cannot be told from."""
    top = choices.top
    n = {"total": choices.total, "episodes": choices.episodes}
    if top is None or top.low is None:
        return Favourite(choices.group, None, None, None, None, False, (), **n)
    low = top.low
    tied = tuple(s.name for s in choices.shares if s is not top and (s.high or 0) >= low)
    return Favourite(choices.group, top.name, top.share, low, top.high, not tied, tied, **n)


def _pair(
    a: Sample, b: Sample, views: Sequence[str], metrics: Sequence[str], times: Sequence[str]
) -> Pair:
    paired = sorted(a.seeds) == sorted(b.seeds)
    return Pair(
        a=a.name,
        b=b.name,
        paired=paired,
        metrics=tuple(metric_differences(a, b, metrics, times, paired)),
        views=tuple(view_differences(a, b, views, paired)),
        most=(),
    )


def _for_pairs(pair: Pair, n: int) -> Pair:
    """The pair with p-values adjusted for how many pairs there are."""

    def adjusted(difference: T) -> T:
        if difference.p_adjusted is None:
            return difference
        return replace(difference, p_adjusted=min(1.0, n * difference.p_adjusted))

    return replace(
        pair,
        metrics=tuple(map(adjusted, pair.metrics)),
        views=tuple(replace(view, groups=tuple(map(adjusted, view.groups))) for view in pair.views),
    )


def _ranked(pair: Pair) -> Pair:
    places = [
        DifferingGroup(view.view, group)
        for view in pair.views
        for group in view.groups
        if group.distance is not None
    ]
    places.sort(key=lambda place: (not place.difference.significant, -_matters(place.difference)))
    most: list[DifferingGroup] = []
    for place in places:
        if sum(other.view == place.view for other in most) < _OF_VIEW:
            most.append(place)
    return replace(pair, most=tuple(most[:TOP]))


def _matters(difference: GroupDifference) -> float:
    """How many decisions surely differ."""
    return (difference.low or 0.0) * (difference.total_a + difference.total_b)
