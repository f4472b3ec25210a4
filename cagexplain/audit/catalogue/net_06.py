"""NET-06: no flapping of blocks.

Episodes in which nobody changed a link are left out: leaving links alone shows no steadiness.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import N_BLUE
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.links import WINDOW, changes
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import PerCases


def reversals(view: View) -> Cases:
    """Decisions of episodes with changes of links; a hit undoes one of the last steps."""
    decision, changed = view.shared(decisions), view.shared(changes)
    soon = (changed.before >= 0) & (changed.step - changed.before <= WINDOW)
    undone = np.zeros((view.n, view.steps, N_BLUE), dtype=np.bool_)
    undone[changed.row[soon], changed.step[soon], changed.agent[soon]] = True
    hit = undone[decision.row, decision.step, decision.agent]
    return cases(
        decision.row,
        decision.step,
        hit,
        agent=decision.agent,
        to_zone=decision.to_zone,
        from_zone=decision.from_zone,
    ).where(np.isin(decision.row, changed.row))


CHECK = Check(
    id="NET-06",
    title="Blocks do not flap",
    problem="Blocks are set and lifted back and forth",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="A link that is closed and opened again within moments protects nobody: the steps are "
    "lost, users are disturbed, and nobody can tell what state the network is meant to be in.",
    remediation="Forbid an agent to undo its own change of a link within 10 steps, unless the "
    "phase changes in between.",
    formula="Blocks and Allows that undo a change of the same link at most 10 steps before, per "
    "100 decisions, in episodes in which any link was changed.",
    trigger="decisions",
    n_min=500,
    references=(
        Reference("CSF", "ID.RA-07"),
        Reference("SP 800-53", "AC-4"),
        Reference("D3FEND", "D3-NTF"),
    ),
    measures=(
        Measure(
            key="value",
            name="number of changes of a link that were undone at once",
            unit="per 100 decisions",
            better="lower",
            good=0.5,
            bad=3,
            statistic=PerCases(100),
            cases=reversals,
        ),
    ),
    absent="The policy changed no link.",
    related=("NET-03", "COO-01"),
)
