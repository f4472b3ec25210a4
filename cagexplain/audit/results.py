"""What an audit finds, as plain values: what the pages show and `audit.json` holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cagexplain.analysis.metrics.definitions import Better
from cagexplain.audit.check import Axis, Knowledge, Severity
from cagexplain.common.results import Result
from cagexplain.stats.interval import Interval

Advice = Literal["alone", "propose", "never", "undetermined", "unused"]
Verdict = Literal["PASS", "WARN", "FAIL", "INCONCLUSIVE", "NOT_APPLICABLE", "ERROR"]
VERDICTS: Final[tuple[Verdict, ...]] = (
    "FAIL",
    "ERROR",
    "WARN",
    "INCONCLUSIVE",
    "PASS",
    "NOT_APPLICABLE",
)
"""In the order in which they ask for attention."""
SCHEMA: Final = 2
"""Version of `audit.json`."""


@dataclass(frozen=True)
class Change(Result):
    """A paired change: with something minus without it, on the same seeds.

    Attributes:
        mean: of the differences per episode (or the difference of the pooled values).
        low, high: limits at 95 %; None if they are unknown.
    """

    mean: float
    low: float | None
    high: float | None

    @property
    def clear(self) -> bool:
        """Whether the interval excludes no change."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def loses(self) -> bool:
        """Whether it surely is negative."""
        return self.clear and self.mean < 0


@dataclass(frozen=True)
class Effect(Result):
    """What a remedy does to a number.

    Attributes:
        key: of the measure or metric, such as ``"ERA-05.visible"`` or ``"clean_hosts"``.
        name: what the number is.
        unit: of it.
        better: whether a good policy has a higher or a lower value; None for neither.
        before, after: values without and with the remedy; None if undefined or not reached.
        change: paired, with its interval; None if it is undefined.
    """

    key: str
    name: str
    unit: str
    better: Better | None
    before: float | None
    after: float | None
    change: Change | None


@dataclass(frozen=True)
class Price(Result):
    """What following a remedy changes: the value of it as a patch, which is a lower bound of what
    the findings that it answers cost.

    Attributes:
        remedies: ids of what was overridden together.
        titles: their imperative sentences.
        checks: ids of the checks that they answer.
        episodes: pairs of episodes, with and without.
        reward: change of the return; positive if the remedy gains. The limits of all prices of an
            audit hold together, and so do those of a bundle and its members.
        share_changed: share of decisions that the override changed.
        effects: on the checks' own measures, then on the main metrics, each with limits of its own.
        members: of a bundle: the reward of each of its remedies by itself on the same episodes, in
            the order of `remedies`; empty for a single remedy.
    """

    remedies: tuple[str, ...]
    titles: tuple[str, ...]
    checks: tuple[str, ...]
    episodes: int
    reward: Change
    share_changed: float
    effects: tuple[Effect, ...]
    members: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Measured(Result):
    """A number that a check judged.

    Attributes:
        key, name, unit, better: from the declaration.
        good, bad: thresholds of the profile; None if it is only shown.
        value: None if it is undefined, or a duration that is not reached.
        low, high: limits at 95 %; None if unknown or, for durations, not reached.
        n: triggers that it rests on.
        reached: False for a quantile of durations that is beyond what was followed.
        verdict: of this number alone.
        standing: values of the reference policies, by name; None where they have none.
        percentile: share of the reference policies, from 0 to 1, that are no better; None without
            references.
    """

    key: str
    name: str
    unit: str
    better: Better
    good: float | None
    bad: float | None
    value: float | None
    low: float | None
    high: float | None
    n: int
    reached: bool
    verdict: Verdict
    standing: dict[str, float | None] = field(default_factory=dict)
    percentile: float | None = None


@dataclass(frozen=True)
class Part(Result):
    """A part of a number's cases.

    Attributes:
        kind: what tells it from others, such as ``"agent"`` or ``"agent and phase"``; see
            `cagexplain.audit.splits` and `cagexplain.audit.stretches`.
        name: of it.
        bad: cases that speak against the policy.
        n: cases.
        low, high: limits of the number for this part, which hold for all parts together; None if
            they were not needed or are unknown.
        p: one-sided probability of such a part at the bad threshold, corrected for the number of
            parts; None if it was not tested, as it looks no worse than the threshold.
        fails: whether it surely is beyond the threshold; None if it has too few cases.
    """

    kind: str
    name: str
    bad: int
    n: int
    low: float | None = None
    high: float | None = None
    p: float | None = None
    fails: bool | None = None


