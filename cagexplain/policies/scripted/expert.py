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
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, network, observations, reward
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.scripted import scripted
from cagexplain.policies.scripted.scripted import Scripted

N_SLOTS: Final = max(map(len, observations.HOSTS))
_AGENTS: Final = np.arange(N_BLUE)
NOTHING: Final = -1
"""Where a rule does not apply, no action is running, or an action has no target host."""


def _by_action(values: tuple[npt.NDArray[np.signedinteger], ...]) -> Int64Array:
    """What is known of each agent's actions, side by side: ``[5, 242]``."""
    table = np.full((N_BLUE, max(actions.SIZES)), NOTHING, dtype=np.int64)
    for agent, row in enumerate(values):
        table[agent, : len(row)] = row
    return table


HOST: Final = np.full((N_BLUE, N_SLOTS), network.INTERNET_HOST, dtype=np.int64)
"""Host of each agent's slots: ``[5, 48]``, the internet's where an agent has no such slot."""
for _agent, _own in enumerate(observations.HOSTS):
    HOST[_agent, : len(_own)] = _own

ZONE: Final = network.HOST_ZONE[HOST]
SERVER: Final = network.HOST_KIND[HOST] == network.SERVER
USER: Final = network.HOST_KIND[HOST] == network.USER

KIND: Final = _by_action(actions.KIND)
SLOT: Final = np.max([scripted.slots_of(kind) for kind in sorted(actions.HOST_KINDS)], axis=0)
"""Class and slot of each action: ``[5, 242]``."""
_ON_HOST: Final = scripted.HOST_ACTIONS

WEIGHT: Final = SERVER - 2 * np.stack([table[ZONE].sum(axis=-1) for table in reward.TABLE])
"""Mission weight of a host: twice what failures in its zone cost in a phase, and one more for
servers, which many users need: ``int[3, 5, 48]``."""

JUST_RESTORED: Final = 10
"""Steps after a Restore in which the host is the first to get a decoy; at the beginning of the
episode no host is before the others."""

RUNNING: Final = np.array([network.INT, network.OZA, network.OZB])
COMING: Final = np.array([network.OZA, network.OZB, network.INT])
"""Operational zone of a phase's mission and of the next phase's; the internet where none is."""


@dataclass(frozen=True)
class Sight:
    """What the agents see in a step, by agent and slot where no other shape is given.

    Attributes:
        obs: ``int8[n, 578]`` observations.
        phase: ``int8[n]``.
        process, connection: alerts of the last step.
        target: exploits that are beyond doubt.
        source: hosts that an exploit of this step came from.
        free: ``bool[n, 5]`` agents whose submission will start.
    """

    obs: npt.NDArray[np.int8]
    phase: npt.NDArray[np.int8]
    process: BoolArray
    connection: BoolArray
    target: BoolArray
    source: BoolArray
    free: BoolArray


Rule: TypeAlias = Callable[[Sight], Int64Array]
"""Actions ``int64[n, 5]``, `NOTHING` for agents to which it does not apply."""


