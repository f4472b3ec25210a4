"""What the FSM report counts in a trace, episode by episode.

Batches of episodes pass through, and of each episode only small count matrices are kept,
compressed: about 4 kilobytes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cagexplain.cc4 import actions, agents, network, phases, red_fsm
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.outcome import OUTCOME_NAMES, Outcome
from cagexplain.common.arrays import IntArray
from cagexplain.facts.batch import Batch, codes, run
from cagexplain.facts.beliefs import Beliefs
from cagexplain.facts.compact import CompactArray
from cagexplain.facts.places import N_LEVELS, PLACE_OF_HOST, PLACES
from cagexplain.facts.runs import runs_of
from cagexplain.facts.tally import tally
from cagexplain.tracing import schema
from cagexplain.tracing.trace import Trace

TARGETED, SITUATIONAL = range(2)
ENDINGS: Final = ("success", "handed over", "failure", "dropped")
"""How a red action on a host ends. Handed over: the success of an exploit of a foreign host, whose
session goes to the red agent of its subnet. Dropped: nothing was executed, as the session to start
from had gone."""
SUCCESS, HANDED_OVER, FAILURE, DROPPED = range(4)
EVICTORS: Final = (
    "Remove",
    "Restore",
    "none: another blue action ended there",
    "none: no blue action ended there",
)
"""What blue completed on a host in the step before a red agent lost its last session on it."""
RECOVERIES: Final = ("Remove", "Restore")
RECOVERY_EFFECTS: Final = ("evicted", "cleared unnoticed", "red stayed", "host was clean")
"""What a recovery did: a red agent lost its last session on the host; the host is clean since, but
red had not reckoned with the session (phishing gives it some); it is not; or it was clean before.
"""

_STATES: Final = red_fsm.STATE_NAMES
_STARTED: Final = schema.RED_EVENTS.index("started")
_BY_ACTION, _SEEN, _LOST, _REASSIGNED, _OWN = map(
    schema.TRANSITION_CAUSES.index,
    ("action", "first_observed", "session_lost", "reassigned", "own_session"),
)
_ENDING_OF_OUTCOME: Final = np.full(len(OUTCOME_NAMES), -1)
_ENDING_OF_OUTCOME[[Outcome.SUCCESS, Outcome.FAILURE, Outcome.DROPPED]] = SUCCESS, FAILURE, DROPPED
_EVICTOR_OF_KIND: Final = np.full(actions.N_KINDS + 1, 2)
_EVICTOR_OF_KIND[[ActionKind.REMOVE, ActionKind.RESTORE, -1]] = 0, 1, 3
_CAUSES: Final = ("lwf", "asf", "ria", "cost")


@dataclass(frozen=True)
class Counts:
    """Counts of a trace; the first axis of every array is the episode.

    Where there are axes for the place (``PLACES``; of decisions the five blue agents only) and for
    the mission phase, the array is compact; `pool` sums over them or picks from them.

    Attributes:
        returns: ``float64[e]`` official return.
        returns_by_phase: ``float64[e, 3]``.
        returns_by_cause: ``float64[e, 4]``, causes as in ``reward.CAUSE_NAMES``.
        host_steps: ``int32[e, place, phase, state, level]`` steps that user and server hosts spent
            in an FSM state with a true level of compromise.
        decisions: ``int32[e, blue agent, phase, view, state, action type]``.
        target_levels: ``int32[e, action type, level]`` decisions by the true level of their target.
        red_started: ``int32[e, action]``.
        red_done: ``int32[e, action, ending]``, handed over counted as success.
        red_detected: ``int32[e, action]`` of those done.
        choices: ``int32[e, place, phase, state, action]`` red actions started on a host of that
            state.
        results: ``int32[e, place, phase, state, action, ending]`` hosts of that state that a red
            action ended on; a DiscoverRemoteSystems ends on every known host of its subnet, but on
            none if dropped.
        discovered: ``int32[e, place, phase, state]`` hosts that a red agent saw first and took for
            that state.
        own: ``int32[e, place, phase, state]`` hosts of that state that became footholds as a red
            agent noticed a session of its own there that it had not fought for.
        lost: ``int32[e, place, phase, state, evictor]`` hosts of that state on which a red agent
            lost its last session, by what blue had just completed there (``EVICTORS``).
        recoveries: ``int32[e, place, phase, state, recovery, effect]`` completed Removes and
            Restores by the attributed state of their host at that time and their effect; those of
            the last step, whose effect is not seen any more, are left out.
    """

    returns: npt.NDArray[np.float64]
    returns_by_phase: npt.NDArray[np.float64]
    returns_by_cause: npt.NDArray[np.float64]
    host_steps: CompactArray
    decisions: CompactArray
    target_levels: npt.NDArray[np.int32]
    red_started: npt.NDArray[np.int32]
    red_done: npt.NDArray[np.int32]
    red_detected: npt.NDArray[np.int32]
    choices: CompactArray
    results: CompactArray
    discovered: CompactArray
    own: CompactArray
    lost: CompactArray
    recoveries: CompactArray

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.returns)


_COMPACT: Final = (
    *("host_steps", "decisions", "choices", "results"),
    *("discovered", "own", "lost", "recoveries"),
)
"""Counts with axes for the place and the phase."""
_SMALL: Final = tuple(field.name for field in fields(Counts) if field.name not in _COMPACT)


def pool(
    counts: CompactArray, place: int | None = None, phase: int | None = None
) -> npt.NDArray[np.int32]:
    """Counts of a place and a mission phase, or over all of them.

    Args:
        counts: ``[e, place, phase, ...]``.
        place: index in ``PLACES``; all without.
        phase: 0 to 2; all without.

    Returns:
        ``int32[e, ...]``.
    """

    def here(place: int) -> npt.NDArray[np.int32]:
        part = counts.part(place)
        return part.sum(axis=1, dtype=np.int32) if phase is None else part[:, phase].copy()

    if place is not None:
        return here(place)
    return functools.reduce(np.add, map(here, range(counts.shape[1])))


def count(trace: Trace) -> Counts:
    """Count in a trace, one batch of episodes after the other."""
    counter = Counter()
    run(trace, [counter])
    return counter.result()


class Counter:
    """Counts batches; a collector for `passes.run`."""

    tables: Mapping[str, Sequence[str]] = {
        "steps": (
            *("episode", "step", "phase", "counted", "reward"),
            *(f"reward_{cause}" for cause in _CAUSES),
        ),
        "blue": ("episode", "step", "agent", "completed", "completed_host", "completed_level"),
        "red": (
            *("episode", "step", "agent", "event", "action", "target_host", "outcome", "detected"),
        ),
        "transitions": (
            *("episode", "step", "agent", "host", "from_state", "to_state"),
            *("cause", "action", "outcome"),
        ),
    }

    def __init__(self) -> None:
        self._compact = {name: CompactArray() for name in _COMPACT}
        self._small: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _SMALL}

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        counted = {
            **_returns(batch),
            **_decisions(batch),
            **_red_actions(batch),
            **_moves(batch),
            **_evictions(batch),
            "host_steps": _host_steps(batch),
        }
        for name, compact in self._compact.items():
            compact.add(counted[name])
        for name, parts in self._small.items():
            parts.append(counted[name])

    def result(self) -> Counts:
        """Counts of all batches together."""
        small = {name: np.concatenate(parts) for name, parts in self._small.items()}
        columns: dict[str, Any] = {**small, **self._compact}
        return Counts(**columns)


def _returns(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    steps = batch.frame("steps")
    row, phase = np.asarray(steps["row"]), np.asarray(steps["phase"])
    counted = np.asarray(steps["counted"])

    def total(column: str, *axes: tuple[IntArray, int]) -> npt.NDArray[np.float64]:
        reward = np.asarray(steps[column], dtype=np.float64)
        return tally((row, batch.n), *axes, where=counted, weights=reward)

    return {
        "returns": total("reward"),
        "returns_by_phase": total("reward", (phase, phases.N_PHASES)),
        "returns_by_cause": np.stack([total(f"reward_{cause}") for cause in _CAUSES], axis=1),
    }


def _host_steps(batch: Batch) -> npt.NDArray[np.int32]:
    # A run of steps in one phase, state and level is counted at once.
    size = red_fsm.N_STATES * N_LEVELS
    cell = batch.states * np.int8(N_LEVELS) + batch.levels
    cell += (batch.phase * np.int8(size))[:, :, None]
    runs = runs_of(cell, batch.exists)
    phase, state, level = np.unravel_index(runs.code, (phases.N_PHASES, red_fsm.N_STATES, N_LEVELS))
    return tally(
        (runs.row, batch.n),
        (PLACE_OF_HOST[runs.host], len(PLACES)),
        (phase, phases.N_PHASES),
        (state, red_fsm.N_STATES),
        (level, N_LEVELS),
        weights=runs.length,
    ).astype(np.int32)


def _decisions(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    row, step, agent = np.nonzero(batch.started)
    kind, target = batch.kind[row, step, agent], batch.target[row, step, agent]
    aimed = target >= 0
    episode, kinds = (row, batch.n), (kind, actions.N_KINDS)
    axes = (episode, (agent, agents.N_BLUE), (batch.phase[row, step], phases.N_PHASES))
    of_target = batch.states[row, step, target]
    of_zone = batch.zone_state[row, step, agent]
    views = [
        tally(*axes, (of_target, red_fsm.N_STATES), kinds, where=aimed),
        tally(*axes, (of_zone, red_fsm.N_STATES), kinds),
    ]
    level = (batch.levels[row, step, target], N_LEVELS)
    return {
        "decisions": np.stack(views, axis=3).astype(np.int32),
        "target_levels": tally(episode, kinds, level, where=aimed).astype(np.int32),
    }


def _red_actions(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    red = batch.frame("red")
    episode = (np.asarray(red["row"]), batch.n)
    action = (np.asarray(red["action"]), red_fsm.N_RED_ACTIONS)
    ending = (_ENDING_OF_OUTCOME[codes(red, "outcome")], len(ENDINGS))
    started = codes(red, "event") == _STARTED
    detected = np.asarray(red["detected"])
    counts = {
        "red_started": tally(episode, action, where=started),
        "red_done": tally(episode, action, ending, where=~started),
        "red_detected": tally(episode, action, where=~started & detected),
    }
    return {name: array.astype(np.int32) for name, array in counts.items()}


def _moves(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    """What happened to hosts in the FSMs, by where and when."""
    red, moves = batch.frame("red"), batch.frame("transitions")
    host = codes(red, "target_host")
    started = codes(red, "event") == _STARTED
    aimed = host >= 0
    state = np.full(len(host), int(red_fsm.State.UNKNOWN))
    state[aimed] = Beliefs(moves).states(red[aimed])
    action = (np.asarray(red["action"]), red_fsm.N_RED_ACTIONS)
    ending = _ENDING_OF_OUTCOME[codes(red, "outcome")]
    # An FSM is told of successes and failures, which its transitions show, but not of the rest.
    dropped = tally(
        *_where_and_when(batch, red, host),
        (state, red_fsm.N_STATES),
        action,
        (ending, len(ENDINGS)),
        where=aimed & (ending == DROPPED),
    )
    choices = tally(
        *_where_and_when(batch, red, host),
        (state, red_fsm.N_STATES),
        action,
        where=started & aimed,
    )

    cause = codes(moves, "cause")
    axes = _where_and_when(batch, moves, codes(moves, "host"))
    handed_over = cause == _REASSIGNED
    told_action = np.where(handed_over, int(red_fsm.RedAction.EXPLOIT), np.asarray(moves["action"]))
    told_ending = np.where(handed_over, HANDED_OVER, _ENDING_OF_OUTCOME[codes(moves, "outcome")])
    reported = tally(
        *axes,
        (codes(moves, "from_state"), red_fsm.N_STATES),
        (told_action, red_fsm.N_RED_ACTIONS),
        (told_ending, len(ENDINGS)),
        where=(cause == _BY_ACTION) | handed_over,
    )
    discovered = tally(*axes, (codes(moves, "to_state"), red_fsm.N_STATES), where=cause == _SEEN)
    own = tally(*axes, (codes(moves, "from_state"), red_fsm.N_STATES), where=cause == _OWN)
    counts = {
        "choices": choices,
        "results": reported + dropped,
        "discovered": discovered,
        "own": own,
    }
    return {name: array.astype(np.int32) for name, array in counts.items()}


def _evictions(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    """Lost sessions and what blue completed on their hosts.

    Red's tables are updated at the beginning of a step, from what happened in the step before.
    """
    moves = batch.frame("transitions")
    lost = moves[codes(moves, "cause") == _LOST]
    lost_host, lost_row, lost_step = (
        codes(lost, "host"), np.asarray(lost["row"]), np.asarray(lost["step"])
    )  # fmt: skip
    blue = batch.frame("blue")
    ended = blue[codes(blue, "completed_host") >= 0]
    kind, host = codes(ended, "completed"), codes(ended, "completed_host")
    row, step = np.asarray(ended["row"]), np.asarray(ended["step"])

    completed = np.full((batch.n, batch.steps + 1, network.N_HOSTS), -1, dtype=np.int8)
    completed[row, step + 1, host] = kind
    evictor = _EVICTOR_OF_KIND[completed[lost_row, lost_step, lost_host]]

    gone = np.zeros_like(completed, dtype=np.bool_)
    gone[lost_row, lost_step, lost_host] = True
    recovery = _EVICTOR_OF_KIND[kind]
    evicted = gone[row, step + 1, host]
    compromised = np.asarray(ended["completed_level"]) > 0
    following = np.minimum(step + 1, batch.steps - 1)
    cleared = compromised & (batch.levels[row, following, host] == 0)
    effect = np.select([evicted, cleared, compromised], [0, 1, 2], 3)
    judged = (recovery < len(RECOVERIES)) & (step + 1 < batch.steps)
    # What red held the host for when the action took effect: its tables had been updated then.
    before = batch.states[row, following, host]
    counts = {
        "lost": tally(
            *_where_and_when(batch, lost, lost_host),
            (codes(lost, "from_state"), red_fsm.N_STATES),
            (evictor, len(EVICTORS)),
        ),
        "recoveries": tally(
            *_where_and_when(batch, ended, host),
            (before, red_fsm.N_STATES),
            (recovery, len(RECOVERIES)),
            (effect, len(RECOVERY_EFFECTS)),
            where=judged,
        ),
    }
    return {name: array.astype(np.int32) for name, array in counts.items()}


def _where_and_when(
    batch: Batch, frame: pd.DataFrame, host: IntArray
) -> tuple[tuple[IntArray, int], ...]:
    """Axes of `tally` for episode, place and mission phase of the rows of a table."""
    row = np.asarray(frame["row"])
    phase = batch.phase[row, np.asarray(frame["step"])]
    return (row, batch.n), (PLACE_OF_HOST[host], len(PLACES)), (phase, phases.N_PHASES)
