"""Single decisions of a trace: why the policy made them, and what other choices would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cagexplain.analysis.decisions import counterfactuals
from cagexplain.analysis.decisions.alternatives import Preferences, alternatives, preferences
from cagexplain.analysis.decisions.attributions import Attribution, attribute
from cagexplain.analysis.decisions.counterfactuals import HORIZON, ROLLOUTS, ActionFuture, Question
from cagexplain.analysis.decisions.flips import Flips, flips
from cagexplain.analysis.decisions.replay import DecisionPlace, Moment, Record, moments
from cagexplain.cc4 import actions, observations, phases
from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import UsageError
from cagexplain.common.results import Result
from cagexplain.policies.base import Policy, looks
from cagexplain.policies.learned import features
from cagexplain.stats.means import CONFIDENCE
from cagexplain.tracing.trace import Trace


@dataclass(frozen=True)
class Option(Result):
    """An action that the agent could have taken.

    Attributes:
        action: index in the agent's official layout.
        name: such as "Restore user_host_3 (RZA)".
        kind: its type, such as "Restore".
        chosen: whether it is what the agent did.
        probability: of this exact action under the policy; None if the policy has none.
        value: that the policy's network gives the action; None if it gives none.
        kind_probability: of all valid actions of this kind together; None likewise.
        kind_options: valid actions of this kind.
        outcome: what the roll-outs say of it; None if there were none.
    """

    action: int
    name: str
    kind: str
    chosen: bool
    probability: float | None
    value: float | None
    kind_probability: float | None
    kind_options: int
    outcome: ActionFuture | None


@dataclass(frozen=True)
class Explanation(Result):
    """One decision explained.

    Attributes:
        episode, seed, step, phase: of the trace (the phase is 0 to 2).
        agent: such as "blue_agent_0".
        action: name of what the agent did.
        target_state: FSM state of the target host then; None without target.
        target_level: its true compromise: 0 none, 1 user, 2 root; -1 without target.
        zone_state: most advanced FSM state of the agent's hosts.
        alerts: what the observation showed, such as "process alert on user_host_3 (RZA)".
        entropy: of the policy in nats; None if it has no probabilities.
        likeliest: whether it is what the policy prefers most; False for a drawn, less likely one.
        importance: by how much another action surely changed the return in the screening; None if
            it was not screened.
        options: alternatives, one of each valid kind at least, best mean return first (most
            preferred first without roll-outs).
        attribution: what in the observation drove the choice; None without a network.
        path: the policy's own reasons, if its rules can be read (conditions of a tree's path).
        flips: smallest change of the observation that changes the choice; None if not searched.
        notes: what is missing here, and why.
        about: what it is a case of, such as the id of a finding; empty if of nothing asked for.
    """

    episode: int
    seed: int
    step: int
    phase: int
    agent: str
    action: str
    target_state: str | None
    target_level: int
    zone_state: str
    alerts: tuple[str, ...]
    entropy: float | None
    likeliest: bool | None
    importance: float | None
    options: tuple[Option, ...]
    attribution: Attribution | None
    path: tuple[str, ...]
    flips: Flips | None
    notes: tuple[str, ...]
    about: str = ""


@dataclass(frozen=True)
class DecisionReport(Result):
    """Chosen decisions of a trace, explained.

    Attributes:
        trace: its folder.
        policy: name of the policy.
        selection: how the decisions were chosen, as a sentence.
        rollouts: futures per alternative.
        horizon: steps that each future is played for, at most.
        confidence: level of the intervals.
        decisions: in the order of importance, or as asked for.
    """

    trace: str
    policy: str
    selection: str
    rollouts: int
    horizon: int
    confidence: float
    decisions: tuple[Explanation, ...]


def explain(
    trace: Trace,
    policy: Policy,
    places: Sequence[DecisionPlace],
    *,
    rollouts: int = ROLLOUTS,
    horizon: int = HORIZON,
    every_action: bool = False,
    workers: int = 1,
    selection: str = "as asked for",
    importance: Mapping[DecisionPlace, float] | None = None,
    about: Mapping[DecisionPlace, str] | None = None,
    advance: Callable[[int], None] = lambda steps: None,
) -> DecisionReport:
    """Explain decisions of a trace.

    Args:
        trace: of our engine.
        policy: that it was recorded with (`cagexplain.analysis.decisions.replay.policy_of`).
        places: of the decisions.
        rollouts: futures per alternative; 0 for none.
        horizon: steps that each is played for, at most.
        every_action: play all valid actions, not the best of each kind.
        workers: threads of the roll-outs.
        selection: how the places were chosen, for the report.
        importance: of each place in the screening.
        about: what places are cases of.
        advance: is told environment steps as they are played (from any thread).

    Raises:
        UsageError: there is no such decision.
        CagexplainError: the trace cannot be replayed.
    """
    record = Record(trace, {place.episode for place in places})
    for place in places:
        check(record, place)
    saved = moments(record, policy, places)
    preferred = [preferences(moment) for moment in saved]
    questions = [
        Question(moment, alternatives(moment, weighed, every_action=every_action))
        for moment, weighed in zip(saved, preferred, strict=True)
    ]
    outcomes: list[dict[int, ActionFuture]] = [{} for _ in questions]
    if rollouts:
        played = counterfactuals.returns(
            questions,
            record.params,
            rollouts=rollouts,
            horizon=horizon,
            workers=workers,
            advance=advance,
        )
        outcomes = [
            counterfactuals.outcomes(question, sums, record.params, horizon)
            for question, sums in zip(questions, played, strict=True)
        ]
    explained = zip(questions, preferred, outcomes, strict=True)
    return DecisionReport(
        trace=str(trace.path),
        policy=policy.name,
        selection=selection,
        rollouts=rollouts,
        horizon=horizon,
        confidence=CONFIDENCE,
        decisions=tuple(
            replace(
                _explanation(record, *parts, (importance or {}).get(parts[0].moment.place)),
                about=(about or {}).get(parts[0].moment.place, ""),
            )
            for parts in explained
        ),
    )


def check(record: Record, place: DecisionPlace) -> None:
    """Refuse a place at which the agent decides nothing, and name the nearest decisions."""
    if not 0 <= place.step < record.steps:
        raise UsageError(
            f"there is no step {place.step}",
            where=record.trace.path,
            remedy=f"The episodes have steps 0 to {record.steps - 1}",
        )
    decided = np.flatnonzero(record.started[record.index(place.episode), :, place.agent])
    if place.step in decided:
        return
    row = record.row(place)
    earlier, later = decided[decided < place.step], decided[decided > place.step]
    nearest = " and ".join(str(int(step)) for step in [*earlier[-1:], *later[:1]])
    raise UsageError(
        f"{BLUE[place.agent]} decides nothing in step {place.step} of episode {place.episode}: it "
        f"is busy with {row['executing']} from step {earlier[-1]} until step "
        f"{place.step + int(row['ticks_left'])}",
        where=record.trace.path,
        remedy=f"Its nearest decisions are in steps {nearest}",
    )


def _explanation(
    record: Record,
    question: Question,
    weighed: Preferences,
    outcomes: Mapping[int, ActionFuture],
    importance: float | None,
) -> Explanation:
    moment, place = question.moment, question.moment.place
    row = record.row(place)
    options = [
        _option(moment, weighed, action, outcomes.get(action)) for action in question.actions
    ]
    attribution = attribute(moment)
    notes = []
    if attribution is None:
        notes.append("The policy has no network, so there are no gradients to attribute.")
    if weighed.weights is None:
        notes.append(
            "The policy does not weigh its alternatives: of each kind, the action on the same host "
            "or else on one with an alert stands for the others."
        )
    if looks(moment.policy):
        notes.append(
            "What other observations would have led to was not searched: the policy plays on an "
            "environment of its own, whose observations cannot be changed one by one."
        )
    return Explanation(
        episode=place.episode,
        seed=moment.seed,
        step=place.step,
        phase=phases.of_step(place.step, record.params.steps),
        agent=BLUE[place.agent],
        action=features.action_label(place.agent, moment.chosen),
        target_state=None if pd.isna(row["target_state"]) else str(row["target_state"]),
        target_level=int(row["target_level"]),
        zone_state=str(row["zone_state"]),
        alerts=_alerts(moment),
        entropy=weighed.entropy,
        likeliest=weighed.likeliest(moment.chosen),
        importance=importance,
        options=tuple(sorted(options, key=_rank)),
        attribution=attribution,
        path=weighed.path,
        flips=None if looks(moment.policy) else flips(moment),
        notes=tuple(notes),
    )


def _option(
    moment: Moment, weighed: Preferences, action: int, outcome: ActionFuture | None
) -> Option:
    agent = moment.place.agent
    kind = actions.ALL_KIND[agent, action]
    return Option(
        action=action,
        name=features.action_label(agent, action),
        kind=actions.KIND_NAMES[kind],
        chosen=action == moment.chosen,
        probability=weighed.probability(action),
        value=weighed.value(action),
        kind_probability=weighed.kind_probability(agent, kind),
        kind_options=int(np.count_nonzero(weighed.valid & (actions.KIND[agent] == kind))),
        outcome=outcome,
    )


def _rank(option: Option) -> tuple[float, float, bool]:
    """Best first; of equals the chosen one."""
    outcome = 0.0 if option.outcome is None else option.outcome.mean_return
    weight = option.probability if option.probability is not None else option.value
    return -outcome, -(weight or 0.0), not option.chosen


def _alerts(moment: Moment) -> tuple[str, ...]:
    agent = moment.place.agent
    names = features.names("flat", agent)
    obs = moment.snapshot.obs[0, observations.slice_of(agent)]
    entries = [
        bit(agent, int(host))
        for host in observations.HOSTS[agent]
        for bit in (observations.process_bit, observations.connection_bit)
    ]
    return tuple(names[entry] for entry in entries if obs[entry])
