"""Rules that the recorded episodes reach rarely or never, by putting an environment into the
situation and playing one step."""

from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions, network, reward
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST, RED_OF_HOST
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.cc4.services import PORT_BITS, Service
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.envs.batched import Snapshot

SLEEP = np.array([actions.SLEEP_INDEX])
PHANTOM = 1000
"""A session id that nobody has."""


def _played(seed: int, steps: int) -> Snapshot:
    env = BatchedEnv(1)
    env.reset([seed])
    for _ in range(steps):
        env.step(SLEEP)
    return env.save()


LATE = _played(100, 150)
"""Phase 0, blue asleep for long: many hosts are taken, some with root."""


@pytest.fixture
def env() -> BatchedEnv:
    environment = BatchedEnv(1)
    environment.restore(LATE)
    return environment


def _sessions(s: Any) -> list[dict[str, int]]:
    return [
        {
            "agent": agent,
            "slot": slot,
            "host": int(s["ses"]["host"][slot]),
            "id": int(s["ses"]["id"][slot]),
            "root": int(s["ses"]["root"][slot]),
            "abstract": int(s["ses"]["abstract"][slot]),
        }
        for agent in range(6)
        for slot in s["map_slot"][: s["map_n"][agent], agent].tolist()
    ]


def _session(s: Any, **wanted: Any) -> dict[str, int]:
    """The first session that agrees; a value may be a predicate."""
    for session in _sessions(s):
        if all(
            value(session[key]) if callable(value) else session[key] == value
            for key, value in wanted.items()
        ):
            return session
    raise AssertionError(f"no session with {wanted}")


def _defended(host: int) -> bool:
    return bool(BLUE_OF_HOST[host] >= 0)


def _due(env: BatchedEnv, agent: int, action: RedAction, host: int, ident: int) -> None:
    """Everybody's running actions are dropped; this one comes due in the next step."""
    s = env.state
    s["red_action"][0] = RedAction.DISCOVER_SYSTEMS
    s["red_left"][0] = 99
    s["red_action"][0, agent] = action
    s["red_left"][0, agent] = 1
    s["red_host"][0, agent] = host
    s["red_zone"][0, agent] = network.HOST_ZONE[host]
    s["red_session"][0, agent] = ident


def _play_red(env: BatchedEnv, agent: int, action: RedAction, host: int, ident: int) -> Outcome:
    _due(env, agent, action, host, ident)
    env.step(SLEEP)
    assert env.truth().red_done[0, agent] == action
    return Outcome(int(env.truth().red_outcome[0, agent]))


def _blue(env: BatchedEnv, kind: ActionKind, host: int) -> None:
    """The defender of the host plays an action to its end, everyone else asleep."""
    agent = int(BLUE_OF_HOST[host])
    row = SLEEP.copy()
    row[0, agent] = actions.index(agent, kind, host=host)
    env.step(row)
    while not env.free[0, agent]:
        env.step(SLEEP)


def test_withdraw_ends_all_sessions_of_the_agent_on_the_host(env: BatchedEnv) -> None:
    session = _session(env.state[0], abstract=1, agent=lambda a: a > 0)
    agent, host = session["agent"], session["host"]
    others = len([x for x in _sessions(env.state[0]) if x["host"] != host])
    assert _play_red(env, agent, RedAction.WITHDRAW, host, session["id"]) is Outcome.SUCCESS
    left = _sessions(env.state[0])
    assert not [x for x in left if x["agent"] == agent and x["host"] == host]
    assert len([x for x in left if x["host"] != host]) >= others


def test_an_impact_is_charged_even_if_its_session_is_gone(env: BatchedEnv) -> None:
    """Dropped, without any effect, and still the zone's penalty."""
    session = _session(env.state[0], agent=5)
    host = network.server(network.PAZ)
    assert _play_red(env, 5, RedAction.IMPACT, host, PHANTOM) is Outcome.DROPPED
    assert session["agent"] == 5
    assert env.reward_parts[0, reward.RIA, network.PAZ] == -3


