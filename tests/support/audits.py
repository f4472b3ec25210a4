"""A fabricated audit with every kind of finding, for tests of pages and exports."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from cagexplain.audit.results import (
    Audit,
    Change,
    Choice,
    Compared,
    Course,
    Effect,
    Evidence,
    Finding,
    HeldHosts,
    Measured,
    Part,
    Place,
    Playbook,
    Price,
    ReferencePolicy,
    Situation,
    Variation,
    WorstPart,
)
from tests.support import playbooks

UNKNOWN: Final = "XYZ-99"
"""Id of a finding that no catalogue has: pages and exports must do with the finding alone."""
HOSTILE: Final = (
    """</script><svg onload=alert(1)>'"><img src=x onerror=alert(1)>{{ 7 * 7 }}]]>\n=1+1"""
)
"""A name that would do harm in HTML, SVG, a script, a template, XML or a spreadsheet."""


def measured(**changes: Any) -> Measured:
    """A number that fails, unless told otherwise."""
    values: dict[str, Any] = {
        **{"key": "value", "name": "share of first responses to root access that are Restore"},
        **{"unit": "share", "better": "higher", "good": 0.8, "bad": 0.4},
        **{"value": 0.21, "low": 0.17, "high": 0.26, "n": 412, "reached": True, "verdict": "FAIL"},
        "standing": {
            **{"sleep": None, "random": 0.38, "restore_cycle": 1.0, "expert": 0.97},
            **{"ippo_long": 0.66, "mappo seed 0": 0.4},
        },
        "percentile": 0.0,
    }
    return Measured(**values | changes)


def effect(**changes: Any) -> Effect:
    """What a remedy does to a number: a clear gain, unless told otherwise."""
    values: dict[str, Any] = {
        **{"key": "clean_hosts", "name": "defended host-time that is clean", "unit": "share"},
        **{"better": "higher", "before": 0.71, "after": 0.84, "change": Change(0.13, 0.11, 0.15)},
    }
    return Effect(**values | changes)


GAIN: Final = Price(
    remedies=("restore_not_look",),
    titles=("Restore a host with a process alert rather than Analyse or Remove",),
    checks=("ERA-01", "ERA-04"),
    episodes=200,
    reward=Change(312.4, 280.1, 345.9),
    share_changed=0.062,
    effects=(
        effect(
            key="ERA-01.value",
            name="share of first responses to root access that are Restore",
            before=0.21,
            after=0.98,
            change=Change(0.77, 0.72, 0.81),
        ),
        effect(),
        effect(
            key="impacts",
            name="successful Impacts",
            unit="per episode",
            better="lower",
            before=4.2,
            after=4.1,
            change=Change(-0.1, -0.4, 0.2),
        ),
        effect(
            key="ERA-05.visible",
            name="median stay of red after an onset with an alert",
            unit="steps",
            better="lower",
            before=None,
            after=14.0,
            change=None,
        ),
    ),
)
LOSS: Final = Price(
    remedies=("follow_phase",),
    titles=("Block and open traffic as the phase demands, before anything but an eviction",),
    checks=("NET-02",),
    episodes=200,
    reward=Change(-145.0, -171.2, -120.6),
    share_changed=0.11,
    effects=(effect(before=0.71, after=0.66, change=Change(-0.05, -0.06, -0.04)),),
)
OPEN: Final = Price(
    remedies=("no_flapping",),
    titles=("Leave a traffic rule alone for 10 steps after a change",),
    checks=("NET-06",),
    episodes=200,
    reward=Change(1.2, -9.5, 12.0),
    share_changed=0.004,
    effects=(),
)
BUNDLE: Final = Price(
    remedies=("restore_not_look", "no_flapping"),
    titles=(*GAIN.titles, *OPEN.titles),
    checks=("ERA-01", "ERA-04", "NET-06"),
    episodes=200,
    reward=Change(330.9, 298.0, 364.2),
    share_changed=0.065,
    effects=(effect(after=0.85, change=Change(0.14, 0.12, 0.16)),),
    members=(Change(318.6, 287.0, 350.2), Change(2.4, -11.0, 15.8)),
)

