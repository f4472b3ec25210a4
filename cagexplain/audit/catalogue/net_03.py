"""NET-03: changes of phase are followed quickly.

A link agrees once it does so for `LASTING` steps in a row: links that are opened and closed in turn
agree every now and then. One that agrees from the beginning of the phase counts as 0 steps; one
that does not before the next phase, or the episode's end, is censored there. The observation shows
the new policy one step late, and a block holds from the next decision on, so 2 steps are the
fastest reaction.

Half of the links agree with the new phase by chance, or if everything stays blocked for ever; so
the slowest tenth is judged as well.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_ZONE
from cagexplain.cc4.phases import COMMS_POLICY
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.links import LINK, phase_starts
from cagexplain.facts.view import View, blocked, recently
from cagexplain.stats.estimates import Quantile

LASTING = 10
CHANGED = np.argwhere((COMMS_POLICY[1:] != COMMS_POLICY[:-1]) & LINK)
"""``int[link, 3]`` number of the change of phase, zone to and zone from of links whose policy
changes."""


def changed_links(view: View) -> Cases:
    """Links that a change of phase asks to block or to open, with the steps until they agree."""
    change, to_zone, from_zone = CHANGED.T
    starts = np.column_stack([view.shared(phase_starts), np.full(view.n, view.steps)])
    start, end = starts[:, change + 1], starts[:, change + 2]
    wanted = COMMS_POLICY[change + 1, to_zone, from_zone] == 1
    step = np.arange(view.steps)[:, None]
    differs = np.not_equal(view.shared(blocked)[:, :, to_zone, from_zone], wanted)
    agrees = ~recently(differs[:, ::-1], LASTING)[:, ::-1]  # now and in the steps to come
    agrees &= (step >= start[:, None]) & (step + LASTING <= end[:, None])
    follows = np.logical_or.reduce(agrees, axis=1)
    until = np.where(follows, agrees.argmax(axis=1), end)
    row, link = np.nonzero(start < view.steps)  # phases that short episodes do not reach
    return cases(
        row,
        start[row, link],
        follows[row, link],
        agent=BLUE_OF_ZONE[to_zone[link]],
        to_zone=to_zone[link],
        from_zone=from_zone[link],
        duration=(until - start)[row, link],
    )


CHECK = Check(
    id="NET-03",
    title="Changes of the mission phase are followed quickly",
    problem="Traffic rules follow the phases of the mission late or not at all",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="When the mission moves on, its communication policy changes at once. Until the blocks "
    "follow, users are cut off from what they now need, or the mission's subnet stays exposed.",
    remediation="When the phase changes, let each agent compare its blocks with the policy that "
    "its observation shows, and correct one link per step, before anything that is not urgent.",
    formula="Kaplan-Meier median and 90th percentile of the steps from a change of phase until "
    "each link whose policy changed agrees with it for 10 steps on, 0 if it does already; links "
    "that do not until the next phase are censored.",
    trigger="links whose policy changed",
    n_min=8,
    references=(
        Reference("CSF", "PR.IR-01"),
        Reference("CSF", "ID.AM-03"),
        Reference("SP 800-53", "AC-4(3)"),
        Reference("D3FEND", "D3-NTPM"),
    ),
    measures=(
        Measure(
            key="value",
            name="median time from a change of phase until a link whose policy changed agrees",
            unit="steps",
            better="lower",
            good=10,
            bad=60,
            statistic=Quantile(0.5),
            cases=changed_links,
        ),
        Measure(
            key="p90",
            name="90th percentile of the time until a link whose policy changed agrees",
            unit="steps",
            better="lower",
            good=30,
            bad=150,
            statistic=Quantile(0.9),
            cases=changed_links,
        ),
    ),
    related=("NET-01", "NET-02"),
)
