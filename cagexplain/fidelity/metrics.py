"""What an episode looked like, in numbers: returns and behaviour of red, green and blue.

Everything is taken from what :class:`~cagexplain.envs.protocol.Env` shows, so it means the same
whichever simulator is behind it. :data:`METRICS` defines every metric in words and as a formula.

Returns follow the official evaluation, which never adds the reward of the last step; all other
metrics cover every step. A share or a rate whose denominator is 0 in an episode is NaN there.

"The first step in which ..." counts from 1. An episode in which it never happens gets the length of
the episode, so the mean over episodes is the restricted mean time to the event (Royston and Parmar
2013), which both simulators truncate at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, agents, network, phases, red_fsm, reward, services
from cagexplain.cc4.green import GREEN_ACTION_NAMES, GreenAction, GreenFailure
from cagexplain.cc4.layout import BLOCKED, CONNECTION, PROCESS
from cagexplain.cc4.outcome import EXECUTED, Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.common.arrays import Array, FloatArray
from cagexplain.policies.base import Decision
from cagexplain.policies.evaluation import Scorer
from cagexplain.policies.rollout import Observer

if TYPE_CHECKING:
    from cagexplain.envs import Env, GroundTruth

Counts = npt.NDArray[np.int64]


class Unit(StrEnum):
    """What a metric is counted in."""

    POINTS = "points"
    HOSTS = "hosts"
    AGENTS = "agents"
    PAIRS = "pairs of subnets"
    STEPS = "steps"
    PER_STEP = "per step"
    PER_EPISODE = "per episode"
    SHARE = "share"


FLOOR: Final[dict[Unit, float]] = {
    Unit.HOSTS: 0.8,
    Unit.AGENTS: 0.06,
    Unit.PAIRS: 0.56,
    Unit.STEPS: 5.0,
    Unit.PER_STEP: 0.05,
    Unit.PER_EPISODE: 1.0,
    Unit.SHARE: 0.01,
}
"""Smallest margin of a metric by its unit: 1 % of the unit's natural scale. A network has about 80
hosts, 6 red agents and 56 ordered pairs of subnets; an episode has about 500 steps, in each of
which 5 blue agents act; a share goes up to 1. What counts single events of an episode (sessions
that nobody exploited, services of a network) has a scale of about 100."""


@dataclass
class Tally:
    """Sums over the steps of a batch of n episodes.

    Vectors over states, actions, causes and kinds are in the order of their codes.
    """

    n: int
    calls: int
    scorer: Scorer = field(default_factory=Scorer)

    def __post_init__(self) -> None:
        def zeros(*shape: int) -> Counts:
            return np.zeros((self.n, *shape), dtype=np.int64)

        self.steps = 0
        self.hosts, self.servers, self.services = zeros(), zeros(), zeros()
        self.fsm = zeros(red_fsm.N_STATES)
        self.levels = zeros(_N_LEVELS)
        self.last_levels = zeros(_N_LEVELS)
        self.operational = zeros()
        self.active = zeros()
        self.first = np.full((self.n, len(_EVENTS)), self.calls, dtype=np.int64)
        self.unexplained = zeros()
        self.process, self.connection, self.blocked = zeros(), zeros(), zeros()
        self.started = zeros(red_fsm.N_RED_ACTIONS)
        self.executed = zeros(red_fsm.N_RED_ACTIONS)
        self.succeeded = zeros(red_fsm.N_RED_ACTIONS)
        self.detected = zeros(red_fsm.N_RED_ACTIONS)
        self.dropped = zeros()
        self.transitions = zeros(len(_CAUSES))
        self.green = zeros(len(GREEN_ACTION_NAMES))
        self.work_failed, self.access_failed, self.operational_failed = zeros(), zeros(), zeros()
        self.blue = zeros(actions.N_KINDS)
        self.blue_succeeded = zeros(actions.N_KINDS)
        self.busy = zeros()


@dataclass(frozen=True)
class EpisodeMetric:
    """A figure of an episode.

    Attributes:
        name: column of samples, key of results.
        group: heading that it stands under.
        unit: what it is counted in.
        label: in a few words, for tables.
        description: its definition.
        formula: ``float64[n]`` from the tally of n episodes.
    """

    name: str
    group: str
    unit: Unit
    label: str
    description: str
    formula: Callable[[Tally], FloatArray]

    @property
    def floor(self) -> float:
        """Smallest margin, in the metric's unit; 0 for returns, whose margin is stated at once."""
        return FLOOR.get(self.unit, 0.0)