def test_a_failed_impact_is_charged(env: BatchedEnv) -> None:
    """HQ hosts have no OT service."""
    session = _session(env.state[0], root=1, agent=5)
    zone = network.HOST_ZONE[session["host"]]
    outcome = _play_red(env, 5, RedAction.IMPACT, session["host"], session["id"])
    assert outcome is Outcome.FAILURE
    assert env.reward_parts[0, reward.RIA, zone] == -3


def test_impact_stops_the_ot_service_until_restore(env: BatchedEnv) -> None:
    session = _session(env.state[0], root=1, host=lambda h: network.HOST_ZONE[h] in (1, 3))
    host, agent = session["host"], session["agent"]
    env.state["ot_stopped"][0, host] = 0
    assert _play_red(env, agent, RedAction.IMPACT, host, session["id"]) is Outcome.SUCCESS
    assert env.state["ot_stopped"][0, host]
    assert _play_red(env, agent, RedAction.IMPACT, host, session["id"]) is Outcome.FAILURE
    _blue(env, ActionKind.RESTORE, host)
    assert not env.state["ot_stopped"][0, host]
    assert env.truth().host_level[0, host] == 0


def test_degrade_takes_a_fifth_each_time_and_stops_at_zero(env: BatchedEnv) -> None:
    session = _session(env.state[0], root=1, host=_defended)
    host, agent = session["host"], session["agent"]
    env.state["svc_reliability"][0, host] = 100
    seen = []
    for _ in range(6):
        _play_red(env, agent, RedAction.DEGRADE, host, session["id"])
        seen.append(int(env.state["svc_reliability"][0, host, Service.SSHD]))
    assert seen == [80, 60, 40, 20, 0, 0]


@pytest.mark.parametrize("action", [RedAction.AGGRESSIVE_SCAN, RedAction.EXPLOIT])
def test_a_plain_session_can_neither_scan_nor_exploit(env: BatchedEnv, action: RedAction) -> None:
    session = _session(env.state[0], abstract=0, host=_defended)
    target = network.server(network.RZA)
    env.state["ses_ports"][0, session["slot"], target] = PORT_BITS[22]
    outcome = _play_red(env, session["agent"], action, target, session["id"])
    assert outcome is Outcome.FAILURE
    assert not env.truth().red_detected[0, session["agent"]]


def test_blocks_stop_scans_one_way_and_leave_no_event(env: BatchedEnv) -> None:
    session = _session(env.state[0], agent=0, abstract=1)
    target = network.server(network.RZA)
    certain = BatchedEnv(1, params=EnvParams(aggressive_detection=1.0))
    certain.restore(env.save())
    certain.state["blocks"][0, network.RZA, network.CON] = 1
    blocked = _play_red(certain, 0, RedAction.AGGRESSIVE_SCAN, target, session["id"])
    assert blocked is Outcome.FAILURE
    assert not certain.truth().red_detected[0, 0]

    certain.restore(env.save())
    certain.state["blocks"][0, network.CON, network.RZA] = 1
    reverse = _play_red(certain, 0, RedAction.AGGRESSIVE_SCAN, target, session["id"])
    assert reverse is Outcome.SUCCESS
    assert certain.truth().red_detected[0, 0]
    assert certain.state["ses_ports"][0, session["slot"], target] & PORT_BITS[22]


def test_red_is_dropped_before_but_not_by_blue(env: BatchedEnv) -> None:
    """A Restore due in the same step ends the session after the filter: Degrade finds no root."""
    session = _session(env.state[0], root=1, host=_defended)
    host, agent = session["host"], session["agent"]
    defender = int(BLUE_OF_HOST[host])
    env.state["blue_action"][0, defender] = actions.index(defender, ActionKind.RESTORE, host=host)
    env.state["blue_left"][0, defender] = 1
    assert _play_red(env, agent, RedAction.DEGRADE, host, session["id"]) is Outcome.FAILURE
    assert env.truth().host_level[0, host] == 0
    assert (env.state["svc_reliability"][0, host, Service.SSHD]) == 100


