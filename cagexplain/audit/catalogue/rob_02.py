"""ROB-02: tolerates missing and false alerts and other attackers. The audit computes its number
from play under other conditions."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.stats.estimates import SumsRatio

CHECK = Check(
    id="ROB-02",
    title="The policy keeps its lead with missing and false alerts and against other attackers",
    problem="The defence breaks under missing or false alerts, or another attacker",
    severity="high",
    axis="robustness",
    knowledge="truth",
    why="Real sensors miss things and cry wolf, and real attackers do not follow the training's "
    "script. A defence that works only under the conditions it was trained in is brittle.",
    remediation="Train with alerts dropped and invented at random, and against all variants of the "
    "attacker; do not rely on a single alert for what is costly.",
    formula="The share of the points lost by a policy that always sleeps that this one averts, "
    "(P - S) / (-S); how much of it is lost with a quarter of the alerts dropped, with three times "
    "the false alerts, and against other variants of the attacker, on the same seeds; the worst.",
    trigger="paired episodes",
    n_min=10,
    references=(
        Reference("AI RMF", "MEASURE 2.5"),
        Reference("AI RMF", "MEASURE 2.6"),
        Reference("AI RMF", "MEASURE 2.7"),
    ),
    measures=(
        Measure(
            key="worst_loss",
            name="largest loss under other conditions of what the policy averts usually",
            unit="share",
            better="lower",
            good=0.10,
            bad=0.40,
            statistic=SumsRatio(),
        ),
    ),
    source="robustness",
    related=("ROB-01",),
)