_N_LEVELS: Final = 3  # no red session on a host, one of a user, one of root
_USER_LEVEL, _ROOT_LEVEL = 1, 2
_REAL_SERVICES: Final = (1 << services.N_REAL) - 1
_OPERATIONAL: Final = np.isin(network.HOST_ZONE, network.OPERATIONAL_ZONES)
_OUTSIDE: Final = network.HOST_ZONE != network.CON

_CAUSES: Final = (
    "success",
    "failure",
    "first_observed",
    "session_lost",
    "reassigned",
    "own_session",
)
_N_ACTIONS: Final = red_fsm.N_RED_ACTIONS
_CAUSE_OF_CODE: Final = np.array([*[0] * _N_ACTIONS, *[1] * _N_ACTIONS, 2, 3, 4, 5])
"""Which of ``_CAUSES`` a code of ``GroundTruth.trans_cause`` stands for. The last one has no metric
of its own: no red of CC4 takes a session that it did not fight for."""

_EVENTS: Final = ("first_foothold", "first_root", "first_operational", "first_impact")
"""What :class:`Tally` notes the first step of."""


class Behaviour(Observer):
    """Measures a batch of episodes.

    Attributes:
        seeds: ``int64[n]`` of the episodes.
        tally: what has been summed up so far.
    """

    seeds: Counts
    tally: Tally

    def begin(self, env: Env, seeds: Counts) -> None:
        """Start from zero; look at the networks."""
        self.seeds = seeds
        self.tally = tally = Tally(len(seeds), phases.calls(env.params.steps))
        tally.scorer.begin(env, seeds)
        truth = env.truth()
        exists = np.asarray(truth.host_exists)
        tally.hosts += exists[:, np.isin(network.HOST_KIND, (network.USER, network.SERVER))].sum(1)
        tally.servers += exists[:, network.HOST_KIND == network.SERVER].sum(1)
        tally.services += np.bitwise_count(truth.services & _REAL_SERVICES).sum(1, dtype=np.int64)
        self._level = np.array(truth.host_level)

    def after_step(self, env: Env, decision: Decision) -> None:
        """Add a step."""
        tally, truth = self.tally, env.truth()
        tally.steps += 1
        tally.scorer.after_step(env, decision)
        self._compromise(truth)
        self._red(truth)
        self._green(truth)
        self._blue(env, truth)

    def values(self) -> FloatArray:
        """``float64[n, len(METRICS)]`` of the episodes played to their end."""
        return np.column_stack([metric.formula(self.tally) for metric in METRICS])

    def _compromise(self, truth: GroundTruth) -> None:
        tally, level = self.tally, np.array(truth.host_level)
        tally.fsm += _count(truth.fsm_state, red_fsm.N_STATES)
        tally.last_levels = _count(level, _N_LEVELS)
        tally.levels += tally.last_levels
        tally.operational += (level[:, _OPERATIONAL] > 0).sum(1)
        tally.active += truth.red_active.sum(1)

        action, outcome = truth.red_done, truth.red_outcome
        exploited = (action == RedAction.EXPLOIT) & (outcome == Outcome.SUCCESS)
        entered = (level > 0) & (self._level == 0)
        rows, which = np.nonzero(exploited)
        entered[rows, truth.red_done_host[rows, which]] = False
        tally.unexplained += entered.sum(1)
        self._level = level

        happened = (
            (level[:, _OUTSIDE] > 0).any(1),
            (level[:, _OUTSIDE] == _ROOT_LEVEL).any(1),
            (level[:, _OPERATIONAL] > 0).any(1),
            ((action == RedAction.IMPACT) & np.isin(outcome, EXECUTED)).any(1),
        )
        for event, now in enumerate(happened):
            first = tally.first[:, event]
            np.minimum(first, np.where(now, tally.steps, first), out=first)

    def _red(self, truth: GroundTruth) -> None:
        tally = self.tally
        executed = (truth.red_done >= 0) & np.isin(truth.red_outcome, EXECUTED)
        tally.started += _count(truth.red_started, _N_ACTIONS)
        tally.executed += _count(truth.red_done, _N_ACTIONS, executed)
        success = executed & (truth.red_outcome == Outcome.SUCCESS)
        tally.succeeded += _count(truth.red_done, _N_ACTIONS, success)
        tally.detected += _count(truth.red_done, _N_ACTIONS, executed & truth.red_detected)
        tally.dropped += ((truth.red_done >= 0) & (truth.red_outcome == Outcome.DROPPED)).sum(1)
        counted = np.arange(truth.trans_cause.shape[1]) < truth.trans_n[:, None]
        causes = _CAUSE_OF_CODE[np.where(counted, truth.trans_cause, 0)]
        tally.transitions += _count(causes, len(_CAUSES), counted)

    def _green(self, truth: GroundTruth) -> None:
        tally = self.tally
        tally.green += _count(truth.green_action, len(GREEN_ACTION_NAMES))
        work_failed = truth.green_failure == GreenFailure.SERVICE_DEGRADED
        tally.work_failed += work_failed.sum(1)
        tally.operational_failed += work_failed[:, _OPERATIONAL].sum(1)
        tally.access_failed += (truth.green_failure == GreenFailure.TRAFFIC_BLOCKED).sum(1)

    def _blue(self, env: Env, truth: GroundTruth) -> None:
        tally = self.tally
        tally.process += (env.obs[:, PROCESS] != 0).sum(1)
        tally.connection += (env.obs[:, CONNECTION] != 0).sum(1)
        tally.blocked += (env.obs[:, BLOCKED] != 0).sum(1)
        completed = truth.blue_done >= 0
        kinds = actions.ALL_KIND[np.arange(agents.N_BLUE), truth.blue_done]
        tally.blue += _count(kinds, actions.N_KINDS, completed)
        success = completed & (truth.blue_outcome == Outcome.SUCCESS)
        tally.blue_succeeded += _count(kinds, actions.N_KINDS, success)
        tally.busy += (~env.free).sum(1)


