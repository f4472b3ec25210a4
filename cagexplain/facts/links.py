"""What several checks need to know about blocks of traffic, and about the alerts they cause."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import network, phases
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_ZONE, BLUE_ZONES
from cagexplain.cc4.green import GreenFailure
from cagexplain.cc4.outcome import Outcome
from cagexplain.common.arrays import BoolArray, Int64Array, IntArray
from cagexplain.facts.batch import codes
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import LINKS, View, decisions
from cagexplain.tracing import schema

WINDOW: Final = 10
"""Steps within which an alert still counts as the reason of an action."""
TO_FOLLOW: Final = 20
"""Steps that links have to follow a new phase, before they count as wrong: an agent changes one
link per step, and sees the new policy a step late."""
LINK: Final[BoolArray] = (BLUE_OF_ZONE >= 0)[:, None] & ~np.eye(network.N_ZONES, dtype=np.bool_)
"""``bool[to, from]`` links that a blue agent controls: from any other zone to a defended one."""

_FIRST_HOST: Final = np.searchsorted(network.HOST_ZONE, np.arange(network.N_ZONES))
_BLOCKED: Final = int(GreenFailure.TRAFFIC_BLOCKED) - 1
_DONE: Final = schema.RED_EVENTS.index("done")


@dataclass(frozen=True)
class Changes:
    """Blocks and Allows that changed a link, an entry each, by episode, link and time.

    Attributes:
        row, step, agent: where and who; the change holds already while the step is played.
        to_zone, from_zone: the link.
        closed: whether it was blocked; otherwise it was opened.
        before, after: step of the link's change before and after this one; -1 if there is none.
    """

    row: IntArray
    step: IntArray
    agent: IntArray
    to_zone: IntArray
    from_zone: IntArray
    closed: BoolArray
    before: IntArray
    after: IntArray

    def where(self, keep: BoolArray) -> Changes:
        """Some of the changes, by a mask: keep ``bool[change]``."""
        return Changes(*(getattr(self, field.name)[keep] for field in fields(self)))


def changes(view: View) -> Changes:
    """All changes of links."""
    actions = view.shared(decisions)
    took = np.flatnonzero(np.isin(actions.kind, LINKS) & (actions.outcome == Outcome.SUCCESS))
    link = (actions.row * network.N_ZONES + actions.to_zone) * network.N_ZONES + actions.from_zone
    took = took[np.lexsort((actions.step[took], link[took]))]
    step = actions.step[took]
    again = link[took][1:] == link[took][:-1]  # the same link's next change
    before, after = np.full((2, len(took)), -1)
    before[1:][again], after[:-1][again] = step[:-1][again], step[1:][again]
    return Changes(
        row=actions.row[took],
        step=step,
        agent=actions.agent[took],
        to_zone=actions.to_zone[took],
        from_zone=actions.from_zone[took],
        closed=actions.kind[took] == ActionKind.BLOCK,
        before=before,
        after=after,
    )


def blocks(view: View) -> Cases:
    """Blocks that took effect; a hit stopped, before it was lifted, an access of a green user
    between its two zones, in either direction."""
    every, green = view.shared(changes), view.batch.frame("green")
    lost = codes(green, "cause") == _BLOCKED
    user, server = (
        network.HOST_ZONE[codes(green, name)[lost]].astype(np.int64)
        for name in ("host", "target_host")
    )
    width = view.steps + 1
    place = np.array([network.N_ZONES**2 * width, network.N_ZONES * width, width, 1])

    def key(row: IntArray, to_zone: IntArray, from_zone: IntArray, step: IntArray) -> IntArray:
        keys: Int64Array = (
            np.stack([row, to_zone, from_zone, step], axis=1).astype(np.int64) @ place
        )
        return keys

    row, step = green["row"].to_numpy()[lost], green["step"].to_numpy()[lost]
    failed = np.sort(np.concatenate([key(row, user, server, step), key(row, server, user, step)]))
    closed = every.where(every.closed)
    link = (closed.row, closed.to_zone, closed.from_zone)
    until = np.where(closed.after >= 0, closed.after, view.steps)
    begin, end = (np.searchsorted(failed, key(*link, at)) for at in (closed.step, until))
    return cases(closed.row, closed.step, end > begin, agent=closed.agent)


def set_up(view: View) -> Cases:
    """Blocks that took effect."""
    every = view.shared(blocks)
    return replace(every, hit=np.ones(len(every), dtype=np.bool_))


def phase_starts(view: View) -> IntArray:
    """``int[n, 3]`` first step of each mission phase; the number of steps if it never begins."""
    reached = view.batch.phase[:, :, None] >= np.arange(phases.N_PHASES)
    return np.where(reached.any(axis=1), reached.argmax(axis=1), view.steps)


def settled(view: View) -> BoolArray:
    """``bool[n, T]`` whether the mission phase has lasted long enough for links to follow it."""
    phase = view.batch.phase
    start = np.take_along_axis(view.shared(phase_starts), phase.astype(np.int64), axis=1)
    return np.arange(view.steps) - start >= TO_FOLLOW


def shown_phase(view: View) -> npt.NDArray[np.int8]:
    """``int8[n, T]`` phase of the communication policy in the observation decided on: that of the
    step before, so that a change of phase shows a step late."""
    phase = view.batch.phase
    return np.hstack([phase[:, :1], phase[:, :-1]])


def caused_by_blocks(view: View) -> BoolArray:
    """``bool[n, T, 137]`` whether a connection alert of the host, in the observation decided on,
    was written by a green access that a block stopped, and by nothing that red did there."""
    green, red = view.batch.frame("green"), view.batch.frame("red")
    caused = np.zeros((view.n, view.steps + 1, network.N_HOSTS), dtype=np.bool_)
    stopped = codes(green, "cause") == _BLOCKED

    def mark(frame: Any, column: str, keep: BoolArray, flag: bool) -> None:
        host = codes(frame, column)
        keep = keep & (host >= 0)
        # What a step writes is seen by the decisions of the next one.
        caused[frame["row"].to_numpy()[keep], frame["step"].to_numpy()[keep] + 1, host[keep]] = flag

    mark(green, "target_host", stopped, True)
    detected = (codes(red, "event") == _DONE) & red["detected"].to_numpy()
    mark(red, "target_host", detected, False)
    mark(red, "source_host", detected, False)
    return caused[:, :-1]


def any_in_zone(hosts: BoolArray) -> BoolArray:
    """Whether a flag is up on any host of a zone, ``bool[n, T, 9]``; hosts: ``bool[n, T, 137]``."""
    by_zone: BoolArray = np.logical_or.reduceat(hosts, _FIRST_HOST, axis=2)
    return by_zone


def count_in_zone(hosts: BoolArray) -> npt.NDArray[np.int16]:
    """On how many hosts of a zone a flag is up, ``int16[n, T, 9]``; hosts: ``bool[n, T, 137]``."""
    by_zone: npt.NDArray[np.int16] = np.add.reduceat(hosts, _FIRST_HOST, axis=2, dtype=np.int16)
    return by_zone


def any_of_agent(hosts: BoolArray) -> BoolArray:
    """Whether a flag is up on any host of an agent, ``bool[n, T, 5]``; hosts: as above."""
    by_zone = any_in_zone(hosts)
    return np.stack([by_zone[:, :, list(zones)].any(axis=2) for zones in BLUE_ZONES], axis=2)


def last_steps(
    flags: BoolArray, row: IntArray, step: IntArray, host: IntArray, n: int
) -> BoolArray:
    """Flags of some hosts in the steps up to some moments: ``bool[moment, n]``, newest first.

    Args:
        flags: ``bool[n, T, 137]``.
        row: ``int[moment]`` row of the batch.
        step: ``int[moment]``.
        host: ``int[moment]``.
        n: how many steps, that of the moment included; before the episode nothing is up.
    """
    when = step[:, None] - np.arange(n)
    recent: BoolArray = flags[row[:, None], when.clip(min=0), host[:, None]] & (when >= 0)
    return recent
