"""The attacker's state machine and what blue does in each of its states: everything that the FSM
report shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cagexplain.analysis.counts import (
    DROPPED,
    ENDINGS,
    FAILURE,
    LEVEL_NAMES,
    SUCCESS,
    Counts,
    count,
)
from cagexplain.analysis.distributions import (
    ActionMix,
    Distribution,
    action_mix,
    action_mix_by_agent,
    distributions,
    effort,
    target_truth,
)
from cagexplain.analysis.fsm_graph import FsmGraph, fsm_graph
from cagexplain.analysis.results import Result
from cagexplain.cc4 import phases, red_fsm, reward
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.evaluation import Estimate as Estimate
from cagexplain.policies.evaluation import estimate
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
        """Name of red's variant."""
        return str(self.options.get("red", "unnamed"))

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

    total: Estimate
    by_phase: dict[str, Estimate]
    by_cause: dict[str, Estimate]


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
class RedAction(Result):
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
    """Everything about blue's actions and the states of the attacker in one trace."""

    facts: RunFacts
    returns: Returns
    graph: FsmGraph
    mix: ActionMix
    mix_by_agent: dict[str, ActionMix]
    effort: Distribution
    target_truth: tuple[Distribution, ...]
    beliefs: tuple[Belief, ...]
    red_actions: tuple[RedAction, ...]
    red_choices: tuple[RedChoice, ...]


def analyse(trace: Trace) -> FsmAnalysis:
    """Analyse a trace, in one pass over it.

    Raises:
        CagexplainError: a file of the trace is damaged, or red's variant is unknown.
    """
    facts = _facts(trace)
    if facts.red not in red_fsm.VARIANTS:
        raise CagexplainError(
            f"there is no red variant '{facts.red}'",
            where=trace.path / "manifest.json",
            field="options.red",
            remedy=f"Record the trace with one of {', '.join(red_fsm.VARIANTS)}",
        )
    counts = count(trace)
    variant = red_fsm.VARIANTS[facts.red]
    return FsmAnalysis(
        facts=facts,
        returns=_returns(counts),
        graph=fsm_graph(counts, variant),
        mix=action_mix(counts),
        mix_by_agent=action_mix_by_agent(counts),
        effort=effort(counts),
        target_truth=target_truth(counts),
        beliefs=_beliefs(counts),
        red_actions=_red_actions(counts),
        red_choices=_red_choices(counts, variant),
    )


def _facts(trace: Trace) -> RunFacts:
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
    total, *parts = estimate(
        np.column_stack([counts.returns, counts.returns_by_phase, counts.returns_by_cause])
    )
    return Returns(
        total,
        dict(zip(phases.PHASE_NAMES, parts[: phases.N_PHASES], strict=True)),
        dict(zip(reward.CAUSE_NAMES, parts[phases.N_PHASES :], strict=True)),
    )


def _beliefs(counts: Counts) -> tuple[Belief, ...]:
    found = distributions(counts.host_steps, red_fsm.STATE_NAMES, LEVEL_NAMES)
    return tuple(Belief(levels, _wrong(levels)) for levels in found)


def _wrong(levels: Distribution) -> float | None:
    expected = EXPECTED_LEVEL.get(levels.group)
    if expected is None or levels.total == 0:
        return None
    return 1 - levels.shares[expected].count / levels.total


def _red_actions(counts: Counts) -> tuple[RedAction, ...]:
    endings = (SUCCESS, FAILURE, DROPPED)
    results = distributions(
        counts.red_done[:, :, endings],
        red_fsm.RED_ACTION_NAMES,
        [ENDINGS[ending] for ending in endings],
    )
    started, detected = counts.red_started.sum(axis=0), counts.red_detected.sum(axis=0)
    return tuple(
        RedAction(
            number=number,
            name=name,
            duration=int(red_fsm.RED_DURATION[number]),
            started=int(started[number]),
            results=results[number],
            detected=int(detected[number]),
        )
        for number, name in enumerate(red_fsm.RED_ACTION_NAMES)
    )


def _red_choices(counts: Counts, variant: red_fsm.Variant) -> tuple[RedChoice, ...]:
    aimed = slice(1, None)  # all but DiscoverRemoteSystems
    chosen = distributions(
        counts.choices[:, :, aimed], red_fsm.STATE_NAMES, red_fsm.RED_ACTION_NAMES[aimed]
    )
    nominal = variant.probability[:, aimed]
    given = nominal / np.maximum(nominal.sum(axis=1, keepdims=True), 1e-12)
    return tuple(
        RedChoice(chosen[state], tuple(map(float, given[state])))
        for state in range(red_fsm.N_STATES)
    )
