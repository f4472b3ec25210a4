"""Policies with one planted defect each of a part.

A part is an agent, a subnet, a phase, a kind of host, a link, a stretch of time or some of the
episodes.

What is pooled over the whole hardly shows them. Every defect says which checks are meant for it,
which place a right finding names, and since when it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.defects import of
from benchmarks.flaws.answering import Answers, Restless
from benchmarks.flaws.base import EVERYWHERE, Flawed
from benchmarks.flaws.habits import (
    Alarmist,
    Forgetful,
    LateInPhase,
    LeavesSources,
    Opens,
    Spares,
    WrongHost,
)
from benchmarks.flaws.lapses import (
    TEAM,
    Dead,
    FrozenAtChanges,
    IdleEpisodes,
    NapsAtDecoy,
    Shifts,
    SleepsAfter,
    Stops,
    StopsAtDecoy,
    StopsAtServer,
)
from benchmarks.flaws.links import Closes
from benchmarks.flaws.seeing import Neglectful
from benchmarks.flaws.talking import Lies
from cagexplain.cc4 import agents, network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import (
    LINK_FROM,
    LINK_TO,
    SLOT_AGENT,
    SLOT_IS_SERVER,
    SLOT_IS_USER,
)
from cagexplain.cc4.network import ADM, CON, INT, OFF, OZA, OZB, PAZ, RZA, RZB, ZONE_SHORT, ZONES
from cagexplain.cc4.phases import PHASE_NAMES
from cagexplain.common.arrays import BoolArray


class Place(NamedTuple):
    """A part that a finding can name.

    Attributes:
        kind: of part.
        name: of it; empty for any of the kind.
    """

    kind: str
    name: str = ""


AGENT, ZONE, PHASE, HOSTS, LINK, STRETCH, EPISODES = (
    "agent",
    "zone",
    "phase",
    "host kind",
    "link",
    "steps",
    "episodes",
)
"""Kinds of parts: blue agents, subnets, mission phases, kinds of hosts, links, stretches of time
within the episode, and some of the episodes."""

Places = tuple[Place, ...]


def agent(number: int) -> Places:
    """A blue agent, which is the same as its subnet if it has one only."""
    zones = agents.BLUE_ZONES[number]
    place = Place(AGENT, agents.BLUE[number])
    return (place, Place(ZONE, ZONES[zones[0]])) if len(zones) == 1 else (place,)


def zone(number: int) -> Places:
    """A subnet, which is the same as its agent if that has no other."""
    place = Place(ZONE, ZONES[number])
    owner = agents.BLUE_OF_ZONE[number]
    alone = agents.BLUE_ZONES[owner] == (number,)
    return (place, Place(AGENT, agents.BLUE[owner])) if alone else (place,)


def phase(number: int) -> Places:
    """A mission phase."""
    return (Place(PHASE, PHASE_NAMES[number]),)


def hosts(kind: int) -> Places:
    """All servers, or all user hosts."""
    return (Place(HOSTS, network.KIND_NAMES[kind]),)


def link(frm: int, to: int) -> Places:
    """The traffic from a subnet to another one."""
    return (Place(LINK, f"{ZONES[to]} from {ZONES[frm]}"),)


SOME_STRETCH: Final = (Place(STRETCH),)
SOME_EPISODES: Final = (Place(EPISODES),)


@dataclass(frozen=True)
class PartDefect:
    """A planted defect of a part.

    Attributes:
        name: of the policy.
        summary: what is wrong with it.
        checks: ids of the checks that are meant to notice it; one that does is enough.
        rule: class of the policy, called with its name and `arguments`.
        places: parts that a right finding may name; it names at least one of them, and no other of
            their kinds. Empty if the whole team has the defect everywhere and always.
        since: step from which on it is there, as the median over episodes where an event decides;
            None if it is there all the time, by turns, or since a step that varies much.
        base: name of the sound policy that has this one thing changed.
    """

    name: str
    summary: str
    checks: tuple[str, ...]
    rule: Callable[..., Flawed]
    arguments: tuple[Any, ...] = ()
    places: Places = ()
    since: int | None = None
    base: str = "expert"

    def make(self) -> Flawed:
        """The policy."""
        policy = self.rule(self.name, *self.arguments)
        policy.defect = self.summary
        return policy


_SILENT: Final = ("DET-03", "DET-04", "POL-02", "POL-05")
"""Checks of whether alerts are answered at all, and soon."""
_SPARED: Final = ("DET-03", "DET-04", "DET-08", "ERA-01")
_RESTORE, _DECOY = ActionKind.RESTORE, ActionKind.DECOY


def _one_link(frm: int, to: int) -> BoolArray:
    return np.equal(LINK_FROM, frm) & np.equal(LINK_TO, to)


def _short(number: int) -> str:
    return ZONE_SHORT[number].lower()


_ABSENT: Final = (
    *(
        PartDefect(
            f"dead_agent_{one}",
            f"agent {one} never acts",
            (*_SILENT, "COV-01"),
            Dead,
            ((one,),),
            agent(one),
        )
        for one in (1, 2, 4)
    ),
    *(
        PartDefect(
            f"idle_in_{word}_agent_{one}",
            f"agent {one} does nothing in a {word} of the episodes",
            (*_SILENT, "MIS-02"),
            IdleEpisodes,
            (every, (one,)),
            agent(one),
        )
        for word, every, those in (("half", 2, (0, 3)), ("fifth", 5, (1, 4)))
        for one in those
    ),
    *(
        PartDefect(
            f"idle_in_{word}",
            f"all agents do nothing in a {word} of the episodes",
            (*_SILENT, "MIS-02"),
            IdleEpisodes,
            (every,),
            SOME_EPISODES,
        )
        for word, every in (("half", 2), ("fifth", 5))
    ),
    *(
        PartDefect(
            f"sleeps_after_{step}",
            f"it does nothing from step {step} on",
            (*_SILENT, "POL-06"),
            SleepsAfter,
            (step,),
            SOME_STRETCH,
            step,
        )
        for step in (100, 250, 400)
    ),
    *(
        PartDefect(
            f"sleeps_after_{step}_agent_{one}",
            f"agent {one} does nothing from step {step} on",
            (*_SILENT, "POL-06"),
            SleepsAfter,
            (step, (one,)),
            agent(one),
            step,
        )
        for step, one in ((120, 4), (200, 1), (350, 2))
    ),
    *(
        PartDefect(
            f"frozen_at_changes_{before}_{after}",
            f"it does nothing from {before} steps before to {after} after each change of phase",
            (*_SILENT, "POL-06", "NET-03"),
            FrozenAtChanges,
            (before, after),
            SOME_STRETCH,
        )
        for before, after in ((20, 20), (0, 40))
    ),
    *(
        PartDefect(
            f"frozen_at_changes_{before}_{after}_agent_{one}",
            f"agent {one} does nothing from {before} steps before to {after} after each change of "
            "phase",
            (*_SILENT, "POL-06", "NET-03"),
            FrozenAtChanges,
            (before, after, (one,)),
            agent(one),
        )
        for before, after, one in ((25, 25, 3), (10, 40, 4))
    ),
    *(
        PartDefect(
            f"stops_after_{actions}_agent_{one}",
            f"agent {one} does nothing any more after {actions} actions",
            (*_SILENT, "POL-06"),
            Stops,
            (actions, (one,)),
            agent(one),
            since,
        )
        for actions, one, since in ((40, 4, 82), (60, 4, 145), (40, 1, None), (40, 3, None))
    ),
    PartDefect(
        "stops_after_60",
        "each of its agents does nothing any more after 60 actions",
        (*_SILENT, "POL-06"),
        Stops,
        (60,),
        SOME_STRETCH,
    ),
    *(
        PartDefect(
            f"shifts_{on}_{off}",
            f"it works for {on} steps and rests for {off}, in turn",
            ("POL-02", "POL-05", "POL-06"),
            Shifts,
            (on, off),
        )
        for on, off in ((10, 10), (30, 30))
    ),
    *(
        PartDefect(
            f"shifts_{on}_{off}_agent_{one}",
            f"agent {one} works for {on} steps and rests for {off}, in turn",
            ("POL-02", "POL-05", "POL-06"),
            Shifts,
            (on, off, (one,)),
            agent(one),
        )
        for on, off, one in ((20, 20, 4), (50, 50, 2))
    ),
    *(
        PartDefect(
            f"stops_at_server_agent_{one}",
            f"agent {one} does nothing any more after its first Restore of a server",
            _SILENT,
            StopsAtServer,
            ((one,),),
            agent(one),
        )
        for one in (0, 3, 4)
    ),
    *(
        PartDefect(
            f"stops_at_decoy_agent_{one}",
            f"agent {one} does nothing any more after one of its decoys was touched",
            (*_SILENT, "DEC-03"),
            StopsAtDecoy,
            ((one,),),
            agent(one),
        )
        for one in (1, 2, 4)
    ),
    *(
        PartDefect(
            f"naps_at_decoy_agent_{one}",
            f"agent {one} does nothing for 30 steps whenever one of its decoys was touched",
            (*_SILENT, "DEC-03"),
            NapsAtDecoy,
            (30, (one,)),
            agent(one),
        )
        for one in (0, 3, 4)
    ),
)

_ANSWERS: Final = (
    PartDefect(
        "forgets",
        "it forgets every alert that it does not answer in the step that shows it",
        ("DET-03", "DET-04", "POL-05", "ERA-08"),
        Forgetful,
        (EVERYWHERE,),
    ),
    *(
        PartDefect(
            f"forgets_agent_{one}",
            f"agent {one} forgets every alert that it does not answer in the step that shows it",
            ("DET-03", "DET-04", "POL-05", "ERA-08"),
            Forgetful,
            (one == SLOT_AGENT,),
            agent(one),
        )
        for one in (0, 3, 4)
    ),
    *(
        PartDefect(
            f"forgets_{_short(one)}",
            f"it forgets every alert of subnet {ZONES[one]} that it does not answer in the step "
            "that shows it",
            ("DET-03", "DET-04", "POL-05", "ERA-08"),
            Forgetful,
            (of(one),),
            zone(one),
        )
        for one in (OFF,)
    ),
    PartDefect(
        "wrong_host",
        "it restores the next host of the subnet in place of the one that red is on",
        ("DET-08", "DET-03", "DET-04"),
        WrongHost,
        (EVERYWHERE,),
    ),
    *(
        PartDefect(
            f"wrong_host_{_short(one)}",
            f"in subnet {ZONES[one]} it restores the next host in place of the one that red is on",
            ("DET-08", "DET-03", "DET-04"),
            WrongHost,
            (of(one),),
            zone(one),
        )
        for one in (RZB, OZA, OFF)
    ),
    *(
        PartDefect(
            f"never_restores_{kind}",
            f"it never restores a {kind}",
            _SPARED,
            Spares,
            (_RESTORE, where),
            hosts(number),
        )
        for kind, where, number in (
            ("server", SLOT_IS_SERVER, network.SERVER),
            ("user", SLOT_IS_USER, network.USER),
        )
    ),
    *(
        PartDefect(
            f"never_restores_{kind}_agent_{one}",
            f"agent {one} never restores a {kind}",
            _SPARED,
            Spares,
            (_RESTORE, where & (one == SLOT_AGENT)),
            agent(one) + hosts(number),
        )
        for kind, where, number, those in (
            ("server", SLOT_IS_SERVER, network.SERVER, (2, 4)),
            ("user", SLOT_IS_USER, network.USER, (1, 4)),
        )
        for one in those
    ),
    *(
        PartDefect(
            f"only_removes_{_short(one)}",
            f"in subnet {ZONES[one]} it answers known intrusions by Remove alone",
            ("ERA-01", "ERA-04", "DET-08"),
            Answers,
            (of(one),),
            zone(one),
        )
        for one in (RZA, OZB, ADM)
    ),
    *(
        PartDefect(
            f"leaves_sources_{_short(one)}",
            f"in subnet {ZONES[one]} it cleans the targets of attacks and leaves their sources",
            ("ERA-08", "DET-03", "DET-04"),
            LeavesSources,
            (of(one),),
            zone(one),
        )
        for one in (RZB, OZA, PAZ)
    ),
    *(
        PartDefect(
            f"over_restores_{_short(one)}",
            f"it restores every host of subnet {ZONES[one]} that was not restored for 30 steps",
            ("REC-01", "REC-02", "REC-03", "REC-07"),
            Restless,
            (30, of(one)),
            zone(one),
        )
        for one in (RZA, OZB, OFF)
    ),
    *(
        PartDefect(
            f"restores_any_alert_{_short(one)}",
            f"in subnet {ZONES[one]} it restores every host with an alert, in place of a look",
            ("REC-01", "REC-08", "DET-09"),
            Alarmist,
            (of(one),),
            zone(one),
        )
        for one in (RZA, OZA, OFF)
    ),
    *(
        PartDefect(
            f"neglects_{_short(one)}",
            f"it neither watches nor touches subnet {ZONES[one]}",
            ("COV-01", "DET-03", "DET-04", "POL-02", "POL-05"),
            Neglectful,
            (of(one),),
            zone(one),
        )
        for one in (PAZ, ADM, OFF)
    ),
    *(
        PartDefect(
            f"no_decoys_{_short(one)}",
            f"it deploys no decoys in subnet {ZONES[one]}",
            ("DEC-01", "REC-04"),
            Spares,
            (_DECOY, of(one)),
            zone(one),
        )
        for one in (RZA, OZB, OFF)
    ),
    *(
        PartDefect(
            f"late_in_phase_{number}",
            f"it sees alerts 40 steps late during {PHASE_NAMES[number]}",
            ("DET-03", "DET-04", "POL-05"),
            LateInPhase,
            (40, number),
            phase(number),
        )
        for number in range(len(PHASE_NAMES))
    ),
)

_LINKS: Final = (
    *(
        PartDefect(
            f"open_{_short(frm)}_to_{_short(to)}",
            f"it leaves traffic from {ZONES[frm]} to {ZONES[to]} open when the policy closes it",
            ("NET-02", "NET-03"),
            Opens,
            (_one_link(frm, to),),
            link(frm, to),
        )
        for frm, to in ((CON, RZA), (INT, RZB), (CON, OZA), (RZB, OZB))
    ),
    *(
        PartDefect(
            f"blocked_{_short(frm)}_to_{_short(to)}",
            f"it blocks traffic from {ZONES[frm]} to {ZONES[to]} that the policy leaves open",
            ("NET-01", "NET-04", "NET-05"),
            Closes,
            (_one_link(frm, to),),
            link(frm, to),
        )
        for frm, to in ((CON, OFF), (RZA, PAZ), (OFF, RZB))
    ),
    PartDefect(
        "blocked_con_to_adm_in_phase_1",
        f"it blocks traffic from {ZONES[CON]} to {ZONES[ADM]} during {PHASE_NAMES[1]}",
        ("NET-01", "NET-04", "NET-05"),
        Closes,
        (_one_link(CON, ADM), (1,)),
        link(CON, ADM),
    ),
)

_MESSAGES: Final = (
    PartDefect(
        "lies",
        "its agents tell the others the opposite of what they see",
        ("COO-02", "COO-03"),
        Lies,
        (TEAM,),
        base="talks",
    ),
    *(
        PartDefect(
            f"lies_agent_{one}",
            f"agent {one} tells the others the opposite of what it sees",
            ("COO-02", "COO-03"),
            Lies,
            ((one,),),
            agent(one),
            base="talks",
        )
        for one in (0, 2, 4)
    ),
    PartDefect(
        "lies_after_250_agent_4",
        "agent 4 tells the others the opposite of what it sees from step 250 on",
        ("COO-02", "COO-03"),
        Lies,
        ((4,), 250),
        agent(4),
        250,
        "talks",
    ),
)

PART_DEFECTS: Final = {defect.name: defect for defect in (*_ABSENT, *_ANSWERS, *_LINKS, *_MESSAGES)}
"""All planted defects of parts, by name."""
