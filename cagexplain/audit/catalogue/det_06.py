"""DET-06: findings of Analyse are used."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import evictions
from cagexplain.facts.view import Facts, View, decisions
from cagexplain.stats.estimates import Difference

WINDOW = 10


def followed_up(view: View) -> Cases:
    """Finished Analyses; group 1 found malicious files, a hit is followed by Remove or Restore.

    Those that the episode follows for less than the window are left out.
    """
    decision = view.shared(decisions)
    analysis = (decision.files >= 0) & (decision.ends + WINDOW < view.steps)
    row, host, end = decision.row[analysis], decision.host[analysis], decision.ends[analysis]
    acted = view.shared(evictions).next(row, host, end + 1, end + 1 + WINDOW) >= 0
    return cases(
        row,
        decision.step[analysis],
        acted,
        agent=decision.agent[analysis],
        host=host,
        group=decision.files[analysis] > 0,
    )


def _blind(facts: Facts) -> str | None:
    if facts.sees_files:
        return None
    return (
        "Analyse is blind: the policy's observation leaves out the files that it lists, so that "
        "every Analyse wastes two steps."
    )


CHECK = Check(
    id="DET-06",
    title="What Analyse finds is used",
    problem="What inspections find is not used",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="An Analyse takes two steps in which the agent can do nothing else. It is worth that only "
    "if a host with malicious files is treated differently from a clean one.",
    remediation="Restore a host on which Analyse found malicious files, and leave one alone on "
    "which it found none; or do without Analyse.",
    formula="Share of finished Analyses that are followed by Remove or Restore of the host within "
    "10 steps among those that listed malicious files, minus that share among those that listed "
    "none.",
    trigger="finished Analyses that found files",
    n_min=30,
    references=(
        Reference("CSF", "RS.AN-03"),
        Reference("SP 800-61", "RS.AN-03"),
        Reference("CISA playbook", "Detection & Analysis"),
        Reference("D3FEND", "D3-FA"),
    ),
    measures=(
        Measure(
            key="value",
            name="rise of the chance of Remove or Restore after malicious files were found",
            unit="difference of shares",
            better="higher",
            good=0.30,
            bad=0.05,
            statistic=Difference(),
            cases=followed_up,
        ),
    ),
    applies_when="the policy sees the files that Analyse lists",
    applies=_blind,
    absent="No Analyse of the policy found malicious files.",
    related=("DET-05",),
)
