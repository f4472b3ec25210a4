"""DET-09: alarms neither tire the defenders nor drive them.

Most alerts are false: users' work raises them on clean hosts. A defender can take too many of them
for attacks and rebuild clean machines, or stop listening. Fatigue shows as true alerts that stay
unanswered after many alerts but not after few; alerts are counted on all hosts of the agent, which
has the same two hands for all of them. Some of it is capacity: an agent that restores one host
cannot look at another, which the longer time for an answer allows for.
"""

from typing import Final

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE
from cagexplain.common.arrays import IntArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import evictions, responses
from cagexplain.facts.recoveries import WINDOW
from cagexplain.facts.view import View, alerts, defended, process
from cagexplain.stats.estimates import Difference, HitShare

RECENT: Final = 25
"""Steps before an alert in which others are counted, and after it in which it may be answered."""
FEW: Final = 2
MANY: Final = 6
"""Alerts of the agent's hosts in `RECENT` steps that are few, at most, and many, at least."""
_OWN: Final = (BLUE_OF_HOST[:, None] == np.arange(N_BLUE)).astype(np.int16)


def false_alarms(view: View) -> Cases:
    """Alerts of clean hosts; a hit is followed by a Remove or Restore of the host."""
    shown = view.shared(alerts) & view.shared(defended)[:, None] & (view.batch.levels == 0)
    shown[:, view.steps - WINDOW :] = False  # nobody knows what would have followed
    row, step, host = np.nonzero(shown)
    hit = view.shared(evictions).next(row, host, step, step + WINDOW) >= 0
    return cases(row, step, hit, agent=BLUE_OF_HOST[host], host=host)


def answered(view: View) -> Cases:
    """Process alerts of hosts that red holds, after many alerts (group 1) or few; a hit is answered
    by an Analyse, Remove or Restore of the host."""
    shown = view.shared(process) & view.shared(defended)[:, None] & (view.batch.levels > 0)
    shown[:, view.steps - RECENT :] = False
    row, step, host = np.nonzero(shown)
    before = view.shared(alerts_before)[row, step, BLUE_OF_HOST[host]]
    hit = view.shared(responses).next(row, host, step, step + RECENT + 1) >= 0
    return cases(row, step, hit, agent=BLUE_OF_HOST[host], host=host, group=before >= MANY).where(
        (before <= FEW) | (before >= MANY)
    )


def alerts_before(view: View) -> IntArray:
    """``int[n, T, 5]`` alerts of each agent's hosts in the steps before, one per host and step."""
    so_far = np.zeros((view.n, view.steps + 1, N_BLUE), dtype=np.int64)
    np.cumsum(view.shared(alerts).astype(np.int16) @ _OWN, axis=1, out=so_far[:, 1:])
    begin = np.maximum(np.arange(view.steps) - RECENT, 0)
    before: IntArray = so_far[:, :-1] - so_far[:, begin]
    return before


CHECK = Check(
    id="DET-09",
    title="False alarms are not acted upon at random, and many alarms do not tire the defenders",
    problem="Alarms drive the defenders to disrupt clean machines, or tire them",
    severity="medium",
    axis="practice",
    knowledge="truth",
    why="A sensor that is often wrong does harm in two ways: clean machines are taken down, or "
    "nobody listens any more when the alarm is true. Attackers make noise for both.",
    remediation="Restore on evidence that users' work cannot make, such as a process alert on a "
    "server or after a scan, Analyse what is unclear, and work off a list so that no alert is lost "
    "to those that come after it.",
    formula="Share of alerts on clean hosts that a Remove or Restore of the host follows within "
    f"{WINDOW} steps. And the share of process alerts on hosts that red holds that are answered "
    f"within {RECENT} steps, where the agent's hosts showed at least {MANY} alerts in the "
    f"{RECENT} steps before, minus that share where they showed at most {FEW}.",
    trigger="false alarms, or true ones after many alerts",
    n_min=50,
    references=(
        Reference("CSF", "RS.MA-02"),
        Reference("CSF", "DE.AE-02"),
        Reference("COUN7ER", "CM0027"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of false alarms that are answered by Remove or Restore",
            unit="share",
            better="lower",
            good=0.20,
            bad=0.45,
            statistic=HitShare(),
            cases=false_alarms,
        ),
        Measure(
            key="fatigue",
            name="rise of the chance that a true alert is answered when there were many before it",
            unit="difference of shares",
            better="higher",
            good=-0.10,
            bad=-0.35,
            statistic=Difference(),
            cases=answered,
        ),
    ),
    needs=frozenset({"observations"}),
    related=("DET-04", "REC-01"),
    since="2",
)
