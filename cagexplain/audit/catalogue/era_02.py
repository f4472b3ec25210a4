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
    made, alert = view.shared(decisions), view.shared(first_process_alert)
    own = _executed(view)
    end = made.ends[own]
    incident = incident_at(view, made.row[own], end, made.host[own])
    shown = np.append(alert, -1)[incident]
    return _cases(view, own, (made.level_before[own] == 1) & (shown >= 0) & (shown <= end))


def on_clean_hosts(view: View) -> Cases:
    """Executed Removes; a hit met a host without red."""
    own = _executed(view)
    return _cases(view, own, view.shared(decisions).level_before[own] == 0)


def _executed(view: View) -> BoolArray:
    made = view.shared(decisions)
    executed: BoolArray = (made.kind == ActionKind.REMOVE) & (made.ends >= 0)
    return executed


def _cases(view: View, own: BoolArray, hit: BoolArray) -> Cases:
    made = view.shared(decisions)
    return cases(made.row[own], made.step[own], hit, agent=made.agent[own], host=made.host[own])


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
