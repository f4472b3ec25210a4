"""ERA-04: a failed eviction is escalated.

Removes whose time for an answer is cut off by the episode's end are left out.
"""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.actions import ActionKind
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import restores
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare

PATIENCE = 10


def failed_removes(view: View) -> Cases:
    """Removes that left red on the host; a hit is followed by Restore of it."""
    decision = view.shared(decisions)
    ended = (decision.level_before > 0) & (decision.ends + PATIENCE < view.steps)
    remove = (decision.kind == ActionKind.REMOVE) & ended
    row, host, agent, end = (
        values[remove] for values in (decision.row, decision.host, decision.agent, decision.ends)
    )
    failed = view.batch.levels[row, end + 1, host] > 0
    row, host, agent, end = (values[failed] for values in (row, host, agent, end))
    restored = view.shared(restores).next(row, host, end + 1, end + 1 + PATIENCE) >= 0
    return cases(row, end, restored, agent=agent, host=host)


CHECK = Check(
    id="ERA-04",
    title="A Remove that leaves red on the host is followed by Restore",
    problem="A clean-up that failed is not followed by a rebuild",
    severity="high",
    axis="practice",
    knowledge="truth",
    why="Most Removes fail without saying so. If nothing stronger follows, the attacker keeps the "
    "host while the defender believes it clean.",
    remediation="Follow every Remove with Restore of the host unless an Analyse or a quiet time "
    "has shown that it is clean; or use Restore at once.",
    formula="Of the executed Removes after which red still had access to the host: share that is "
    "followed by a Restore of the host, started within 10 steps of the Remove's end.",
    trigger="Removes that left red on the host",
    n_min=15,
    references=(
        Reference("CSF", "RS.MI-02"),
        Reference("SP 800-61", "RS.MI-02"),
        Reference("CISA playbook", "Eradication & Recovery"),
        Reference("COUN7ER", "CM0027"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of failed Removes that are followed by Restore within 10 steps",
            unit="share",
            better="higher",
            good=0.60,
            bad=0.20,
            statistic=HitShare(),
            cases=failed_removes,
        ),
    ),
    absent="No Remove of the policy left red on a host.",
    related=("ERA-02", "ERA-03"),
)
