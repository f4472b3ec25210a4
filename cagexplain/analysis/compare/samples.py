"""What is compared: the episodes of a trace, or the part of them in one phase or of one agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.fsm.analyse import RunFacts, trace_facts
from cagexplain.analysis.fsm.circumstances import (
    PATTERNS,
    TARGET_KINDS,
    ZONE_PATTERNS,
    CircumstanceCounter,
    CircumstanceCounts,
)
from cagexplain.analysis.fsm.counts import SITUATIONAL, TARGETED, Counter, Counts, pool
from cagexplain.analysis.fsm.distributions import TARGETED_KINDS
from cagexplain.analysis.metrics.collect import Collector as MetricsCollector
from cagexplain.analysis.metrics.definitions import COUNTED, TIMED, Better
from cagexplain.analysis.metrics.estimate import Soc, of_collected
from cagexplain.cc4 import actions, agents, phases, red_fsm, reward
from cagexplain.facts.batch import run
from cagexplain.facts.compact import CompactArray
from cagexplain.facts.waits import waits
from cagexplain.stats.durations import tally
from cagexplain.stats.estimates import RestrictedMean
from cagexplain.tracing.trace import Trace

RETURN: Final = "return"
"""The metric that every comparison of whole episodes has."""
ALL_KINDS: Final = tuple(range(actions.N_KINDS))
CONDITIONS: Final[Mapping[str, Sequence[str]]] = {
    "phase": phases.PHASE_NAMES,
    "agent": agents.BLUE,
}
"""What a trace can be divided by."""


@dataclass(frozen=True)
class ActionTable:
    """Decisions of some groups by action type.

    Attributes:
        groups: names.
        kinds: action types that can occur.
        counts: ``int[episode, group, kind]``.
    """

    groups: tuple[str, ...]
    kinds: tuple[int, ...]
    counts: npt.NDArray[np.int32]


@dataclass(frozen=True)
class SampledMetric:
    """A quantity of an episode, or a quotient of two that are summed over episodes.

    Attributes:
        unit: of the value.
        better: whether a good defence has a higher or a lower value.
        numerator: ``float64[episode]``.
        denominator: ``float64[episode]``; ones give the mean over episodes, and a zero leaves an
            episode out.
    """

    numerator: npt.NDArray[np.float64]
    denominator: npt.NDArray[np.float64]
    unit: str
    better: Better


@dataclass(frozen=True)
class CensoredTimes:
    """Times, with those that were not seen to end as censored.

    Attributes:
        counts: ``int32[episode, 2, horizon + 1]`` as in `permutation.restricted_mean_difference`.
    """

    counts: CompactArray


@dataclass(frozen=True)
class Sample:
    """Episodes under one condition.

    Attributes:
        name: of the condition.
        facts: of the trace.
        seeds: of the episodes, in their order.
        tables: by name of the view.
        metrics: by name.
        times: by name.
        soc: the SOC metrics of a whole trace, with those that are not compared.
    """

    name: str
    facts: RunFacts
    seeds: tuple[int, ...]
    tables: Mapping[str, ActionTable]
    metrics: Mapping[str, SampledMetric] = field(default_factory=dict)
    times: Mapping[str, CensoredTimes] = field(default_factory=dict)
    soc: Soc | None = None


def return_of(part: str) -> str:
    """Name of the metric that is a part of the return: of a phase or a cause."""
    return f"{RETURN}: {part}"


def sample(trace: Trace, name: str | None = None) -> Sample:
    """A whole trace.

    Args:
        trace: the trace.
        name: of the sample; by default that of the policy.
    """
    counter, circumstance, tallies = Counter(), CircumstanceCounter(), MetricsCollector()
    run(trace, [counter, circumstance, tallies])
    counts, circumstances = counter.result(), circumstance.result()
    facts = trace_facts(trace)
    parts = {
        **_split("targeted", counts, CONDITIONS),
        **_split("situational", counts, CONDITIONS),
    }
    return Sample(
        name=name or facts.name,
        facts=facts,
        seeds=facts.seeds,
        tables={**_views(counts), **_circumstances(circumstances), **parts},
        metrics={**_returns(counts), **_soc(tallies)},
        times=_times(tallies),
        soc=of_collected(tallies),
    )


def samples_by(trace: Trace, condition: str) -> tuple[Sample, ...]:
    """The parts of a trace in each mission phase, or of each blue agent.

    Args:
        trace: the trace.
        condition: one of ``CONDITIONS``.
    """
    counter = Counter()
    run(trace, [counter])
    counts, facts = counter.result(), trace_facts(trace)
    other = {key: names for key, names in CONDITIONS.items() if key != condition}
    return tuple(
        Sample(
            name=name,
            facts=facts,
            seeds=facts.seeds,
            tables={
                **_views(counts, **{condition: code}),
                **_split("targeted", counts, other, **{condition: code}),
                **_split("situational", counts, other, **{condition: code}),
            },
            metrics={RETURN: _mean(counts.returns_by_phase[:, code])}
            if condition == "phase"
            else {},
        )
        for code, name in enumerate(CONDITIONS[condition])
    )


_VIEWS: Final = {
    "targeted": (TARGETED, TARGETED_KINDS),
    "situational": (SITUATIONAL, ALL_KINDS),
}


def _decisions(
    counts: Counts, view: str, agent: int | None = None, phase: int | None = None
) -> npt.NDArray[np.int32]:
    """``int32[e, state, kind]``."""
    code, kinds = _VIEWS[view]
    return pool(counts.decisions, agent, phase)[:, code][:, :, list(kinds)]


def _views(counts: Counts, **condition: int) -> dict[str, ActionTable]:
    every = {
        view: ActionTable(red_fsm.STATE_NAMES, kinds, _decisions(counts, view, **condition))
        for view, (_, kinds) in _VIEWS.items()
    }
    whole = every["situational"].counts.sum(axis=1, keepdims=True)
    return {"all decisions": ActionTable(("all decisions",), ALL_KINDS, whole), **every}


def _split(
    view: str, counts: Counts, by: Mapping[str, Sequence[str]], **condition: int
) -> dict[str, ActionTable]:
    """A view in parts, a group for every part and state."""
    return {
        f"{view} by {key}": ActionTable(
            tuple(f"{part}: {state}" for part in names for state in red_fsm.STATE_NAMES),
            _VIEWS[view][1],
            np.concatenate(
                [
                    _decisions(counts, view, **condition, **{key: code})
                    for code in range(len(names))
                ],
                axis=1,
            ),
        )
        for key, names in by.items()
    }


def _circumstances(counts: CircumstanceCounts) -> dict[str, ActionTable]:
    targets = np.asarray(counts.targets)[..., list(TARGETED_KINDS)]
    tables = {
        "alerts of the target": ActionTable(PATTERNS, TARGETED_KINDS, targets.sum(axis=(1, 3))),
        "kind of the target": ActionTable(TARGET_KINDS, TARGETED_KINDS, targets.sum(axis=(2, 3))),
    }
    if counts.zones is not None:
        tables["alerts in the zone"] = ActionTable(
            ZONE_PATTERNS, ALL_KINDS, np.asarray(counts.zones).sum(axis=1)
        )
    return tables


def _mean(values: npt.NDArray[Any]) -> SampledMetric:
    return SampledMetric(values.astype(np.float64), np.ones(len(values)), "per episode", "higher")


def _soc(collected: MetricsCollector) -> dict[str, SampledMetric]:
    """The team's counted metrics."""
    return {
        d.name: SampledMetric(sums[:, 0, 0].copy(), sums[:, 0, 1].copy(), d.unit, d.better)
        for d in COUNTED
        for sums in [collected.sums(d.key)]
    }


def _times(collected: MetricsCollector) -> dict[str, CensoredTimes]:
    """The team's timed metrics; without observations those that need none."""
    times_of = {}
    incidents = collected.incidents
    for d in TIMED:
        blind = "alert" in (d.begin, d.end) and not collected.observed
        if blind or not isinstance(d.statistic, RestrictedMean):
            continue
        times, horizon = waits(incidents, *d.times), d.statistic.horizon
        counts = tally(
            np.minimum(times.duration, horizon),
            times.hit & (times.duration < horizon),
            times.row,
            n_clusters=collected.episodes,
            longest=horizon,
        )
        times_of[d.name] = CensoredTimes(CompactArray.of(np.stack(counts, axis=1)))
    return times_of


def _returns(counts: Counts) -> dict[str, SampledMetric]:
    parts: Iterable[tuple[str, npt.NDArray[np.float64]]] = (
        (RETURN, counts.returns),
        *zip(
            (return_of(name) for name in phases.PHASE_NAMES),
            counts.returns_by_phase.T,
            strict=True,
        ),
        *zip(
            (return_of(name) for name in reward.CAUSE_NAMES),
            counts.returns_by_cause.T,
            strict=True,
        ),
    )
    return {name: _mean(values) for name, values in parts}
