"""The words of evaluators: the dimensions of a test-and-evaluation process, and what NIST asks to
measure. Descriptions are in our own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PROCESS: Final = (
    "A. Morris, R. Procter and C. Wallbank, “Evaluating Reinforcement Learning Agents for "
    "Autonomous Cyber Defence”, Applied AI Letters 6 (2025), doi:10.1002/ail2.125"
)
"""Where QinetiQ and Dstl describe their process."""

Given = Literal["yes", "in part", "no"]


@dataclass(frozen=True)
class Dimension:
    """A dimension of the process.

    Attributes:
        name: of it.
        asks: the question that it answers.
        measured: what this audit takes for it.
        missing: what of it was not measured, as sentences.
        axes: axes of the checks that speak for it.
        groups: groups of other conditions that speak for it; None for all that no other names.
    """

    name: str
    asks: str
    measured: str
    missing: tuple[str, ...]
    axes: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = ()


DIMENSIONS: Final = (
    Dimension(
        "Performance",
        "How well does it do what it was trained for?",
        "The official return of CC4, beside that of the reference policies.",
        (
            "How fast it decides on the machine that it would run on.",
            "What it costs to train, and whether another training run would end the same, unless "
            "siblings were given (ROB-01).",
        ),
    ),
    Dimension(
        "Effectiveness",
        "Does it protect the network and the mission, and by sound means?",
        "The checks of outcomes are measures of effectiveness: how long intruders stay, what they "
        "stop, what users lose. The checks of practices and health say by which means.",
        (
            "Effects on people: workload, trust, whether an operator could follow it.",
            "Evidence for forensics, reporting, and whatever else leaves no mark in the simulator.",
        ),
        axes=("outcome", "practice", "health"),
    ),
    Dimension(
        "Resilience",
        "Does it go on defending when something fails it?",
        "The policy with alerts lost and invented, and with whatever else the table names, on the "
        "same seeds as without.",
        (
            "Attacks on the policy itself: poisoned training, observations made to deceive it.",
            "Loss of its own software, hardware or network, and how it comes back.",
        ),
        groups=None,
    ),
    Dimension(
        "Generalisability",
        "Does it hold where it was not trained?",
        "The policy against other attackers, in longer episodes, in the smallest and largest "
        "networks that CC4 makes, and trained with other seeds.",
        (
            "Networks of another structure, other services and other alerts than CC4 has.",
            "Attackers with other techniques, or who learn what this policy does.",
            "The step from the simulator to emulated or real machines.",
        ),
        groups=("red", "attacker", "length", "network", "training"),
    ),
)
"""In the order of the process."""


@dataclass(frozen=True)
class Subcategory:
    """A subcategory of NIST's AI Risk Management Framework.

    Attributes:
        id: such as ``"MEASURE 2.5"``.
        about: what it asks for.
        given: whether an audit gives evidence for it.
        how: by what, or why not.
    """

    id: str
    about: str
    given: Given
    how: str


MEASURE: Final = (
    Subcategory(
        "MEASURE 1.1",
        "Metrics for the gravest risks are chosen; what cannot be measured is written down",
        "in part",
        "Every number has its formula, threshold and source, and this page lists what was not "
        "measured. Which risks matter is for your own MAP function to say.",
    ),
    Subcategory(
        "MEASURE 1.3",
        "People who did not build the system take part in assessing it",
        "no",
        "A program cannot be independent; who ran it, and who reads it, can.",
    ),
    Subcategory(
        "MEASURE 2.1",
        "Test sets, metrics and tools are documented",
        "yes",
        "Provenance: seeds, versions, hashes of policy and thresholds, and the command.",
    ),
    Subcategory(
        "MEASURE 2.3",
        "Performance is measured under conditions like those of deployment",
        "in part",
        "Measured, with intervals, in a simulator. Whether that is like your network is open.",
    ),
    Subcategory(
        "MEASURE 2.4",
        "The system is monitored in production",
        "no",
        "The checks can be run on recordings of CC4 only.",
    ),
    Subcategory(
        "MEASURE 2.5",
        "It is shown to be valid and reliable, with the limits of generalising",
        "in part",
        "Collapse, actions without effect, seeds and other conditions are checked. The limits are "
        "those of the table above.",
    ),
    Subcategory(
        "MEASURE 2.6",
        "It is safe, and fails safely beyond the limits of its knowledge",
        "in part",
        "What it costs the mission, and how far it falls under other conditions. There is no check "
        "that it notices by itself that it is out of its depth.",
    ),
    Subcategory(
        "MEASURE 2.7",
        "Security and resilience of the system are evaluated",
        "in part",
        "Lost and false alerts, and other attackers. Attacks on the model are not tried.",
    ),
    Subcategory(
        "MEASURE 2.8",
        "Risks to transparency and accountability are examined",
        "no",
        "Who answers for its actions is a decision of people.",
    ),
    Subcategory(
        "MEASURE 2.9",
        "The model is explained, validated and documented",
        "in part",
        "Usual responses, decisions played on, and decision trees where they were asked for.",
    ),
    Subcategory(
        "MEASURE 2.10 to 2.12",
        "Privacy, fairness and effects on the environment are examined",
        "no",
        "The simulator has no personal data and no groups of people; energy is not measured.",
    ),
    Subcategory(
        "MEASURE 2.13",
        "The methods of measuring are themselves evaluated",
        "in part",
        "How often the checks find planted defects, and accuse sound policies, is measured for the "
        "catalogue (benchmarks), not for this policy.",
    ),
    Subcategory(
        "MEASURE 3.1",
        "Risks are tracked over time",
        "in part",
        "An earlier audit given as --baseline: what is new, fixed and unchanged.",
    ),
    Subcategory(
        "MEASURE 4.2",
        "Experts and others with a stake say whether it performs as intended",
        "no",
        "That takes people who know the network.",
    ),
)
"""In the order of the framework; subcategories that concern an organisation alone are left out."""

SIMULATED: Final = (
    "CC4 has seven defended subnets of up to 16 machines and eight kinds of action. A real network "
    "has software, people and faults that it leaves out.",
    "An action takes a fixed number of steps, and a rebuild always works. Real ones fail, take "
    "hours, and need somebody to agree.",
    "The attacker follows a state machine of published chances. It does not learn, wait, or look "
    "for this policy’s habits.",
    "Users raise false alerts at a fixed rate. Real detectors are blind to whole techniques.",
    "A return rests on CC4’s penalties. They are one view of a mission, and a policy fits them.",
    "So a FAIL here is a reason to mend the policy before anything else is tried, and a PASS is a "
    "reason to go on to a test closer to reality. Neither is a permit.",
)
"""What no audit in a simulator can show, as sentences."""