_PARTS: Final = (
    Part("zone", "restricted_zone_a_subnet", 12, 140),
    Part("zone", "operational_zone_a_subnet", 70, 150),
    Part("zone", "office_network_subnet", 5, 122),
    Part("agent", "blue_agent_0", 12, 140, fails=False),
    Part("agent", "blue_agent_1", 150, 150, 0.0, 0.02, 1e-9, True),
    Part("agent", "blue_agent_4", 5, 12),
    Part("phase", "pre-planning", 30, 130),
    Part("phase", "mission A", 40, 142),
    Part("phase", "mission B", 17, 140),
)
_EVIDENCE: Final = tuple(
    Evidence(
        episode,
        40 + 7 * episode,
        f"blue_agent_{episode % 5}",
        f"restricted_zone_a_subnet_server_host_{episode}",
    )
    for episode in range(8)
)

_WORST_PART: Final = Part("agent", "blue_agent_1", 150, 150, 0.0, 0.02, 1e-9, True)
WORST: Final = WorstPart(
    "value",
    _WORST_PART,
    (Place("agent", "blue_agent_1"), Place("zone", "operational_zone_a_subnet")),
)
COURSE: Final = Course("blue_agent_1", 25, (9,) * 10 + (2,) + (0,) * 9, (10,) * 10 + (3,) * 10)


def finding(**changes: Any) -> Finding:
    """A grave failure with all that can be told of one, unless told otherwise."""
    values: dict[str, Any] = {
        **{"id": "ERA-01", "title": "Root access is answered by Restore", "family": "Eradication"},
        **{"severity": "critical", "axis": "practice", "knowledge": "truth", "verdict": "FAIL"},
        **{"measures": (measured(),), "trigger": "first responses to root access", "n": 412},
        **{"episodes": 97, "n_min": 20, "p": 0.0005, "survives": True, "parts": _PARTS},
        **{"worst": WORST, "course": COURSE, "evidence": _EVIDENCE, "price": GAIN},
    }
    if changes.get("verdict", "FAIL") != "FAIL" or changes.keys() & {"measures", "parts"}:
        values["worst"] = None  # it is of the number and the parts above
    return Finding(**values | changes)


