"""DET-07: silent footholds are hunted."""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View, all_incidents, rows_of
from cagexplain.stats.estimates import Incidence

PATIENCE = 100


def silent(view: View) -> Cases:
    """Incidents whose onset raised no alert; a hit is over soon."""
    incident = view.shared(all_incidents)
    invisible = ~incident.visible
    length, host = (incident.end - incident.on)[invisible], incident.host[invisible]
    return cases(
        rows_of(view, incident.episode[invisible]),
        incident.on[invisible],
        ~incident.censored[invisible] & (length <= PATIENCE),
        agent=BLUE_OF_HOST[host],
        host=host,
        duration=np.minimum(length, PATIENCE + 1),
    )


CHECK = Check(
    id="DET-07",
    title="Footholds that raise no alert are hunted down",
    problem="Intruders that raise no alert are left alone",
    severity="high",
    axis="outcome",
    knowledge="truth",
    why="Half of the intrusions and more begin with a phishing mail that raises no alert. A "
    "defence that waits for alerts never sees them; somebody has to go and look, or clean, "
    "without one.",
    remediation="Add a slow round of Restores over the user hosts, those of important subnets more "
    "often, besides the answers to alerts.",
    formula="Share of incidents on a defended host whose onset raised no alert that are over "
    "within 100 steps (one minus Kaplan-Meier).",
    trigger="silent incidents",
    n_min=20,
    references=(
        Reference("SP 800-53", "RA-10"),
        Reference("CSF", "RS.AN-08"),
        Reference("CSF", "DE.CM-09"),
        Reference("ATT&CK", "T1566"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of silent footholds that are cleared within 100 steps",
            unit="share",
            better="higher",
            good=0.60,
            bad=0.20,
            statistic=Incidence(PATIENCE),
            cases=silent,
        ),
    ),
    related=("ERA-05", "REC-01"),
)
