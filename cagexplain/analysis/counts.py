"""What reports count in a trace, episode by episode.

A trace may be larger than memory: batches of episodes pass through, and of each only small count
matrices are kept, about six kilobytes an episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cagexplain.cc4 import actions, agents, network, phases, red_fsm
from cagexplain.cc4.outcome import OUTCOME_NAMES, Outcome
from cagexplain.tracing import schema
from cagexplain.tracing.trace import Trace

IntArray = npt.NDArray[np.integer[Any]]

TARGETED, SITUATIONAL = range(2)
ENDINGS: Final = ("success", "handed over", "failure", "dropped")
"""How a red action on a host ends. Handed over: the success of an exploit of a foreign host, whose
session goes to the red agent of its subnet. Dropped: nothing was executed, as the session to start
from had gone."""
SUCCESS, HANDED_OVER, FAILURE, DROPPED = range(4)
N_LEVELS: Final = 3
"""True compromise of a host: none, user session, root session."""
LEVEL_NAMES: Final = ("clean", "user session", "root session")

_STATES: Final = red_fsm.STATE_NAMES
_STARTED: Final = schema.RED_EVENTS.index("started")
_BY_ACTION, _SEEN, _LOST, _REASSIGNED = map(
    schema.TRANSITION_CAUSES.index, ("action", "first_observed", "session_lost", "reassigned")
)
_ENDING_OF_OUTCOME: Final = np.full(len(OUTCOME_NAMES), -1)
_ENDING_OF_OUTCOME[[Outcome.SUCCESS, Outcome.FAILURE, Outcome.DROPPED]] = SUCCESS, FAILURE, DROPPED

COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "steps": (
        *("episode", "phase", "counted", "reward"),
        *(f"reward_{cause}" for cause in ("lwf", "asf", "ria", "cost")),
        *(f"{what}_{state}" for what in ("hosts", "user", "root") for state in _STATES),
    ),
    "blue": (
        *("episode", "agent", "action_type", "started"),
        *("target_state", "target_level", "zone_state"),
    ),
    "red": (
        *("episode", "step", "agent", "event", "action", "target_host", "outcome", "detected"),
    ),
    "transitions": (
        *("episode", "step", "agent", "host", "from_state", "to_state"),
        *("cause", "action", "outcome"),
    ),
}
"""Tables and columns of the trace that the counts need."""


@dataclass(frozen=True)
class Counts:
    """Counts of a trace; the first axis of every array is the episode.

    Attributes:
        returns: ``float64[e]`` official return.
        returns_by_phase: ``float64[e, 3]``.
        returns_by_cause: ``float64[e, 4]``, causes as in ``reward.CAUSE_NAMES``.
        host_steps: ``int32[e, state, level]`` steps that hosts spent in an FSM state with a true
            level of compromise.
        decisions: ``int32[e, view, blue agent, state, action type]``.
        target_levels: ``int32[e, action type, level]`` decisions by the true level of their target.
        red_started: ``int32[e, action]``.
        red_done: ``int32[e, action, ending]``, handed over counted as success.
        red_detected: ``int32[e, action]`` of those done.
        choices: ``int32[e, state, action]`` red actions started on a host of that state.
        results: ``int32[e, state, action, ending]`` hosts of that state that a red action ended on;
            a DiscoverRemoteSystems ends on every known host of its subnet, but on none if dropped.
        seen: ``int32[e, state]`` hosts that a red agent saw first and took for that state.
        lost: ``int32[e, state]`` hosts of that state on which a red agent lost its last session.
    """

    returns: npt.NDArray[np.float64]
    returns_by_phase: npt.NDArray[np.float64]
    returns_by_cause: npt.NDArray[np.float64]
    host_steps: npt.NDArray[np.int32]
    decisions: npt.NDArray[np.int32]
    target_levels: npt.NDArray[np.int32]
    red_started: npt.NDArray[np.int32]
    red_done: npt.NDArray[np.int32]
    red_detected: npt.NDArray[np.int32]
    choices: npt.NDArray[np.int32]
    results: npt.NDArray[np.int32]
    seen: npt.NDArray[np.int32]
    lost: npt.NDArray[np.int32]

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.returns)


def count(trace: Trace) -> Counts:
    """Count in a trace, one batch of episodes after the other."""
    batches = zip(*(trace.batches(name, COLUMNS[name]) for name in COLUMNS), strict=True)
    parts = [_count_batch(dict(zip(COLUMNS, batch, strict=True))) for batch in batches]
    return Counts(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Counts))
    )


def _count_batch(batch: Mapping[str, pd.DataFrame]) -> Counts:
    episodes = batch["steps"]["episode"].unique()
    rows = {name: _Rows(frame, episodes) for name, frame in batch.items()}
    return Counts(
        **_count_steps(rows["steps"]),
        **_count_blue(rows["blue"]),
        **_count_red(rows["red"], rows["transitions"]),
    )


class _Rows:
    """Columns of one table of a batch as arrays, episodes numbered within the batch."""

    def __init__(self, frame: pd.DataFrame, episodes: IntArray) -> None:
        self._frame = frame
        self.n_episodes = len(episodes)
        self.episode = np.searchsorted(episodes, frame["episode"].to_numpy())

    def numbers(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(self._frame[name])

    def codes(self, name: str) -> npt.NDArray[np.int64]:
        """Position of each entry among its column's categories; -1 for null."""
        return np.asarray(self._frame[name].cat.codes, dtype=np.int64)

    def tally(
        self,
        *categories: tuple[IntArray, int],
        where: npt.NDArray[np.bool_] | None = None,
        weights: npt.NDArray[Any] | None = None,
    ) -> npt.NDArray[Any]:
        """Number of rows (or sum of weights) by episode and categories.

        Args:
            categories: codes of the rows and number of codes, per axis after the episode's.
            where: rows to count; all by default.
            weights: of the rows.
        """
        shape = (self.n_episodes, *(size for _, size in categories))
        keep = slice(None) if where is None else where
        cells = np.ravel_multi_index(
            (self.episode[keep], *(codes[keep] for codes, _ in categories)), shape
        )
        weights = None if weights is None else weights[keep]
        return np.bincount(cells, weights, minlength=int(np.prod(shape))).reshape(shape)


