"""Numbers in words, and the words for what the numbers are about.

Its modules make sentences. Every sentence is made from the numbers alone, and says how sure they
are.
"""

from __future__ import annotations

from typing import Any, Final

from cagexplain.analysis.fsm.analyse import Estimate
from cagexplain.stats.distribution import Distribution, Share
from cagexplain.stats.durations import Survival
from cagexplain.stats.interval import Interval
from cagexplain.stats.means import MIN_EPISODES, MIN_EPISODES_OF_PARTS

NBSP: Final = "\u00a0"

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

EDGE_KINDS: Final = {"red": "red", "blue": "lost", "seen": "seen"}

_ENDINGS: Final = {
    "success": "succeeded",
    "handed over": "succeeded; the session went to another red agent",
    "failure": "failed",
    "dropped": "came to nothing, as red’s session had gone",
}


def number(value: float) -> str:
    """1234 as 1,234; a true minus sign."""
    return f"{value:,.0f}".replace("-", "−")


def compact(value: int) -> str:
    """Counts in a few characters: 9,876, 12.3k, 123k, 1.2M."""
    if value < 10_000:
        return number(value)
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            digits = 0 if value >= 100 * size else 1
            return f"{value / size:.{digits}f}{unit}"
    raise AssertionError(value)


def percent(share: float | None, digits: int | None = None) -> str:
    """0.613 as 61 %; small shares keep a decimal."""
    if share is None:
        return "–"
    value = 100 * share
    if digits is None:
        digits = 0 if value == 0 or value >= 9.95 else 1
    text = f"{value:.{digits}f}"
    if value < 100 and text.startswith("100"):  # nearly all is not all
        text = f"{value:.1f}" if value < 99.95 else ">99.9"
    if 0 < value < 0.05 and digits == 1:
        text = "<0.1"
    return f"{text}{NBSP}%"


def interval(share: Share) -> str:
    """Its confidence interval as "55–67 %", or why there is none."""
    if share.low is None or share.high is None:
        return "no interval"
    low, high = 100 * share.low, 100 * share.high
    digits = 2 if high - low < 0.095 else 1 if high < 9.95 or high - low < 1.95 else 0
    return f"{low:.{digits if low else 0}f}–{high:.{digits}f}{NBSP}%"


def top_action(mix: Distribution) -> str:
    """Which action leads in a state, and how surely."""
    top = mix.top
    if top is None:
        return "Blue made no decision here."
    decisions = f"{number(mix.total)} decision{'s' * (mix.total != 1)}"
    return (
        f"Blue’s most frequent action: {top.name}, {percent(top.share)} "
        f"({interval(top)}) of {decisions}{'' if mix.clear else '; no clear lead'}."
    )


def leader(mix: Distribution) -> str:
    """The most chosen action in a few words."""
    if mix.top is None:
        return "no decisions"
    tie = "" if mix.clear or mix.top.low is None else "≈ "
    return f"{tie}{mix.top.name}, n{NBSP}={NBSP}{number(mix.total)}"


def edge_title(edge: dict[str, Any]) -> str:
    """What an edge of the FSM tells."""
    source, target, count = edge["source"], edge["target"], number(edge["count"])
    if edge["kind"] == "blue":
        return f"{source} → {target}: red lost its last session on {count} hosts"
    if edge["kind"] == "seen":
        return f"{target}: {count} hosts seen for the first time"
    share = f" ({percent(edge['rate'])} of {number(edge['attempts'])})" if edge["attempts"] else ""
    ending = _ENDINGS[edge["ending"]]
    return f"{source} → {target}: action {edge['action']} {ending} on {count} hosts{share}"


def estimate_interval(estimate: Estimate) -> str:
    """The confidence interval of a mean, or why there is none."""
    if estimate.low is None or estimate.high is None:
        reason = estimate.reason or "no interval"
        return reason[0].upper() + reason[1:]
    return f"95{NBSP}% interval {number(estimate.low)} to {number(estimate.high)}"


def mean_intervals() -> str:
    """The rule for intervals of returns and their parts."""
    return (
        "Intervals are Student’s over episodes, moved out on the side to which these are skewed "
        f"(Hall 1992). That of the return takes {MIN_EPISODES} episodes; those of its parts, which "
        f"rare episodes dominate, {MIN_EPISODES_OF_PARTS}: with fewer they would cover the truth "
        "less often than they say."
    )


def too_few(n: int) -> str:
    """Why there is no number."""
    return f"not enough data: n{NBSP}={NBSP}{number(n)}"


def steps(limits: Interval, longest: int | None = None) -> str:
    """A number of steps with its interval; what is not reached is longer than was followed.

    Args:
        limits: the estimate.
        longest: how far durations were followed; the episode without.
    """
    beyond = "the episode" if longest is None else f"{longest} steps"
    if limits.value is None:
        return f"longer than {beyond}"
    if limits.low is None:
        return f"{limits.value:,.0f}"
    high = f"longer than {beyond}" if limits.high is None else f"{limits.high:,.0f}"
    return f"{limits.value:,.0f} ({limits.low:,.0f} to {high})"


def duration(survival: Survival) -> str:
    """The median of what took time, in words."""
    if not survival.enough:
        return too_few(survival.n)
    if survival.median.value is None:
        return f"fewer than half ended; {percent(survival.ended_share)} did"
    return f"half ended within {steps(survival.median)} steps"


def half(survival: Survival, whose: str) -> str:
    """The same about something countable, as in "half of the hosts are clean within ..."."""
    if not survival.enough:
        return f"{too_few(survival.n)} to tell when {whose}"
    if survival.median.value is None:
        return f"fewer than half of the {whose} as far as they were followed"
    return f"half of the {whose} within {steps(survival.median)} steps"
