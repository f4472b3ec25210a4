"""Where hosts spend their time in the attacker's state machine, in words."""

from __future__ import annotations

from typing import Final

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.fsm.counts import EVICTORS, RECOVERIES
from reports.kit.numbers import percent

_PLAINLY: Final = {
    "unknown": "does not know of the machines",
    **dict.fromkeys(("K", "KD"), "only knows of the machines"),
    **dict.fromkeys(("S", "SD"), "has scanned the machines and is not in"),
    **dict.fromkeys(("U", "UD"), "is on the machines as a user"),
    **dict.fromkeys(("R", "RD"), "is root on the machines"),
    "F": "has been on the machines",
}
"""What red's states mean, in a few words."""


def answer(analysis: FsmAnalysis) -> str:
    """Where hosts spend their time, and what makes red lose what it has."""
    longest = max(analysis.graph.states, key=lambda node: node.host_steps)
    causes = analysis.evictions.causes
    lost = sum(cause.total for cause in causes)
    state = f"{_PLAINLY[longest.state]} ({longest.state})"
    time = f"In most of the time of machines ({percent(longest.time)}) the attacker {state}"
    if not lost:
        return f"{time}; it never finds that it has lost a host."
    by_cause = [sum(cause.shares[i].count for cause in causes) for i in range(len(EVICTORS))]
    parts = [
        f"{percent(n / lost)} right after a {name}"
        for name, n in zip(RECOVERIES, by_cause, strict=False)
        if n
    ]
    how = f", {' and '.join(parts)}" if parts else ""
    return (
        f"{time}; it finds {lost / len(analysis.facts.seeds):.1f} times per episode that it has "
        f"lost a host{how}."
    )
