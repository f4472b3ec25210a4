"""What checks count on: a batch of episodes, and what several of them need to know about it.

Checks and the modules beside this one define plain functions of a view. `View.shared` computes each
of them once per batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import agents, network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import WAITS
from cagexplain.cc4.outcome import Outcome
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.facts.batch import Batch, Tables, codes
from cagexplain.facts.incidents import Incidents, incidents_of

T = TypeVar("T")

TABLES: Final[Tables] = {
    "steps": ("reward",),
    "blue": (
        "action",
        "source_zone",
        "target_zone",
        "completed",
        "completed_host",
        "completed_level",
        "outcome",
        "found",
        "message",
        "target_level",
    ),
    "red": (
        "step",
        "agent",
        "event",
        "action",
        "target_host",
        "target_zone",
        "source_host",
        "outcome",
        "detected",
    ),
    "levels": ("from_level", "to_level", "cause", "process_event", "connection_event"),
    "green": ("step", "host", "kind", "cause", "target_host", "penalty"),
    "services": ("decoys", "reliability", "stopped"),
}
"""Columns that checks use."""

DEFENDED: Final[BoolArray] = agents.BLUE_OF_HOST >= 0
"""``bool[137]`` hosts that blue defends: all but the contractor's, where red always begins."""
LINKS: Final = (ActionKind.BLOCK, ActionKind.ALLOW)


@dataclass(frozen=True)
class Facts:
    """What is known about the play before anything is counted.

    Attributes:
        sees_files: whether the policy's observation has what Analyse lists: raw observations have,
            the flat one has not.
        observations: whether the trace has what the agents saw.
        engine: name of the simulator.
        steps: length of the episodes as CC4 counts it.
    """

    sees_files: bool = False
    observations: bool = True
    engine: str = "native"
    steps: int = 500


class View:
    """A batch as checks see it.

    Attributes:
        batch: of episodes; see `cagexplain.facts.batch.Batch`.
        facts: about the play.
        n: episodes in it.
        steps: of each.
    """

    def __init__(self, batch: Batch, facts: Facts) -> None:
        self.batch = batch
        self.facts = facts
        self.n = batch.n
        self.steps = batch.steps
        self._known: dict[Callable[..., Any], Any] = {}

    def shared(self, compute: Callable[[View], T]) -> T:
        """``compute(view)``, remembered for whoever asks next."""
        if compute not in self._known:
            self._known[compute] = compute(self)
        return cast(T, self._known[compute])


@dataclass(frozen=True)
class Decisions:
    """Actions that started, an entry each, by episode, step and agent.

    Attributes:
        row, step, agent: where and who.
        kind: `ActionKind`; an invalid index is a Sleep.
        host: that it targets, else -1.
        to_zone, from_zone: of a Block or Allow, else -1.
        idle: whether it does nothing: Sleep, Monitor, or a Block or Allow that changes nothing.
        ends: last step of the action; -1 if the episode ended before.
        outcome: how it ended (`Outcome`; NONE if it did not).
        level_before: true compromise of the host when it took effect; -1 if it did not, or none.
        files: malicious files that it listed; -1 if it is no finished Analyse.
    """

    row: IntArray
    step: IntArray
    agent: IntArray
    kind: IntArray
    host: IntArray
    to_zone: IntArray
    from_zone: IntArray
    idle: BoolArray
    ends: IntArray
    outcome: IntArray
    level_before: IntArray
    files: IntArray

    def __len__(self) -> int:
        return len(self.row)


