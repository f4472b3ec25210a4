"""What CC4's terms and this project's verdicts mean, once for every page and document."""

from __future__ import annotations

from typing import Final

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

CAUSES: Final = {
    "LWF": "users’ failed local work (LWF)",
    "ASF": "users’ failed service accesses (ASF)",
    "RIA": "red’s Impacts (RIA)",
    "action_cost": "the cost of blue’s actions",
}
