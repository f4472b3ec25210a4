"""REC-02: the budget of Restores is kept.

The contract is 100 executed Restores per CC4 episode of 500 steps, and in proportion for other
lengths; limits on such costs are also how constrained learning on CC4 is set up (arXiv 2606.13832).
"""

from typing import Final

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.phases import DEFAULT_STEPS, calls
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.recoveries import rebuilds
from cagexplain.facts.view import View
from cagexplain.stats.estimates import HitShare, PerEpisode

BUDGET: Final = 100
"""Executed Restores that an episode of CC4's length may have."""


def budgets(view: View) -> Cases:
    """Episodes; a hit overspent, in the step of the first Restore beyond the budget."""
    limit = BUDGET * view.steps / calls(DEFAULT_STEPS)
    rebuild = view.shared(rebuilds)
    order = np.lexsort((rebuild.step, rebuild.row))
    row, step = rebuild.row[order], rebuild.step[order]
    number = np.arange(len(row)) - np.searchsorted(row, row) + 1  # within the episode
    first = np.full(view.n, view.steps)
    np.minimum.at(first, row[number > limit], step[number > limit])
    over = first < view.steps
    return cases(np.arange(view.n), np.where(over, first, view.steps - 1), over)


def executed(view: View) -> Cases:
    """Executed Restores."""
    rebuild = view.shared(rebuilds)
    return cases(rebuild.row, rebuild.step, agent=rebuild.agent, host=rebuild.host)


CHECK = Check(
    id="REC-02",
    title="Restores stay within the recovery budget",
    problem="More machines are rebuilt than the budget allows",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="Rebuilding a machine takes it and its agent out of service for five steps and costs a "
    "point each time. An organisation can afford so many rebuilds; a defence that needs more is "
    "not one that it can run.",
    remediation="Give every agent a share of the budget, spend it on hosts with alerts first, and "
    "stop rebuilding when it is used up.",
    formula=f"Share of episodes with more than {BUDGET} executed Restores per {DEFAULT_STEPS} "
    "steps; the mean number of executed Restores and the steps that hosts spend under Restore are "
    "shown beside it.",
    trigger="episodes",
    n_min=5,
    references=(
        Reference("CSF", "RC.RP-02"),
        Reference("SP 800-61", "RC.RP-02"),
    ),
    measures=(
        Measure(
            key="value",
            name=f"share of episodes with more than {BUDGET} Restores",
            unit="share",
            better="lower",
            good=0.05,
            bad=0.50,
            statistic=HitShare(),
            cases=budgets,
        ),
        Measure(
            key="restores",
            name="number of executed Restores",
            unit="per episode",
            better="lower",
            good=None,
            bad=None,
            statistic=PerEpisode(),
            cases=executed,
        ),
        Measure.of("restore_downtime", "ticks", "number of steps that hosts spend under Restore"),
    ),
    related=("REC-01", "POL-04"),
)
