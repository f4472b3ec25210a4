"""What the measured quantities of a defence are: each is declared here, once.

The SOC metrics are these quantities, by subnet or agent, too. Checks of the audit judge some of
them and the audit's main numbers show some; they take unit, direction, statistic and what is
counted from here (`cagexplain.audit.check.Measure.of`), so that the same quantity is one
computation with one kind of interval. The pages and the documentation print the definitions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from cagexplain.cc4 import agents, network
from cagexplain.cc4.agents import BLUE_OF_ZONE
from cagexplain.common.arrays import Array, BoolArray, FloatArray, Int64Array, IntArray
from cagexplain.common.results import Result
from cagexplain.facts import green, impacts, links, posture, recoveries
from cagexplain.facts.cases import Cases
from cagexplain.facts.tally import tally
from cagexplain.facts.view import View, all_incidents, rows_of
from cagexplain.facts.waits import Moment, Onset, at_onset, waits
from cagexplain.stats.durations import HORIZON
from cagexplain.stats.estimates import (
    HitShare,
    OfCases,
    OfDurations,
    PerEpisode,
    Quantile,
    RestrictedMean,
    Statistic,
    SumsRatio,
)

Better = Literal["higher", "lower"]
Times = tuple[Moment, Moment, Onset]
"""From one moment of an incident to another one, in incidents of some onset."""


@dataclass(frozen=True)
class Published(Result):
    """A value that somebody else reports.

    Attributes:
        source: who, where, and for which defender.
        value: in the unit of the metric.
        defender: the last of these alone.
    """

    source: str
    value: float
    defender: str


@dataclass(frozen=True)
class Definition:
    """What all quantities have.

    Attributes:
        key: short name, for programs.
        name: for people.
        unit: of the value.
        formula: how it is computed, in words.
        columns: of the trace that it rests on.
        better: whether a good defence has a higher or a lower value.
        published: values of others; the documentation tells where their definitions differ.
    """

    key: str
    name: str
    unit: str
    formula: str
    columns: str
    better: Better
    published: tuple[Published, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Parts:
    """What a quantity is divided into.

    Attributes:
        names: of the subnets or agents.
        numbers: ``int[part]`` of the zone or agent.
        zones: whether the parts are subnets; otherwise they are agents.
        in_team: ``bool[part]`` whether a part counts for the team.
    """

    names: tuple[str, ...]
    numbers: Int64Array
    zones: bool
    in_team: Array

    def of(self, cases: Cases) -> IntArray:
        """``int[case]`` part of each case; -1 for one of another subnet."""
        number = network.HOST_ZONE[cases.host] if self.zones else cases.agent
        position = np.full(max(network.N_ZONES, agents.N_BLUE), -1)
        position[self.numbers] = np.arange(len(self.numbers))
        return position[number]


def _subnets(*zones: int, apart: int = -1) -> Parts:
    numbers = np.array(zones)
    names = tuple(network.ZONES[zone] for zone in zones)
    return Parts(names, numbers, True, numbers != apart)


DEFENDED: Final = _subnets(*np.flatnonzero(BLUE_OF_ZONE >= 0).tolist())
"""Subnets that a blue agent defends. The contractor network has no defender and keeps red's
foothold for good, so figures of containment leave it out."""
_OPERATIONAL: Final = _subnets(*network.OPERATIONAL_ZONES)
_WITH_USERS: Final = _subnets(*range(network.N_REAL_ZONES))
_BUT_CONTRACTOR: Final = _subnets(*range(network.N_REAL_ZONES), apart=network.CON)
"""The work of the contractor's users is shown, but not counted for the team; the accesses that
blue's blocks stop are the team's doing wherever the user sits."""
_AGENTS: Final = Parts(
    agents.BLUE, np.arange(agents.N_BLUE), False, np.ones(agents.N_BLUE, dtype=np.bool_)
)


@dataclass(frozen=True, kw_only=True)
class Counted(Definition):
    """A count per episode, or a ratio of counts pooled over episodes.

    Attributes:
        statistic: how the value follows from sums over episodes.
        parts: what it is divided into.
        cases: what is counted; None if `by_zone` counts it.
        by_zone: ``int[n, zone, column]`` sums for the statistic.
    """

    statistic: Statistic
    parts: Parts
    cases: Callable[[View], Cases] | None = None
    by_zone: Callable[[View], Int64Array] | None = None

    def of_team(self, view: View) -> Cases:
        """The cases that count for the team."""
        assert self.cases is not None
        every = view.shared(self.cases)
        part = self.parts.of(every)
        return every.where((part >= 0) & self.parts.in_team[part])

    def team_sums(self, view: View) -> FloatArray:
        """``float64[n, column]`` of the team."""
        return self.sums(view)[:, 0]

    def sums(self, view: View) -> FloatArray:
        """``float64[n, 1 + part, column]`` of the team, and of each part."""
        if self.by_zone is not None:
            apart = self.by_zone(view)[:, self.parts.numbers].astype(np.float64)
            team = apart[:, self.parts.in_team].sum(axis=1, keepdims=True)
            return np.concatenate([team, apart], axis=1)
        assert self.cases is not None
        assert isinstance(self.statistic, OfCases)
        every, n = view.shared(self.cases), len(self.parts.names)
        part = self.parts.of(every)
        in_part = replace(every, row=every.row * n + part).where(part >= 0)
        whole = self.statistic.sums(self.of_team(view), view.n, view.steps)
        split = self.statistic.sums(in_part, view.n * n, view.steps)
        return np.concatenate([whole[:, None], split.reshape(view.n, n, -1)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Timed(Definition):
    """A time between two moments of an incident; Kaplan-Meier estimate.

    Attributes:
        begin, end: the moments, as the columns of `Incidents`.
        onset: which incidents.
        statistic: median, or mean over the first `HORIZON` steps.
        by_zone: whether it is also given by subnet.
    """

    begin: Moment
    end: Moment
    onset: Onset
    statistic: OfDurations
    by_zone: bool

    @property
    def times(self) -> Times:
        """Which times it is about, as arguments of `waits`."""
        return self.begin, self.end, self.onset

    def of_team(self, view: View) -> Cases:
        """The times in a batch."""
        cases = waits(view.shared(all_incidents), *self.times)
        return replace(cases, row=rows_of(view, cases.row))


_SINGH: Final = "Singh et al. 2025, table 3, {}"
_SINGH_DEFENDERS: Final = ("H-MARL Expert", "H-MARL Meta", "H-MARL Collective", "IPPO")


def _singh(*values: float) -> tuple[Published, ...]:
    """A row of the table, in the order of `_SINGH_DEFENDERS`."""
    return tuple(
        Published(_SINGH.format(who), value, who)
        for who, value in zip(_SINGH_DEFENDERS, values, strict=True)
    )


_LEVELS: Final = "levels.*"
_RECOVERED: Final = "blue.completed, completed_level"
_WORK: Final = "green_work.*"
SHARE: Final = "share"
"""Unit where the numerator counts some of what the denominator counts."""
_PER_EPISODE: Final = "per episode"


def _incidents(view: View) -> Cases:
    return _at_onset(view, True)


def _silent(view: View) -> Cases:
    return _at_onset(view, ~view.shared(all_incidents).visible)


def _rooted(view: View) -> Cases:
    return _at_onset(view, view.shared(all_incidents).root >= 0)


def _at_onset(view: View, hit: BoolArray | bool) -> Cases:
    cases = at_onset(view.shared(all_incidents), hit)
    return replace(cases, row=rows_of(view, cases.row))


def _cleared(view: View) -> Int64Array:
    """``int64[n, zone, 2]`` steps of the incidents that were cleared, and their number."""
    incidents = view.shared(all_incidents)
    cleared = ~incidents.censored
    axes = (
        (rows_of(view, incidents.episode), view.n),
        (network.HOST_ZONE[incidents.host].astype(np.int64), network.N_ZONES),
    )
    length = tally(*axes, where=cleared, weights=incidents.end - incidents.on)
    return np.stack([length, tally(*axes, where=cleared)], axis=2).astype(np.int64)


COUNTED: Final = (
    Counted(
        key="clean_hosts",
        name="Clean hosts",
        unit=SHARE,
        formula="Host-steps without a red session / host-steps, over the user and server hosts of "
        "the defended subnets at decision time.",
        columns="levels.*, hosts.level",
        better="higher",
        published=_singh(0.81, 0.77, 0.85, 0.77),
        statistic=HitShare(),
        parts=DEFENDED,
        by_zone=posture.clean_time,
    ),
    Counted(
        key="non_escalated_hosts",
        name="Non-escalated hosts",
        unit=SHARE,
        formula="Host-steps without a red root session / host-steps, over the same hosts.",
        columns="levels.*, hosts.level",
        better="higher",
        published=_singh(0.99, 0.97, 0.97, 0.97),
        statistic=HitShare(),
        parts=DEFENDED,
        by_zone=posture.time_without_root,
    ),
    Counted(
        key="incidents",
        name="Incidents",
        unit=_PER_EPISODE,
        formula="Red's presence on a defended host, from its first session there to the end of "
        "the last one: level 1 or 2 without a break.",
        columns=_LEVELS,
        better="lower",
        statistic=PerEpisode(),
        parts=DEFENDED,
        cases=_incidents,
    ),
    Counted(
        key="silent_incidents",
        name="Silent incidents",
        unit=_PER_EPISODE,
        formula="Incidents that began without an event on the host, mostly by phishing.",
        columns="levels.process_event, connection_event",
        better="lower",
        statistic=PerEpisode(),
        parts=DEFENDED,
        cases=_silent,
    ),
    Counted(
        key="escalated_incidents",
        name="Incidents that reached root",
        unit=SHARE,
        formula="Incidents with a root session at some step / incidents.",
        columns="levels.to_level",
        better="lower",
        statistic=HitShare(),
        parts=DEFENDED,
        cases=_rooted,
    ),
    Counted(
        key="cleared_mean",
        name="Mean length of cleared incidents",
        unit="steps",
        formula="Steps from onset to clearance, summed over the incidents that were cleared / "
        "their number. This is the published MTTR: it leaves out what was never cleared, so that "
        "a defender who gives up on hosts looks quick. Read it beside the dwell time.",
        columns="levels.step",
        better="lower",
        published=_singh(44.76, 62.63, 35.52, 56.08),
        statistic=SumsRatio(),
        parts=DEFENDED,
        by_zone=_cleared,
    ),
    Counted(
        key="useful_recoveries",
        name="Useful recoveries",
        unit=_PER_EPISODE,
        formula="Completed Restores on a host with a red session, and Removes on one with a user "
        "session and no root, at the beginning of the step in which they take effect.",
        columns=_RECOVERED,
        better="higher",
        published=_singh(6.07, 5.79, 3.41, 10.45),
        statistic=PerEpisode(),
        parts=_AGENTS,
        cases=recoveries.recoveries,
    ),
    Counted(
        key="wasted_recoveries",
        name="Wasted recoveries",
        unit=_PER_EPISODE,
        formula="All other completed Restores and Removes.",
        columns=_RECOVERED,
        better="lower",
        published=_singh(2.20, 3.74, 5.79, 27.99),
        statistic=PerEpisode(),
        parts=_AGENTS,
        cases=recoveries.wasted,
    ),
    Counted(
        key="recovery_precision",
        name="Precision of recoveries",
        unit=SHARE,
        formula="Useful recoveries / completed recoveries.",
        columns=_RECOVERED,
        better="higher",
        published=_singh(0.73, 0.61, 0.37, 0.27),
        statistic=HitShare(),
        parts=_AGENTS,
        cases=recoveries.recoveries,
    ),
    Counted(
        key="restore_effect",
        name="Effect of Restore on red",
        unit=SHARE,
        formula="Restores after which red had no access to the host at the next decision / "
        "Restores completed on a host with red, those of the last step left out. CC4 reports "
        "success in any case.",
        columns="levels.*, blue.completed_level",
        better="higher",
        statistic=HitShare(),
        parts=_AGENTS,
        cases=recoveries.by_restore,
    ),
    Counted(
        key="remove_effect",
        name="Effect of Remove on red",
        unit=SHARE,
        formula="Removes after which red had no access to the host at the next decision / Removes "
        "completed on a host with red, those of the last step left out.",
        columns="levels.*, blue.completed_level",
        better="higher",
        statistic=HitShare(),
        parts=_AGENTS,
        cases=recoveries.by_remove,
    ),
    Counted(
        key="impacts",
        name="Impacts in operational subnets",
        unit=_PER_EPISODE,
        formula="Red Impacts on hosts of the two operational subnets that came due, whether they "
        "succeeded or not: CC4 penalises both.",
        columns="red.event, action, outcome, target_zone",
        better="lower",
        published=_singh(0.88, 1.14, 1.93, 1.54),
        statistic=PerEpisode(),
        parts=_OPERATIONAL,
        cases=impacts.due,
    ),
    Counted(
        key="stopped_services",
        name="Operational services stopped",
        unit=_PER_EPISODE,
        formula="Impacts in operational subnets that succeeded.",
        columns="red.event, action, outcome, target_zone",
        better="lower",
        statistic=PerEpisode(),
        parts=_OPERATIONAL,
        cases=impacts.stops,
    ),
    Counted(
        key="green_availability",
        name="Green availability",
        unit=SHARE,
        formula="Green work that did not fail / green work, by the subnet of the user; the "
        "contractor network is shown, but not counted for the team.",
        columns=_WORK,
        better="higher",
        statistic=HitShare(),
        parts=_BUT_CONTRACTOR,
        by_zone=green.work,
    ),
    Counted(
        key="local_work_availability",
        name="Availability of local work",
        unit=SHARE,
        formula="Green availability of GreenLocalWork alone, which fails on degraded or stopped "
        "services.",
        columns=_WORK,
        better="higher",
        statistic=HitShare(),
        parts=_BUT_CONTRACTOR,
        by_zone=green.local_work,
    ),
    Counted(
        key="access_availability",
        name="Availability of service access",
        unit=SHARE,
        formula="Green availability of GreenAccessService alone, which fails on blocked traffic.",
        columns=_WORK,
        better="higher",
        statistic=HitShare(),
        parts=_BUT_CONTRACTOR,
        by_zone=green.accesses,
    ),
    Counted(
        key="restore_downtime",
        name="Restore downtime",
        unit="host-steps per episode",
        formula="Steps in which a Restore was running, each on one host. CC4 itself lets green go "
        "on working meanwhile.",
        columns="blue.executing",
        better="lower",
        statistic=PerEpisode(),
        parts=_AGENTS,
        cases=recoveries.steps_under_restore,
    ),
    Counted(
        key="blocks",
        name="Blocks put up",
        unit=_PER_EPISODE,
        formula="Completed BlockTrafficZone that changed something.",
        columns="blue.completed, outcome",
        better="lower",
        statistic=PerEpisode(),
        parts=_AGENTS,
        cases=links.set_up,
    ),
    Counted(
        key="hurtful_blocks",
        name="Blocks that hurt green",
        unit=SHARE,
        formula="Blocks put up during which, before they were lifted, a green access between the "
        "two subnets failed, in either direction / blocks put up.",
        columns="blue.completed, outcome, target_zone, source_zone; green.*",
        better="lower",
        statistic=HitShare(),
        parts=_AGENTS,
        cases=links.blocks,
    ),
    Counted(
        key="green_blocked",
        name="Green accesses blocked",
        unit=_PER_EPISODE,
        formula="Green accesses that failed on blocked traffic, by the subnet of the user; those "
        "of the contractor network count.",
        columns="green_work.traffic_blocked",
        better="lower",
        statistic=PerEpisode(),
        parts=_WITH_USERS,
        cases=green.lost_accesses,
    ),
    Counted(
        key="action_cost",
        name="Cost of actions",
        unit="points per episode",
        formula="Submitted Restores, at one point each, of all steps played.",
        columns="blue.action_type",
        better="lower",
        statistic=PerEpisode(),
        parts=_AGENTS,
        cases=recoveries.submitted,
    ),
    Counted(
        key="cost_for_nothing",
        name="Cost of ignored actions",
        unit=SHARE,
        formula="Restores submitted by a busy agent, which CC4 charges but ignores / Restores "
        "submitted.",
        columns="blue.action_type, started",
        better="lower",
        statistic=HitShare(),
        parts=_AGENTS,
        cases=recoveries.charged,
    ),
)


@dataclass(frozen=True)
class Time:
    """A time of which both statistics are given, each as a metric of its own."""

    key: str
    name: str
    formula: str
    columns: str
    begin: Moment
    end: Moment
    onset: Onset = "all"
    by_zone: bool = False

    def metric(self, word: str) -> str:
        """Key of the metric that is its "median" or its "mean"."""
        return f"{self.key}_{word}"


_DWELL: Final = "Onset to the first step without red on the host"
_RESPOND: Final = (
    "Onset to the first step in which the host's agent starts Analyse, Remove or Restore on it"
)
_ALERTED: Final = "levels.step, observations.bits"
_RESPONDED: Final = "levels.step, blue.started, action_type, target_host"

TIMES: Final = (
    Time(
        "time_to_detect",
        "Time to detect",
        "Onset to the first alert of the host, of a process or a connection, that was seen",
        _ALERTED,
        "on",
        "alert",
    ),
    Time(
        "time_to_detect_silent",
        "Time to detect, silent onset",
        "Time to detect of the incidents that began without an event",
        _ALERTED,
        "on",
        "alert",
        "silent",
    ),
    Time("time_to_respond", "Time to respond", _RESPOND, _RESPONDED, "on", "response"),
    Time(
        "time_to_respond_visible",
        "Time to respond, visible onset",
        "Time to respond of the incidents that began with an event",
        _RESPONDED,
        "on",
        "response",
        "visible",
    ),
    Time(
        "time_to_respond_silent",
        "Time to respond, silent onset",
        "Time to respond of the incidents that began without an event",
        _RESPONDED,
        "on",
        "response",
        "silent",
    ),
    Time(
        "alert_to_response",
        "Time from alert to response",
        "First alert of the incident to the first response from then on",
        f"{_ALERTED}; blue.started, action_type, target_host",
        "alert",
        "answer",
    ),
    Time(
        "time_to_recover",
        "Time to recover",
        "First response to the first step without red on the host",
        _RESPONDED,
        "response",
        "clear",
    ),
    Time("dwell", "Dwell time", _DWELL, "levels.step", "on", "clear", by_zone=True),
    Time(
        "dwell_visible",
        "Dwell time, visible onset",
        "Dwell time of the incidents that began with an event",
        "levels.*",
        "on",
        "clear",
        "visible",
    ),
    Time(
        "dwell_silent",
        "Dwell time, silent onset",
        "Dwell time of the incidents that began without an event",
        "levels.*",
        "on",
        "clear",
        "silent",
    ),
)
_STATISTICS: Final[dict[str, tuple[OfDurations, str]]] = {
    "median": (Quantile(0.5), "Kaplan-Meier median"),
    "mean": (
        RestrictedMean(HORIZON),
        f"Kaplan-Meier mean, times above {HORIZON} steps counted as {HORIZON}",
    ),
}

TIMED: Final = tuple(
    Timed(
        key=time.metric(word),
        name=f"{time.name} ({word})",
        unit="steps",
        formula=f"{time.formula}; {how}.",
        columns=time.columns,
        better="lower",
        begin=time.begin,
        end=time.end,
        onset=time.onset,
        statistic=statistic,
        by_zone=time.by_zone,
    )
    for time in TIMES
    for word, (statistic, how) in _STATISTICS.items()
)

DEFINITIONS: Final[tuple[Counted | Timed, ...]] = (*COUNTED, *TIMED)


def definition(key: str) -> Counted | Timed:
    """Look a quantity up; ``KeyError`` if there is no such one."""
    return _BY_KEY[key]


_BY_KEY: Final = {each.key: each for each in DEFINITIONS}
