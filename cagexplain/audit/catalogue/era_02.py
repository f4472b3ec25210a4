"""ERA-02: Remove is used where it can work.

Remove stops the processes that Monitor has reported on the host and that do not run as root. So it
can work only while red has user access and a process alert was shown since red came.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import first_process_alert, incident_at
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare


def that_can_work(view: View) -> Cases:
    """Executed Removes; a hit met user access whose process had been reported."""
    decision, alert = view.shared(decisions), view.shared(first_process_alert)
    executed = _executed(view)
    end = decision.ends[executed]
    incident = incident_at(view, decision.row[executed], end, decision.host[executed])
    shown = np.append(alert, -1)[incident]
    return _cases(
        view, executed, (decision.level_before[executed] == 1) & (shown >= 0) & (shown <= end)
    )


def on_clean_hosts(view: View) -> Cases:
    """Executed Removes; a hit met a host without red."""
    executed = _executed(view)
    return _cases(view, executed, view.shared(decisions).level_before[executed] == 0)


def _executed(view: View) -> BoolArray:
    decision = view.shared(decisions)
    executed: BoolArray = (decision.kind == ActionKind.REMOVE) & (decision.ends >= 0)
    return executed


def _cases(view: View, executed: BoolArray, hit: BoolArray) -> Cases:
    decision = view.shared(decisions)
    return cases(
        decision.row[executed],
        decision.step[executed],
        hit,
        agent=decision.agent[executed],
        host=decision.host[executed],
    )


CHECK = Check(
    id="ERA-02",
    title="Remove is used where it can work",
    problem="Suspicious processes are stopped where that cannot work",
    severity="medium",
    axis="practice",
    knowledge="truth",
    why="Remove ends only processes that the monitoring has reported and that do not run as root. "
    "Anywhere else it costs three steps, changes nothing, and reports success all the same.",
    remediation="Mask Remove unless the host has shown a process alert, and prefer Restore when "
    "red may be root already.",
    formula="Of the executed Removes: share on hosts on which red had user access, no root, and "
    "which had shown a process alert since red came.",
    trigger="executed Removes",
    n_min=20,
    references=(
        Reference("CSF", "RS.MI-02"),
        Reference("COUN7ER", "CM0023"),
        Reference("D3FEND", "D3-PT"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of Removes that met user access with a reported process",
            unit="share",
            better="higher",
            good=0.50,
            bad=0.15,
            statistic=HitShare(),
            cases=that_can_work,
        ),
        Measure(
            key="clean",
            name="share of Removes on hosts without red",
            unit="share",
            better="lower",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=on_clean_hosts,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="The policy never executed a Remove.",
    related=("ERA-03", "ERA-04"),
)