def _count_steps(steps: _Rows) -> dict[str, npt.NDArray[Any]]:
    counted = steps.numbers("counted")
    phase = (steps.numbers("phase"), phases.N_PHASES)
    by_cause = [
        steps.tally(weights=steps.numbers(f"reward_{cause}").astype(np.float64), where=counted)
        for cause in ("lwf", "asf", "ria", "cost")
    ]
    by_phase = steps.tally(phase, weights=steps.numbers("reward").astype(np.float64), where=counted)
    host_steps = np.zeros((steps.n_episodes, red_fsm.N_STATES, N_LEVELS), dtype=np.int32)
    for code, state in enumerate(_STATES):
        hosts, user, root = (
            steps.tally(weights=steps.numbers(f"{what}_{state}")).astype(np.int32)
            for what in ("hosts", "user", "root")
        )
        host_steps[:, code] = np.stack([hosts - user - root, user, root], axis=1)
    return {
        "returns": by_phase.sum(axis=1),
        "returns_by_phase": by_phase,
        "returns_by_cause": np.stack(by_cause, axis=1),
        "host_steps": host_steps,
    }


def _count_blue(blue: _Rows) -> dict[str, npt.NDArray[Any]]:
    agent = (blue.codes("agent"), agents.N_BLUE)
    kind = (blue.codes("action_type"), actions.N_KINDS)
    target_state = blue.codes("target_state")
    zone_state = (blue.codes("zone_state"), red_fsm.N_STATES)
    level = (blue.numbers("target_level"), N_LEVELS)
    started = blue.numbers("started")
    targeted = started & (target_state >= 0)
    decisions = [
        blue.tally(agent, (target_state, red_fsm.N_STATES), kind, where=targeted),
        blue.tally(agent, zone_state, kind, where=started),
    ]
    return {
        "decisions": np.stack(decisions, axis=1).astype(np.int32),
        "target_levels": blue.tally(kind, level, where=targeted).astype(np.int32),
    }