def decisions(view: View) -> Decisions:
    """All decisions of the batch."""
    blue = view.batch.frame("blue")
    row, step, agent = blue["row"].to_numpy(), blue["step"].to_numpy(), codes(blue, "agent")
    # One agent's steps after another, so that an action ends at its next completion.
    order = np.lexsort((step, agent, row))
    lane = (row * agents.N_BLUE + agent)[order]
    started = blue["started"].to_numpy()[order]
    completed = codes(blue, "completed")[order] >= 0
    starts, ends = np.flatnonzero(started), np.flatnonzero(completed)
    following = np.searchsorted(ends, starts)
    end = np.append(ends, -1)[following]
    ended = (end >= 0) & (lane[end] == lane[starts])
    begin, finish = order[starts], order[end]

    def at_end(values: npt.NDArray[Any], otherwise: int) -> IntArray:
        return np.where(ended, values[finish], otherwise)

    kind = codes(blue, "action_type")[begin]
    outcome = at_end(codes(blue, "outcome"), int(Outcome.NONE))
    control = np.isin(kind, LINKS)
    target_zone = codes(blue, "target_zone")[begin]
    by_agent = Decisions(
        row=row[begin],
        step=step[begin],
        agent=agent[begin],
        kind=kind,
        host=codes(blue, "target_host")[begin],
        to_zone=np.where(control, target_zone, -1),
        from_zone=np.where(control, codes(blue, "source_zone")[begin], -1),
        idle=np.isin(kind, WAITS) | (control & (outcome == Outcome.FAILURE)),
        ends=at_end(step, -1),
        outcome=outcome,
        level_before=at_end(blue["completed_level"].to_numpy(), -1),
        files=at_end(blue["found"].to_numpy(), -1),
    )
    by_time = np.lexsort((by_agent.agent, by_agent.step, by_agent.row))
    return Decisions(*(getattr(by_agent, name)[by_time] for name in Decisions.__annotations__))


def all_incidents(view: View) -> Incidents:
    """All incidents of the batch; `Incidents.episode` numbers episodes of the trace."""
    return incidents_of(view.batch)


def rows_of(view: View, episodes: IntArray) -> IntArray:
    """Rows of the batch, ``int[k]``, from numbers of episodes in the trace, episodes ``int[k]``."""
    return np.searchsorted(view.batch.episodes, episodes)


def process(view: View) -> BoolArray:
    """``bool[n, T, 137]`` process alerts that decisions were made on."""
    assert view.batch.process is not None, "a check must say that it needs observations"
    return view.batch.process


def connection(view: View) -> BoolArray:
    """``bool[n, T, 137]`` connection alerts that decisions were made on."""
    assert view.batch.connection is not None, "a check must say that it needs observations"
    return view.batch.connection


def alerts(view: View) -> BoolArray:
    """``bool[n, T, 137]`` alerts of either kind."""
    return view.shared(process) | view.shared(connection)


def defended(view: View) -> BoolArray:
    """``bool[n, 137]`` existing user and server hosts that blue defends."""
    acted_on = DEFENDED & np.isin(network.HOST_KIND, (network.USER, network.SERVER))
    return view.batch.exists & acted_on


def recently(flags: BoolArray, steps: int) -> BoolArray:
    """Whether a flag was up in a step or in one of the `steps` - 1 before it.

    Args:
        flags: ``bool[n, T, ...]``.
        steps: length of the window, its last step included; at least 1.
    """
    total = np.cumsum(flags, axis=1, dtype=np.int16)
    total[:, steps:] -= total[:, :-steps].copy()
    return total > 0


def blocked(view: View) -> BoolArray:
    """``bool[n, T, 9, 9]`` whether traffic to the first zone from the second one is blocked when
    the step's decisions are made."""
    actions = view.shared(decisions)
    changes = np.isin(actions.kind, LINKS) & (actions.outcome == Outcome.SUCCESS)
    flips = np.zeros((view.n, view.steps + 1, network.N_ZONES, network.N_ZONES), dtype=np.int8)
    sign = np.where(actions.kind[changes] == ActionKind.BLOCK, 1, -1)
    place = (actions.row, actions.ends + 1, actions.to_zone, actions.from_zone)
    np.add.at(flips, tuple(axis[changes] for axis in place), sign)
    return np.cumsum(flips[:, :-1], axis=1, dtype=np.int8) > 0


def decoys(view: View) -> npt.NDArray[np.int8]:
    """``int8[n, T, 137]`` kinds of decoys on each host when the step's decisions are made."""
    return view.batch.since("services", "decoys", 0)
