"""The table of remedies: what could be done about the findings of an audit.

Every remedy is a rule on what the agents have seen and done themselves, so that it could be built
into the policy that is audited. Whether it pays is a question of its own, which
``cagexplain.audit.play.prices`` answers; some do not.

Not every check has one. That weak evidence is looked at first (DET-05) and that findings are used
(DET-06) cannot be repaired while the observation drops what Analyse finds, and the remedies of a
policy that reads raw observations know no more than the others; conflicts between agents
(COO-01) cannot occur, as each agent owns its links; robustness and explanations (ROB, COO-03, SUR)
are a matter of training.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.cc4.layout import (
    ACTION_SLOT,
    ACTION_TYPE,
    EVICTIONS,
    NONE,
    ON_LINK,
    ON_SLOT,
    SLEEP,
    SLOT_AGENT,
    SLOT_HOST,
    SLOT_IS_USER,
    SLOT_ZONE,
)
from cagexplain.cc4.phases import MISSION_ZONES
from cagexplain.cc4.reward import HOST_WEIGHT
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.knowledge import Knowledge
from cagexplain.policies.targets import (
    act_on,
    at_target,
    best_link,
    best_slot,
    on_links,
    on_slots,
)
from cagexplain.policies.wrappers.overrides import Remedy

RECENT: Final = 10
"""Steps for which an alert counts as evidence."""
SWEEP: Final = 100
"""Steps after which a host may be restored without evidence."""
HUNT: Final = 12
"""Steps between an agent's Restores on suspicion alone."""
BUDGET: Final = 100
"""Restores of the team in an episode."""

_ZONES: Final = np.array([len(zones) for zones in BLUE_ZONES])
_SHARE: Final = BUDGET * _ZONES // _ZONES.sum()
_LOOKS: Final = (ActionKind.ANALYSE, ActionKind.REMOVE)


def _weight(now: Knowledge) -> Int64Array:
    """Mission weight of hosts: ``int64[n, 112]``."""
    return HOST_WEIGHT[now.phase][:, SLOT_HOST]


def _pressing(now: Knowledge) -> Int64Array:
    """Rank of hosts with alerts: the heaviest first, then the latest alert."""
    return _weight(now) * 10_000 - np.minimum(now.since(now.alerted_at), 9_999)


def _evidence(now: Knowledge) -> BoolArray:
    """Hosts with an alert of any kind a short while ago: ``bool[n, 112]``."""
    return now.since(now.alerted_at) <= RECENT


def _restore_alerted(now: Knowledge) -> Int64Array:
    return act_on(ON_SLOT[ActionKind.RESTORE], best_slot(now.open, _pressing(now)))


def _restore_not_look(now: Knowledge, position: Int64Array) -> Int64Array:
    unfit = np.isin(ACTION_TYPE[position], _LOOKS) & at_target(now.open, position)
    return np.where(unfit, ON_SLOT[ActionKind.RESTORE][ACTION_SLOT[position]], NONE)


def _heaviest_first(now: Knowledge, position: Int64Array) -> Int64Array:
    heaviest = best_slot(now.open, _pressing(now))
    weight = _weight(now)

    def of(slot: Int64Array) -> Int64Array:
        return np.take_along_axis(weight, np.maximum(slot, 0), axis=1)

    lighter = at_target(now.open, position) & (of(heaviest) > of(ACTION_SLOT[position]))
    moved = np.full_like(position, NONE)
    for action_type, table in ON_SLOT.items():
        moved = np.where(
            lighter & (ACTION_TYPE[position] == action_type), act_on(table, heaviest), moved
        )
    return moved


def _unflagged_removes(now: Knowledge) -> BoolArray:
    return on_slots(ActionKind.REMOVE, ~now.flagged)


def _restore_removed(now: Knowledge) -> Int64Array:
    return act_on(ON_SLOT[ActionKind.RESTORE], best_slot(now.removed, _pressing(now)))


def _baseless(now: Knowledge) -> BoolArray:
    return ~now.open & ~_evidence(now) & (now.since(now.restored_at) < SWEEP)


def _baseless_restores(now: Knowledge) -> BoolArray:
    return on_slots(ActionKind.RESTORE, _baseless(now))


def _baseless_critical_restores(now: Knowledge) -> BoolArray:
    return on_slots(
        ActionKind.RESTORE, MISSION_ZONES[now.phase][:, SLOT_ZONE] & ~now.open & ~_evidence(now)
    )


def _restores_beyond_budget(now: Knowledge) -> BoolArray:
    spent = now.restores >= _SHARE
    return on_slots(ActionKind.RESTORE, spent[:, SLOT_AGENT])


def _blocks_of_open_links(now: Knowledge) -> BoolArray:
    return on_links(ActionKind.BLOCK, ~now.prohibited)


def _lift(now: Knowledge) -> Int64Array:
    wrong = now.blocked & ~now.prohibited
    return act_on(ON_LINK[ActionKind.ALLOW], best_link(wrong, -now.switched_at))


