"""What CC4's terms and this project's verdicts mean, once for every page and document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cagexplain.audit.check import Axis, Knowledge, Source
from cagexplain.audit.results import Verdict
from cagexplain.stats.estimates import MIN_EPISODES

STATES: Final = {
    "unknown": "No red agent knows the host.",
    "F": "Finished: a foreign host that red broke into once; the session went to another agent.",
    "K": "Known: red has an address, nothing more.",
    "KD": "Known, and its subnet was swept, or red had a session there and lost it.",
    "S": "Scanned: red knows its services.",
    "SD": "Scanned, subnet swept.",
    "U": "User: red believes it has a user session.",
    "UD": "User session, subnet swept.",
    "R": "Root: red believes it has a root session.",
    "RD": "Root session, subnet swept.",
}

RED_ACTIONS: Final = (
    "sweep a subnet for hosts",
    "scan a host’s services, fast and conspicuous",
    "scan a host’s services, slowly and quietly",
    "look for decoys among them",
    "break into a service for a user session",
    "turn the user session into root",
    "stop an operational service (penalised)",
    "degrade services, so that users’ work fails",
    "give a session up",
)

RED_VERBS: Final = {
    "DiscoverRemoteSystems": "sweep",
    "AggressiveServiceDiscovery": "scan",
    "StealthServiceDiscovery": "quiet scan",
    "DiscoverDeception": "seek decoys",
    "ExploitRemoteService": "exploit",
    "PrivilegeEscalate": "escalate",
    "Impact": "Impact",
    "DegradeServices": "degrade",
    "Withdraw": "withdraw",
}
"""Red's actions in a word or two, for drawings; in the order of their numbers."""

BLUE_ACTIONS: Final = {
    "Analyse": "inspect the files of a host",
    "Monitor": "watch only (CC4 does so by itself)",
    "Remove": "end suspicious user sessions of a host",
    "Restore": "reimage a host (costs 1 and interrupts its users)",
    "Sleep": "do nothing",
    "AllowTrafficZone": "open traffic between two subnets",
    "BlockTrafficZone": "block traffic between two subnets",
    "DeployDecoy": "set up a fake service on a host",
}

CAUSE_WORDS: Final = {
    "LWF": "failed local work",
    "ASF": "failed accesses",
    "RIA": "red’s Impacts",
    "action_cost": "blue’s actions",
}
"""What costs points, in a word or two, for tables in a terminal."""
CAUSES: Final = {
    "LWF": "users’ failed local work (LWF)",
    "ASF": "users’ failed service accesses (ASF)",
    "RIA": "red’s Impacts (RIA)",
    "action_cost": "the cost of blue’s actions",
}


@dataclass(frozen=True)
class VerdictTerm:
    """A verdict, and how it is shown: never by its colour alone.

    Attributes:
        icon, word: beside each other.
        style: CSS class.
        means: when a check gets it, as a sentence.
        reads: how it reads before the title of a check, which states the good condition.
    """

    icon: str
    word: str
    style: str
    means: str
    reads: str


VERDICTS: Final[Mapping[Verdict, VerdictTerm]] = {
    "FAIL": VerdictTerm(
        *("✗", "Fail", "fail"),
        "The whole interval, of all cases or of those of a part, lies beyond the bad threshold.",
        "Not met",
    ),
    "ERROR": VerdictTerm(
        "∅", "Error", "error", "The check could not be computed.", "Could not be checked"
    ),
    "WARN": VerdictTerm(
        *("!", "Warning", "warn", "The whole interval lies between the two thresholds."),
        "Only partly met",
    ),
    "INCONCLUSIVE": VerdictTerm(
        *("?", "Inconclusive", "open"),
        f"The interval reaches over a threshold, or there are too few data: fewer than "
        f"{MIN_EPISODES} episodes with any case, or fewer cases than the check needs.",
        "Undecided",
    ),
    "PASS": VerdictTerm(
        "✓", "Pass", "pass", "The whole interval lies beyond the good threshold.", "Met"
    ),
    "NOT_APPLICABLE": VerdictTerm(
        *("–", "Not applicable", "none"),
        "What the check judges cannot occur here, or was not recorded.",
        "Does not apply",
    ),
}
"""In the order in which they ask for attention."""

SEVERAL_NUMBERS: Final = (
    "A check with several judged numbers fails if one of them fails, and passes only if all pass."
)


@dataclass(frozen=True)
class AxisTerm:
    """What checks of an axis are about: in a few words, and as the question that they answer."""

    short: str
    asks: str


AXES: Final[Mapping[Axis, AxisTerm]] = {
    "practice": AxisTerm("what it does", "whether the policy works as good practice asks"),
    "outcome": AxisTerm("what comes of it", "how well the network is defended"),
    "health": AxisTerm("health of the policy", "whether the policy behaves soundly at all"),
    "robustness": AxisTerm("robustness", "whether it does so under other conditions too"),
    "meta": AxisTerm("the explanation", "whether the explanations in the report can be trusted"),
}

KNOWLEDGE: Final[Mapping[Knowledge, str]] = {
    "obs": "what the agents could see",
    "truth": "the true state of the network, which no agent sees",
}
"""What a check judges on."""

SOURCES: Final[Mapping[Source, str]] = {
    "play": "the episodes that are audited",
    "seeds": "policies trained in the same way with other seeds",
    "robustness": "further play on the same seeds under other conditions",
    "surrogate": "decision trees that imitate the policy, on held-out episodes",
}
"""Where the numbers of a check come from."""

VARIATIONS: Final = {
    "alerts": "Alerts",
    "red": "Attacker",
    "attacker": "Strong attacker",
    "length": "Length",
    "network": "Network",
    "team": "Team",
    "training": "Training",
}
"""What a variation of the conditions changes."""


def subnet(name: str) -> str:
    """A subnet by CC4's name, readably: "restricted zone A"."""
    words = name.removesuffix("_subnet").split("_")
    return " ".join(word.upper() if len(word) == 1 else word for word in words)


AIMS: Final = {
    "return": "the return",
    "without-contractor": "the return without the contractor’s Impacts",
}
"""What an attacker drives down."""
