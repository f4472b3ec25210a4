"""What the SOC metrics are: one table for the analysis, the pages and the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cagexplain.common.results import Result
from cagexplain.stats.durations import HORIZON

Better = Literal["higher", "lower"]
Onset = Literal["all", "visible", "silent"]
Moment = Literal["on", "alert", "response", "answer", "clear"]
Statistic = Literal["median", "mean"]


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
    """What all metrics have.

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
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Counted(Definition):
    """A count per episode, or a ratio of counts pooled over episodes.

    Attributes:
        numerator, denominator: names of tallies; without denominator the count is per episode.
    """

    numerator: str = ""
    denominator: str | None = None


@dataclass(frozen=True)
class Timed(Definition):
    """A time between two moments of red's stay on a host; Kaplan-Meier estimate.

    Attributes:
        begin, end: the moments, as the columns of `Stays`.
        onset: which stays.
        statistic: median, or mean over the first `HORIZON` steps.
        by_zone: whether it is also given by subnet.
    """

    begin: Moment = "on"
    end: Moment = "clear"
    onset: Onset = "all"
    statistic: Statistic = "median"
    by_zone: bool = False


_SINGH: Final = "Singh et al. 2025, table 3, {}"
_SINGH_DEFENDERS: Final = ("H-MARL Expert", "H-MARL Meta", "H-MARL Collective", "IPPO")


def _singh(*values: float) -> tuple[Published, ...]:
    """A row of the table, in the order of `_SINGH_DEFENDERS`."""
    return tuple(
        Published(_SINGH.format(who), value, who)
        for who, value in zip(_SINGH_DEFENDERS, values, strict=True)
    )


