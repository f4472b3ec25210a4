"""Where hosts spend their time in the attacker's state machine, in words."""

from __future__ import annotations

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.fsm.counts import EVICTORS, RECOVERIES
from reports.kit.numbers import percent


def answer(analysis: FsmAnalysis) -> str:
    """Where hosts spend their time, and what makes red lose what it has."""
    longest = max(analysis.graph.states, key=lambda node: node.host_steps)
    causes = analysis.evictions.causes
    lost = sum(cause.total for cause in causes)
    time = f"Hosts spend most of their time ({percent(longest.time)}) in {longest.state}"
    if not lost:
        return f"{time}; red never finds that it has lost a host."
    by_cause = [sum(cause.shares[i].count for cause in causes) for i in range(len(EVICTORS))]
    parts = [
        f"{percent(n / lost)} right after a {name}"
        for name, n in zip(RECOVERIES, by_cause, strict=False)
        if n
    ]
    how = f", {' and '.join(parts)}" if parts else ""
    return (
        f"{time}; red finds {lost / len(analysis.facts.seeds):.1f} times per episode that it has "
        f"lost a host{how}."
    )
