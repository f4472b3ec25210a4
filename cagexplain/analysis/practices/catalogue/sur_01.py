"""SUR-01: the explanation may be believed. The audit computes its numbers from a surrogate tree."""

from cagexplain.analysis.practices.check import Check, Measure, Reference
from cagexplain.analysis.practices.statistics import Share

CHECK = Check(
    id="SUR-01",
    title="The rules that explain the policy decide, and defend, as it does",
    severity="high",
    axis="meta",
    knowledge="obs",
    why="The report explains the policy by decision trees that imitate it. If they decide "
    "otherwise, or defend worse, then their rules tell about the trees and not about the policy.",
    remediation="Allow deeper trees or more rounds of imitation; until then read the statistics of "
    "the recorded behaviour, and leave the rules aside.",
    formula="On held-out episodes: agreement of the trees with the policy, averaged over actions; "
    "and the trees' lead in return over a policy that always sleeps, divided by the policy's own.",
    trigger="held-out decisions",
    n_min=500,
    references=(Reference("AI RMF", "MEASURE 2.9"),),
    measures=(
        Measure(
            key="balanced",
            name="share of decisions on which trees and policy agree, averaged over actions",
            unit="share",
            better="higher",
            good=0.80,
            bad=0.50,
            statistic=Share(),
        ),
        Measure(
            key="return_ratio",
            name="trees' lead over sleeping as a part of the policy's",
            unit="ratio",
            better="higher",
            good=0.80,
            bad=0.50,
            statistic=Share(bounded=False),
        ),
    ),
    source="surrogate",
    related=("ROB-01",),
)