def test_remove_ends_remembered_user_sessions_only(env: BatchedEnv) -> None:
    s = env.state
    for root, survives in ((0, False), (1, True)):
        env.restore(LATE)
        session = _session(s[0], host=_defended)
        host, slot = session["host"], session["slot"]
        s["host_roots"][0, host] += root - session["root"]
        s["ses"]["root"][0, slot] = root
        pid = int(s["proc_pid"][0, s["ses"]["process"][0, slot]])
        node = int(s["sus_n"][0])
        s["sus_n"][0] += 1
        s["sus_pid"][0, node], s["sus_next"][0, node] = pid, s["sus_head"][0, host]
        s["sus_head"][0, host] = node
        if s["sus_tail"][0, host] < 0:
            s["sus_tail"][0, host] = node
        s["red_left"][0] = 99  # red does nothing meanwhile
        s["red_action"][0] = RedAction.DISCOVER_SYSTEMS
        _blue(env, ActionKind.REMOVE, host)
        pids = [int(s["proc_pid"][0, s["ses"]["process"][0, x["slot"]]]) for x in _sessions(s[0])]
        assert (pid in pids) == survives


def test_deploy_decoy_never_runs_out(env: BatchedEnv) -> None:
    host = int(np.flatnonzero(env.truth().host_exists[0] & (network.HOST_ZONE == network.RZB))[1])
    for _ in range(12):
        _blue(env, ActionKind.DECOY, host)
        agent = int(BLUE_OF_HOST[host])
        assert env.state["blue_decoy"][0, agent] >= Service.DECOY_APACHE
        assert env.truth().blue_outcome[0, agent] == Outcome.SUCCESS


def test_a_decoy_always_betrays_a_scan(env: BatchedEnv) -> None:
    blind = BatchedEnv(1, params=EnvParams(stealth_detection=0.0))
    session = _session(env.state[0], agent=0, abstract=1)
    target = network.server(network.RZA)
    for decoys, detected in ((0, False), (1, True)):
        blind.restore(LATE)
        for _ in range(decoys):
            _blue(blind, ActionKind.DECOY, target)
        assert _play_red(blind, 0, RedAction.STEALTH_SCAN, target, session["id"]) is Outcome.SUCCESS
        assert bool(blind.truth().red_detected[0, 0]) == detected


def test_a_blocked_access_costs_the_users_zone_and_shows_on_the_server() -> None:
    env = BatchedEnv(16)
    env.reset(np.arange(16))
    env.state["blocks"][:, network.RZA, network.CON] = 1
    env.step(np.repeat(SLEEP, 16, axis=0))
    truth = env.truth()
    failed = np.argwhere(truth.green_failure == 2)
    assert len(failed) > 0
    for e, host in failed.tolist():
        target = int(truth.green_target[e, host])
        pair = {int(network.HOST_ZONE[host]), int(network.HOST_ZONE[target])}
        assert pair == {network.RZA, network.CON}
        assert truth.connection_events[e, target] > 0
    counted = dict.fromkeys((network.RZA, network.CON), 0)
    for _, host in failed.tolist():
        counted[int(network.HOST_ZONE[host])] += 1
    assert env.reward_parts[:, reward.ASF, network.RZA].sum() == -3 * counted[network.RZA]
    assert env.reward_parts[:, reward.ASF, network.CON].sum() == -5 * counted[network.CON]


def test_every_session_belongs_to_the_owner_of_its_zone() -> None:
    env = BatchedEnv(8)
    env.reset(np.arange(8))
    for _ in range(200):
        env.step(np.repeat(SLEEP, 8, axis=0))
        for e in range(8):
            for session in _sessions(env.state[e]):
                assert RED_OF_HOST[session["host"]] == session["agent"]
