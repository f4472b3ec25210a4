"""The attacker's state machine and what blue does in each of its states: everything that the FSM
report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cagexplain.analysis.episodes.spread import Spread, spread
from cagexplain.analysis.episodes.timeline import (
    Timeline,
    episode_choice,
    require_episodes,
    timelines,
)
from cagexplain.analysis.fsm.circumstances import CircumstanceCounter, Circumstances, circumstances
from cagexplain.analysis.fsm.counts import DROPPED, ENDINGS, FAILURE, SUCCESS, Counter, Counts, pool
from cagexplain.analysis.fsm.distributions import (
    ActionMix,
    action_mix,
    action_mix_by_agent,
    action_mix_by_phase,
    effort,
    target_truth,
)
from cagexplain.analysis.fsm.dwell import DwellCounter, Dwelling
from cagexplain.analysis.fsm.graph import Evictions, FsmGraph, evictions, fsm_graph
from cagexplain.analysis.metrics.collect import Collector as MetricsCollector
from cagexplain.analysis.metrics.estimate import Soc, of_collected
from cagexplain.analysis.reactions import counts as reaction_counts
from cagexplain.analysis.reactions import study_tables
from cagexplain.analysis.reactions.find import summarise
from cagexplain.analysis.reactions.results import Reactions
from cagexplain.analysis.reactions.study_tables import StudyTables
from cagexplain.cc4 import conditions, phases, red_fsm, reward
from cagexplain.cc4.reds import RedTable, as_table, red_name
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.results import Result
from cagexplain.facts.batch import run
from cagexplain.facts.places import LEVEL_NAMES, PLACES
from cagexplain.policies.evaluation import MeanReturn as MeanReturn
from cagexplain.policies.evaluation import estimate, estimate_parts
from cagexplain.policies.rollout import SEEDS
from cagexplain.stats.distribution import Distribution, distributions
from cagexplain.tracing.schema import SCHEMA_VERSION
from cagexplain.tracing.trace import Trace

EXPECTED_LEVEL: Final = {
    **dict.fromkeys(("unknown", "K", "KD", "S", "SD"), 0),
    **dict.fromkeys(("U", "UD"), 1),
    **dict.fromkeys(("R", "RD"), 2),
}
"""True compromise that red's state stands for; F stands for none, as the session went elsewhere."""


@dataclass(frozen=True)
class RunFacts(Result):
    """What was recorded, from the trace's manifest.

    Attributes:
        trace: name of its folder.
        policy: what the policy says about itself.
        engine: name and version of the simulator.
        options: how it was played.
        seeds: of the recorded episodes.
        planned: episodes planned.
        packages: versions of what recorded it.
        created: UTC, ISO 8601.
        schema_version: of the trace.
    """

    trace: str
    policy: dict[str, Any]
    engine: dict[str, str]
    options: dict[str, Any]
    seeds: tuple[int, ...]
    planned: int
    packages: dict[str, str]
    created: str
    schema_version: int

    @property
    def name(self) -> str:
        """Name of the policy."""
        return str(self.policy.get("name", "unnamed"))

    @property
    def red(self) -> str:
        """Name of red's table."""
        return red_name(self.options.get("red", "unnamed"))

    @property
    def condition(self) -> str:
        """Name of the condition, see ``cagexplain.cc4.conditions``."""
        return str(self.options.get("condition", conditions.STANDARD))

    @property
    def protocol(self) -> str:
        """Which worlds were played, see ``cagexplain.policies.rollout.PROTOCOLS``."""
        return str(self.options.get("protocol", SEEDS))

    @property
    def sleep_masked(self) -> bool:
        """Whether free agents were not allowed to Sleep."""
        return bool(self.options.get("mask_sleep", False))


@dataclass(frozen=True)
class Returns(Result):
    """Official return per episode: mean over episodes and its parts, which add up to it.

    Attributes:
        total: sum of the counted rewards.
        by_phase: by name of the mission phase.
        by_cause: by cause as in ``reward.CAUSE_NAMES``.
    """

    total: MeanReturn
    by_phase: dict[str, MeanReturn]
    by_cause: dict[str, MeanReturn]


@dataclass(frozen=True)
class Belief(Result):
    """What red's FSM says about hosts against what is true.

    Attributes:
        levels: hosts' time in the state by true compromise, in host-steps.
        wrong: share of that time in which the truth is not what the state stands for; its limits
            are those of `levels`. None for F, which stands for nothing, and without any time.
    """

    levels: Distribution
    wrong: float | None


