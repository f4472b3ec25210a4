"""POL-02: not idle under attack."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.effects import own_alert
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare


def idle_under_alert(view: View) -> Cases:
    """Decisions while a host of the agent shows an alert; a hit waits, openly or in disguise."""
    decision = view.shared(decisions)
    alarm = view.shared(own_alert)[decision.row, decision.step, decision.agent]
    return cases(decision.row, decision.step, decision.idle, agent=decision.agent).where(alarm)


CHECK = Check(
    id="POL-02",
    title="Agents act while their hosts show alerts",
    problem="The defenders idle while their machines show alerts",
    severity="high",
    axis="health",
    knowledge="obs",
    why="An agent that waits while the alarm is up leaves the attacker the initiative. Waits can "
    "be disguised: allowing traffic that is not blocked takes a step and does nothing.",
    remediation="While a host of the agent shows an alert, Analyse or Restore that host; mask "
    "Sleep, Monitor, and Blocks and Allows that change nothing, until it is answered.",
    formula="Of the decisions made while a host of the agent shows an alert in its observation: "
    "share that does nothing (Sleep, Monitor, invalid actions, Blocks and Allows without effect).",
    trigger="decisions under an alert",
    n_min=100,
    references=(
        Reference("CSF", "RS.MA-02"),
        Reference("CSF", "DE.AE-02"),
        Reference("SP 800-53", "SI-4(7)"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of decisions under an alert that do nothing",
            unit="share",
            better="lower",
            good=0.25,
            bad=0.70,
            statistic=HitShare(),
            cases=idle_under_alert,
        ),
    ),
    needs=frozenset({"observations"}),
    related=("DET-01", "DET-04", "POL-01"),
)
