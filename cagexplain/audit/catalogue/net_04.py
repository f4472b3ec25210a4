"""NET-04: mission traffic survives the defence.

The observation shows a new communication policy one step late, and blocks are lifted one at a time:
who follows it perfectly loses about 0.9 accesses per 100 steps at the changes of phase. So 2, not
the catalogue's 1, is the good threshold.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.batch import codes
from cagexplain.facts.green import BLOCKED
from cagexplain.facts.view import View
from cagexplain.stats.estimates import Function

_PER = 100


def penalty(view: View) -> FloatArray:
    """Reward lost to them, hundreds of steps, and episodes: ``float64[n, 3]``."""
    green = view.batch.frame("green")
    lost = codes(green, "cause") == BLOCKED
    reward = np.bincount(
        green["row"].to_numpy()[lost], green["penalty"].to_numpy()[lost], minlength=view.n
    )
    return np.stack([-reward, np.full(view.n, view.steps / _PER), np.ones(view.n)], axis=1)


CHECK = Check(
    id="NET-04",
    title="Mission traffic survives the defence",
    problem="The defence itself cuts off users",
    severity="critical",
    axis="outcome",
    knowledge="truth",
    why="A block works in both directions for the users: whoever they can no longer reach is as "
    "lost to the mission as if the attacker had stopped it, and it is paid for at every try.",
    remediation="Forbid blocks between subnets whose users work together in the phase, and lift "
    "them first of all when the phase changes.",
    formula="Accesses of users to servers that failed as the traffic was blocked in either "
    "direction, per 100 steps; and the reward lost to them.",
    trigger="episodes",
    n_min=5,
    references=(
        Reference("CSF", "PR.IR-03"),
        Reference("SP 800-61", "RS.MI-01"),
        Reference("CISA playbook", "Containment"),
        Reference("CIS", "12.2"),
        Reference("COUN7ER", "CM0065"),
    ),
    measures=(
        Measure.of(
            "green_blocked",
            "value",
            "number of users' accesses lost to blocks",
            good=2,
            bad=20,
            per=_PER,
        ),
        Measure(
            key="penalty",
            name="reward lost to blocked accesses",
            unit="per 100 steps",
            better="lower",
            good=None,
            bad=None,
            statistic=Function(
                of=lambda totals: totals[..., 0] / np.maximum(totals[..., 1], 1e-12),
                triggers=lambda totals: totals[..., 2],
            ),
            sums=penalty,
        ),
    ),
    related=("NET-01", "NET-07"),
)
