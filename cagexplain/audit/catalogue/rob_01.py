"""ROB-01: stable across training seeds. The audit computes its number from several checkpoints."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.stats.estimates import SumsRatio

CHECK = Check(
    id="ROB-01",
    title="Policies trained with other seeds behave alike",
    problem="Training with another seed gives another behaviour",
    severity="high",
    axis="robustness",
    knowledge="truth",
    why="If training again with another seed gives another behaviour, then what this audit finds "
    "is luck of one training run, and the next one may defend quite differently.",
    remediation="Train longer or with more regular settings, and audit every seed; use the policy "
    "whose findings are the best, not the one whose return is.",
    formula="Mean Jensen-Shannon distance between the action mixes of two training seeds, in each "
    "state of the attacker, weighted by how often the state occurs, minus the same distance "
    "between two halves of the episodes of one seed. The interval covers other training seeds too.",
    trigger="policies trained with other seeds",
    n_min=3,
    references=(Reference("AI RMF", "MEASURE 2.5"),),
    measures=(
        Measure(
            key="excess",
            name="distance between the action mixes of training seeds, beyond chance",
            unit="distance",
            better="lower",
            good=0.05,
            bad=0.25,
            statistic=SumsRatio(),
        ),
    ),
    source="seeds",
    related=("ROB-02",),
)
