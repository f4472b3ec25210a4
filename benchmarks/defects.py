"""Policies with one planted defect each, by which the audit's sensitivity is measured.

Every defect is the expert's playbook with one thing changed, and names the check that is meant to
notice it. Other checks may notice it too: who never hunts also lets attackers dwell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies import expert, scripted
from cagexplain.policies.base import BoolArray, Decision, Instead
from cagexplain.policies.expert import (
    NOTHING,
    SERVER,
    USER,
    WEIGHT,
    ZONE,
    Expert,
    Rule,
    Sight,
)
from cagexplain.policies.scripted import CommsBlock, Int64Array

_AGENTS: Final = np.arange(N_BLUE)
FIRST: Final = np.broadcast_to(np.arange(expert.N_SLOTS) == 0, ZONE.shape)
"""Each agent's first slot, a server that every world has."""
HEADQUARTERS: Final = (network.PAZ, network.ADM, network.OFF)
_LINKS: Final = CommsBlock.REAL.shape


def _ends() -> tuple[Int64Array, Int64Array]:
    """Zones to and from which the traffic of each agent's pairs goes: ``[5, 24]`` each."""
    ends = np.full((2, *_LINKS), network.INT)
    for agent, pairs in enumerate(CommsBlock.PAIRS):
        ends[:, agent, : len(pairs)] = np.transpose(pairs)
    return ends[0], ends[1]


TO, FROM = _ends()


def of(*zones: int) -> BoolArray:
    """Slots of hosts in some zones: ``[5, 48]``."""
    return np.isin(ZONE, zones)


CRITICAL: Final = np.stack(
    [of(), of(network.RZA, network.OZA), of(network.RZB, network.OZB)],
)
"""Slots of the restricted and operational zone of a phase's mission: ``bool[3, 5, 48]``."""


def never(sight: Sight) -> Int64Array:
    """A rule that does not apply."""
    return np.full(sight.free.shape, NOTHING)


class Flawed(Expert):
    """The expert, but for what a subclass changes."""

    state: ClassVar[tuple[str, ...]] = (*Expert.state, "_step")

    def begin(self, mask: BoolArray) -> None:
        """Count the steps as well."""
        super().begin(mask)
        self._step = np.full(len(mask), -1)

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """As the expert."""
        self._step += 1
        return super().look(obs, free)

    def describe(self) -> dict[str, Any]:
        """Name and defect."""
        return {
            "kind": self.kind,
            "name": self.name,
            "rule": f"expert, but {DEFECTS[self.name].summary}",
        }

    def evidence(self, sight: Sight, process: BoolArray, connection: BoolArray) -> Sight:
        """What would be seen if these were the alerts."""
        by_ssh = process & connection
        return replace(
            sight,
            process=process,
            connection=connection,
            target=by_ssh | (process & SERVER),
            source=connection & ~process & by_ssh.any(axis=-1, keepdims=True),
        )


class Blind(Flawed):
    """Does not see some alerts.

    Args:
        process, connection: slots whose alerts of the kind are not seen.
    """

    def __init__(self, name: str, process: Any = True, connection: Any = True) -> None:
        super().__init__(name)
        self.unseen = np.asarray(process, np.bool_), np.asarray(connection, np.bool_)

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """The rest."""
        sight = super().look(obs, free)
        process, connection = self.unseen
        return self.evidence(sight, sight.process & ~process, sight.connection & ~connection)


class Deaf(Blind):
    """Sees no alert, and passes its time with Sleep and Monitor in turn."""

    def playbook(self) -> tuple[Rule, ...]:
        """That comes last."""
        return *super().playbook(), self.pass_time

    def pass_time(self, sight: Sight) -> Int64Array:
        """By the clock."""
        even = self._step[:, None] % 2 == 0
        return np.where(even, actions.SLEEP_INDEX, actions.MONITOR_INDEX)


class Neglectful(Blind):
    """Has no eye and no hand for some hosts."""

    def __init__(self, name: str, slots: BoolArray) -> None:
        super().__init__(name, slots, slots)

    def begin(self, mask: BoolArray) -> None:
        """As if they did not exist."""
        super().begin(mask)
        self._exists &= ~self.unseen[0]


class Late(Flawed):
    """Sees alerts some steps after they were shown."""

    state = (*Flawed.state, "_past")

    def __init__(self, name: str, delay: int) -> None:
        super().__init__(name)
        self.delay = delay

    def begin(self, mask: BoolArray) -> None:
        """Nothing was shown."""
        super().begin(mask)
        self._past = np.zeros((len(mask), self.delay, 2, *ZONE.shape), dtype=np.bool_)

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """What was shown then."""
        sight = super().look(obs, free)
        place = self._step[0] % self.delay
        then = self._past[:, place].copy()
        self._past[:, place] = np.stack([sight.process, sight.connection], axis=1)
        return self.evidence(sight, then[:, 0], then[:, 1])