def findings() -> tuple[Finding, ...]:
    """Every kind of finding: each verdict, with and without price, numbers, reasons, evidence."""
    bare: dict[str, Any] = {
        **{"parts": (), "worst": None, "course": None, "evidence": (), "price": None},
        **{"p": None, "survives": None},
    }
    return (
        finding(
            id="DET-04",
            title="No visible incident stays unanswered",
            family="Detection and analysis",
            knowledge="obs",
            verdict="WARN",
            measures=(
                measured(
                    name="share of incidents with a process alert and no response within 25 steps",
                    better="lower",
                    **{"good": 0.1, "bad": 0.5, "value": 0.3, "low": 0.27, "high": 0.34},
                    **{"verdict": "WARN", "percentile": 0.5},
                ),
            ),
            trigger="visible incidents",
            price=None,
            p=None,
            survives=None,
        ),
        finding(
            id="DET-07",
            title="Silent footholds are hunted",
            family="Detection and analysis",
            severity="high",
            axis="outcome",
            verdict="INCONCLUSIVE",
            reason="Its interval straddles a threshold.",
            measures=(
                measured(
                    name="share of silent incidents cleared within 100 steps",
                    **{"good": 0.6, "bad": 0.2, "value": 0.4, "low": 0.15, "high": 0.65, "n": 25},
                    **{"verdict": "INCONCLUSIVE", "percentile": 0.5},
                ),
            ),
            trigger="silent incidents",
            n=25,
            more_episodes=140,
            **bare,
        ),
        finding(),
        finding(
            id="ERA-05",
            title="Red does not stay long",
            axis="outcome",
            measures=(
                measured(
                    key="visible",
                    name="median stay of red after an onset with an alert",
                    **{"unit": "steps", "better": "lower", "good": 10.0, "bad": 50.0, "n": 800},
                    **{"value": 71.0, "low": 64.0, "high": None},
                    standing={"sleep": None, "random": 49.0, "expert": 5.0, "ippo_long": 21.0},
                    percentile=0.25,
                ),
                measured(
                    key="silent",
                    name="median stay of red after an onset without alert",
                    **{"unit": "steps", "better": "lower", "good": 60.0, "bad": 150.0, "n": 900},
                    **{"value": None, "low": 300.0, "high": None, "reached": False},
                    standing={"sleep": None, "expert": 174.0},
                    percentile=None,
                ),
                measured(
                    key="visible_p90",
                    name="90th percentile of stays after an onset with an alert",
                    **{"unit": "steps", "better": "lower", "good": None, "bad": None, "n": 800},
                    **{"value": 210.0, "low": 190.0, "high": 240.0, "verdict": "NOT_APPLICABLE"},
                    **{"standing": {}, "percentile": None},
                ),
            ),
            trigger="stays of red",
            n=1700,
            price=None,
            survives=False,
            p=0.04,
        ),
        finding(
            id="NET-01",
            title="No block closes what the communication policy keeps open",
            family="Containment and communication policy",
            severity="high",
            knowledge="obs",
            verdict="PASS",
            measures=(
                measured(
                    name="share of the time of links advertised as open in which they were blocked",
                    **{"better": "lower", "good": 0.01, "bad": 0.05},
                    **{"value": 0.0, "low": 0.0, "high": 0.0004, "n": 998_000, "verdict": "PASS"},
                    percentile=1.0,
                ),
            ),
            trigger="steps of open links",
            n=998_000,
            n_min=1000,
            **bare,
        ),
        finding(
            id="NET-02",
            title="Blocks that the phase policy demands are in place",
            family="Containment and communication policy",
            severity="medium",
            knowledge="obs",
            measures=(
                measured(
                    name="share of the time of links advertised as closed in which they were open",
                    **{"better": "lower", "good": 0.05, "bad": 0.5},
                    **{"value": 0.98, "low": 0.97, "high": 0.99, "n": 500_000},
                ),
            ),
            trigger="steps of closed links",
            n=500_000,
            price=LOSS,
        ),
        finding(
            id="NET-06",
            title="No flapping",
            family="Containment and communication policy",
            severity="medium",
            knowledge="obs",
            verdict="WARN",
            measures=(
                measured(
                    name="number of links switched back within 10 steps",
                    **{"unit": "per 100 decisions", "better": "lower", "good": 0.5, "bad": 3.0},
                    **{"value": 1.7, "low": 1.4, "high": 2.0, "n": 90_000, "verdict": "WARN"},
                    standing={"sleep": 0.0, "random": 1.7, "expert": 0.0, "ippo_long": 0.2},
                    percentile=0.25,
                ),
            ),
            trigger="decisions",
            price=OPEN,
            p=None,
            survives=None,
        ),
        finding(
            id="DET-05",
            title="Weak evidence is looked at before disruption",
            family="Detection and analysis",
            severity="medium",
            knowledge="obs",
            verdict="NOT_APPLICABLE",
            reason="The policy's observation does not show what Analyse finds.",
            measures=(),
            trigger="Restores and Removes on weak evidence",
            **{"n": 0, "episodes": 0},
            **bare,
        ),
        finding(
            id="ROB-02",
            title="Tolerates missing and false alerts, and other adversaries",
            family="Robustness",
            severity="high",
            axis="robustness",
            verdict="ERROR",
            reason="The policy crashed in episode 3: ValueError: shapes do not match.",
            measures=(),
            trigger="paired seeds",
            **{"n": 0, "episodes": 0},
            **bare,
        ),
        finding(
            id="SUR-01",
            title="The explanation may be believed",
            family="Quality of the explanation",
            severity="high",
            axis="meta",
            measures=(
                measured(
                    name="balanced agreement of the trees with the policy",
                    **{"value": 0.42, "low": 0.4, "high": 0.45, "good": 0.8, "bad": 0.5},
                    **{"standing": {}, "percentile": None},
                ),
            ),
            trigger="held-out decisions",
            **bare | {"p": 0.001, "survives": True},
        ),
        finding(
            id="POL-01",
            title="No policy collapse",
            family="Policy health",
            severity="high",
            axis="health",
            knowledge="obs",
            verdict="PASS",
            measures=(
                measured(
                    name="largest share of one disruptive action type",
                    **{"better": "lower", "good": 0.4, "bad": 0.7},
                    **{"value": 0.12, "low": 0.11, "high": 0.14, "verdict": "PASS"},
                    percentile=0.9,
                ),
                measured(
                    key="entropy",
                    name="entropy of the action types",
                    **{"unit": "bits", "good": None, "bad": None},
                    **{"value": 1.9, "low": 1.8, "high": 1.95, "verdict": "NOT_APPLICABLE"},
                    **{"standing": {}, "percentile": None},
                ),
            ),
            trigger="decisions",
            **bare,
        ),
        finding(
            id="DEC-02",
            title="Decoys where they matter, not wasted",
            family="Deception",
            severity="low",
            knowledge="obs",
            verdict="NOT_APPLICABLE",
            reason="The contract does not ask for decoys.",
            measures=(measured(name="share of decoys on hosts that have one"),),
            muted=True,
            **bare,
        ),
        finding(
            id=UNKNOWN,
            title="A check that a later catalogue may bring",
            family="Robustness",
            severity="info",
            axis="health",
            verdict="PASS",
            measures=(
                measured(
                    name="ratio of what it charges to what it does",
                    **{"unit": "ratio", "better": "lower", "good": 1.05, "bad": 1.5},
                    **{"value": 1.0, "low": 1.0, "high": 1.01, "verdict": "PASS"},
                    **{"standing": {}, "percentile": None},
                ),
            ),
            trigger="submissions",
            **bare,
        ),
    )