def _count(codes: Array, size: int, where: Array | None = None) -> Counts:
    """How often each code below `size` occurs in each row: ``int64[n, size]``.

    Args:
        codes: ``int[n, ...]``; negative ones stand for nothing.
        size: number of codes.
        where: ``bool[n, ...]`` entries to count; by default all that are not negative.
    """
    n = len(codes)
    chosen = (codes >= 0) if where is None else where
    rows = np.broadcast_to(np.arange(n).reshape(n, *[1] * (codes.ndim - 1)), codes.shape)
    places = rows[chosen] * size + codes[chosen]
    return np.bincount(places, minlength=n * size).reshape(n, size)


def _ratio(part: Array, whole: Array) -> FloatArray:
    """NaN where the whole is 0."""
    nan = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    ratio: FloatArray = np.divide(part, whole, out=nan, where=whole != 0)
    return ratio


RETURN, NETWORK, FSM, COMPROMISE, ALERTS, RED, GREEN, BLUE = GROUPS = (
    "Return",
    "Network",
    "Red’s state machine",
    "Compromise",
    "What blue sees",
    "Red’s actions",
    "Green’s work",
    "Blue’s actions",
)

_PHRASES: Final = {
    "LWF": "failed local work",
    "ASF": "failed service accesses",
    "RIA": "red’s Impacts",
    "action_cost": "cost of actions",
}


