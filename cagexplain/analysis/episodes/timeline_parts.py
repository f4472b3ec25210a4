"""The rows of a timeline: what a host, an agent or an incident went through in one episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cagexplain.common.results import Result


class Stretch(NamedTuple):
    """The steps ``start <= t < stop`` during which something had one value."""

    start: int
    stop: int
    value: str


@dataclass(frozen=True)
class HostLine(Result):
    """A host through an episode. All runs tell of decision time.

    Attributes:
        host, zone, kind: names.
        agent: blue agent that defends it; None for the contractor network.
        states: FSM state in all steps.
        levels: steps with a red session; ``"user session"`` or ``"root session"``.
        process, connection: steps in which the alert was up in the observation that was decided
            on; None if observations were not recorded.
        decoys: steps with decoys; how many kinds of them, as a digit.
        health: steps in which users' work may fail there; ``"degraded"`` if a service is less
            reliable than at the beginning, ``"stopped"`` if the OT service does not run.
        loss: rewards lost on it, 0 or less (see `Loss`).
    """

    host: str
    zone: str
    kind: str
    agent: str | None
    states: tuple[Stretch, ...]
    levels: tuple[Stretch, ...]
    process: tuple[Stretch, ...] | None
    connection: tuple[Stretch, ...] | None
    decoys: tuple[Stretch, ...]
    health: tuple[Stretch, ...]
    loss: float


@dataclass(frozen=True)
class BlueAction(Result):
    """A blue decision and what became of it.

    Attributes:
        start, stop: steps ``start <= t < stop`` during which it kept the agent busy.
        agent, kind: who did what.
        host: that it targets; None for other actions.
        zone, source: traffic from `source` to `zone` is controlled; None for other actions.
        outcome: SUCCESS or FAILURE as the simulator has it, NONE if the episode ended before.
        state, level: FSM state and true level of the host at decision time; None without host.
        probability: of the action under the policy; None if that is not known.
    """

    start: int
    stop: int
    agent: str
    kind: str
    host: str | None
    zone: str | None
    source: str | None
    outcome: str
    state: str | None
    level: str | None
    probability: float | None


@dataclass(frozen=True)
class RedActionSpan(Result):
    """A red action.

    Attributes:
        start: step in which it was chosen.
        step: in which it came due; None if the episode ended before.
        agent, kind: who did what.
        host: that it targets; None for a sweep of a subnet.
        zone: of that host, or the one that is swept.
        source: host of the session that acts; None if there is none.
        outcome: SUCCESS, FAILURE or DROPPED; NONE if the episode ended before.
        detected: whether it left an event on a host that blue watches.
    """

    start: int
    step: int | None
    agent: str
    kind: str
    host: str | None
    zone: str
    source: str | None
    outcome: str
    detected: bool


@dataclass(frozen=True)
class Loss(Result):
    """A penalty and the host that it arose on: the green user whose local work (LWF) or access
    (ASF) failed, or the target of a red Impact (RIA)."""

    step: int
    host: str
    cause: str
    amount: float


@dataclass(frozen=True)
class Block(Result):
    """Traffic into `zone` from `source` that was stopped when the decisions of the steps
    ``start <= t < stop`` were made."""

    start: int
    stop: int
    zone: str
    source: str


@dataclass(frozen=True)
class Failure(Result):
    """What a green user failed to do.

    Attributes:
        step, host: when, and whose user.
        kind, cause: the action, and why it failed, as in the trace's table `green`.
        target: server that was accessed; None for local work.
        amount: its part of the reward, 0 or less.
    """

    step: int
    host: str
    kind: str
    cause: str
    target: str | None
    amount: float


@dataclass(frozen=True)
class Incident(Result):
    """An unbroken presence of red on a host that blue defends; see `facts.incidents.Incidents`.

    Attributes:
        host, agent: where, and who defends it.
        start, stop: ``start <= t < stop``: steps that began with a red session on the host.
        cause: what began it, as in the trace's table `levels`.
        top: highest level.
        root: first step that began with root; None if there was none.
        alert: first step of them in which an alert of the host was up; None without one, or if
            observations were not recorded.
        response: first step in which an action of `layout.RESPONSES` on the host started; None
            without.
        response_kind: that action.
        ended: what ended it, as in the table `levels`; None if red was still there at the end.
        loss: rewards lost on the host from the step before `start` (in which red came) to `stop`.
    """

    host: str
    agent: str
    start: int
    stop: int
    cause: str
    top: str
    root: int | None
    alert: int | None
    response: int | None
    response_kind: str | None
    ended: str | None
    loss: float
