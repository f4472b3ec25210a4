"""ERA-03: eradication takes effect.

The simulator reports success for Remove and Restore even if nothing changed; what counts is red's
access before and after. Actions that end with the episode's last step are left out: nobody sees
what they did.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.audit.statistics import Difference, Share, Statistic
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import EVICTIONS
from cagexplain.cc4.outcome import Outcome
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View, decisions


def evictions_of_red(view: View) -> Cases:
    """Removes and Restores that took effect on a compromised host; a hit left it clean."""
    return _of(view, EVICTIONS)


def by_restore(view: View) -> Cases:
    """The Restores among them."""
    return _of(view, (ActionKind.RESTORE,))


def by_remove(view: View) -> Cases:
    """The Removes among them."""
    return _of(view, (ActionKind.REMOVE,))


def claims(view: View) -> Cases:
    """Each of them twice: in group 1 a hit is reported, in group 0 it is real."""
    real = view.shared(evictions_of_red)
    twice = real.where(np.tile(np.arange(len(real)), 2))
    own = _taken(view, EVICTIONS)
    reported = view.shared(decisions).outcome[own] == Outcome.SUCCESS
    return cases(
        twice.row,
        twice.step,
        np.concatenate([reported, real.hit]),
        agent=twice.agent,
        host=twice.host,
        group=np.repeat([1, 0], len(real)),
    )


def _taken(view: View, kinds: tuple[ActionKind, ...]) -> BoolArray:
    made = view.shared(decisions)
    return np.isin(made.kind, kinds) & (made.level_before > 0) & (made.ends + 1 < view.steps)


def _of(view: View, kinds: tuple[ActionKind, ...]) -> Cases:
    made = view.shared(decisions)
    own = _taken(view, kinds)
    row, host = made.row[own], made.host[own]
    after = view.batch.levels[row, made.ends[own] + 1, host]
    return cases(row, made.ends[own], after == 0, agent=made.agent[own], host=host)


def _measure(
    key: str,
    name: str,
    counted: object,
    *,
    statistic: Statistic | None = None,
    good: float | None = None,
    bad: float | None = None,
) -> Measure:
    return Measure(
        key=key,
        name=name,
        unit="difference of shares" if statistic else "share",
        better="lower" if statistic else "higher",
        good=good,
        bad=bad,
        statistic=statistic or Share(),
        cases=counted,  # type: ignore[arg-type]
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
        Reference("RE&CT", "RA5001"),
    ),
    measures=(
        _measure(
            "value",
            "share of Removes and Restores on compromised hosts that evict red",
            evictions_of_red,
            good=0.90,
            bad=0.50,
        ),
        _measure("restore", "share of Restores on compromised hosts that evict red", by_restore),
        _measure("remove", "share of Removes on compromised hosts that evict red", by_remove),
        _measure(
            "over_claim",
            "share of them that report success without having evicted red",
            claims,
            statistic=Difference(),
        ),
    ),
    absent="The policy never executed a Remove or Restore on a host with red on it.",
    related=("ERA-02", "ERA-04", "REC-01"),
)
