"""The rules of `champion`, one by one, on what an agent knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import (
    ACTION_SLOT,
    ACTION_TYPE,
    SLEEP,
    SLOT_IS_USER,
    SLOT_START,
)
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import decide
from cagexplain.policies.knowledge import Knowledge
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.champion import ROBUST, Champion, Rules

AGENT = 1
"""Of the operational zone A: an Impact costs 10 there in phase 1, and it has no gate."""
SLOTS = np.arange(SLOT_START[AGENT], SLOT_START[AGENT + 1])
USERS, SERVERS = SLOTS[SLOT_IS_USER[SLOTS]], SLOTS[~SLOT_IS_USER[SLOTS]]
USER, SERVER, OTHER = int(USERS[0]), int(SERVERS[0]), int(USERS[1])
NOW = 200
LATE = 480


def knowing(clock: int = NOW, phase: int = 1, **facts: dict[int, Any]) -> Knowledge:
    """What an agent knows that has looked at all of its hosts, which have their decoys.

    Args:
        clock: the step.
        phase: of the mission.
        facts: values of fields, by slot.
    """
    now = Knowledge.fresh(1)
    now.clock[:], now.phase_of[:] = clock, phase
    now.free[:], now.exists[:] = True, True
    now.called[:], now.most_sources[:] = True, 1
    now.analysed_at[:] = clock - 1
    now.decoys[:] = 3
    for name, values in facts.items():
        for slot, value in values.items():
            getattr(now, name)[0, slot] = value
    return now


def action(now: Knowledge, rules: Rules | None = None, agent: int = AGENT) -> tuple[Any, int]:
    """Type of what the agent does, and the slot; -1 without one."""
    policy = Champion(rules=rules)
    policy.now = now
    position = policy.decide()[0, agent]
    return ActionKind(int(ACTION_TYPE[position])), int(ACTION_SLOT[position])


def test_nothing_to_do_is_sleep() -> None:
    assert action(knowing())[0] is ActionKind.SLEEP


def test_busy_agents_decide_nothing() -> None:
    now = knowing(rooted={USER: True})
    now.free[:] = False
    policy = Champion()
    policy.now = now
    assert (policy.decide() == SLEEP).all()


def test_a_rooted_host_is_restored_while_it_is_worth_it() -> None:
    assert action(knowing(rooted={SERVER: True})) == (ActionKind.RESTORE, SERVER)
    late = knowing(LATE, 2, rooted={SERVER: True})
    assert action(late)[0] is not ActionKind.RESTORE


def test_episodes_of_another_length_are_taken_to_stay_in_their_phase() -> None:
    """Phase 1 in a step of phase 2, and steps after the official end."""
    for clock, phase in ((LATE, 1), (700, 1), (700, 2)):
        now = knowing(clock, phase, rooted={SERVER: True})
        assert action(now) == (ActionKind.RESTORE, SERVER)


def test_root_goes_before_an_exploit() -> None:
    now = knowing(rooted={SERVER: True}, exploited_at={USER: NOW})
    assert action(now) == (ActionKind.RESTORE, SERVER)


def test_an_exploit_is_removed() -> None:
    assert action(knowing(exploited_at={SERVER: NOW})) == (ActionKind.REMOVE, SERVER)
    again = knowing(exploited_at={SERVER: NOW - 9}, removed_at={SERVER: NOW - 5})
    assert action(again)[0] is not ActionKind.REMOVE
    restored = knowing(exploited_at={SERVER: NOW - 9}, restored_at={SERVER: NOW - 5})
    assert action(restored)[0] is not ActionKind.REMOVE


def test_a_phished_host_that_is_exploited_is_restored() -> None:
    now = knowing(exploited_at={USER: NOW}, source_from={USER: NOW - 90})
    assert action(now) == (ActionKind.RESTORE, USER)
    assert action(knowing(exploited_at={SERVER: NOW}, source_from={SERVER: 9}))[0] is (
        ActionKind.REMOVE
    )
    without = Rules(remove=False)
    assert action(knowing(exploited_at={SERVER: NOW}), without) == (ActionKind.RESTORE, SERVER)


def test_where_red_begins_is_restored() -> None:
    now = knowing(first={USER: True}, source_from={USER: NOW})
    assert action(now) == (ActionKind.RESTORE, USER)
    assert action(now, Rules(begun=False)) == (ActionKind.ANALYSE, USER)


def test_later_sources_are_looked_at_and_tolerated() -> None:
    assert action(knowing(source_from={USER: NOW})) == (ActionKind.ANALYSE, USER)
    now = knowing(source_from={USER: NOW - 30})
    assert action(now)[0] is ActionKind.SLEEP
    now.analysed_at[0, USER] = NOW - 40
    assert action(now) == (ActionKind.ANALYSE, USER)


def test_an_exploit_that_got_through_is_restored() -> None:
    facts = {"exploited_at": {USER: NOW - 60}, "removed_at": {USER: NOW - 55}}
    soon = knowing(source_from={USER: NOW - 25}, **facts)
    assert action(soon) == (ActionKind.RESTORE, USER)
    late = knowing(source_from={USER: NOW - 19}, **facts)
    assert action(late)[0] is not ActionKind.RESTORE


def test_the_scanner_is_evicted_for_what_it_can_still_exploit() -> None:
    bits = (1 << len(SLOTS)) - 1
    facts = {"source_from": {USER: NOW - 30}, "targets": {USER: bits}}
    scanned = dict.fromkeys(SLOTS.tolist(), NOW - 20)
    assert action(knowing(scanned_from_at=scanned, **facts)) == (ActionKind.RESTORE, USER)
    # Until it has scanned enough, it is left alone.
    few = {**facts, "targets": {USER: (1 << int(0.3 * len(SLOTS))) - 1}}
    assert action(knowing(scanned_from_at=scanned, **few))[0] is ActionKind.SLEEP
    # What was exploited since is in no danger of being exploited by it again.
    others = [int(slot) for slot in SLOTS if slot != USER]
    exploited = dict.fromkeys(others, NOW - 10)
    removed = dict.fromkeys(others, NOW - 8)
    spent = knowing(scanned_from_at=scanned, exploited_at=exploited, removed_at=removed, **facts)
    assert action(spent)[0] is not ActionKind.RESTORE
    # Nor is it worth it when few steps are left.
    late = knowing(
        LATE,
        2,
        scanned_from_at=dict.fromkeys(SLOTS.tolist(), LATE - 1),
        source_from={USER: LATE - 30},
        targets={USER: bits},
    )
    assert action(late)[0] is ActionKind.SLEEP


def test_a_host_is_analysed_after_its_remove_and_again() -> None:
    facts = {"exploited_at": {SERVER: NOW - 9}, "removed_at": {SERVER: NOW - 5}}
    assert action(knowing(analysed_at={SERVER: NOW - 7}, **facts)) == (ActionKind.ANALYSE, SERVER)
    critical = knowing(analysed_at={SERVER: NOW - 3}, **facts)
    assert action(critical) == (ActionKind.ANALYSE, SERVER)
    assert action(knowing(phase=2, analysed_at={SERVER: NOW - 3}, **facts))[0] is ActionKind.SLEEP


def test_decoys_servers_first_up_to_three() -> None:
    now = knowing(decoys={USER: 1, SERVER: 1})
    assert action(now) == (ActionKind.DECOY, SERVER)
    now.decoys[0, SERVER] = 3
    assert action(now) == (ActionKind.DECOY, USER)
    now.decoys[0, OTHER] = 0
    assert action(now) == (ActionKind.DECOY, OTHER)


@pytest.mark.parametrize(
    ("slot", "called", "steps", "looks"),
    [
        (USER, True, 20, True),
        (USER, True, 19, False),
        (SERVER, True, 40, True),
        (SERVER, True, 39, False),
        (USER, False, 10, True),
        (SERVER, False, 90, False),
    ],
)
def test_hosts_are_looked_at_in_turn(slot: int, called: bool, steps: int, looks: bool) -> None:
    now = knowing(analysed_at={slot: NOW - steps})
    now.called[:] = called
    assert action(now) == ((ActionKind.ANALYSE, slot) if looks else (ActionKind.SLEEP, -1))


def test_the_robust_one_looks_at_users_before_it_deploys_decoys() -> None:
    now = knowing(analysed_at={USER: NOW - 3, SERVER: NOW - 90}, decoys={OTHER: 0})
    assert action(now) == (ActionKind.DECOY, OTHER)
    assert action(now, ROBUST) == (ActionKind.ANALYSE, USER)
    now.analysed_at[0, USER] = NOW - 2
    assert action(now, ROBUST) == (ActionKind.DECOY, OTHER)


def test_an_episode_does_not_depend_on_those_beside_it() -> None:
    def played(seeds: list[int]) -> np.ndarray:
        env = BatchedEnv(len(seeds), params=EnvParams(steps=120), threads=1)
        policy = load_policy("champion")
        env.reset(seeds)
        policy.reset(np.array(seeds))
        chosen = []
        for step in range(119):
            if step == 60:
                policy = policy.branch(np.arange(len(seeds)))
            chosen.append(decide(policy, env).actions.copy())
            env.step(chosen[-1])
        return np.stack(chosen)

    both, alone = played([7, 8]), played([8])
    assert np.array_equal(both[:, 1], alone[:, 0])
    assert (both < np.array(actions.SIZES)).all()