EXPERT: Final = Change(-193.0, -210.0, -176.0)
VARIATIONS: Final = (
    Variation(
        "usual", "usual", "usual conditions", 100, Change(-420.0, -450.0, -391.0), None, EXPERT, ()
    ),
    Variation(
        "drop_alerts",
        "alerts",
        "a quarter of the alerts missing",
        100,
        Change(-610.0, -655.0, -570.0),
        Change(-190.0, -221.0, -160.0),
        Change(-415.0, -450.0, -380.0),
        (effect(after=0.65, change=Change(-0.06, -0.08, -0.04)),),
        "ROB-02",
        Change(0.95, 0.82, 1.08),
        "PASS",
    ),
    Variation(
        "aggressive",
        "red",
        "red that scans fast",
        100,
        Change(-430.0, -470.0, -395.0),
        Change(-10.0, -40.0, 22.0),
        EXPERT,
        (),
        "ROB-02",
        Change(1.02, 0.93, 1.12),
        "PASS",
    ),
    Variation(
        "long",
        "length",
        "1,000 steps",
        1,
        Change(-901.0, None, None),
        None,
        Change(-440.0, None, None),
        (),
        "ROB-02",
        Change(1.81, None, None),
        "INCONCLUSIVE",
    ),
)
PLAYBOOK: Final = Playbook(
    decisions=12_000,
    episodes=100,
    situations=(
        Situation(
            "blue_agent_0",
            "process",
            None,
            800,
            98,
            (
                Choice("Analyse", "process", 520, 0.65, 0.61, 0.69),
                Choice("Restore", "process", 200, 0.25, 0.21, 0.29),
                Choice("Wait", "", 80, 0.1, None, None),
            ),
        ),
        Situation(
            "blue_agent_0",
            "nothing",
            "mission A",
            4000,
            100,
            (Choice("DeployDecoy", "quiet", 3000, 0.75, 0.73, 0.77),),
        ),
        Situation(
            "blue_agent_4",
            "policy",
            None,
            700,
            100,
            (Choice("BlockTrafficZone", "asked", 690, 0.986, 0.97, 0.99),),
        ),
    ),
)


def held(rate: float) -> HeldHosts:
    """A curve that rises by so many hosts in 100 steps."""
    mean = [rate * step / 100 for step in range(0, 500, 5)]
    low, high = ([max(0.0, value + off) for value in mean] for off in (-0.5, 0.5))
    return HeldHosts(5, *(tuple(line) for line in (mean, low, high)), 70.0, 100)


HELD = held(4.0)
EXPERT_HELD = held(2.0)
SLEEP_HELD = held(12.0)


