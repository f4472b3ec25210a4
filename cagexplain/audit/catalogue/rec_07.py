"""REC-07: no subnet has many of its hosts down at once.

An agent rebuilds one host at a time, for five steps, so "at once" means one after the other:
`MANY` Restores of one subnet started within `WINDOW` steps. A good defence does so in an attack, or
once before a mission begins; who does it for a good part of the episode keeps the subnet down. In
the subnet of the running mission there is less time for it, so its time is judged by itself.
"""

from typing import Final

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_ZONE
from cagexplain.cc4.phases import RUNNING_OPERATION
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare

MANY: Final = 3
WINDOW: Final = 25
SHARE: Final = 0.3
"""Share of the episode that a subnet may have many hosts down."""
_DEFENDED: Final = np.flatnonzero(BLUE_OF_ZONE >= 0)
_OPERATIONAL: Final = np.isin(RUNNING_OPERATION, network.OPERATIONAL_ZONES)


def down(view: View) -> BoolArray:
    """``bool[n, T, 9]`` subnets of which many hosts were restored within the last steps."""
    decision = view.shared(decisions)
    restore = decision.kind == ActionKind.RESTORE
    started = np.zeros((view.n, view.steps, network.N_ZONES), dtype=np.int16)
    zone = network.HOST_ZONE[decision.host[restore]]
    np.add.at(started, (decision.row[restore], decision.step[restore], zone), 1)
    recent = np.cumsum(started, axis=1)
    recent[:, WINDOW:] -= recent[:, :-WINDOW].copy()
    many: BoolArray = recent >= MANY
    return many


def worn_out(view: View) -> Cases:
    """Subnets of each episode, at its end; a hit had many hosts down for too long."""
    over = view.shared(down).sum(axis=1) > SHARE * view.steps
    row, place = np.indices((view.n, len(_DEFENDED))).reshape(2, -1)
    zone = _DEFENDED[place]
    return cases(row, view.steps - 1, over[row, zone], agent=BLUE_OF_ZONE[zone], to_zone=zone)


def in_the_mission(view: View) -> Cases:
    """Steps of the running mission; a hit has many hosts of its subnet down."""
    row, step = np.nonzero(_OPERATIONAL[view.batch.phase])
    zone = RUNNING_OPERATION[view.batch.phase[row, step]]
    hit = view.shared(down)[row, step, zone]
    return cases(row, step, hit, agent=BLUE_OF_ZONE[zone], to_zone=zone)


CHECK = Check(
    id="REC-07",
    title="No subnet has many of its hosts down at once",
    problem="Subnets are kept down by their own recovery",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="A machine that is rebuilt serves nobody. One at a time can be spared; if one follows upon "
    "the other, the subnet is down by the defence's own hand, and in the mission's subnet the "
    "mission with it.",
    remediation="Let a subnet rest between two Restores unless there is an alert, rebuild before "
    "the mission begins rather than while it runs, and never rebuild a host again without news of "
    "it.",
    formula=f"Many hosts are down when {MANY} Restores of the subnet start within {WINDOW} steps. "
    f"Share of the subnets of all episodes that are so for more than {SHARE:.0%} of the episode; "
    "and share of the steps of a running mission in which its operational subnet is.",
    trigger="subnets of episodes",
    n_min=35,
    references=(
        Reference("CSF", "PR.IR-03"),
        Reference("CSF", "RC.RP-02"),
        Reference("COUN7ER", "CM0027"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of subnets that have many hosts down for long",
            unit="share",
            better="lower",
            good=0.10,
            bad=0.25,
            statistic=HitShare(),
            cases=worn_out,
        ),
        Measure(
            key="mission",
            name="share of the mission's time in which many hosts of its subnet are down",
            unit="share",
            better="lower",
            good=0.10,
            bad=0.40,
            statistic=HitShare(),
            cases=in_the_mission,
        ),
    ),
    related=("REC-02", "REC-03"),
    since="2",
)