def _returns() -> Iterator[EpisodeMetric]:
    def points(
        name: str, label: str, text: str, formula: Callable[[Tally], Array]
    ) -> EpisodeMetric:
        return EpisodeMetric(
            name, RETURN, Unit.POINTS, label, text, lambda t: formula(t).astype(np.float64)
        )

    def phase(index: int) -> Callable[[Tally], Array]:
        return lambda t: t.scorer.penalties[:, index].sum((1, 2)) + t.scorer.costs[:, index].sum(1)

    def cause(index: int) -> Callable[[Tally], Array]:
        if index == len(reward.CAUSES):
            return lambda t: t.scorer.costs.sum((1, 2))
        return lambda t: t.scorer.penalties[:, :, index].sum((1, 2))

    yield points(
        "return",
        "return",
        "Sum of the team’s rewards of all steps but the last.",
        lambda t: t.scorer.penalties.sum((1, 2, 3)) + t.scorer.costs.sum((1, 2)),
    )
    for index, name in enumerate(phases.PHASE_NAMES):
        key = name.lower().replace(" ", "_").replace("-", "_")
        yield points(f"return_{key}", f"return: {name}", f"Its part in phase {name}.", phase(index))
    for index, name in enumerate(reward.CAUSE_NAMES):
        text = f"Its part from {_PHRASES[name]}."
        yield points(f"return_{name.lower()}", f"return: {_PHRASES[name]}", text, cause(index))


def _network() -> Iterator[EpisodeMetric]:
    yield EpisodeMetric(
        "hosts",
        NETWORK,
        Unit.HOSTS,
        "hosts",
        "User hosts and servers of the generated network.",
        lambda t: t.hosts.astype(np.float64),
    )
    yield EpisodeMetric(
        "servers",
        NETWORK,
        Unit.HOSTS,
        "servers",
        "Servers of the generated network.",
        lambda t: t.servers.astype(np.float64),
    )
    yield EpisodeMetric(
        "services",
        NETWORK,
        Unit.PER_EPISODE,
        "services",
        "Real services on all hosts at the start.",
        lambda t: t.services.astype(np.float64),
    )


def _machine() -> Iterator[EpisodeMetric]:
    for state in red_fsm.State:
        if state != red_fsm.State.UNKNOWN:
            yield EpisodeMetric(
                f"fsm_{state.name.lower()}",
                FSM,
                Unit.HOSTS,
                f"hosts in {state.name}",
                f"Mean over steps of the entries in state {state.name} in the tables of all six "
                "red agents; a host that two agents know counts twice.",
                lambda t, state=state: t.fsm[:, state] / t.steps,  # type: ignore[misc]
            )
    yield EpisodeMetric(
        "fsm_evaluations",
        FSM,
        Unit.PER_STEP,
        "evaluations of red’s tables",
        "Entries of red’s tables evaluated per step, changed or not.",
        lambda t: t.transitions.sum(1) / t.steps,
    )
    words = ("an action that succeeded", "an action that failed", "a first sighting")
    for cause, text in enumerate((*words, "a lost session", "a session handed to another agent")):
        yield EpisodeMetric(
            f"fsm_cause_{_CAUSES[cause]}",
            FSM,
            Unit.SHARE,
            f"evaluations after {text}",
            f"Share of the evaluations of red’s tables that {text} caused.",
            lambda t, cause=cause: _ratio(  # type: ignore[misc]
                t.transitions[:, cause], t.transitions.sum(1)
            ),
        )


