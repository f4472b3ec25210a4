"""SUR-01: the explanation may be believed. The audit computes its numbers from a surrogate tree.

The catalogue asks for agreement averaged over actions. Of policies that draw among hundreds of
actions most of them occur too rarely for that, so the overlap averaged over decisions is judged, of
the agent that is explained worst. A policy that mostly waits is easy to agree with: the return that
the trees keep tells whether the rest is right, too.
"""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.stats.estimates import HitShare, SumsRatio

CHECK = Check(
    id="SUR-01",
    title="The rules that explain the policy decide, and defend, as it does",
    problem="The rules that explain the policy are not its rules",
    severity="high",
    axis="meta",
    knowledge="obs",
    why="The report explains the policy by decision trees that imitate it. If they decide "
    "otherwise, or defend worse, then their rules tell about the trees and not about the policy.",
    remediation="Allow deeper trees or more rounds of imitation; until then read the statistics of "
    "the recorded behaviour, and leave the rules aside.",
    formula="On held-out episodes: probability that the trees and the policy take the same action, "
    "averaged over decisions, of the agent where it is lowest; and the trees' lead in return over "
    "a policy that always sleeps, divided by the policy's own.",
    trigger="held-out decisions",
    n_min=500,
    references=(Reference("AI RMF", "MEASURE 2.9"),),
    measures=(
        Measure(
            key="agreement",
            name="lowest agent's share of decisions on which tree and policy agree",
            unit="share",
            better="higher",
            good=0.80,
            bad=0.50,
            statistic=HitShare(),
        ),
        Measure(
            key="return_ratio",
            name="trees' lead over sleeping as a part of the policy's",
            unit="ratio",
            better="higher",
            good=0.80,
            bad=0.50,
            statistic=SumsRatio(),
        ),
    ),
    source="surrogate",
    related=("ROB-01",),
)
