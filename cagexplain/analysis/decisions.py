"""Why a policy chose what it chose: single decisions of a trace, and what other choices would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.attributions import Attribution, Flips
from cagexplain.analysis.counterfactuals import Outcome
from cagexplain.analysis.results import Result


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
    outcome: Outcome | None


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
        importance: how much the choice mattered in the screening; None if it was not screened.
        options: alternatives, one of each valid kind at least, best mean return first (most
            preferred first without roll-outs).
        attribution: what in the observation drove the choice; None without a network.
        path: the policy's own reasons, if its rules can be read (conditions of a tree's path).
        flips: smallest change of the observation that changes the choice; None if not searched.
        notes: what is missing here, and why.
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
