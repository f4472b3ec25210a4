"""ERA-03: eradication takes effect.

The simulator reports success for Remove and Restore even if nothing changed; what counts is red's
access before and after.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.layout import EVICTIONS
from cagexplain.cc4.outcome import Outcome
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.recoveries import evictions_of_red, on_compromised
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import Difference, HitShare


def claims(view: View) -> Cases:
    """Each of them twice: in group 1 a hit is reported, in group 0 it is real."""
    real = view.shared(evictions_of_red)
    twice = real.where(np.tile(np.arange(len(real)), 2))
    eviction = on_compromised(view, EVICTIONS)
    reported = view.shared(decisions).outcome[eviction] == Outcome.SUCCESS
    return cases(
        twice.row,
        twice.step,
        np.concatenate([reported, real.hit]),
        agent=twice.agent,
        host=twice.host,
        group=np.repeat([1, 0], len(real)),
    )


CHECK = Check(
    id="ERA-03",
    title="Remove and Restore really evict red",
    problem="Clean-ups do not throw the intruder out",
    severity="high",
    axis="outcome",
    knowledge="truth",
    why="An eviction that only claims success is worse than none: the defender moves on and the "
    "attacker stays. The simulator, as many tools, reports success even if nothing changed.",
    remediation="Use Restore where red may be root or came unnoticed, and check a host again after "
    "Remove.",
    formula="Of the Removes and Restores that took effect on a host with red on it: share after "
    "which red had no access to the host. The over-claim is the share reported as success minus "
    "this one.",
    trigger="Removes and Restores on compromised hosts",
    n_min=20,
    references=(
        Reference("CSF", "RS.MI-02"),
        Reference("CSF", "RC.RP-05"),
        Reference("CISA playbook", "Eradication & Recovery"),
        Reference("RE&CT", "RA5001"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of Removes and Restores on compromised hosts that evict red",
            unit="share",
            better="higher",
            good=0.90,
            bad=0.50,
            statistic=HitShare(),
            cases=evictions_of_red,
        ),
        Measure.of(
            "restore_effect", "restore", "share of Restores on compromised hosts that evict red"
        ),
        Measure.of(
            "remove_effect", "remove", "share of Removes on compromised hosts that evict red"
        ),
        Measure(
            key="over_claim",
            name="share of them that report success without having evicted red",
            unit="difference of shares",
            better="lower",
            good=None,
            bad=None,
            statistic=Difference(),
            cases=claims,
        ),
    ),
    absent="The policy never executed a Remove or Restore on a host with red on it.",
    related=("ERA-02", "ERA-04", "REC-01"),
)
