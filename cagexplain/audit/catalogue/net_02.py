"""NET-02: blocks that the phase's communication policy demands are in place."""

from collections.abc import Callable

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_ZONE
from cagexplain.cc4.phases import COMMS_POLICY, N_PHASES, PHASE_NAMES
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.links import LINK, settled
from cagexplain.facts.view import View, blocked
from cagexplain.stats.estimates import HitShare


def closed_links(view: View) -> Cases:
    """Link-steps that the communication policy closes, a zone's own traffic excluded; a hit is one
    left open."""
    row, step, to_zone, from_zone = np.nonzero(
        ((COMMS_POLICY == 1) & LINK)[view.batch.phase] & view.shared(settled)[:, :, None, None]
    )
    left_open = ~view.shared(blocked)[row, step, to_zone, from_zone]
    return cases(
        row, step, left_open, agent=BLUE_OF_ZONE[to_zone], to_zone=to_zone, from_zone=from_zone
    )


def _in(phase: int) -> Callable[[View], Cases]:
    def those(view: View) -> Cases:
        closures = view.shared(closed_links)
        return closures.where(view.batch.phase[closures.row, closures.step] == phase)

    return those


def _measure(key: str, when: str, counted: Callable[[View], Cases], judged: bool) -> Measure:
    return Measure(
        key=key,
        name=f"share of the time of links advertised as closed in which they were open{when}",
        unit="share",
        better="lower",
        good=0.05 if judged else None,
        bad=0.50 if judged else None,
        statistic=HitShare(),
        cases=counted,
    )


CHECK = Check(
    id="NET-02",
    title="What the communication policy closes is blocked",
    problem="Connections that should be closed stay open",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="Every mission phase says which subnets have no business with each other. A link that is "
    "left open without need is a way for the attacker to spread, at no gain for anybody.",
    remediation="Block every link that the phase's policy closes, first of all those into the "
    "subnet of the mission, and keep it blocked until the policy opens it.",
    formula="Of all steps of links (to a defended subnet, from another subnet) that the "
    "communication policy closes, from 20 steps after a change of phase on: share in which it "
    "was not blocked. How fast a new phase is followed is judged by NET-03.",
    trigger="steps of closed links",
    n_min=1000,
    references=(
        Reference("CSF", "ID.AM-03"),
        Reference("SP 800-53", "AC-4"),
        Reference("SP 800-53", "SC-7"),
        Reference("ATT&CK", "M1030"),
        Reference("ATT&CK", "T1046"),
        Reference("ATT&CK", "T1210"),
        Reference("D3FEND", "D3-ITF"),
        Reference("COUN7ER", "CM0034"),
    ),
    measures=(
        _measure("value", "", lambda view: view.shared(closed_links), True),
        *(
            _measure(f"phase_{phase}", f" in phase {PHASE_NAMES[phase]}", _in(phase), False)
            for phase in range(N_PHASES)
        ),
    ),
    related=("NET-01", "NET-03"),
)
