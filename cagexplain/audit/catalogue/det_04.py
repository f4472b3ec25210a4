"""DET-04: no visible incident stays unanswered.

An incident that ends sooner was ended by an action that was already under way: it is not left
alone. One that the episode cuts off sooner, still unanswered, tells nothing and is no case.
"""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import first_process_alert, responses
from cagexplain.facts.view import View, all_incidents, rows_of
from cagexplain.stats.estimates import HitShare

PATIENCE = 25


def unanswered(view: View) -> Cases:
    """Incidents with a process alert; a hit has no response soon after it."""
    incident, alert = view.shared(all_incidents), view.shared(first_process_alert)
    row, limit = rows_of(view, incident.episode), alert + PATIENCE
    answered = view.shared(responses).next(row, incident.host, alert, limit + 1) >= 0
    known = (alert >= 0) & (answered | ~incident.censored | (limit < view.steps))
    return cases(
        row[known],
        alert[known],
        (~answered & (incident.end > limit))[known],
        agent=BLUE_OF_HOST[incident.host[known]],
        host=incident.host[known],
    )


CHECK = Check(
    id="DET-04",
    title="No visible incident stays unanswered",
    problem="Visible intrusions stay unanswered",
    severity="critical",
    axis="practice",
    knowledge="obs",
    why="A process alert on a host that red holds is the best evidence there is. If nobody looks "
    "at the host or cleans it for 25 steps, the attacker has the time to take it over and move on.",
    remediation="Keep a list of hosts with a process alert that nobody has answered, and work it "
    "off: an alert is shown for a moment only and is lost if the agent is busy then.",
    formula="Of incidents on a defended host with a process alert of that host: share in which "
    "no Analyse, Remove or Restore of the host was started within 25 steps of the first one, "
    "though red was still there.",
    trigger="incidents with a process alert",
    n_min=20,
    references=(
        Reference("CSF", "RS.MA-01"),
        Reference("CSF", "RS.MA-02"),
        Reference("SP 800-61", "RS.MA-02"),
        Reference("CISA playbook", "Detection & Analysis"),
        Reference("ATT&CK", "T1210"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of visible incidents that nobody answers within 25 steps",
            unit="share",
            better="lower",
            good=0.10,
            bad=0.50,
            statistic=HitShare(),
            cases=unanswered,
        ),
    ),
    needs=frozenset({"observations"}),
    related=("DET-03", "COV-01"),
)
