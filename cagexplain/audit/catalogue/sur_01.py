"""SUR-01: the explanation may be believed. The audit computes its numbers from a surrogate tree.

A policy that mostly waits is easy to agree with, so every type of action counts the same in the
fidelity, of the agent that is explained worst. And rules that decide alike in all but the rare
decisions that matter are not the policy's: the return that teams lose in which the trees play tells
whether the rest is right, too. It is held against the policy's own loss, not against Sleep's, of
which even a blind cycle of Restores saves nearly all.
"""

from cagexplain.analysis.trees.results import BELIEVABLE_FIDELITY, BELIEVABLE_LOSS
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
    remediation="Allow larger trees or more rounds of imitation; until then read the statistics of "
    "the recorded behaviour, and leave the rules aside.",
    formula="On held-out episodes: share of decisions in which tree and policy have the same "
    "likeliest action, hosts that the agent cannot tell apart counted as one, averaged over the "
    "types of the policy's likeliest action, of the agent where it is lowest; and the points that "
    "a team of trees loses beyond the policy, divided by the points that the policy loses.",
    trigger="held-out decisions",
    n_min=500,
    references=(Reference("AI RMF", "MEASURE 2.9"),),
    measures=(
        Measure(
            key="fidelity",
            name="lowest agent's balanced fidelity of its tree",
            unit="share",
            better="higher",
            good=BELIEVABLE_FIDELITY,
            bad=0.70,
            statistic=HitShare(),
        ),
        Measure(
            key="loss",
            name="points lost by the trees beyond the policy, as a part of its own",
            unit="ratio",
            better="lower",
            good=BELIEVABLE_LOSS,
            bad=0.30,
            statistic=SumsRatio(),
        ),
    ),
    source="surrogate",
    related=("ROB-01",),
)