class Without(Flawed):
    """Leaves out some rules of the playbook."""

    def __init__(self, name: str, *rules: str) -> None:
        super().__init__(name)
        self.left_out = rules

    def playbook(self) -> tuple[Rule, ...]:
        """The others."""
        return tuple(rule for rule in super().playbook() if rule.__name__ not in self.left_out)


class Overlooks(Flawed):
    """Hunts for nothing, and knows of no intrusion but those that alerts prove."""

    def remember(self, sight: Sight) -> None:
        """Neither sources nor probable targets."""
        super().remember(replace(sight, source=np.zeros_like(sight.source)))
        self._scanned[:] = False

    def hunt(self, sight: Sight) -> Int64Array:
        """Nothing."""
        return never(sight)


class Dismissive(Flawed):
    """Takes every alert of a host with a process alert for a false alarm."""

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """The rest."""
        sight = super().look(obs, free)
        calm = sight.connection & ~sight.process
        return self.evidence(sight, np.zeros_like(sight.process), calm)


class TrustsDecoys(Flawed):
    """Leaves a host alone for a while when its decoy was touched, as if the decoy kept it safe.

    Args:
        steps: how long.
    """

    state = (*Flawed.state, "_trust")

    def __init__(self, name: str, steps: int) -> None:
        super().__init__(name)
        self.steps = steps

    def begin(self, mask: BoolArray) -> None:
        """No decoy was touched."""
        super().begin(mask)
        self._trust = np.zeros_like(self._age)

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """The alerts of the other hosts."""
        sight = super().look(obs, free)
        touched = sight.connection & ~sight.process & self._decoy
        self._trust = np.where(touched, self.steps, np.maximum(self._trust - 1, 0))
        calm = self._trust > 0
        return self.evidence(sight, sight.process & ~calm, sight.connection & ~calm)

    def best(
        self, kind: ActionKind, wanted: BoolArray, urgency: npt.NDArray[np.integer]
    ) -> Int64Array:
        """One of the other hosts."""
        return super().best(kind, wanted & (self._trust == 0), urgency)


class Answers(Flawed):
    """Answers known intrusions by another action than Restore, and then takes them for ended.

    Args:
        kind: of the answer.
        where: slots whose hosts are answered so.
        hunts: whether it hunts as the expert does.
    """

    def __init__(
        self, name: str, kind: ActionKind, where: BoolArray = SERVER | USER, hunts: bool = True
    ) -> None:
        super().__init__(name)
        self.answer = kind
        self.where = where
        self.hunts = hunts

    def restore(self, sight: Sight) -> Int64Array:
        """Restore elsewhere first."""
        weight = WEIGHT[sight.phase]
        restore = self.best(ActionKind.RESTORE, self._known & ~self.where, weight)
        answer = self.best(self.answer, self._known & self.where, weight)
        return np.where(restore != NOTHING, restore, answer)

    def hunt(self, sight: Sight) -> Int64Array:
        """As the expert, if at all."""
        return super().hunt(sight) if self.hunts else never(sight)

    def _finish(self, free: BoolArray) -> None:
        super()._finish(free)
        env, agent = np.nonzero(free & (self._running == self.answer))
        self._known[env, agent, self._on[env, agent]] = False


class LooksFirst(Flawed):
    """Only looks at hosts that attacks came from, which are often lost to root long since."""

    def look(self, obs: npt.NDArray[np.int8], free: BoolArray) -> Sight:
        """Sources are nothing but alerts."""
        sight = super().look(obs, free)
        self._unclear |= sight.source
        return replace(sight, source=np.zeros_like(sight.source))


class Hesitant(Flawed):
    """Looks at a known intrusion at once, and restores the host much later.

    Args:
        delay: steps until then.
    """

    state = (*Flawed.state, "_known_for")

    def __init__(self, name: str, delay: int) -> None:
        super().__init__(name)
        self.delay = delay

    def begin(self, mask: BoolArray) -> None:
        """Nothing is known."""
        super().begin(mask)
        self._known_for = np.zeros_like(self._age)

    def remember(self, sight: Sight) -> None:
        """And since when."""
        before = self._known.copy()
        super().remember(sight)
        self._unclear |= self._known & ~before
        self._known_for = np.where(self._known, self._known_for + 1, 0)

    def restore(self, sight: Sight) -> Int64Array:
        """What has been known for long."""
        due = self._known & (self._known_for > self.delay)
        return self.best(ActionKind.RESTORE, due, WEIGHT[sight.phase])