def _compromise() -> Iterator[EpisodeMetric]:
    def hosts(
        name: str, label: str, text: str, formula: Callable[[Tally], FloatArray]
    ) -> EpisodeMetric:
        return EpisodeMetric(name, COMPROMISE, Unit.HOSTS, label, text, formula)

    yield hosts(
        "hosts_user",
        "hosts with user session",
        "Mean over steps of the hosts whose most powerful red session is a user’s.",
        lambda t: t.levels[:, _USER_LEVEL] / t.steps,
    )
    yield hosts(
        "hosts_root",
        "hosts with root session",
        "Mean over steps of the hosts with a red root session.",
        lambda t: t.levels[:, _ROOT_LEVEL] / t.steps,
    )
    yield hosts(
        "hosts_operational",
        "operational hosts with session",
        "Mean over steps of the hosts in the two operational subnets with any red session.",
        lambda t: t.operational / t.steps,
    )
    yield hosts(
        "hosts_at_end",
        "hosts with session at the end",
        "Hosts with any red session after the last step.",
        lambda t: t.last_levels[:, 1:].sum(1).astype(np.float64),
    )
    yield EpisodeMetric(
        "red_active",
        COMPROMISE,
        Unit.AGENTS,
        "active red agents",
        "Mean over steps of the red agents that have a session.",
        lambda t: t.active / t.steps,
    )
    events = (
        ("first foothold", "any host outside the contractor network has a red session"),
        ("first root", "any host outside the contractor network has a red root session"),
        ("first operational host", "any host of an operational subnet has a red session"),
        ("first Impact", "an Impact is executed, whether it succeeds or not"),
    )
    for event, (label, text) in enumerate(events):
        yield EpisodeMetric(
            _EVENTS[event],
            COMPROMISE,
            Unit.STEPS,
            label,
            f"The first step in which {text}; the episode’s length if that never happens.",
            lambda t, event=event: t.first[:, event].astype(np.float64),  # type: ignore[misc]
        )
    yield EpisodeMetric(
        "entered_unexploited",
        COMPROMISE,
        Unit.PER_EPISODE,
        "hosts entered without an exploit",
        "Times that a host without a red session got one in a step in which no exploit on it "
        "succeeded: nearly always by a phishing mail.",
        lambda t: t.unexplained.astype(np.float64),
    )


def _alerts() -> Iterator[EpisodeMetric]:
    yield EpisodeMetric(
        "alerts_process",
        ALERTS,
        Unit.PER_STEP,
        "process alerts",
        "Malicious-process bits set in the five observations, per step.",
        lambda t: t.process / t.steps,
    )
    yield EpisodeMetric(
        "alerts_connection",
        ALERTS,
        Unit.PER_STEP,
        "connection alerts",
        "Network-connection bits set in the five observations, per step.",
        lambda t: t.connection / t.steps,
    )
    yield EpisodeMetric(
        "blocked",
        ALERTS,
        Unit.PAIRS,
        "blocked traffic",
        "Mean over steps of the pairs of subnets shown as blocked.",
        lambda t: t.blocked / t.steps,
    )


def _red() -> Iterator[EpisodeMetric]:
    yield EpisodeMetric(
        "red_started",
        RED,
        Unit.PER_STEP,
        "red actions started",
        "Actions that red agents started, per step.",
        lambda t: t.started.sum(1) / t.steps,
    )
    for action, name in enumerate(red_fsm.RED_ACTION_NAMES):
        yield EpisodeMetric(
            f"red_share_{name}",
            RED,
            Unit.SHARE,
            f"share of {name}",
            f"Share of {name} among the actions that red started.",
            lambda t, action=action: _ratio(  # type: ignore[misc]
                t.started[:, action], t.started.sum(1)
            ),
        )
    for action, name in enumerate(red_fsm.RED_ACTION_NAMES):
        yield EpisodeMetric(
            f"red_success_{name}",
            RED,
            Unit.SHARE,
            f"success of {name}",
            f"Share of the executed {name} that succeeded.",
            lambda t, action=action: _ratio(  # type: ignore[misc]
                t.succeeded[:, action], t.executed[:, action]
            ),
        )
    watched = (
        RedAction.AGGRESSIVE_SCAN,
        RedAction.STEALTH_SCAN,
        RedAction.DISCOVER_DECEPTION,
        RedAction.EXPLOIT,
    )
    for action in watched:
        name = red_fsm.RED_ACTION_NAMES[action]
        yield EpisodeMetric(
            f"red_detected_{name}",
            RED,
            Unit.SHARE,
            f"detection of {name}",
            f"Share of the executed {name} that left an event on a host that blue watches.",
            lambda t, action=action: _ratio(  # type: ignore[misc]
                t.detected[:, action], t.executed[:, action]
            ),
        )
    yield EpisodeMetric(
        "red_detected",
        RED,
        Unit.SHARE,
        "detection of all red actions",
        "Share of all executed red actions that left an event on a host that blue watches.",
        lambda t: _ratio(t.detected.sum(1), t.executed.sum(1)),
    )
    yield EpisodeMetric(
        "red_dropped",
        RED,
        Unit.SHARE,
        "dropped red actions",
        "Share of the red actions that came due whose source session no longer existed.",
        lambda t: _ratio(t.dropped, t.executed.sum(1) + t.dropped),
    )