@dataclass(frozen=True)
class RedActionSummary(Result):
    """A red action over all states and agents.

    Attributes:
        number, name, duration: in red's FSM; steps.
        started: how often red chose it.
        results: of those that came due: success, failure, dropped.
        detected: how many of those left an event on a host that blue watches.
    """

    number: int
    name: str
    duration: int
    started: int
    results: Distribution
    detected: int


@dataclass(frozen=True)
class RedChoice(Result):
    """What red chose to do with the hosts of a state.

    DiscoverRemoteSystems is left out: it goes to a subnet, whatever host made red choose it.

    Attributes:
        chosen: actions started on hosts of the state.
        nominal: CC4's probabilities of the same actions, given that one of them is chosen.
    """

    chosen: Distribution
    nominal: tuple[float, ...]


@dataclass(frozen=True)
class FsmAnalysis(Result):
    """Everything about blue's actions and the states of the attacker in one trace.

    Attributes:
        facts: what was recorded.
        returns: of the episodes.
        graph: the state machine over all hosts.
        graph_by_place: of the hosts in each blue agent's zones, and elsewhere.
        graph_by_phase: in each mission phase.
        dwelling: how long hosts stay in a state.
        evictions: what makes red lose its sessions, over all hosts.
        evictions_by_place, evictions_by_phase: the same in parts.
        mix: action distributions of the team.
        mix_by_agent, mix_by_phase: in parts.
        circumstances: action distributions by kind of host and by alerts.
        effort: all decisions by action type.
        target_truth: what is true of the hosts that actions target.
        beliefs: what red's states say against what is true.
        red_actions: over all states.
        red_choices: per state, beside CC4's probabilities.
        reactions: what blue does after red's actions and after alerts.
        study_tables: the study's own three tables of reactions.
        soc: how well, how fast and at what price blue defends.
        timelines: of single episodes.
        spread: of the returns over the episodes, and what the worst of them have in common.
    """

    facts: RunFacts
    returns: Returns
    graph: FsmGraph
    graph_by_place: dict[str, FsmGraph]
    graph_by_phase: dict[str, FsmGraph]
    dwelling: Dwelling
    evictions: Evictions
    evictions_by_place: dict[str, Evictions]
    evictions_by_phase: dict[str, Evictions]
    mix: ActionMix
    mix_by_agent: dict[str, ActionMix]
    mix_by_phase: dict[str, ActionMix]
    circumstances: Circumstances
    effort: Distribution
    target_truth: tuple[Distribution, ...]
    beliefs: tuple[Belief, ...]
    red_actions: tuple[RedActionSummary, ...]
    red_choices: tuple[RedChoice, ...]
    reactions: Reactions
    study_tables: StudyTables
    soc: Soc
    timelines: tuple[Timeline, ...]
    spread: Spread


def analyse(trace: Trace, episodes: Sequence[int] = ()) -> FsmAnalysis:
    """Analyse a trace, in one pass over it, then read the episodes to show.

    Args:
        trace: the trace.
        episodes: numbers of those to show as timelines; by default the worst, the median and the
            best.

    Raises:
        CagexplainError: a file of the trace or red's table is damaged or unknown, or there is no
            such episode.
    """
    require_episodes(episodes, trace.n_episodes)  # before the long work
    facts = trace_facts(trace)
    table = red_table(trace)
    counter, circumstance, spells = Counter(), CircumstanceCounter(), DwellCounter()
    responses, tables, tallies = (
        reaction_counts.Collector(),
        study_tables.Collector(),
        MetricsCollector(),
    )
    run(trace, [counter, circumstance, spells, responses, tables, tallies])
    counts, dwelling = counter.result(), spells.result()
    places, in_phases = dict(enumerate(PLACES)), dict(enumerate(phases.PHASE_NAMES))

    def graph(place: int | None = None, phase: int | None = None) -> FsmGraph:
        return fsm_graph(counts, table, place, phase, dwelling.of(place, phase))

    return FsmAnalysis(
        facts=facts,
        returns=_returns(counts),
        graph=graph(),
        graph_by_place={name: graph(place=i) for i, name in places.items()},
        graph_by_phase={name: graph(phase=i) for i, name in in_phases.items()},
        dwelling=dwelling,
        evictions=evictions(counts),
        evictions_by_place={name: evictions(counts, i) for i, name in places.items()},
        evictions_by_phase={name: evictions(counts, phase=i) for i, name in in_phases.items()},
        mix=action_mix(counts),
        mix_by_agent=action_mix_by_agent(counts),
        mix_by_phase=action_mix_by_phase(counts),
        circumstances=circumstances(circumstance.result()),
        effort=effort(counts),
        target_truth=target_truth(counts),
        beliefs=_beliefs(counts),
        red_actions=_red_actions(counts),
        red_choices=_red_choices(counts, table),
        reactions=summarise(responses.counts, observed=responses.observed),
        study_tables=tables.result(),
        soc=of_collected(tallies),
        timelines=timelines(trace, episode_choice(counts.returns, episodes)),
        spread=spread(counts, tallies.sums("clean_hosts")),
    )


