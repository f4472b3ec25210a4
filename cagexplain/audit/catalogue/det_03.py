"""DET-03: time from a visible alert to the first response.

That the 90th percentile is at most 15 steps is the same as that 90 % are answered within 15 steps;
that the median is at least 15 is the same as that 50 % are. So this share has both thresholds.
"""

from cagexplain.analysis.metrics.definitions import definition
from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.facts.cases import Cases
from cagexplain.facts.view import View
from cagexplain.stats.estimates import Incidence, Quantile

SOON = 15


def waiting(view: View) -> Cases:
    """Incidents with an alert; the duration goes from the first one to the first response."""
    return definition("alert_to_response_median").of_team(view)


CHECK = Check(
    id="DET-03",
    title="A visible alert is answered soon",
    problem="Visible alerts are answered late",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="An attacker needs a few steps from the first foothold to full control of a host. The time "
    "from the first alert to the first look or countermeasure decides how far it gets.",
    remediation="Give alerts precedence over routine work, remember those that come while the "
    "agent is busy, and answer them before anything else when it is free again.",
    formula="Over incidents on a defended host with an alert of that host: Kaplan-Meier median "
    "of the steps from the first alert to the first Analyse, Remove or Restore started on the "
    "host, and the share answered within 15 steps. Incidents that end unanswered are censored.",
    trigger="incidents with an alert",
    n_min=20,
    references=(
        Reference("CSF", "RS.MA-02"),
        Reference("SP 800-61", "RS.MA-02"),
        Reference("CISA playbook", "Detection & Analysis"),
    ),
    measures=(
        Measure.of(
            "alert_to_response_median",
            "value",
            "median wait from the first alert to the first response",
            good=3,
            bad=15,
        ),
        Measure(
            key="soon",
            name=f"share of incidents with an alert that are answered within {SOON} steps",
            unit="share",
            better="higher",
            good=0.90,
            bad=0.50,
            statistic=Incidence(SOON),
            cases=waiting,
        ),
        Measure(
            key="p90",
            name="90th percentile of the wait from the first alert to the first response",
            unit="steps",
            better="lower",
            good=None,
            bad=None,
            statistic=Quantile(0.9),
            cases=waiting,
        ),
    ),
    needs=frozenset({"observations"}),
    related=("DET-04", "ERA-05"),
)
