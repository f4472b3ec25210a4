"""POL-06: what an agent does does not follow the clock.

The clock says that an agent waits if it waited at this very time in the other episodes, although
the alerts there were others: within `NEAR` steps, clearly more often under an alert than in the
phase as a whole. Waits that the clock foretells are hits. An agent that waits at random, or when
there is nothing to do, has none, and neither has one that waits all the time (POL-05); one that
works by shifts, or freezes at some steps, has. What the phase decides is left out: agents see it.

A decision tells nothing if too few others lie near it; it is no case then.
"""

from typing import Final

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4 import phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.arrays import BoolArray, FloatArray, Int64Array, IntArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.effects import own_alert
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare

NEAR: Final = 2
"""Steps before and after that are the same time."""
CLEARLY: Final = 0.2
"""By how much the share of waits exceeds that of the phase when the clock says so."""
ERRORS: Final = 2.5
"""The same in standard errors; an episode counts once, as waits of an agent come in runs."""
FEW: Final = 8
"""Fewest other episodes with a decision near a case."""


def by_the_clock(view: View) -> Cases:
    """Decisions under an alert; a hit waits as the clock says."""
    decision = view.shared(decisions)
    alarm = view.shared(own_alert)[decision.row, decision.step, decision.agent]
    row, step, agent, idle = (
        values[alarm] for values in (decision.row, decision.step, decision.agent, decision.idle)
    )
    shape = view.n, N_BLUE, view.steps
    place = np.ravel_multi_index((row, agent, step), shape)
    waits, every = (
        np.bincount(place[keep], minlength=int(np.prod(shape))).reshape(shape)
        for keep in (idle, slice(None))
    )
    others = _of_others(_near(every) > 0)
    share = _of_others(_near(waits)) / np.maximum(_of_others(_near(every)), 1)
    usual = _in_phase(view, _of_others(waits)) / np.maximum(_in_phase(view, _of_others(every)), 1)
    error = np.sqrt(usual * (1 - usual) / np.maximum(others, 1))
    waiting_time = share > usual + np.maximum(CLEARLY, ERRORS * error)
    hit = idle & waiting_time[row, agent, step]
    return cases(row, step, hit, agent=agent).where(others[row, agent, step] >= FEW)


def _of_others(counts: IntArray | BoolArray) -> Int64Array:
    """The same of all other episodes together."""
    others: Int64Array = counts.sum(axis=0, dtype=np.int64) - counts
    return others


def _near(counts: Int64Array) -> Int64Array:
    """Sums over the steps near each one."""
    until = np.cumsum(np.pad(counts, ((0, 0), (0, 0), (NEAR + 1, NEAR))), axis=2)
    return until[..., 2 * NEAR + 1 :] - until[..., : -2 * NEAR - 1]


def _in_phase(view: View, counts: Int64Array) -> FloatArray:
    """Sums over the phase of each step."""
    totals = np.zeros(counts.shape)
    for phase in range(phases.N_PHASES):
        inside = (view.batch.phase == phase)[:, None]
        totals += inside * np.sum(counts, axis=2, where=inside, keepdims=True)
    return totals


CHECK = Check(
    id="POL-06",
    title="What an agent does does not follow the clock",
    problem="Agents wait at fixed times, whatever their hosts show",
    severity="high",
    axis="health",
    knowledge="obs",
    why="An attacker who learns the hours of a defence strikes when nobody is there. What there is "
    "to do depends on the alerts, the phase and what was done before, never on the step's number.",
    remediation="Take the step out of what the policy knows, or vary the length and the beginning "
    "of training episodes; look for schedules, counters and time-outs around the policy.",
    formula="Of the decisions made while a host of the agent shows an alert: share that waits at a "
    f"time (within {NEAR} steps) at which the agent waited in the other episodes too, more often "
    f"than in the phase by {CLEARLY} and by {ERRORS:g} standard errors.",
    trigger="decisions under an alert",
    n_min=100,
    references=(
        Reference("CSF", "RS.MA-01"),
        Reference("AI RMF", "MEASURE 2.5"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of decisions under an alert that wait by the clock",
            unit="share",
            better="lower",
            good=0.06,
            bad=0.10,
            statistic=HitShare(),
            cases=by_the_clock,
        ),
    ),
    needs=frozenset({"observations"}),
    related=("POL-02", "POL-05"),
    since="2",
)