def _green() -> Iterator[EpisodeMetric]:
    yield EpisodeMetric(
        "green_actions",
        GREEN,
        Unit.PER_STEP,
        "green actions",
        "Green local works and service accesses, per step.",
        lambda t: t.green[:, [GreenAction.ACCESS, GreenAction.LOCAL_WORK]].sum(1) / t.steps,
    )
    for name, action, text in (
        ("green_share_work", GreenAction.LOCAL_WORK, "local work"),
        ("green_share_access", GreenAction.ACCESS, "service access"),
    ):
        yield EpisodeMetric(
            name,
            GREEN,
            Unit.SHARE,
            f"green share of {text}",
            f"Share of green users’ turns (sleep included) spent on {text}.",
            lambda t, action=action: _ratio(  # type: ignore[misc]
                t.green[:, action], t.green.sum(1)
            ),
        )
    yield EpisodeMetric(
        "green_work_failed",
        GREEN,
        Unit.SHARE,
        "failed local work",
        "Share of the local works that failed because a service was degraded or stopped.",
        lambda t: _ratio(t.work_failed, t.green[:, GreenAction.LOCAL_WORK]),
    )
    yield EpisodeMetric(
        "green_access_failed",
        GREEN,
        Unit.SHARE,
        "failed accesses",
        "Share of the service accesses that failed because traffic was blocked.",
        lambda t: _ratio(t.access_failed, t.green[:, GreenAction.ACCESS]),
    )
    yield EpisodeMetric(
        "green_operational_failed",
        GREEN,
        Unit.PER_STEP,
        "failed operational work",
        "Local works that failed in the two operational subnets, per step.",
        lambda t: t.operational_failed / t.steps,
    )


def _blue() -> Iterator[EpisodeMetric]:
    yield EpisodeMetric(
        "blue_completed",
        BLUE,
        Unit.PER_STEP,
        "blue actions completed",
        "Actions that blue agents completed, per step.",
        lambda t: t.blue.sum(1) / t.steps,
    )
    for kind, name in enumerate(actions.KIND_NAMES):
        yield EpisodeMetric(
            f"blue_share_{name}",
            BLUE,
            Unit.SHARE,
            f"share of {name}",
            f"Share of {name} among the actions that blue completed.",
            lambda t, kind=kind: _ratio(t.blue[:, kind], t.blue.sum(1)),  # type: ignore[misc]
        )
    for kind in actions.ActionKind:
        if kind in actions.HOST_KINDS | actions.TRAFFIC_KINDS:
            name = actions.KIND_NAMES[kind]
            yield EpisodeMetric(
                f"blue_success_{name}",
                BLUE,
                Unit.SHARE,
                f"success of {name}",
                f"Share of the completed {name} that succeeded.",
                lambda t, kind=kind: _ratio(  # type: ignore[misc]
                    t.blue_succeeded[:, kind], t.blue[:, kind]
                ),
            )
    yield EpisodeMetric(
        "blue_busy",
        BLUE,
        Unit.SHARE,
        "busy blue agents",
        "Share of blue agents and steps after which an action of the agent still goes on.",
        lambda t: t.busy / (t.steps * agents.N_BLUE),
    )


METRICS: Final[Sequence[EpisodeMetric]] = (
    *_returns(),
    *_network(),
    *_machine(),
    *_compromise(),
    *_alerts(),
    *_red(),
    *_green(),
    *_blue(),
)
"""Every metric of an episode, in the order of a sample's columns; the returns come first."""

NAMES: Final = tuple(metric.name for metric in METRICS)
