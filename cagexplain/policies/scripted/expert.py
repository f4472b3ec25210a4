"""The built-in policy `expert`: an incident responder's playbook on the flat observation.

Each agent goes through the playbook whenever it is free and does the first thing that applies. It
knows its own observation, what it did itself, and nothing else.

1. **Obey the communication policy.** Allow what the current phase opens, since users fail for as
   long as it stays blocked; then block what the phase closes. Never block an open pair.
2. **Restore hosts that red is known to be on**, those of the greatest mission weight first. Remove
   would be cheaper, but does nothing about root sessions, which no alert tells apart. Known are:

   * *targets*: a process alert together with a connection alert (only an exploit through SSH makes
     both), and a process alert on a server (only users' work makes false ones);
   * *sources*: a host with a connection alert alone in the very step in which another host of the
     agent was exploited through SSH, which lights the host that it came from. This finds the
     footholds of phishing, which raise no alert of their own;
   * *probable targets*: a process alert on a user host that was scanned since its last Restore.

3. **Put decoys on every host**, servers first, and back on a restored host at once. A scan of a
   host with a decoy always shows, and it is the scans that tell a false alarm from an exploit.
4. **Analyse what else raises an alert.** Its result does not reach the flat observation, but no
   alert is left without a look. What is seen while the agent is busy waits, except for connection
   alerts on servers, which users' traffic makes every day.
5. **Hunt.** Users are phished about once in 300 steps each and nothing shows it. Where failures
   cost ten times as much, user hosts are restored without evidence when the last Restore is long
   past: after 100 steps in the operational zone of the coming mission, so that it begins clean;
   after 200, when half of them are lost, in that of the running one, where a Restore for nothing
   hurts most. Elsewhere this would cost more than it saves.
6. Otherwise Sleep.

Alerts are shown for one step and remembered until the host is restored. Red acts after blue, so
what the step of a completed Restore shows counts again. Restore is charged when it is submitted,
so nothing is submitted while busy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import (
    NONE,
    ON_LINK,
    ON_SLOT,
    SLEEP,
    SLOT_HOST,
    SLOT_IS_SERVER,
    SLOT_IS_USER,
    SLOT_ZONE,
)
from cagexplain.cc4.phases import COMING_OPERATION, RUNNING_OPERATION
from cagexplain.cc4.reward import HOST_WEIGHT
from cagexplain.common.arrays import BoolArray, Int32Array, Int64Array
from cagexplain.policies.knowledge import NEVER
from cagexplain.policies.scripted.base import Informed
from cagexplain.policies.targets import act_on, best_link, best_slot

WEIGHT: Final = HOST_WEIGHT[:, SLOT_HOST]
"""Mission weight of the hosts of agent slots: ``int64[3, 112]``."""

JUST_RESTORED: Final = 10
"""Steps after a Restore in which the host is the first to get a decoy; at the beginning of the
episode no host is before the others."""
AGE_AT_FIRST: Final = 1
"""Age of every host at the first decision: an expert counts the steps of hosts that it has never
restored from one, where all else counts from nought."""

Rule: TypeAlias = Callable[[], Int64Array]
"""Positions of actions ``int64[n, 5]``, `NONE` for agents to which it does not apply."""


class Expert(Informed):
    """The playbook of the module's text.

    Args:
        name: of the policy.
        hunt_before, hunt_during: steps since the last Restore (or the beginning) after which a user
            host is restored without evidence, before and during the mission of its zone.
    """

    rests = True

    def __init__(
        self, name: str = "expert", hunt_before: int = 100, hunt_during: int = 200
    ) -> None:
        super().__init__(name)
        self.hunt_before = hunt_before
        self.hunt_during = hunt_during

    def decide(self) -> Int64Array:
        """The first rule of the playbook that applies."""
        position = np.tile(SLEEP, (len(self.now.clock), 1))
        for rule in reversed(self.playbook()):
            action = rule()
            position = np.where(action != NONE, action, position)
        return position

    def playbook(self) -> tuple[Rule, ...]:
        """The rules, the one that goes before all others first."""
        return self.obey, self.restore, self.deceive, self.analyse, self.hunt

    # What follows from what the agents know, by agent slot.

    def age(self) -> Int32Array:
        """Steps since the last Restore, or since the beginning: ``int32[n, 112]``."""
        return self.now.since(self.now.restored_at) + np.where(self.now.rebuilt, 0, AGE_AT_FIRST)

    def evidence_at(self) -> Int32Array:
        """When a host was last seen to be a target, a source or a probable target of red, as the
        text has it: ``int32[n, 112]``."""
        return np.maximum(self.target_at(), self.now.source_at)

    def target_at(self) -> Int32Array:
        """When a host was last seen to be a target or a probable target: ``int32[n, 112]``."""
        now = self.now
        telling = SLOT_IS_SERVER | (now.scanned_at < now.process_at)
        return np.maximum(now.coincided_at, np.where(telling, now.process_at, NEVER))

    def known(self) -> BoolArray:
        """``bool[n, 112]`` hosts that red is known to be on."""
        return self.evidence_at() >= self.now.restored_at

    def looked_at(self) -> Int32Array:
        """When somebody looked last, as a Restore does too: ``int32[n, 112]``."""
        return np.maximum(self.now.restored_at, self.now.analysed_at)

    def unclear(self) -> BoolArray:
        """``bool[n, 112]`` alerts that nobody has looked at."""
        looked_at = self.looked_at()
        scanned = (self.now.connection_at >= looked_at) & SLOT_IS_USER
        return ((self.now.process_at >= looked_at) | scanned) & ~self.known()

    def armed(self) -> BoolArray:
        """``bool[n, 112]`` hosts with a decoy."""
        return self.now.decoys > 0

    def weight(self) -> Int64Array:
        """Mission weight in the phase that runs: ``int64[n, 112]``."""
        return WEIGHT[self.now.phase]

    # The rules.

    def obey(self) -> Int64Array:
        """Rule 1: follow the communication policy, Allow before Block."""
        closed, blocked = self.closed(), self.now.blocked
        allow = act_on(ON_LINK[ActionKind.ALLOW], best_link(blocked & ~closed))
        block = act_on(ON_LINK[ActionKind.BLOCK], best_link(closed & ~blocked))
        return np.where(allow != NONE, allow, block)

    def closed(self) -> BoolArray:
        """Links that are to be blocked: ``bool[n, 56]``."""
        return self.now.prohibited

    def restore(self) -> Int64Array:
        """Rule 2: hosts that red is known to be on, by mission weight."""
        return self.best(ActionKind.RESTORE, self.known(), self.weight())

    def deceive(self) -> Int64Array:
        """Rule 3: decoys where there is none."""
        rearm = self.age() < JUST_RESTORED
        return self.best(ActionKind.DECOY, ~self.armed(), SLOT_IS_SERVER + 2 * rearm)

    def analyse(self) -> Int64Array:
        """Rule 4: what else raises an alert."""
        unclear = self.unclear()
        urgency = self.weight() + WEIGHT.max() * unclear
        return self.best(ActionKind.ANALYSE, unclear | self.now.connection, urgency)

    def hunt(self) -> Int64Array:
        """Rule 5: user hosts of the missions' zones, the most overdue first."""
        age = self.age()
        overdue = np.zeros_like(age)
        for operation, patience in (
            (RUNNING_OPERATION, self.hunt_during),
            (COMING_OPERATION, self.hunt_before),
        ):
            there = SLOT_IS_USER & (operation[self.now.phase][:, None] == SLOT_ZONE)
            overdue = np.where(there, age - patience, overdue)
        return self.best(ActionKind.RESTORE, overdue > 0, overdue)

    def best(
        self, action_type: ActionKind, wanted: BoolArray, urgency: npt.ArrayLike
    ) -> Int64Array:
        """Action of a type on the most urgent of each agent's hosts: ``int64[n, 5]`` positions.

        Args:
            action_type: of the action.
            wanted: ``bool[n, 112]``; without one that exists it is `NONE`.
            urgency: numbers ``[n, 112]``, or what broadcasts to them.
        """
        return act_on(ON_SLOT[action_type], best_slot(wanted & self.now.exists, urgency))