def _against_phase(now: Knowledge) -> BoolArray:
    return _blocks_of_open_links(now) | on_links(ActionKind.ALLOW, now.prohibited)


def _close(now: Knowledge, position: Int64Array) -> Int64Array:
    wrong = now.prohibited & ~now.blocked
    block = act_on(ON_LINK[ActionKind.BLOCK], best_link(wrong, -now.switched_at))
    return np.where(np.isin(ACTION_TYPE[position], EVICTIONS), NONE, block)


def _reversals(now: Knowledge) -> BoolArray:
    fresh = now.since(now.switched_at) <= RECENT
    return on_links(ActionKind.BLOCK, fresh & ~now.blocked) | on_links(
        ActionKind.ALLOW, fresh & now.blocked
    )


def _second_decoys(now: Knowledge) -> BoolArray:
    return on_slots(ActionKind.DECOY, now.decoys > 0)


def _first_decoy(now: Knowledge) -> Int64Array:
    bare = now.exists & (now.decoys == 0)
    return act_on(ON_SLOT[ActionKind.DECOY], best_slot(bare, _weight(now)))


def _rearm(now: Knowledge) -> Int64Array:
    bare = now.rebuilt & (now.decoys == 0) & (now.since(now.restored_at) <= RECENT)
    return act_on(ON_SLOT[ActionKind.DECOY], best_slot(bare & ~now.open, now.restored_at))


def _look_at_touched(now: Knowledge) -> Int64Array:
    touched = (now.decoys > 0) & now.connection & ~now.open
    return act_on(ON_SLOT[ActionKind.ANALYSE], best_slot(touched, _pressing(now)))


def _hunt(now: Knowledge) -> Int64Array:
    due = now.since(now.restore_at) >= HUNT
    eligible = now.exists & SLOT_IS_USER & due[:, SLOT_AGENT]
    return act_on(ON_SLOT[ActionKind.RESTORE], best_slot(eligible, -now.restored_at))


def _attend(now: Knowledge) -> Int64Array:
    alerted = now.process | now.connection
    restore = act_on(ON_SLOT[ActionKind.RESTORE], best_slot(now.process, _pressing(now)))
    bare = act_on(ON_SLOT[ActionKind.DECOY], best_slot(alerted & (now.decoys == 0), _pressing(now)))
    look = act_on(ON_SLOT[ActionKind.ANALYSE], best_slot(alerted, _pressing(now)))
    return np.where(restore != NONE, restore, np.where(bare != NONE, bare, look))


def _useless_rules(now: Knowledge) -> BoolArray:
    return on_links(ActionKind.BLOCK, now.blocked) | on_links(ActionKind.ALLOW, ~now.blocked)


def _repetitions(now: Knowledge) -> BoolArray:
    """What each agent did last on a host or a link, unless its host has shown an alert since."""
    slot = ACTION_SLOT[now.work]
    news = np.take_along_axis(now.alerted_at, np.maximum(slot, 0), axis=1) > now.work_at
    env, agent = np.nonzero((now.work != NONE) & ~(news & (slot != NONE)))
    forbidden = np.zeros((len(slot), len(ACTION_TYPE)), np.bool_)
    forbidden[env, now.work[env, agent]] = True
    return forbidden


def _silence(now: Knowledge, position: Int64Array) -> Int64Array:
    return np.where(now.free, NONE, SLEEP)