class Removes(Flawed):
    """Answers what it only suspects by Remove."""

    def analyse(self, sight: Sight) -> Int64Array:
        """Not an Analyse."""
        return self.best(ActionKind.REMOVE, self._unclear | sight.connection, WEIGHT[sight.phase])

    def _finish(self, free: BoolArray) -> None:
        super()._finish(free)
        env, agent = np.nonzero(free & (self._running == ActionKind.REMOVE))
        self._unclear[env, agent, self._on[env, agent]] = False


class Restless(Flawed):
    """Restores more than it has reason to.

    Args:
        after: steps since a host's last Restore after which it is restored for nothing.
        where: slots whose hosts are.
        critical: in the restricted and operational zone of the running mission only.
    """

    def __init__(
        self, name: str, after: int, where: BoolArray = SERVER | USER, critical: bool = False
    ) -> None:
        super().__init__(name)
        self.after = after
        self.where = where
        self.critical = critical

    def hunt(self, sight: Sight) -> Int64Array:
        """As the expert, then for nothing."""
        restless = self.where & (self._age > self.after)
        if self.critical:
            restless &= CRITICAL[sight.phase]
        hunt = super().hunt(sight)
        needless = self.best(ActionKind.RESTORE, restless, self._age)
        return np.where(hunt != NOTHING, hunt, needless)


class Disarmed(Flawed):
    """Forgets that a Restore takes the decoys away."""

    def _finish(self, free: BoolArray) -> None:
        had = self._decoy.copy()
        super()._finish(free)
        self._decoy |= had


class LightestFirst(Flawed):
    """Begins with the least important of all hosts that it knows or suspects red on."""

    def restore(self, sight: Sight) -> Int64Array:
        """Restore or Analyse, the wrong way round."""
        wanted, urgency = self._known | self._unclear, -WEIGHT[sight.phase]
        restore, analyse = (
            self.best(kind, wanted, urgency) for kind in (ActionKind.RESTORE, ActionKind.ANALYSE)
        )
        slot = np.where(restore == NOTHING, 0, expert.SLOT[_AGENTS, restore])
        known = np.take_along_axis(self._known, slot[..., None], axis=-1)[..., 0]
        return np.where(known, restore, analyse)


class Closes(Flawed):
    """Blocks pairs that the policy keeps open.

    Args:
        pairs: which, ``bool[5, 24]``.
        phases: in which.
        since: step from which on.
    """

    def __init__(
        self,
        name: str,
        pairs: BoolArray,
        phases: tuple[int, ...] = (0, 1, 2),
        since: int = 0,
    ) -> None:
        super().__init__(name)
        self.pairs = pairs
        self.phases = phases
        self.since = since

    def closed(self, sight: Sight) -> BoolArray:
        """Those besides what the policy closes."""
        now = np.isin(sight.phase, self.phases) & (self._step >= self.since)
        return super().closed(sight) | (self.pairs & now[:, None, None])


class SlowToFollow(Flawed):
    """Goes on with the last phase's communication policy for some steps."""

    state = (*Flawed.state, "_phase", "_changed", "_policy", "_last")

    def __init__(self, name: str, delay: int) -> None:
        super().__init__(name)
        self.delay = delay

    def begin(self, mask: BoolArray) -> None:
        """There was no phase before."""
        super().begin(mask)
        n = len(mask)
        self._phase = np.zeros(n, dtype=np.int8)
        self._changed = np.full(n, -self.delay)
        self._policy = np.zeros((n, *_LINKS), dtype=np.bool_)
        self._last = np.zeros((n, *_LINKS), dtype=np.bool_)

    def closed(self, sight: Sight) -> BoolArray:
        """The last phase's pairs, for a while."""
        new = sight.phase != self._phase
        self._phase = sight.phase.copy()
        self._changed = np.where(new, self._step, self._changed)
        self._last = np.where(new[:, None, None], self._policy, self._last)
        self._policy = super().closed(sight)
        late = self._step - self._changed < self.delay
        return np.where(late[:, None, None], self._last, self._policy)


class Idler(Flawed):
    """Fills its spare time with something useless."""

    def __init__(self, name: str, kind: ActionKind) -> None:
        super().__init__(name)
        self.pastime = kind

    def playbook(self) -> tuple[Rule, ...]:
        """That comes last."""
        return *super().playbook(), self.fill

    def fill(self, sight: Sight) -> Int64Array:
        """On the first host, over and over."""
        wanted = np.broadcast_to(FIRST, self._exists.shape)
        return self.best(self.pastime, wanted, np.zeros_like(self._age))


class Flapper(Flawed):
    """Opens a blocked pair in its spare time, which the playbook then blocks again."""

    def playbook(self) -> tuple[Rule, ...]:
        """That comes last."""
        return *super().playbook(), self.flap

    def flap(self, sight: Sight) -> Int64Array:
        """The first pair that is blocked."""
        blocked = (sight.obs[:, CommsBlock.BLOCKED] != 0) & CommsBlock.REAL
        action = CommsBlock.ALLOW[_AGENTS, blocked.argmax(axis=-1)]
        return np.where(blocked.any(axis=-1), action, NOTHING)


