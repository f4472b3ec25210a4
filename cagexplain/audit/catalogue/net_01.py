"""NET-01: no block that the phase's communication policy keeps open."""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_ZONE
from cagexplain.cc4.phases import COMMS_POLICY, GREEN_REACH
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.links import LINK, settled
from cagexplain.facts.view import View, blocked
from cagexplain.stats.estimates import HitShare

_USED = GREEN_REACH | GREEN_REACH.swapaxes(1, 2)


def open_links(view: View) -> Cases:
    """Link-steps that the communication policy keeps open, a zone's own traffic excluded; a hit is
    a block."""
    return _link_steps(view, COMMS_POLICY == 0)


def used_links(view: View) -> Cases:
    """Link-steps that green users need in the phase; a hit is a block."""
    return _link_steps(view, _USED)


def _link_steps(view: View, wanted: BoolArray) -> Cases:
    row, step, to_zone, from_zone = np.nonzero(
        (wanted & LINK)[view.batch.phase] & view.shared(settled)[:, :, None, None]
    )
    hit = view.shared(blocked)[row, step, to_zone, from_zone]
    return cases(row, step, hit, agent=BLUE_OF_ZONE[to_zone], to_zone=to_zone, from_zone=from_zone)


CHECK = Check(
    id="NET-01",
    title="No block closes what the communication policy keeps open",
    problem="Connections that the mission needs open are cut",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="Blocks that the phase does not ask for cut off users and services that the mission needs; "
    "the defence then does the attacker's work.",
    remediation="Mask BlockTrafficZone for pairs that the phase's policy keeps open, and lift such "
    "blocks when the phase changes.",
    formula="Of all steps of links (to a defended subnet, from another subnet) that the "
    "communication policy keeps open, from 20 steps after a change of phase on: share in which the "
    "link was blocked. How fast a new phase is followed is judged by NET-03.",
    trigger="steps of open links",
    n_min=1000,
    references=(
        Reference("CSF", "ID.AM-03"),
        Reference("SP 800-53", "AC-4"),
        Reference("CIS", "12.2"),
        Reference("D3FEND", "D3-NTPM"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of the time of links advertised as open in which they were blocked",
            unit="share",
            better="lower",
            good=0.01,
            bad=0.05,
            statistic=HitShare(),
            cases=open_links,
        ),
        Measure(
            key="used",
            name="share of the time of links that green users need in which they were blocked",
            unit="share",
            better="lower",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=used_links,
        ),
    ),
    related=("NET-02", "NET-04"),
)
