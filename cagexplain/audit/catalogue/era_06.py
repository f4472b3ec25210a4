"""ERA-06: user footholds do not become root."""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View, all_incidents, rows_of
from cagexplain.stats.estimates import Incidence

WITHIN = 50


def footholds(view: View) -> Cases:
    """Incidents that began with user access; a hit becomes root in time, an eviction competes."""
    incident = view.shared(all_incidents)
    foothold = incident.root != incident.on
    root, host, on = incident.root[foothold], incident.host[foothold], incident.on[foothold]
    rooted = root >= 0
    length = np.where(rooted, root, incident.end[foothold]) - on
    return cases(
        rows_of(view, incident.episode[foothold]),
        on,
        rooted & (length <= WITHIN),
        agent=BLUE_OF_HOST[host],
        host=host,
        duration=np.minimum(length, WITHIN + 1),
        other=~rooted & ~incident.censored[foothold] & (length <= WITHIN),
    )


CHECK = Check(
    id="ERA-06",
    title="User footholds do not become root",
    problem="Intruders gain full control of the machines that they enter",
    severity="high",
    axis="outcome",
    knowledge="truth",
    why="With user access an attacker can look around; with root it stops services, spreads faster "
    "and can no longer be removed without rebuilding the host. There are some steps to stop it.",
    remediation="Answer process alerts at once with Restore, clean user hosts in turn, and keep "
    "red out of subnets where it escalates soonest.",
    formula="Share of incidents that began with user access in which red is root within 50 "
    "steps; an eviction before that is a competing event (Aalen-Johansen).",
    trigger="incidents that began with user access",
    n_min=30,
    references=(
        Reference("CSF", "RS.MI-01"),
        Reference("SP 800-61", "RS.MI-01"),
        Reference("CISA playbook", "Containment"),
        Reference("ATT&CK", "TA0004"),
        Reference("ATT&CK", "T1068"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of user footholds that become root within 50 steps",
            unit="share",
            better="lower",
            good=0.15,
            bad=0.50,
            statistic=Incidence(WITHIN),
            cases=footholds,
        ),
    ),
    related=("ERA-01", "ERA-05"),
)