def red_table(trace: Trace) -> RedTable:
    """How red chose in a trace.

    Raises:
        CagexplainError: there is no such red, or its table is damaged.
    """
    try:
        return as_table(trace.manifest.options.get("red", "unnamed"))
    except UsageError as error:  # nobody has used anything wrongly here
        field = "options.red" if error.field in (None, "red") else f"options.red.{error.field}"
        raise CagexplainError(
            error.problem, where=trace.path / "manifest.json", field=field, remedy=error.remedy
        ) from error


def trace_facts(trace: Trace) -> RunFacts:
    """What was recorded, from the manifest."""
    manifest = trace.manifest
    recorded = [
        seed
        for part in manifest.parts
        for seed in manifest.seeds[part.first_episode : part.first_episode + part.episodes]
    ]
    return RunFacts(
        trace=trace.path.resolve().name,
        policy=manifest.policy,
        engine=manifest.engine,
        options=manifest.options,
        seeds=tuple(recorded),
        planned=len(manifest.seeds),
        packages=manifest.packages,
        created=manifest.created,
        schema_version=SCHEMA_VERSION,
    )


def _returns(counts: Counts) -> Returns:
    (total,) = estimate(counts.returns[:, None])
    parts = estimate_parts(np.hstack([counts.returns_by_phase, counts.returns_by_cause]))
    return Returns(
        total,
        dict(zip(phases.PHASE_NAMES, parts[: phases.N_PHASES], strict=True)),
        dict(zip(reward.CAUSE_NAMES, parts[phases.N_PHASES :], strict=True)),
    )


def _beliefs(counts: Counts) -> tuple[Belief, ...]:
    by_state = distributions(pool(counts.host_steps), red_fsm.STATE_NAMES, LEVEL_NAMES)
    return tuple(Belief(levels, _wrong(levels)) for levels in by_state)


def _wrong(levels: Distribution) -> float | None:
    expected = EXPECTED_LEVEL.get(levels.group)
    if expected is None or levels.total == 0:
        return None
    return 1 - levels.shares[expected].count / levels.total


def _red_actions(counts: Counts) -> tuple[RedActionSummary, ...]:
    endings = (SUCCESS, FAILURE, DROPPED)
    results = distributions(
        counts.red_done[:, :, endings],
        red_fsm.RED_ACTION_NAMES,
        [ENDINGS[ending] for ending in endings],
    )
    started, detected = counts.red_started.sum(axis=0), counts.red_detected.sum(axis=0)
    return tuple(
        RedActionSummary(
            number=number,
            name=name,
            duration=int(red_fsm.RED_DURATION[number]),
            started=int(started[number]),
            results=results[number],
            detected=int(detected[number]),
        )
        for number, name in enumerate(red_fsm.RED_ACTION_NAMES)
    )


def _red_choices(counts: Counts, table: RedTable) -> tuple[RedChoice, ...]:
    aimed = slice(1, None)  # all but DiscoverRemoteSystems
    chosen = distributions(
        pool(counts.choices)[:, :, aimed], red_fsm.STATE_NAMES, red_fsm.RED_ACTION_NAMES[aimed]
    )
    nominal = table.probability[:, aimed]
    given = nominal / np.maximum(nominal.sum(axis=1, keepdims=True), 1e-12)
    return tuple(
        RedChoice(chosen[state], tuple(map(float, given[state])))
        for state in range(red_fsm.N_STATES)
    )