class Quarrel(Flawed):
    """The agents at the two ends of a link undo what the other one has just done.

    Args:
        one, other: the zones.
        period: steps after which each changes its mind.
    """

    def __init__(self, name: str, one: int, other: int, period: int) -> None:
        super().__init__(name)
        self.ends = one, other
        self.period = period

    def closed(self, sight: Sight) -> BoolArray:
        """What one end wants closed, the other one wants open."""
        closed = super().closed(sight)
        for lag, (to, frm) in enumerate((self.ends, self.ends[::-1])):
            wants = (self._step - lag) // self.period % 2 == lag
            closed = np.where((to == TO) & (frm == FROM), wants[:, None, None], closed)
        return closed


class Collapsed(Flawed):
    """One agent does the same thing for ever."""

    def __init__(self, name: str, agent: int, kind: ActionKind) -> None:
        super().__init__(name)
        self.agent = agent
        self.only = kind

    def playbook(self) -> tuple[Rule, ...]:
        """That goes before everything."""
        return self.insist, *super().playbook()

    def insist(self, sight: Sight) -> Int64Array:
        """On its first host."""
        wanted = np.broadcast_to(FIRST, self._exists.shape)
        action = self.best(self.only, wanted, np.zeros_like(self._age))
        return np.where(self.agent == _AGENTS, action, NOTHING)


class Frozen(Flawed):
    """Waits as long as any of an agent's hosts shows an alert."""

    def playbook(self) -> tuple[Rule, ...]:
        """Waiting goes before everything."""
        return self.wait, *super().playbook()

    def wait(self, sight: Sight) -> Int64Array:
        """Sleep."""
        alarm = (sight.process | sight.connection).any(axis=-1)
        return np.where(alarm, scripted.SLEEP, NOTHING)


class Impatient(Flawed):
    """Submits a Restore again and again until it is done, and pays each time."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """As the expert while free."""
        chosen = super().choose(obs, mask, free)
        again = ~free & (self._running == ActionKind.RESTORE)
        slot = np.maximum(self._on, 0)
        restores = scripted.HOST_ACTIONS[ActionKind.RESTORE][_AGENTS, slot]
        return np.where(again, restores, chosen)


class Babbler(Flawed):
    """Sends messages that mean nothing."""

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """With bits that have nothing to do with what it sees."""
        decision = super().act(obs, mask, free, instead)
        bits = observations.MESSAGE_BITS
        word = _scrambled(self._seeds[:, None] * N_BLUE + _AGENTS, self._step[:, None])
        messages = (word[..., None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
        return replace(decision, messages=messages.astype(np.uint8))


def _scrambled(seed: npt.NDArray[Any], step: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Bits that depend on everything in no visible way: a round of SplitMix64."""
    word = seed.astype(np.uint64) * np.uint64(1_000_003) + step.astype(np.uint64)
    word = word * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: npt.NDArray[np.uint64] = word ^ (word >> np.uint64(31))
    return scrambled


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
        return self.rule(self.name, *self.arguments)


_K = ActionKind
_INTERNAL: Final = np.isin(TO, HEADQUARTERS) & np.isin(FROM, HEADQUARTERS)
_FROM_INTERNET: Final = (FROM == network.INT) & CommsBlock.REAL
_TO_RESTRICTED: Final = np.isin(TO, (network.RZA, network.RZB)) & np.isin(FROM, HEADQUARTERS)

_TABLE: Final = (
    Defect("blind", "it sees no alert at all", "DET-01", Blind),
    Defect(
        "deaf",
        "it sees no alert, and passes its time with Sleep and Monitor in turn",
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
        "ignores_servers", "it does not see alerts on servers", "REC-05", Blind, (SERVER, SERVER)
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
        (_K.REMOVE, SERVER | USER, False),
    ),
    Defect(
        "never_escalates",
        "it answers known intrusions by Remove, and never comes back with Restore",
        "ERA-04",
        Answers,
        (_K.REMOVE,),
    ),
    Defect(
        "restores_servers",
        "it restores every server each 40 steps, though nothing points at them",
        "REC-01",
        Restless,
        (40, SERVER),
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
        (20, SERVER | USER, True),
    ),
    Defect("never_rearms", "it puts no decoy back on a restored host", "REC-04", Disarmed),
    Defect("lightest_first", "it begins with the least important host", "REC-05", LightestFirst),
    Defect(
        "never_repairs",
        "it spares user hosts a Restore, so that what red degraded there stays so",
        "REC-06",
        Answers,
        (_K.REMOVE, USER, False),
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
        (CommsBlock.REAL, (2,)),
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