def audit(**changes: Any) -> Audit:
    """An audit with everything in it, unless told otherwise."""
    values: dict[str, Any] = {
        "policy": {
            **{"name": "ippo_made", "kind": "checkpoint", "sha256": "ab" * 32, "variant": "IPPO"},
            **{"path": "runs/made/ckpt.pt", "deterministic": False},
        },
        "play": {
            **{"engine": {"name": "cagexplain", "version": "0.5"}, "red": "fsm", "steps": 500},
            **{"seeds": [1_000_000, 1_000_099], "episodes": 100, "trace": None},
        },
        "profile": {"name": "default", "description": "", "sha256": "cd" * 32},
        "command": "cagexplain audit runs/made/ckpt.pt --episodes 100 -o audit",
        "versions": {"cagexplain": "0.5.0", "catalogue": "1", "numpy": "2.4.6"},
        "created": "2025-01-31T12:00:00Z",
        "mean_return": Change(-420.3, -450.1, -391.7),
        "practice": "unorthodox",
        "outcome": "ineffective",
        "findings": findings(),
        "fails_expected_by_chance": 0.9,
        "references": (
            ReferencePolicy("sleep", "scripted", -5654.0, 100, SLEEP_HELD),
            ReferencePolicy("random", "scripted", -5420.0, 100),
            ReferencePolicy("restore_cycle", "scripted", -1610.0, 100),
            ReferencePolicy("expert", "expert rules", -390.0, 100, EXPERT_HELD),
            ReferencePolicy("ippo_long", "checkpoint", -199.0, 100),
            ReferencePolicy("mappo seed 0", "checkpoint", -900.0, 100),
        ),
        "prices": (GAIN, LOSS, OPEN),
        "bundle": BUNDLE,
        "variations": VARIATIONS,
        "baseline": Compared(
            baseline="ippo_made of 2025-01-01",
            new=("NET-06",),
            fixed=("NET-01",),
            unchanged=("DET-04", "ERA-01", "ERA-05", "NET-02", "SUR-01"),
            verdicts={"NET-06": ("PASS", "WARN"), "NET-01": ("FAIL", "PASS")},
            notes=("The two audits used other profiles.",),
        ),
        "playbook": PLAYBOOK,
        "held": HELD,
        "notes": ("Only one training seed was given, so ROB-01 could not be judged.",),
    }
    return Audit(**values | changes)


def hostile() -> Audit:
    """An audit in which every free text that comes from outside tries to do harm."""
    bad = HOSTILE
    place = Evidence(0, 1, bad, bad)
    spoilt = finding(
        title=bad,
        family=bad,
        reason=bad,
        trigger=bad,
        id=UNKNOWN,
        measures=(measured(name=bad, unit=bad, key=bad, standing={bad: 0.5}),),
        parts=(
            Part("zone", bad, 1, 2),
            Part("agent", bad, 1, 2),
            Part("phase", bad, 1, 2),
        ),
        evidence=(place,),
        price=dataclasses.replace(GAIN, titles=(bad,), effects=(effect(name=bad, unit=bad),)),
    )
    return audit(
        policy={"name": bad, "kind": bad, "sha256": bad, bad: bad, "path": bad},
        play={"engine": {bad: bad}, "red": bad, "trace": bad, "seeds": [bad], bad: {bad: [bad]}},
        profile={"name": bad, "description": bad, "sha256": bad},
        command=bad,
        versions={bad: bad},
        created=bad,
        findings=(spoilt,),
        references=(ReferencePolicy(bad, bad, -1.0, 1),),
        prices=(dataclasses.replace(GAIN, titles=(bad,), remedies=(bad,), checks=(bad,)),),
        bundle=dataclasses.replace(BUNDLE, titles=(bad, bad)),
        variations=(
            Variation(
                *(bad, "red", bad, 2, Change(-1.0, -2.0, 0.0), None, None, (), bad),
                multiple=Change(1.0, 1.0, 1.0),
                verdict="WARN",
            ),
        ),
        baseline=Compared(bad, (bad,), (bad,), (bad,), {bad: (bad, bad)}, (bad,)),
        playbook=Playbook(
            1, 1, (Situation(bad, bad, bad, 1, 1, (Choice(bad, bad, 1, 1.0, None, None),)),)
        ),
        notes=(bad,),
    )


def full() -> Audit:
    """With a playbook as well."""
    return dataclasses.replace(audit(), playbook=playbooks.PLAYBOOK)


def bare() -> Audit:
    """With as little in it as an audit can have."""
    return audit(
        findings=(), baseline=None, prices=(), bundle=None, variations=(), references=(), notes=()
    )
