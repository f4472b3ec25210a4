"""COO-03: the team bears deafness, lies and the loss of a member. The audit computes its numbers
from play under these conditions."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.stats.estimates import SumsRatio

CHECK = Check(
    id="COO-03",
    title="The team bears deafness, lies and the loss of a member",
    problem="The team breaks when messages fail or lie, or when a member is lost",
    severity="medium",
    axis="robustness",
    knowledge="truth",
    why="Links between defenders fail and can be tampered with, and a defender may drop out. A "
    "team whose members trust every message, or wait for one of them, falls with its weakest part.",
    remediation="Train with messages dropped and inverted and with a member asleep at random; let "
    "every agent defend its own subnets on what it sees itself, and use messages as hints only.",
    formula="Points lost over what may be lost, as in ROB-02, on the same seeds. Member: each "
    "agent in turn sleeps; counted are the others' subnets and actions, and the expert loses the "
    "same agent. Messages, if any are sent: none is heard, or the opposite of all. The largest of "
    "each, with limits that hold together.",
    trigger="paired episodes",
    n_min=10,
    references=(Reference("AI RMF", "MEASURE 2.7"),),
    measures=(
        Measure(
            key="member",
            name="largest multiple of the points that the others may lose without a member",
            unit="ratio",
            better="lower",
            good=1.2,
            bad=1.4,
            statistic=SumsRatio(),
        ),
        Measure(
            key="messages",
            name="larger multiple of the points that it may lose without messages or with lies",
            unit="ratio",
            better="lower",
            good=1.2,
            bad=1.4,
            statistic=SumsRatio(),
        ),
    ),
    source="robustness",
    absent="The policy was not played under these conditions.",
    related=("COO-01", "ROB-02"),
    extra=True,
)
