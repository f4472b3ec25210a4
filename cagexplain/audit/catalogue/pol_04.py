"""POL-04: no wasted submissions.

CC4 charges a Restore in every step in which it is submitted, also by an agent that is still busy
and whose choice is dropped. Invalid choices, on hosts that do not exist, are shown and not judged:
they are Sleeps, and POL-02 judges those.
"""

from dataclasses import dataclass

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.actions import ALL_KIND
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.batch import codes
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.recoveries import charged
from cagexplain.facts.view import View
from cagexplain.stats.estimates import HitShare


@dataclass(frozen=True)
class PerMiss(HitShare):
    """Cases per case that is no hit."""

    bounded = False
    smooth = False  # it grows without limit as the last misses go

    def value(self, totals: FloatArray) -> FloatArray:
        """The ratio; infinity if all are hits."""
        every = totals[..., 1]
        missed = every - totals[..., 0]
        ratio = np.divide(every, missed, out=np.full(np.shape(every), np.inf), where=missed > 0)
        return np.where(every > 0, ratio, np.nan)


def invalid(view: View) -> Cases:
    """Choices of free agents; a hit is an action on a host that does not exist, or another that
    cannot be carried out."""
    blue = view.batch.frame("blue")
    agent = codes(blue, "agent")
    meant = ALL_KIND[agent, blue["action"].to_numpy()]
    return cases(
        blue["row"],
        blue["step"],
        meant != codes(blue, "action_type"),
        agent=agent,
        host=codes(blue, "target_host"),
    ).where(blue["started"].to_numpy())


CHECK = Check(
    id="POL-04",
    title="No Restore is paid for that is not carried out",
    problem="Rebuilds are paid for that are never carried out",
    severity="low",
    axis="health",
    knowledge="obs",
    why="An agent that is still busy cannot start anything, but a Restore that it submits is "
    "charged all the same: the price is paid in every such step, for nothing.",
    remediation="Mask Restore while the agent is busy, and every action on a host that does not "
    "exist; a busy agent should submit Sleep.",
    formula="Restores that were charged, one per submission, divided by those that were started.",
    trigger="charged Restores",
    n_min=20,
    references=(
        Reference("CSF", "RC.RP-02"),
        Reference("COUN7ER", "CM0027"),
    ),
    measures=(
        Measure(
            key="value",
            name="number of charged Restores per Restore that was started",
            unit="ratio",
            better="lower",
            good=1.05,
            bad=1.5,
            statistic=PerMiss(),
            cases=charged,
        ),
        Measure(
            key="invalid",
            name="share of choices that are actions on hosts that do not exist",
            unit="share",
            better="lower",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=invalid,
        ),
    ),
    absent="The policy ordered no Restore.",
    related=("REC-02", "POL-02"),
)