class Expert(Scripted):
    """The playbook of the module's text.

    Args:
        name: of the policy.
        hunt_before, hunt_during: steps since the last Restore (or the beginning) after which a user
            host is restored without evidence, before and during the mission of its zone.
    """

    rests = True
    state: ClassVar[tuple[str, ...]] = (
        "_exists", "_running", "_on", "_age", "_known", "_unclear", "_scanned", "_decoy",
    )  # fmt: skip

    def __init__(
        self, name: str = "expert", hunt_before: int = 100, hunt_during: int = 200
    ) -> None:
        super().__init__(name)
        self.hunt_before = hunt_before
        self.hunt_during = hunt_during

    def begin(self, mask: BoolArray) -> None:
        """Set up the memory of new episodes."""
        n = len(mask)
        decoys = _ON_HOST[ActionKind.DECOY] + scripted.MASK_OFFSET
        self._exists = mask[:, decoys] & scripted.IS_SLOT
        self._running = np.full((n, N_BLUE), NOTHING)  # class of the action that goes on
        self._on = np.full((n, N_BLUE), NOTHING)  # slot of its host
        self._age = np.zeros(self._exists.shape, dtype=np.int64)  # steps since the last Restore
        self._known = np.zeros_like(self._exists)  # red is on the host
        self._unclear = np.zeros_like(self._exists)  # alerts that nobody has looked at
        self._scanned = np.zeros_like(self._exists)  # since the last Restore
        self._decoy = np.zeros_like(self._exists)  # put there since the last Restore

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """The first rule of the playbook that applies."""
        self._finish(free)
        sight = self.look(obs, free)
        self.remember(sight)
        chosen = np.tile(scripted.SLEEP, (len(obs), 1))
        for rule in reversed(self.playbook()):
            action = rule(sight)
            chosen = np.where(free & (action != NOTHING), action, chosen)
        return chosen

    def playbook(self) -> tuple[Rule, ...]:
        """The rules, the one that goes before all others first."""
        return self.obey, self.restore, self.deceive, self.analyse, self.hunt

    def submitted(self, chosen: Int64Array, free: BoolArray) -> None:
        """Remember what now goes on."""
        self._running = np.where(free, KIND[_AGENTS, chosen], self._running)
        self._on = np.where(free, SLOT[_AGENTS, chosen], self._on)

    def _finish(self, free: BoolArray) -> None:
        """Note what the actions that are complete now have done."""
        self._age += 1
        for kind, undone in (
            (ActionKind.RESTORE, (self._known, self._unclear, self._scanned, self._decoy)),
            (ActionKind.ANALYSE, (self._unclear,)),
        ):
            env, agent = np.nonzero(free & (self._running == kind))
            slot = self._on[env, agent]
            for memory in undone:
                memory[env, agent, slot] = False
            if kind == ActionKind.RESTORE:
                self._age[env, agent, slot] = 0
        env, agent = np.nonzero(free & (self._running == ActionKind.DECOY))
        self._decoy[env, agent, self._on[env, agent]] = True

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """What the observation shows, and what follows from it."""
        process, connection = self.alerts(obs)
        by_ssh = process & connection
        return Sight(
            obs=obs,
            phase=obs[:, observations.PHASE],
            process=process,
            connection=connection,
            target=by_ssh | (process & SERVER),
            source=connection & ~process & by_ssh.any(axis=-1, keepdims=True),
            free=free,
        )

    def alerts(self, obs: npt.NDArray[np.int8]) -> tuple[BoolArray, BoolArray]:
        """Process and connection alerts of the last step, by agent and slot."""
        process, connection = scripted.PROCESS, scripted.CONNECTION
        return scripted.alerts(obs, process), scripted.alerts(obs, connection)

    def remember(self, sight: Sight) -> None:
        """Add what is seen to what is known."""
        probable = sight.process & self._scanned
        self._known |= sight.target | sight.source | probable
        self._unclear |= (sight.process | (sight.connection & USER)) & ~self._known
        self._scanned |= sight.connection & USER

    def obey(self, sight: Sight) -> Int64Array:
        """Rule 1: follow the communication policy, Allow before Block."""
        pairs = scripted.CommsBlock
        closed = self.closed(sight)
        blocked = sight.obs[:, pairs.BLOCKED] != 0
        action = np.full(sight.free.shape, NOTHING)
        for wrong, correction in (
            (closed & ~blocked, pairs.BLOCK),
            (blocked & ~closed, pairs.ALLOW),
        ):
            found, pair = scripted.first_of(wrong & pairs.REAL)
            action = np.where(found, correction[_AGENTS, pair], action)
        return action

    def closed(self, sight: Sight) -> BoolArray:
        """Pairs of zones whose traffic is to be blocked, by agent and its pairs: ``[n, 5, 24]``."""
        closed: BoolArray = sight.obs[:, scripted.CommsBlock.PROHIBITED] != 0
        return closed

    def restore(self, sight: Sight) -> Int64Array:
        """Rule 2: hosts that red is known to be on, by mission weight."""
        return self.best(ActionKind.RESTORE, self._known, WEIGHT[sight.phase])

    def deceive(self, sight: Sight) -> Int64Array:
        """Rule 3: decoys where there is none."""
        rearm = self._age < JUST_RESTORED
        return self.best(ActionKind.DECOY, ~self._decoy, SERVER + 2 * rearm)

    def analyse(self, sight: Sight) -> Int64Array:
        """Rule 4: what else raises an alert."""
        urgency = WEIGHT[sight.phase] + WEIGHT.max() * self._unclear
        return self.best(ActionKind.ANALYSE, self._unclear | sight.connection, urgency)

    def hunt(self, sight: Sight) -> Int64Array:
        """Rule 5: user hosts of the missions' zones, the most overdue first."""
        overdue = np.zeros_like(self._age)
        for mission, patience in ((RUNNING, self.hunt_during), (COMING, self.hunt_before)):
            there = USER & (mission[sight.phase][:, None, None] == ZONE)
            overdue = np.where(there, self._age - patience, overdue)
        return self.best(ActionKind.RESTORE, overdue > 0, overdue)

    def best(
        self, kind: ActionKind, wanted: BoolArray, urgency: npt.NDArray[np.integer]
    ) -> Int64Array:
        """Action of a class on the most urgent of the wanted hosts, `NOTHING` without one."""
        found = wanted & self._exists
        slot = np.where(found, urgency, np.iinfo(np.int64).min).argmax(axis=-1)
        return np.where(found.any(axis=-1), _ON_HOST[kind][_AGENTS, slot], NOTHING)
