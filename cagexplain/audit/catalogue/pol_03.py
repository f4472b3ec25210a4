"""POL-03: no ineffective loops.

What counts as a change is told by `cagexplain.facts.effects.in_vain`. Failed
Blocks and Allows count as ineffective here, though they may be meant as waits (POL-02). Shares are
of all decisions.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.effects import in_vain
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare

_RUN = 3
"""Repetitions that make a loop."""
_SAME = ("row", "agent", "kind", "host", "to_zone", "from_zone")
"""What they have in common."""


def ineffective(view: View) -> Cases:
    """All decisions; a hit is an action, no wait, that changed nothing."""
    return _decisions(view, view.shared(in_vain))


def looping(view: View) -> Cases:
    """All decisions; a hit is one of at least three of its agent in a row that are the same action
    on the same target and changed nothing."""
    decision, vain = view.shared(decisions), view.shared(in_vain)
    order = np.lexsort((decision.step, decision.agent, decision.row))
    same = np.logical_and.reduce(
        [
            getattr(decision, name)[order][1:] == getattr(decision, name)[order][:-1]
            for name in _SAME
        ]
    )
    begins = np.append(True, ~same | ~vain[order][1:] | ~vain[order][:-1])
    run = np.cumsum(begins) - 1
    hit = np.zeros(len(decision), dtype=np.bool_)
    hit[order] = vain[order] & (np.bincount(run)[run] >= _RUN)
    return _decisions(view, hit)


def _decisions(view: View, hit: BoolArray) -> Cases:
    decision = view.shared(decisions)
    return cases(decision.row, decision.step, hit, agent=decision.agent, host=decision.host)


CHECK = Check(
    id="POL-03",
    title="Actions have effects, and those without are not repeated",
    problem="Many actions have no effect",
    severity="medium",
    axis="health",
    knowledge="truth",
    why="An action that changes nothing still takes its steps, and a Restore its price. Agents "
    "that try the same in vain again and again do not notice what their actions do.",
    remediation="Mask Blocks and Allows that change nothing, decoys on hosts that have them all, "
    "and the action that an agent has just done twice on the same target.",
    formula="Share of all decisions that are actions, not waits, and changed nothing: no link, no "
    "access of red, no service, no decoy; and that told nothing new, for Analyse. And the share "
    "in runs of three or more of the same of them.",
    trigger="decisions",
    n_min=500,
    references=(Reference("AI RMF", "MEASURE 2.5"),),
    measures=(
        Measure(
            key="value",
            name="share of decisions that are actions without any effect",
            unit="share",
            better="lower",
            good=0.10,
            bad=0.50,
            statistic=HitShare(),
            cases=ineffective,
        ),
        Measure(
            key="loops",
            name="share of decisions in runs of three or more of the same without any effect",
            unit="share",
            better="lower",
            good=0.05,
            bad=0.30,
            statistic=HitShare(),
            cases=looping,
        ),
    ),
    related=("POL-01", "REC-01", "ERA-03"),
)
