"""What the audit page explains: how it was made, what it does not say, and its terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cagexplain.audit.parts import CELL, FEW
from cagexplain.audit.results import Audit
from cagexplain.audit.verdicts import FALSE_DISCOVERIES
from cagexplain.stats.estimates import MIN_EPISODES
from reports.kit.numbers import NBSP, percent
from reports.kit.terms import SEVERAL_NUMBERS

SETTING: Final = (
    "CAGE Challenge 4 is a simulated military network: two deployed sites, each with a restricted "
    "and an operational zone, and a headquarters with a public, an administrative and an office "
    "network. Users (“green”) work on its machines (“hosts”). An attacker (“red”) tries to take "
    "hosts over and to stop the services that the mission needs.",
    "Five defending agents (“blue”), together “the policy”, each guard a part of it. At every step "
    "an agent sees alerts on its hosts and may look at one (Analyse), stop suspicious "
    "processes there (Remove), rebuild it (Restore), plant a false service (DeployDecoy), or block "
    "or open the traffic between two subnets.",
    "Points are lost when users cannot work, when the attacker stops a service, and for every "
    "Restore. An episode has about 500 steps in three phases: planning, then two missions that "
    "make other subnets critical.",
)
"""What the policy is there for, for readers who do not know CC4."""


def methods(audit: Audit) -> Iterator[tuple[str, str]]:
    """How the numbers were made and what they do not say."""
    yield (
        "Verdicts",
        "Every judged number has a good and a bad threshold, which the profile sets. The verdict "
        f"follows from the whole 95 % interval, never from the number alone. {SEVERAL_NUMBERS}",
    )
    yield (
        "Practice, health, outcome",
        "Practice: does it do what good incident response asks? Health: does every agent act "
        "soundly at all? Outcome: does the network stay safe and usable? The first verdict rests "
        "on practice and health, the second on outcome, both on the checks of critical and high "
        "severity. Warnings are counted and bound what is said: “by the book” needs that nothing "
        "fails, nothing warns and nothing is open. No score adds them up: a good mean can hide "
        "what must never happen.",
    )
    yield (
        "Parts",
        "Every check is judged over all cases and for every part of them: agent, subnet, phase, "
        "kind of host, link, stretch of time, share of episodes. In practice and health a part "
        "that fails fails the check. As so many parts are looked at, their limits are wider "
        "(Bonferroni: all of them hold at once, however parts depend on each other). A part needs "
        f"at least {FEW} cases in {MIN_EPISODES} episodes; smaller ones are listed as too few to "
        "judge.",
    )
    yield (
        "Intervals",
        "95 % bootstrap intervals with whole episodes as units, as the steps of an episode depend "
        "on each other. Events that never occurred still have an upper limit. Durations that the "
        "end of an episode cut short count as longer (Kaplan-Meier).",
    )
    yield (
        "Many checks",
        "Among many checks some fail by chance. A policy exactly on all bad thresholds would get "
        f"up to {audit.fails_expected_by_chance:.1f} failures. Failures are corrected together "
        f"(Benjamini and Hochberg 1995: at most {percent(FALSE_DISCOVERIES)} false ones); those "
        "that do not survive are marked. They are not held against the policy in the two verdicts, "
        "which say “still open” while there is one of high or critical severity.",
    )
    yield (
        "Values of patches",
        "A patch is a rule on what the agents see, played over the policy’s own choices. Both are "
        "played on the same seeds, and the difference is averaged over the pairs. Its value is "
        "what the patch does to this policy, a lower bound of what the findings that it answers "
        "cost: training with the rule may do more. The intervals of all patches hold together at "
        f"95{NBSP}%, found by the largest of their errors (max-T), and so do those of the "
        "combination and its members. Changes beside the return have intervals of their own.",
    )
    yield (
        "Other conditions",
        "A fall of the return may be the policy’s fault or the condition’s. So a fixed good "
        "defender, the built-in expert, plays the same episodes under the same condition. A policy "
        "may lose what it usually loses (or the expert does, if that is more) plus what the expert "
        "loses more than usual; who loses 1.00 times that is as robust as the expert. Where an "
        "agent is lost, what the others lose counts. The intervals of all conditions of a number "
        "hold together.",
    )
    yield (
        "Where and when",
        "Named is the failing part that sets the bad cases apart best. “Since” is a change point "
        f"(by maximum likelihood, to {CELL} steps), with a 95 % interval from drawing episodes "
        "anew. Without a failing part, the parts that stand out are named to help find the cause.",
    )
    yield (
        "Reference policies",
        "Recorded results of scripted defenders, of an expert rule set and of trained policies, so "
        "that a number can be seen in proportion. They are no ranking.",
    )
    yield (
        "What this is not",
        "Proof for a real network. All of it holds for CC4’s simulator, for this attacker and for "
        "these seeds; what the robustness table does not vary was not tested. Practices that leave "
        "no mark in the simulator (reporting, forensics, people) are not checked at all.",
    )


GLOSSARY: Final = (
    (
        "The simulated world",
        (
            ("Agent, policy", "One of five defending programs; all five together."),
            ("Alert", "A sign of trouble on a machine: a suspicious process, or a connection."),
            ("Analyse", "Inspect a machine’s files. Takes 2 steps."),
            ("Block, Allow", "Cut or open the traffic from one subnet to another."),
            ("Blue, red, green", "The defenders, the attacker, the ordinary users."),
            (
                "Communication policy",
                "Which subnets may talk to each other, as the present phase of the mission asks.",
            ),
            ("Decoy", "A false service; only an attacker would use it. Takes 2 steps to deploy."),
            ("Dwell time", "How long the attacker holds a machine."),
            ("Episode", "One play from a fresh network to the end, about 500 steps."),
            ("Foothold, session", "The attacker’s access to a machine: as a user, or as root."),
            ("Impact", "The attacker stops an operational service. Costs most."),
            ("Link", "The traffic from one subnet to another."),
            ("Phase", "Planning, mission A, mission B: what is critical changes with it."),
            ("Remove", "Stop suspicious processes of a machine. Takes 3 steps; root survives it."),
            ("Restore", "Rebuild a machine from a clean image. Takes 5 steps and costs a point."),
            ("Root", "Full control of a machine."),
            (
                "Return",
                "Points of an episode: 0 at best, less for every loss. CC4’s official measure.",
            ),
            ("Sleep", "The policy that does nothing; what any defender must beat."),
            (
                "State",
                "How far the attacker is on a host, in its own view: known (K), scanned (S), user "
                "(U) or root access (R); with a D, its subnet was swept.",
            ),
            ("Step", "The unit of time; all agents act once."),
            (
                "Subnet",
                "A part of the network. Restricted and operational zones of sites A and B (RZA, "
                "OZA, RZB, OZB); public access zone, admin and office networks of the headquarters "
                "(PAZ, ADM, OFF); the contractors’ network (CON), which nobody defends.",
            ),
        ),
    ),
    (
        "Statistics",
        (
            ("95 % interval", "Made in this way, 19 of 20 intervals hold the true value."),
            ("Bootstrap", "How sure a number is, by drawing whole episodes anew many times."),
            ("Censored", "A duration that the end of the episode cut short."),
            ("Inconclusive", "Neither good nor bad for certain; more episodes may decide."),
            ("n", "Cases that a number rests on."),
            ("Paired", "With and without a change on the same seeds, so that luck cancels out."),
            ("Median", "Half of the cases lie below."),
            ("p", "How likely such numbers are for a policy that is exactly on the bad threshold."),
            (
                "Seed",
                "The number that fixes all chances of an episode; with it, it can be repeated.",
            ),
            ("Surrogate", "A small set of readable rules that imitates the policy."),
        ),
    ),
    (
        "Frameworks",
        (
            ("ATT&CK, D3FEND", "MITRE’s catalogues of what attackers and defenders do."),
            ("COUN7ER", "CISA’s catalogue of measures to evict an intruder."),
            ("CSF", "NIST’s Cybersecurity Framework: outcomes that a defence should reach."),
            (
                "SP 800-53, SP 800-61",
                "NIST’s security controls, and its guide to incident response.",
            ),
        ),
    ),
)
"""Terms by field."""
