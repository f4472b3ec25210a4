"""The built-in policy `champion`: a defence that answers red's machine, not its alerts.

Each agent acts alone, on what it is shown (raw observation included), what it did, and the rules of
CC4. Whenever it is free it does the first of these that applies. "Worth it" means that an Impact on
the host would still cost more than 30 points within the 60 steps after a Restore.

1. **Restore a rooted host**, if worth it. Only root lets red Degrade and Impact, and only an
   Analyse shows it.
2. **Remove what an exploit has just opened.** It is free, and ends the session before red has
   escalated it. If the host is a user's and has itself been a source of attacks, a phished session
   is there too, which Remove leaves and red would escalate: then Restore, if worth it.
3. **Restore the host that red begins on**, if worth it. Red's agents come alive on a phished host
   that their machine takes for exploited (state U or R), so that one alone they escalate without
   another exploit. The first source of attacks is that host. Later ones are phished hosts that the
   machine still lists as merely known: their sessions scan, and do no other harm.
4. **Restore a user host that became a source within 40 steps of an exploit on it**, if worth it:
   the exploit got through.
5. **Evict the scanner.** Only the session that scanned a host can exploit it, and red never scans
   a host twice: with the scanner gone, all that it scanned is immune for good. A source is restored
   when it scanned enough of the agent's hosts that it can still exploit, and these, as a share of
   all and of its sources, times the steps that are left, pass a threshold: too early, and the next
   source scans the rest. All other sources are **tolerated**: a Restore costs more than they do.
6. **Analyse** a host after its Remove, and a source when it is first seen.
7. **Analyse again** hosts that were exploited, every 8 steps (3 where an Impact costs 10), then
   sources, every 40.
8. **Decoys everywhere**, up to three a host, servers first.
9. **Analyse in turn**: user hosts that nobody looked at for 20 steps, servers for 40; before the
    first sign of red user hosts only, every 10.
10. Otherwise Sleep. Nothing is submitted while busy.

Messages and traffic blocks are not used: they were measured to be without effect. The figures
behind each rule, and what it is worth, are in ``docs/champion.md``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import (
    ON_SLOT,
    SLEEP,
    SLOT_IS_USER,
    SLOT_START,
    SLOT_ZONE,
)
from cagexplain.cc4.reward import RIA, TABLE
from cagexplain.common.arrays import Int64Array
from cagexplain.policies.jit import STORE, njit
from cagexplain.policies.knowledge import (
    FAR,
    Knowledge,
    count,
    scanned_hosts,
    stakes_of,
    steps_left,
)
from cagexplain.policies.scripted.base import Informed


class Rules(NamedTuple):
    """The numbers of the rules; an ablation is another number.

    Attributes:
        worth: points that Impacts on a host must be able to cost, for a Restore.
        remove: whether Remove is used; else Restore.
        begun: whether the host that red begins on is restored.
        got_through: steps within which a source follows from an exploit.
        evict_share: of the agent's hosts that an evicted scanner can exploit, at least.
        evict: threshold of eviction.
        evict_steps: future steps that count for it, at most.
        recheck, recheck_critical, recheck_source: steps between Analyses of a host that was
            exploited, of one where an Impact costs 10, of a source.
        decoys: per host.
        patrol_users, patrol_servers, patrol_quiet: steps after which a host is looked at in turn;
            the last one of users before the first sign of red.
        patrol_first: whether users' hosts are looked at in turn before decoys are deployed.
    """

    worth: float = 30.0
    remove: bool = True
    begun: bool = True
    got_through: int = 40
    evict_share: float = 0.4
    evict: float = 30.0
    evict_steps: int = 400
    recheck: int = 8
    recheck_critical: int = 3
    recheck_source: int = 40
    decoys: int = 3
    patrol_users: int = 20
    patrol_servers: int = 40
    patrol_quiet: int = 10
    patrol_first: bool = False


ROBUST: Final = Rules(
    worth=0.0,
    evict_share=0.0,
    recheck_critical=5,
    recheck_source=2,
    decoys=2,
    patrol_users=3,
    patrol_servers=80,
    patrol_first=True,
)
"""For attackers that use every session that they have: users' hosts are looked at all the time,
since phishing raises no alert. ``benchmarks/robust.py`` found it."""


_IMPACT: Final = np.ascontiguousarray(-TABLE[:, :, RIA]).astype(np.int64)
_ANALYSE: Final = ON_SLOT[ActionKind.ANALYSE]
_REMOVE: Final = ON_SLOT[ActionKind.REMOVE]
_RESTORE: Final = ON_SLOT[ActionKind.RESTORE]
_DECOY: Final = ON_SLOT[ActionKind.DECOY]
_CRITICAL: Final = 10
_BELOW: Final = 1_000_000
"""More than any urgency within a rule."""


class Champion(Informed):
    """The rules of the module's text.

    Args:
        name: of the policy.
        rules: their numbers.
    """

    rests = True
    reads = True

    def __init__(self, name: str = "champion", rules: Rules | None = None) -> None:
        super().__init__(name)
        self.rules = rules or Rules()

    def decide(self) -> Int64Array:
        """The first rule that applies."""
        position = np.tile(SLEEP, (len(self.now.clock), 1))
        _decide(self.now, self.rules, position)
        return position


@STORE.keep
@njit(nogil=True)
def _decide(now: Knowledge, rules: Rules, position: Int64Array) -> None:
    for e in range(len(position)):
        for agent in range(N_BLUE):
            if now.free[e, agent]:
                position[e, agent] = _choose(now, rules, e, agent, position[e, agent])


@njit(nogil=True)
def _choose(now: Knowledge, rules: Rules, e: int, agent: int, otherwise: int) -> int:
    """Action of one agent: the most urgent host of the first rule that applies."""
    start, end = SLOT_START[agent], SLOT_START[agent + 1]
    step = now.clock[e]
    left = steps_left(now, e, agent)
    hosts, scanned = scanned_hosts(now, e, agent)
    threshold = rules.evict * hosts * max(1, now.most_sources[e, agent])
    top, action = 0.0, otherwise
    for slot in range(start, end):
        if not now.exists[e, slot]:
            continue
        zone, user = SLOT_ZONE[slot], SLOT_IS_USER[slot]
        stakes = stakes_of(now, e, agent, zone)
        worth = stakes > rules.worth
        restored, removed = now.restored_at[e, slot], now.removed_at[e, slot]
        exploit, analysed = now.exploited_at[e, slot], now.analysed_at[e, slot]
        source = now.source_from[e, slot]
        is_source = source != FAR
        prey = count(now.targets[e, slot] & scanned)
        was_exploited = removed > restored
        looked = max(analysed, restored)
        decoys = now.decoys[e, slot]
        due = (
            step - looked >= (rules.patrol_users if user else rules.patrol_servers)
            if now.called[e, agent]
            else user and step - looked >= rules.patrol_quiet
        )

        rank, choice, urgency = 0, otherwise, 0.0
        if now.rooted[e, slot] and worth:
            rank, choice, urgency = 11, _RESTORE[slot], stakes
        elif exploit >= max(restored, removed):
            escalates = user and is_source
            rank, urgency = 10, stakes
            choice = _RESTORE[slot] if worth and (escalates or not rules.remove) else _REMOVE[slot]
        elif rules.begun and now.first[e, slot] and worth:
            rank, choice, urgency = 9, _RESTORE[slot], stakes
        elif (
            user and is_source and was_exploited and source - exploit < rules.got_through and worth
        ):
            rank, choice, urgency = 8, _RESTORE[slot], stakes
        elif (
            is_source
            and prey >= rules.evict_share * hosts
            and prey * min(left, rules.evict_steps) > threshold
        ):
            rank, choice = 7, _RESTORE[slot]
        elif (was_exploited and analysed < removed) or (is_source and analysed <= source):
            rank, choice, urgency = 6, _ANALYSE[slot], stakes
        elif was_exploited and step - analysed >= (
            rules.recheck_critical
            if _IMPACT[now.phase_of[e, agent], zone] >= _CRITICAL
            else rules.recheck
        ):
            rank, choice, urgency = 5, _ANALYSE[slot], step - analysed
        elif is_source and step - analysed >= rules.recheck_source:
            rank, choice, urgency = 4, _ANALYSE[slot], step - analysed
        elif rules.patrol_first and user and due:
            rank, choice, urgency = 3, _ANALYSE[slot], step - looked
        elif decoys < rules.decoys:
            rank, choice, urgency = 2, _DECOY[slot], -2 * decoys - user
        elif due:
            rank, choice, urgency = 1, _ANALYSE[slot], step - looked
        score = rank * _BELOW + urgency
        if rank > 0 and score > top:
            top, action = score, choice
    return action