REMEDIES: Final[tuple[Remedy, ...]] = (
    Remedy(
        "restore_alerted",
        "Restore every host that shows a process alert, at once",
        "As soon as the agent is free, the machine with a malicious-process alert is rebuilt, the "
        "most important one first; false alerts are answered too, a point each.",
        ("DET-01", "DET-02", "DET-03", "DET-04", "ERA-05", "ERA-06", "POL-02", "COV-01"),
        demand=_restore_alerted,
    ),
    Remedy(
        "restore_not_look",
        "Restore a host with a process alert rather than Analyse or Remove",
        "Looking at a compromised machine evicts nobody and stopping a process fails against an "
        "administrator's session; where the agent would do either, it rebuilds the machine.",
        ("ERA-01", "ERA-03", "ERA-04"),
        replace=_restore_not_look,
    ),
    Remedy(
        "heaviest_first",
        "Answer the alert on the most important host first",
        "When several machines show process alerts, the agent's action goes to the one whose "
        "subnet costs the mission most, and to servers before workstations.",
        ("REC-05",),
        replace=_heaviest_first,
    ),
    Remedy(
        "no_blind_remove",
        "Do not Remove on a host without a process alert",
        "Remove stops only processes that monitoring has reported; elsewhere it is three lost "
        "steps, so it is not allowed there.",
        ("ERA-02", "ERA-03"),
        forbid=_unflagged_removes,
    ),
    Remedy(
        "restore_after_remove",
        "Restore a host after a Remove on it",
        "The agent cannot see whether stopping the process threw the intruder out, so a rebuild "
        "follows.",
        ("ERA-04", "ERA-03"),
        demand=_restore_removed,
    ),
    Remedy(
        "restore_on_evidence",
        f"Restore only hosts with an alert, and others at most every {SWEEP} steps",
        "A rebuild interrupts work and costs a point; without an alert in the last "
        f"{RECENT} steps a machine is rebuilt again only as part of a slow sweep.",
        ("REC-01", "REC-02"),
        forbid=_baseless_restores,
    ),
    Remedy(
        "careful_with_mission",
        "Restore hosts of the active mission only on evidence",
        "In the two subnets that carry the current mission no machine is rebuilt without an alert "
        f"in the last {RECENT} steps.",
        ("REC-03",),
        forbid=_baseless_critical_restores,
    ),
    Remedy(
        "restore_budget",
        f"Keep to a budget of {BUDGET} Restores per episode",
        "Each agent has a share of the budget in proportion to its subnets and stops rebuilding "
        "when it is spent.",
        ("REC-02",),
        forbid=_restores_beyond_budget,
    ),
    Remedy(
        "keep_open",
        "Never block traffic that the phase allows, and lift such blocks",
        "Connections that the current mission phase declares open are not cut, and those that are "
        "cut are opened at once.",
        ("NET-01", "NET-04", "NET-05", "NET-07"),
        forbid=_blocks_of_open_links,
        demand=_lift,
    ),
    Remedy(
        "follow_phase",
        "Block and open traffic as the phase demands, before anything but an eviction",
        "The agent cuts the connections that the current mission phase declares closed and opens "
        "those that it declares open; a rule takes one step and holds until the next phase.",
        ("NET-02", "NET-03", "MIS-01"),
        forbid=_against_phase,
        replace=_close,
        demand=_lift,
    ),
    Remedy(
        "no_flapping",
        f"Leave a traffic rule alone for {RECENT} steps after a change",
        "A connection that was cut or opened is not switched back at once.",
        ("NET-06",),
        forbid=_reversals,
    ),
    Remedy(
        "decoys_when_idle",
        "Deploy a decoy on every host that has none, when idle",
        "In idle time the agent sets up false services, which an intruder attacks in vain and "
        "betrays itself by, in the most important subnets first.",
        ("DEC-01", "DEC-02", "ERA-07"),
        occupy=_first_decoy,
    ),
    Remedy(
        "one_decoy",
        "Do not deploy a second decoy on a host",
        "A machine that has a false service does not get another one.",
        ("DEC-02",),
        forbid=_second_decoys,
    ),
    Remedy(
        "rearm",
        "Put a decoy back after every Restore",
        "A rebuild also deletes the false services of a machine; the agent sets one up again "
        "before it turns to something else.",
        ("REC-04", "ERA-07"),
        demand=_rearm,
    ),
    Remedy(
        "look_at_touched_decoy",
        "Analyse a host with a decoy on which a connection is reported",
        "Nobody but an intruder uses a decoy, so the machine is looked at; the official "
        "observation hides what is found.",
        ("DEC-03",),
        demand=_look_at_touched,
    ),
    Remedy(
        "hunt",
        f"Restore the user host longest without, every {HUNT} steps, when idle",
        "Intruders that came by phishing raise no alarm; an idle agent rebuilds one workstation "
        "after the other.",
        ("DET-07", "ERA-05", "REC-06", "MIS-01"),
        occupy=_hunt,
    ),
    Remedy(
        "attend_alerts",
        "Do not wait while a host shows an alert",
        "Instead of waiting the agent rebuilds a machine with a process alert, or puts a decoy on "
        "one with a connection alert, or looks at it.",
        ("POL-02",),
        occupy=_attend,
    ),
    Remedy(
        "no_useless_rules",
        "Do not set a traffic rule that holds already",
        "Opening what is open changes nothing: it is waiting in disguise, and the agent has to "
        "choose something else.",
        ("POL-02", "POL-03"),
        forbid=_useless_rules,
    ),
    Remedy(
        "no_repetition",
        "Do not repeat an action on the same target while nothing new is seen",
        "The same action on the same machine or connection is not allowed twice in a row without "
        "an alert in between.",
        ("POL-01", "POL-03"),
        forbid=_repetitions,
    ),
    Remedy(
        "silent_while_busy",
        "Submit nothing while an action is running",
        "A Restore is charged whenever it is submitted, even when the agent is busy and the "
        "choice is dropped.",
        ("POL-04",),
        replace=_silence,
    ),
)
"""All remedies, in order of precedence: what is to be done about an intruder comes first."""


def remedies_of(check: str) -> tuple[Remedy, ...]:
    """The remedies that answer a practice check; empty if it has none."""
    return tuple(remedy for remedy in REMEDIES if check in remedy.checks)
