"""ROB-03: bears an attacker that knows the game. The audit computes its number from play against
strong attackers."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.stats.estimates import SumsRatio

CHECK = Check(
    id="ROB-03",
    title="An adaptive attacker does not undo the defence",
    problem="An attacker that adapts undoes the defence",
    severity="medium",
    axis="robustness",
    knowledge="truth",
    why="CC4's attacker picks its next host blindly and seldom follows up what it has won. One "
    "that always plays its most advanced host, or uses sessions that it has already and so raises "
    "no alert, costs common defences ten times as much. Real attackers adapt.",
    remediation="Train against a mixture of attackers, the strong ones among them; look for silent "
    "footholds (Analyse); restore hosts of the running mission on weaker evidence.",
    formula="One less the quotient of two shares of Sleep's loss that the policy averts: under a "
    "strong attacker and under the usual one, on the same seeds; without the Impacts in the "
    "contractor network, which nobody can prevent. The largest of all strong attackers, and of the "
    "one that --attack finds, with limits that hold for all of them together. A lower bound: other "
    "attackers may undo more.",
    trigger="paired episodes",
    n_min=10,
    references=(
        Reference("AI RMF", "MEASURE 2.6"),
        Reference("AI RMF", "MEASURE 2.7"),
    ),
    measures=(
        Measure(
            key="undone",
            name="largest share of the averted loss that a strong attacker undoes",
            unit="share",
            better="lower",
            good=0.25,
            bad=0.6,
            statistic=SumsRatio(),
        ),
    ),
    source="robustness",
    related=("ROB-02",),
)