_STAYS: Final = "levels.*"
_RECOVERED: Final = "blue.completed, completed_level"
_WORK: Final = "green_work.*"
SHARE: Final = "share"
"""Unit where the numerator counts some of what the denominator counts."""
_PER_EPISODE: Final = "per episode"

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
        numerator="clean",
        denominator="host_steps",
    ),
    Counted(
        key="non_escalated_hosts",
        name="Non-escalated hosts",
        unit=SHARE,
        formula="Host-steps without a red root session / host-steps, over the same hosts.",
        columns="levels.*, hosts.level",
        better="higher",
        published=_singh(0.99, 0.97, 0.97, 0.97),
        numerator="no_root",
        denominator="host_steps",
    ),
    Counted(
        key="incidents",
        name="Incidents",
        unit=_PER_EPISODE,
        formula="Stays of red on a defended host: unbroken spells of level 1 or 2.",
        columns=_STAYS,
        better="lower",
        numerator="stays",
    ),
    Counted(
        key="silent_incidents",
        name="Silent incidents",
        unit=_PER_EPISODE,
        formula="Incidents that began without an event on the host, mostly by phishing.",
        columns="levels.process_event, connection_event",
        better="lower",
        numerator="silent",
    ),
    Counted(
        key="escalated_incidents",
        name="Incidents that reached root",
        unit=SHARE,
        formula="Incidents with a root session at some step / incidents.",
        columns="levels.to_level",
        better="lower",
        numerator="rooted",
        denominator="stays",
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
        numerator="closed_steps",
        denominator="closed",
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
        numerator="useful",
    ),
    Counted(
        key="wasted_recoveries",
        name="Wasted recoveries",
        unit=_PER_EPISODE,
        formula="All other completed Restores and Removes.",
        columns=_RECOVERED,
        better="lower",
        published=_singh(2.20, 3.74, 5.79, 27.99),
        numerator="wasted",
    ),
    Counted(
        key="recovery_precision",
        name="Precision of recoveries",
        unit=SHARE,
        formula="Useful recoveries / completed recoveries.",
        columns=_RECOVERED,
        better="higher",
        published=_singh(0.73, 0.61, 0.37, 0.27),
        numerator="useful",
        denominator="recoveries",
    ),
    Counted(
        key="restore_effect",
        name="Effect of Restore on red",
        unit=SHARE,
        formula="Falls of a host's level by a Restore / Restores completed on a host with red. CC4 "
        "reports success in any case.",
        columns="levels.cause, blue.completed_level",
        better="higher",
        numerator="restore_hit",
        denominator="restore_met",
    ),
    Counted(
        key="remove_effect",
        name="Effect of Remove on red",
        unit=SHARE,
        formula="Falls of a host's level by a Remove / Removes completed on a host with red.",
        columns="levels.cause, blue.completed_level",
        better="higher",
        numerator="remove_hit",
        denominator="remove_met",
    ),
    Counted(
        key="impacts",
        name="Impacts in operational zones",
        unit=_PER_EPISODE,
        formula="Red Impacts on hosts of the two operational zones that came due, whether they "
        "succeeded or not: CC4 penalises both.",
        columns="red.event, action, outcome, target_zone",
        better="lower",
        published=_singh(0.88, 1.14, 1.93, 1.54),
        numerator="impacts",
    ),
    Counted(
        key="stopped_services",
        name="Operational services stopped",
        unit=_PER_EPISODE,
        formula="Impacts in operational zones that succeeded.",
        columns="red.event, action, outcome, target_zone",
        better="lower",
        numerator="stops",
    ),
    Counted(
        key="green_availability",
        name="Green availability",
        unit=SHARE,
        formula="Green work that did not fail / green work, by the subnet of the user; the "
        "contractor network is shown, but not counted for the team.",
        columns=_WORK,
        better="higher",
        numerator="served",
        denominator="tries",
    ),
    Counted(
        key="local_work_availability",
        name="Availability of local work",
        unit=SHARE,
        formula="Green availability of GreenLocalWork alone, which fails on degraded or stopped "
        "services.",
        columns=_WORK,
        better="higher",
        numerator="worked",
        denominator="work",
    ),
    Counted(
        key="access_availability",
        name="Availability of service access",
        unit=SHARE,
        formula="Green availability of GreenAccessService alone, which fails on blocked traffic.",
        columns=_WORK,
        better="higher",
        numerator="accessed",
        denominator="access",
    ),
    Counted(
        key="restore_downtime",
        name="Restore downtime",
        unit="host-steps per episode",
        formula="Steps in which a Restore was running, each on one host. CC4 itself lets green go "
        "on working meanwhile.",
        columns="blue.executing",
        better="lower",
        numerator="restore_steps",
    ),
    Counted(
        key="blocks",
        name="Blocks put up",
        unit=_PER_EPISODE,
        formula="Completed BlockTrafficZone that changed something.",
        columns="blue.completed, outcome",
        better="lower",
        numerator="blocks",
    ),
    Counted(
        key="hurtful_blocks",
        name="Blocks that hurt green",
        unit=SHARE,
        formula="Blocks put up during which, before they were lifted, a green access between the "
        "two subnets failed, in either direction / blocks put up.",
        columns="blue.completed, outcome, target_zone, source_zone; green.*",
        better="lower",
        numerator="hurtful",
        denominator="blocks",
    ),
    Counted(
        key="green_blocked",
        name="Green accesses blocked",
        unit=_PER_EPISODE,
        formula="Green accesses that failed on blocked traffic, by the subnet of the user; those "
        "of the contractor network count.",
        columns="green_work.traffic_blocked",
        better="lower",
        numerator="blocked",
    ),
    Counted(
        key="action_cost",
        name="Cost of actions",
        unit="points per episode",
        formula="Submitted Restores, at one point each, of all steps played.",
        columns="blue.action_type",
        better="lower",
        numerator="charged",
    ),
    Counted(
        key="cost_for_nothing",
        name="Cost of ignored actions",
        unit=SHARE,
        formula="Restores submitted by a busy agent, which CC4 charges but ignores / Restores "
        "submitted.",
        columns="blue.action_type, started",
        better="lower",
        numerator="ignored",
        denominator="charged",
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

    def metric(self, statistic: Statistic) -> str:
        """Key of the metric that is one of its statistics."""
        return f"{self.key}_{statistic}"


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
_STATISTICS: Final[dict[Statistic, str]] = {
    "median": "Kaplan-Meier median",
    "mean": f"Kaplan-Meier mean, times above {HORIZON} steps counted as {HORIZON}",
}

TIMED: Final = tuple(
    Timed(
        key=time.metric(statistic),
        name=f"{time.name} ({statistic})",
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
    for statistic, how in _STATISTICS.items()
)

DEFINITIONS: Final[tuple[Definition, ...]] = (*COUNTED, *TIMED)