@dataclass(frozen=True)
class Place(Result):
    """Where a policy fails.

    Attributes:
        kind: such as ``"agent"``, ``"zone"``, ``"steps"`` or ``"episodes"``.
        name: such as ``"blue_agent_2"``.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class Span(Result):
    """A stretch of time in which a policy fails, in every episode.

    Attributes:
        start: first step; start_low, start_high: its limits at 95 %.
        stop: first step after it, with its limits; None if it lasts until the end.
    """

    start: int
    start_low: int
    start_high: int
    stop: int | None = None
    stop_low: int | None = None
    stop_high: int | None = None


@dataclass(frozen=True)
class Course(Result):
    """How a number's cases go over the episode.

    Attributes:
        agent: whose cases; None for those of the whole team.
        width: steps of each stretch of time.
        bad: by stretch, cases that speak against the policy.
        n: by stretch, cases.
    """

    agent: str | None
    width: int
    bad: tuple[int, ...]
    n: tuple[int, ...]


@dataclass(frozen=True)
class WorstPart(Result):
    """The part of a check's cases that fails, and that best tells where the bad cases are.

    Attributes:
        measure: key of the number that fails there.
        part: with its numbers.
        place: what the part is: its agent, its subnet, its steps, ...; all that hold.
        since: when, if it is a stretch of time.
    """

    measure: str
    part: Part
    place: tuple[Place, ...]
    since: Span | None = None


@dataclass(frozen=True)
class Evidence(Result):
    """A case that speaks against the policy.

    Attributes:
        episode, step: where in the trace.
        agent: blue agent, or None.
        host: name of the host, or None.
        link: names of the subnets to and from which it leads, or None.
    """

    episode: int
    step: int
    agent: str | None
    host: str | None
    link: str | None = None


@dataclass(frozen=True)
class Finding(Result):
    """The result of one check.

    Attributes:
        id, title, family, severity, axis, knowledge: from the declaration.
        verdict: over all its numbers and their parts: a part that fails fails the check.
        whole: likewise over all cases, whatever their parts.
        reason: why there is no PASS, WARN or FAIL; empty otherwise.
        measures: its numbers, the main one first; empty if it was not measured.
        trigger: what `n` counts, in the plural.
        n: triggers; episodes: that have any.
        n_min: fewest triggers for a verdict.
        more_episodes: estimated further episodes until a verdict, for INCONCLUSIVE; None if that
            cannot be told.
        p: for a FAIL, one-sided probability of numbers like these at the bad threshold.
        survives: whether the FAIL survives the correction for the number of checks.
        parts: of the decisive number, by agent, subnet, phase, kind of host and so on.
        worst: the part that fails; None if none does.
        course: for a FAIL or WARN, how the cases of the decisive number go over the episode: those
            of the agent that fails if the worst part has one; None of counts without such cases.
        evidence: cases that speak against the policy, of the worst part if there is one, spread
            over the episodes.
        price: of its remedy; None if there is none or it was not played.
        muted: whether the profile leaves the check out: the verdict is NOT_APPLICABLE and the
            reason the profile's, while the numbers keep what was measured and how they stand.
    """

    id: str
    title: str
    family: str
    severity: Severity
    axis: Axis
    knowledge: Knowledge
    verdict: Verdict
    whole: Verdict = "NOT_APPLICABLE"
    reason: str = ""
    measures: tuple[Measured, ...] = ()
    trigger: str = ""
    n: int = 0
    episodes: int = 0
    n_min: int = 0
    more_episodes: int | None = None
    p: float | None = None
    survives: bool | None = None
    parts: tuple[Part, ...] = ()
    worst: WorstPart | None = None
    course: Course | None = None
    evidence: tuple[Evidence, ...] = ()
    price: Price | None = None
    muted: bool = False

    @property
    def decisive(self) -> Measured | None:
        """The number that the verdict rests on: the one whose part fails; else the first judged one
        with the same verdict; of a muted check, the one that asks for most attention."""
        judged = [m for m in self.measures if m.good is not None]
        if self.muted:
            return min(judged, key=lambda m: VERDICTS.index(m.verdict), default=None)
        if self.worst is not None:
            return next(m for m in judged if m.key == self.worst.measure)
        return next((m for m in judged if m.verdict == self.verdict), judged[0] if judged else None)


@dataclass(frozen=True)
class Variation(Result):
    """The policy under other conditions.

    Attributes:
        key: such as ``"drop_alerts"``.
        group: ``"alerts"``, ``"red"``, ``"attacker"``, ``"length"``, ``"network"``, ``"team"`` or
            ``"training"``.
        name: what is different.
        episodes: played.
        mean_return: with its interval; low and high None with fewer than two episodes.
        change: of the return against the usual conditions; None where that compares nothing.
        expert: mean return of the built-in expert under the same conditions.
        effects: on the main metrics; empty where they were not counted.
        check: id of the check that judges it beside the expert; empty for the usual conditions and
            for an attacker that was fitted to the policy.
        multiple: points that the policy loses, as a multiple of what it usually loses plus what the
            expert loses more than usual (`cagexplain.audit.play.robustness`); where an agent is
            lost, points of the other agents. The limits of all conditions of a check's number hold
            together. None if it is undefined or not judged by itself.
        verdict: of the multiple; NOT_APPLICABLE if the condition is not judged by itself.
        undone: of an attacker, the share of what the policy usually averts that it does not avert
            under this one (`cagexplain.audit.play.undoing`). The limits of all attackers hold
            together. None for other conditions, and where it is undefined.
    """

    key: str
    group: str
    name: str
    episodes: int
    mean_return: Change
    change: Change | None
    expert: Change | None
    effects: tuple[Effect, ...]
    check: str = ""
    multiple: Change | None = None
    verdict: Verdict = "NOT_APPLICABLE"
    undone: Change | None = None


@dataclass(frozen=True)
class HeldHosts(Result):
    """How many hosts red holds over the episode: user and server hosts of the defended subnets on
    which it has a session when decisions are made.

    Attributes:
        every: steps from one point to the next; the first one is at step 0.
        mean: by point, over the episodes.
        low, high: limits of each mean at 95 %; empty with too few episodes.
        hosts: how many such hosts there are, held or not: mean over the episodes.
        episodes: that it is the mean of.
    """

    every: int
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    hosts: float
    episodes: int


@dataclass(frozen=True)
class ReferencePolicy(Result):
    """A policy that others are held against.

    Attributes:
        name, kind: of it.
        mean_return: over `episodes`.
        held: hosts that red holds over the episode; None if that was not recorded.
    """

    name: str
    kind: str
    mean_return: float
    episodes: int
    held: HeldHosts | None = None


@dataclass(frozen=True)
class Compared(Result):
    """How an audit differs from an earlier one.

    Attributes:
        baseline: what the earlier one was of.
        new: ids of checks that FAIL now and did not then, or WARN now and did neither then.
        fixed: ids of checks that did FAIL or WARN then and PASS now.
        unchanged: ids of checks that FAIL or WARN now and are not new.
        verdicts: by id, verdict then and now, where they differ; a check that was not part of one
            of the audits has an empty verdict there.
        notes: what makes the two hard to compare, as sentences.
    """

    baseline: str
    new: tuple[str, ...]
    fixed: tuple[str, ...]
    unchanged: tuple[str, ...]
    verdicts: dict[str, tuple[str, str]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice(Result):
    """What an agent does in a situation.

    Attributes:
        action: name of its type, or ``"Wait"`` for Sleep, Monitor and rules that change nothing.
        aim: a key of `cagexplain.audit.playbook.AIMS`, where it is described; empty for
            waits.
        hits: decisions for it.
        share: of the situation's decisions.
        low, high: limits of the share at 95 %; None if unknown.
    """

    action: str
    aim: str
    hits: int
    share: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Situation(Result):
    """A situation that an agent decides in, and how it usually does.

    Attributes:
        agent: blue agent.
        sees: a key of `cagexplain.audit.playbook.SIGHTS`: the gravest thing that it sees.
        phase: name of the mission phase; None for all phases, where the usual choice is the same.
        n: decisions in it; episodes: that have any.
        choices: the most frequent ones, the dominant one first.
    """

    agent: str
    sees: str
    phase: str | None
    n: int
    episodes: int
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Playbook(Result):
    """The responses that a policy's decisions amount to.

    Attributes:
        decisions: that were counted.
        episodes: that they are from.
        situations: by agent, the gravest first; those that never came up are left out.
    """

    decisions: int
    episodes: int
    situations: tuple[Situation, ...]


@dataclass(frozen=True)
class ActionAutonomy(Result):
    """Whether the evidence supports that a policy takes a kind of action by itself.

    Attributes:
        kind: a key of `cagexplain.audit.autonomy.KINDS`, which says when one is warranted.
        advice: ``"alone"``; ``"propose"`` to an operator; ``"never"``; ``"undetermined"`` for not
            enough evidence; ``"unused"``.
        rule: a key of `cagexplain.audit.autonomy.RULES`: the one that decided.
        n: such actions in the audited episodes; for waits, decisions with an alert in view.
        episodes: that have any.
        precision: share of them that were warranted.
        agents: the same for each agent that takes such actions; `Part.bad` counts those that were
            not warranted, and a part fails if it surely falls short of what acting alone takes.
        worth: change of the return by the policy's actions of this kind, against Sleep in their
            place; None if it was not played, and for waits.
        pairs: of episodes that `worth` rests on.

    The limits of all precisions and worths of an audit hold together at 95 %, and so do those of
    all agents.
    """

    kind: str
    advice: Advice
    rule: str
    n: int
    episodes: int
    precision: Interval
    agents: tuple[Part, ...]
    worth: Change | None
    pairs: int


@dataclass(frozen=True)
class Audit(Result):
    """An audit of a policy.

    Attributes:
        policy: what it says about itself: name, kind, SHA-256; of built-in ones also `source`, the
            file that they are made of.
        play: how it was played: engine, red variant, steps, seeds, episodes, trace.
        profile: name and SHA-256 of the thresholds, and what the file says of itself.
        command: that makes this audit again.
        versions: of the project, the catalogue and the packages.
        created: UTC, ISO 8601.
        mean_return: official return with its interval.
        practice: ``"compliant"``, ``"unorthodox"`` or ``"undetermined"``.
        outcome: ``"effective"``, ``"ineffective"`` or ``"undetermined"``.
        findings: of all checks, in the order of the catalogue.
        fails_expected_by_chance: most FAILs to expect of a policy that is exactly on all bad
            thresholds.
        references: the policies that values are held against.
        prices: single remedies; bundle: the best found set of them, None if none helps.
        variations: robustness; the usual conditions first.
        baseline: comparison with an earlier audit, if there was one.
        playbook: usual responses; None if what the agents saw was not recorded.
        autonomy: which kinds of action the policy may take by itself.
        held: hosts that red holds over the episode; None in audits of before it was counted.
        notes: what a reader must know before reading on, and what could not be done and why, as
            sentences.
    """

    policy: dict[str, Any]
    play: dict[str, Any]
    profile: dict[str, Any]
    command: str
    versions: dict[str, str]
    created: str
    mean_return: Change
    practice: Literal["compliant", "unorthodox", "undetermined"]
    outcome: Literal["effective", "ineffective", "undetermined"]
    findings: tuple[Finding, ...]
    fails_expected_by_chance: float
    references: tuple[ReferencePolicy, ...] = ()
    prices: tuple[Price, ...] = ()
    bundle: Price | None = None
    variations: tuple[Variation, ...] = ()
    baseline: Compared | None = None
    playbook: Playbook | None = None
    autonomy: tuple[ActionAutonomy, ...] = ()
    held: HeldHosts | None = None
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA

    def finding(self, check: str) -> Finding:
        """The result of a check; ``KeyError`` if it was not part of the audit."""
        for finding in self.findings:
            if finding.id == check:
                return finding
        raise KeyError(check)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return {"project": "cagexplain", "kind": "audit", **super().to_json()}
