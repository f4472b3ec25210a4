"""Named changes of CC4's parameters that published evaluations use.

Kiely et al. ("Exploring the Efficacy of Multi-Agent Reinforcement Learning for Autonomous Cyber
Defence: A CAGE Challenge 4 Perspective", AAAI 2025) play the challenge's best submissions once more
under four changes. Two of these have names there, StealthyRed and AggressiveRed, that other authors
(Singh et al. 2025) give to other state machines of red, which are variants in
:mod:`cagexplain.cc4.red_fsm`. So the conditions have names of their own, which say what changes.

Two things are not published, as far as is known here:

* how far the detection of discovery falls under StealthyRed; here it is gone;
* the size of the constant networks. The paper is reported to fix it to the maximum; so every subnet
  has as many users and servers as CC4 allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cagexplain.cc4.network import MAX_SERVERS, MAX_USERS
from cagexplain.cc4.red_fsm import N_RED_ACTIONS

KIELY: Final = "Kiely et al., AAAI 2025"


@dataclass(frozen=True)
class Condition:
    """What is different.

    Attributes:
        summary: half a sentence.
        changes: of ``EnvParams``, by the name of the parameter.
        published_as: what its source calls it; empty for CC4 itself.
    """

    summary: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    published_as: str = ""


STANDARD: Final = "standard"
CONDITIONS: Final[Mapping[str, Condition]] = {
    STANDARD: Condition("CC4 as its official evaluation plays it"),
    "constant_size": Condition(
        f"every subnet has {MAX_USERS} users and {MAX_SERVERS} servers",
        {
            "users_per_zone": (MAX_USERS, MAX_USERS),
            "servers_per_zone": (MAX_SERVERS, MAX_SERVERS),
        },
        "constant-size network",
    ),
    "phishing": Condition(
        "75 % of users' work opens a phishing mail", {"phishing": 0.75}, "phishing 0.01 -> 0.75"
    ),
    "hidden_red": Condition(
        "scans are never detected, users raise false alerts at 75 % of their work",
        {"green_false_positive": 0.75, "aggressive_detection": 0.0, "stealth_detection": 0.0},
        "StealthyRed",
    ),
    "fast_red": Condition(
        "every action of red takes one step",
        {"red_duration": (1,) * N_RED_ACTIONS},
        "AggressiveRed",
    ),
}
"""By the name that ``--condition`` takes."""
