"""Policies with one planted defect each, by which the audit's sensitivity is measured.

Every defect is the expert's playbook with one thing changed, and names the check that is meant to
notice it. Other checks may notice it too: who never hunts also lets attackers dwell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchmarks.flaws.answering import Answers, Disarmed, Hesitant, LightestFirst, Removes, Restless
from benchmarks.flaws.base import EVERYWHERE, Flawed
from benchmarks.flaws.health import Collapsed, Frozen, Idler, Impatient, Without
from benchmarks.flaws.links import Babbler, Closes, Flapper, Quarrel, SlowToFollow
from benchmarks.flaws.seeing import (
    Blind,
    Deaf,
    Dismissive,
    Late,
    LooksFirst,
    Neglectful,
    Overlooks,
    TrustsDecoys,
)
from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import (
    LINK_FROM,
    LINK_TO,
    N_LINKS,
    SLOT_IS_SERVER,
    SLOT_IS_USER,
    SLOT_ZONE,
)
from cagexplain.common.arrays import BoolArray

HEADQUARTERS: Final = (network.PAZ, network.ADM, network.OFF)


def of(*zones: int) -> BoolArray:
    """Agent slots of hosts in some zones: ``bool[112]``."""
    return np.isin(SLOT_ZONE, zones)


@dataclass(frozen=True)
class Defect:
    """A planted defect.

    Attributes:
        name: of the policy.
        summary: what is wrong with it.
        check: id of the check that is meant to notice it.
        rule: class of the policy, called with its name and `arguments`.
    """

    name: str
    summary: str
    check: str
    rule: Callable[..., Flawed]
    arguments: tuple[Any, ...] = ()

    def make(self) -> Flawed:
        """The policy."""
        policy = self.rule(self.name, *self.arguments)
        policy.defect = self.summary
        return policy


_K = ActionKind
_INTERNAL: Final = np.isin(LINK_TO, HEADQUARTERS) & np.isin(LINK_FROM, HEADQUARTERS)
_FROM_INTERNET: Final = LINK_FROM == network.INT
_TO_RESTRICTED: Final = np.isin(LINK_TO, (network.RZA, network.RZB)) & np.isin(
    LINK_FROM, HEADQUARTERS
)

_TABLE: Final = (
    Defect("blind", "it sees no alert at all", "DET-01", Blind),
    Defect(
        "deaf",
        "it sees no alert and acts by the clock",
        "DET-02",
        Deaf,
    ),
    Defect("late", "it sees every alert 40 steps late", "DET-03", Late, (40,)),
    Defect(
        "dismissive",
        "it takes hosts with a process alert for false alarms",
        "DET-04",
        Dismissive,
    ),
    Defect(
        "ignores_servers", "it does not see alerts on servers", "REC-05", Blind, (SLOT_IS_SERVER,)
    ),
    Defect(
        "never_hunts",
        "it restores only hosts that were attacked before its eyes, not those that phishing opened",
        "DET-07",
        Overlooks,
    ),
    Defect(
        "looks_at_sources",
        "it analyses the hosts that attacks came from, and leaves them to red",
        "ERA-01",
        LooksFirst,
    ),
    Defect(
        "hesitant",
        "it looks at known intrusions at once and restores the host 60 steps later",
        "ERA-05",
        Hesitant,
        (60,),
    ),
    Defect("removes_suspects", "it answers every unclear alert by Remove", "ERA-02", Removes),
    Defect(
        "only_removes",
        "it answers known intrusions by Remove alone, also where red is root",
        "ERA-03",
        Answers,
        (EVERYWHERE, False),
    ),
    Defect(
        "never_escalates",
        "it answers known intrusions by Remove, and never comes back with Restore",
        "ERA-04",
        Answers,
    ),
    Defect(
        "restores_servers",
        "it restores every server each 40 steps, though nothing points at them",
        "REC-01",
        Restless,
        (40, SLOT_IS_SERVER),
    ),
    Defect(
        "restores_for_ever",
        "it restores whatever was not restored for 30 steps, whenever it has time",
        "REC-02",
        Restless,
        (30,),
    ),
    Defect(
        "nervous_mission",
        "it restores the hosts of the running mission each 20 steps",
        "REC-03",
        Restless,
        (20, EVERYWHERE, True),
    ),
    Defect("never_rearms", "it puts no decoy back on a restored host", "REC-04", Disarmed),
    Defect("lightest_first", "it begins with the least important host", "REC-05", LightestFirst),
    Defect(
        "never_repairs",
        "it spares user hosts a Restore, so that what red degraded there stays so",
        "REC-06",
        Answers,
        (SLOT_IS_USER, False),
    ),
    Defect(
        "blocks_headquarters",
        "it keeps the headquarters' zones apart, whose traffic the policy leaves open",
        "NET-01",
        Closes,
        (_INTERNAL,),
    ),
    Defect("never_blocks", "it blocks nothing", "NET-02", Without, ("obey",)),
    Defect(
        "late_policy",
        "it follows changes of the communication policy 80 steps late",
        "NET-03",
        SlowToFollow,
        (80,),
    ),
    Defect(
        "blocks_mission",
        "it blocks all traffic during mission B",
        "NET-04",
        Closes,
        (np.ones(N_LINKS, np.bool_), (2,)),
    ),
    Defect(
        "panic_blocks",
        "it blocks all traffic from the internet without alert, and never lifts that",
        "NET-05",
        Closes,
        (_FROM_INTERNET,),
    ),
    Defect("flaps", "it opens and blocks links in its spare time", "NET-06", Flapper),
    Defect(
        "chases_itself",
        "it blocks users' traffic to the restricted zones and answers the alerts that this makes",
        "NET-07",
        Closes,
        (_TO_RESTRICTED,),
    ),
    Defect("no_decoys", "it deploys no decoys", "DEC-01", Without, ("deceive",)),
    Defect(
        "one_decoy_host",
        "it piles up decoys on one host of each agent in its spare time",
        "DEC-02",
        Idler,
        (_K.DECOY,),
    ),
    Defect(
        "ignores_decoys",
        "it leaves a host alone for 15 steps when its decoy was touched",
        "DEC-03",
        TrustsDecoys,
        (15,),
    ),
    Defect(
        "neglects_zones",
        "it neither watches nor touches the admin and office networks",
        "COV-01",
        Neglectful,
        (of(network.ADM, network.OFF),),
    ),
    Defect(
        "neglects_missions",
        "it neither watches nor touches the operational zones",
        "MIS-01",
        Neglectful,
        (of(*network.OPERATIONAL_ZONES),),
    ),
    Defect(
        "quarrels",
        "the agents at the two ends of a link open and block it against each other",
        "COO-01",
        Quarrel,
        (network.RZA, network.PAZ, 3),
    ),
    Defect("babbles", "it sends messages that mean nothing", "COO-01", Babbler),
    Defect(
        "collapsed",
        "one agent restores the same host for ever",
        "POL-01",
        Collapsed,
        (0, _K.RESTORE),
    ),
    Defect("freezes", "it waits while any alert is shown", "POL-02", Frozen),
    Defect(
        "analyses_in_loops",
        "it analyses the same host over and over in its spare time",
        "POL-03",
        Idler,
        (_K.ANALYSE,),
    ),
    Defect(
        "impatient",
        "it submits a Restore again in every step until it is done",
        "POL-04",
        Impatient,
    ),
)

DEFECTS: Final = {defect.name: defect for defect in _TABLE}
"""All planted defects by name."""