def _count_red(red: _Rows, transitions: _Rows) -> dict[str, npt.NDArray[Any]]:
    action = (red.numbers("action").astype(np.int64), red_fsm.N_RED_ACTIONS)
    ending = (_ENDING_OF_OUTCOME[red.codes("outcome")], len(ENDINGS))
    host = red.codes("target_host")
    started = red.codes("event") == _STARTED
    aimed = host >= 0
    state = np.full(len(host), int(red_fsm.State.UNKNOWN), dtype=np.int64)
    state[aimed] = _Beliefs(transitions).states(
        red.episode[aimed], red.codes("agent")[aimed], host[aimed], red.numbers("step")[aimed]
    )
    at_state = (state, red_fsm.N_STATES)
    # An FSM is told of successes and failures, which its transitions show, but not of the rest.
    dropped = aimed & (ending[0] == DROPPED)

    cause = transitions.codes("cause")
    source = (transitions.codes("from_state"), red_fsm.N_STATES)
    target = (transitions.codes("to_state"), red_fsm.N_STATES)
    handed_over = cause == _REASSIGNED
    told_action = np.where(
        handed_over, int(red_fsm.RedAction.EXPLOIT), transitions.numbers("action")
    )
    told_ending = np.where(
        handed_over, HANDED_OVER, _ENDING_OF_OUTCOME[transitions.codes("outcome")]
    )
    told = transitions.tally(
        source,
        (told_action, red_fsm.N_RED_ACTIONS),
        (told_ending, len(ENDINGS)),
        where=(cause == _BY_ACTION) | handed_over,
    )
    counts = {
        "red_started": red.tally(action, where=started),
        "red_done": red.tally(action, ending, where=~started),
        "red_detected": red.tally(action, where=~started & red.numbers("detected")),
        "choices": red.tally(at_state, action, where=started & aimed),
        "results": told + red.tally(at_state, action, ending, where=dropped),
        "seen": transitions.tally(target, where=cause == _SEEN),
        "lost": transitions.tally(source, where=cause == _LOST),
    }
    return {name: array.astype(np.int32) for name, array in counts.items()}


class _Beliefs:
    """Which FSM state a red agent held for a host at a step, from the recorded changes."""

    _STEPS = 1 << 20  # more than any episode has

    def __init__(self, transitions: _Rows) -> None:
        key = self._key(
            transitions.episode,
            transitions.codes("agent"),
            transitions.codes("host"),
            transitions.numbers("step"),
        )
        order = np.argsort(key, kind="stable")
        # A sentinel before all keys makes every look-up find something.
        self._keys = np.concatenate([[-1], key[order]])
        self._states = np.concatenate([[0], transitions.codes("to_state")[order]])

    def states(
        self, episode: IntArray, agent: IntArray, host: IntArray, step: IntArray
    ) -> npt.NDArray[np.int64]:
        """States after the changes at the beginning of `step`; UNKNOWN for hosts not known."""
        key = self._key(episode, agent, host, step)
        found = np.searchsorted(self._keys, key, side="right") - 1
        same = self._keys[found] // self._STEPS == key // self._STEPS
        return np.where(same, self._states[found], int(red_fsm.State.UNKNOWN))

    def _key(
        self, episode: IntArray, agent: IntArray, host: IntArray, step: IntArray
    ) -> npt.NDArray[np.int64]:
        table = (episode.astype(np.int64) * agents.N_RED + agent) * network.N_HOSTS + host
        return table * self._STEPS + step
