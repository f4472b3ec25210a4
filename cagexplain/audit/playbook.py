"""The playbook in a policy: what each agent usually does about what it sees.

A situation is the gravest thing that an agent sees when it decides: a process alert on one of its
hosts, else a connection alert, else a link into its zones that is not as the phase's communication
policy asks, else nothing. Decisions are started actions; a Block or Allow that changes nothing is a
wait. Situations follow the observation, not the truth, so the playbook can be followed by somebody
who sees no more than the agent.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cagexplain.audit.results import Choice, Playbook, Situation
from cagexplain.cc4 import agents, network, phases
from cagexplain.cc4.actions import KIND_NAMES, ActionKind
from cagexplain.cc4.layout import HOST_ACTIONS
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.facts.batch import Batch, Tables
from cagexplain.facts.compact import CompactArray
from cagexplain.facts.view import (
    LINKS,
    TABLES,
    Facts,
    View,
    blocked,
    connection,
    decisions,
    process,
)
from cagexplain.stats.estimates import HitShare, estimate

SIGHTS: Final = {
    "process": "a process alert on one of its hosts",
    "connection": "a connection alert on one of its hosts, and no process alert",
    "policy": "no alert, and a link that is not as the communication policy of the phase asks",
    "nothing": "no alert, and all links as the communication policy of the phase asks",
}
"""What situations are told apart by, the gravest first, in words."""
AIMS: Final = {
    "process": "a host with a process alert",
    "connection": "a host with a connection alert only",
    "quiet": "a host without alert",
    "asked": "a link, as the communication policy of the phase asks",
    "against": "a link, against the communication policy of the phase",
}
"""What actions may be aimed at, in words."""
WAIT: Final = "Wait"
CHOICES: Final = (
    (WAIT, ""),
    *(
        (KIND_NAMES[kind], aim)
        for kind in HOST_ACTIONS
        for aim in ("process", "connection", "quiet")
    ),
    *((KIND_NAMES[kind], aim) for kind in LINKS for aim in ("asked", "against")),
)
"""Actions, and what they are aimed at."""
_SHOWN: Final = 3
"""Choices of a situation that are told."""
_PHASE_MIN: Final = 30
"""Fewest decisions of a phase for it to have a usual choice of its own."""

_OWN_HOSTS: Final = np.arange(agents.N_BLUE)[:, None] == agents.BLUE_OF_HOST
_OWN_ZONES: Final = np.arange(agents.N_BLUE)[:, None] == agents.BLUE_OF_ZONE
_OTHER: Final = ~np.eye(network.N_ZONES, dtype=np.bool_)

_SHAPE: Final = (agents.N_BLUE, len(SIGHTS), phases.N_PHASES, len(CHOICES))


class Responses:
    """Counts the decisions of a play; a `Collector` of a pass over a trace or over memory."""

    tables: Tables = TABLES

    def __init__(self) -> None:
        self._counts = CompactArray()

    def add(self, batch: Batch) -> None:
        """Count some episodes.

        Raises:
            CagexplainError: what the agents saw was not recorded.
        """
        if batch.process is None:
            raise CagexplainError(
                "the trace has no observations, which tell what a decision was made on",
                remedy="Record it with its observations",
            )
        view = View(batch, Facts())
        decision = view.shared(decisions)
        phase = batch.phase[decision.row, decision.step]
        cell = (
            decision.agent,
            _sights(view)[decision.row, decision.step, decision.agent],
            phase,
            _choices(view),
        )
        place = np.ravel_multi_index((decision.row, *cell), (view.n, *_SHAPE))
        size = view.n * int(np.prod(_SHAPE))
        self._counts.add(np.bincount(place, minlength=size).reshape(view.n, *_SHAPE))

    def playbook(self) -> Playbook:
        """What was counted, and how sure the shares are."""
        decisions, situations = 0, []
        for agent in range(self._counts.shape[1]):
            counts = self._counts.part(agent)
            decisions += int(counts.sum())
            for sight in range(len(SIGHTS)):
                situations += _situations(counts[:, sight], agent, sight)
        return Playbook(decisions, self._counts.shape[0], tuple(situations))


def _sights(view: View) -> IntArray:
    """``int[n, T, 5]`` the gravest thing that each agent sees, as an index of `SIGHTS`."""
    policy = phases.COMMS_POLICY.astype(np.bool_)[view.batch.phase]
    mismatch = ((view.shared(blocked) != policy) & _OTHER).any(axis=3)
    process_seen = _any_own(view.shared(process), _OWN_HOSTS)
    connection_seen = _any_own(view.shared(connection), _OWN_HOSTS)
    mismatch_seen = _any_own(mismatch, _OWN_ZONES)
    return np.select([process_seen, connection_seen, mismatch_seen], [0, 1, 2], 3)


def _any_own(flags: BoolArray, places: BoolArray) -> BoolArray:
    """``bool[n, T, 5]`` whether a flag of ``[n, T, k]`` is up among what each agent owns."""
    return np.stack([flags[..., mine].any(axis=-1) for mine in places], axis=-1)


def _choices(view: View) -> IntArray:
    """``int[decision]`` what each decision was for, as an index of `CHOICES`."""
    decision = view.shared(decisions)
    here = (decision.row, decision.step)
    on_process = view.shared(process)[(*here, decision.host)]
    on_connection = view.shared(connection)[(*here, decision.host)]
    alert = np.select([on_process, on_connection], [0, 1], 2)
    policy = phases.COMMS_POLICY[view.batch.phase[here], decision.to_zone, decision.from_zone]
    blocks = decision.kind == ActionKind.BLOCK
    against = blocks != policy.astype(np.bool_)
    choice = np.zeros(len(decision), dtype=np.int64)
    first = {name: i for i, (name, _) in reversed(list(enumerate(CHOICES)))}
    for kind in HOST_ACTIONS:
        choice = np.where(decision.kind == kind, first[KIND_NAMES[kind]] + alert, choice)
    for kind in LINKS:
        choice = np.where(decision.kind == kind, first[KIND_NAMES[kind]] + against, choice)
    return np.where(decision.idle, 0, choice)


def _situations(counts: IntArray, agent: int, sight: int) -> list[Situation]:
    """A situation, or one for each phase where the usual choices differ.

    Args:
        counts: ``int[episode, phase, choice]``.
        agent, sight: numbers of what they are of.
    """
    total = counts.sum(axis=0)
    usual = {int(row.argmax()) for row in total if row.sum() >= _PHASE_MIN}
    parts: list[tuple[str | None, IntArray]] = [(None, counts.sum(axis=1))]
    if len(usual) > 1:
        parts = [(name, counts[:, phase]) for phase, name in enumerate(phases.PHASE_NAMES)]
    return [
        Situation(
            agent=agents.BLUE[agent],
            sees=list(SIGHTS)[sight],
            phase=phase,
            n=int(part.sum()),
            episodes=int(np.count_nonzero(part.sum(axis=1))),
            choices=_most_frequent(part),
        )
        for phase, part in parts
        if part.any()
    ]


def _most_frequent(counts: IntArray) -> tuple[Choice, ...]:
    """The choices that make up most of ``int[episode, choice]`` decisions."""
    total, n = counts.sum(axis=0), counts.sum(axis=1)
    choices = []
    for choice in np.argsort(-total, kind="stable")[:_SHOWN]:
        if not total[choice]:
            break
        sums = np.stack([counts[:, choice], n], axis=1).astype(np.float64)
        interval = estimate(HitShare(), sums)
        low, high = (float(x) if np.isfinite(x) else None for x in (interval.low, interval.high))
        action, aim = CHOICES[int(choice)]
        choices.append(Choice(action, aim, int(total[choice]), interval.value, low, high))
    return tuple(choices)
