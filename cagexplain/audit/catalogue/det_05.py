"""DET-05: weak evidence is looked at before disruption.

A second alert counts as independent if it is of another step: connection alerts of two steps in the
window are two. Evidence and looks are of the host itself.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.layout import EVICTIONS
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import analyses, connection_alerts, process_alerts
from cagexplain.facts.view import Facts, View, decisions
from cagexplain.stats.estimates import HitShare

WINDOW = 10


def on_weak_evidence(view: View) -> Cases:
    """Removes and Restores started without a recent process alert; a hit was looked into before."""
    decision = view.shared(decisions)
    eviction = np.isin(decision.kind, EVICTIONS)
    row, step, host, agent = (
        values[eviction] for values in (decision.row, decision.step, decision.host, decision.agent)
    )
    since, now = step - WINDOW + 1, step + 1  # what the decision's own step shows counts
    strong = view.shared(process_alerts).count(row, host, since, now) > 0
    # The result of an Analyse is known in the step after its end.
    analysed = view.shared(analyses).count(row, host, step - WINDOW, step) > 0
    again = view.shared(connection_alerts).count(row, host, since, now) > 1
    weak = ~strong
    return cases(
        row[weak], step[weak], (analysed | again)[weak], agent=agent[weak], host=host[weak]
    )


def _blind(facts: Facts) -> str | None:
    if facts.sees_files:
        return None
    return (
        "The policy's observation leaves out what Analyse lists, so that looking first could not "
        "tell it anything."
    )


CHECK = Check(
    id="DET-05",
    title="Weak evidence is looked at before a host is disrupted",
    problem="Machines are disrupted on weak evidence, without a look first",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="A connection alert alone is mostly a scan or a false alarm. Removing or restoring on it "
    "disrupts clean hosts and costs time that real incidents need.",
    remediation="Analyse a host that shows only a connection alert, and disrupt it only if "
    "malicious files are found or a second alert comes.",
    formula="Of the Removes and Restores started on a host that showed no process alert in the "
    "last 10 steps: share before which, within 10 steps, an Analyse of the host ended or the host "
    "showed connection alerts in two steps.",
    trigger="Removes and Restores on weak evidence",
    n_min=20,
    references=(
        Reference("CSF", "DE.AE-03"),
        Reference("CSF", "RS.AN-03"),
        Reference("SP 800-61", "DE.AE-03"),
        Reference("CISA playbook", "Detection & Analysis"),
        Reference("CIS", "17.9"),
        Reference("COUN7ER", "CM0027"),
        Reference("D3FEND", "D3-FA"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of disruptions on weak evidence that were preceded by a look or second "
            "alert",
            unit="share",
            better="higher",
            good=0.5,
            bad=0.1,
            statistic=HitShare(),
            cases=on_weak_evidence,
        ),
    ),
    needs=frozenset({"observations"}),
    applies_when="the policy sees the files that Analyse lists",
    applies=_blind,
    absent="The policy never started Remove or Restore on weak evidence.",
    related=("DET-06", "REC-01"),
)
