from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cagexplain.cc4 import actions, agents, network, observations, phases, red_fsm
from cagexplain.cc4.green import GreenAction, GreenFailure
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.fidelity.metrics import FLOOR, GROUPS, METRICS, NAMES, RETURN, Behaviour, Unit
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import Observer, play
from tests.support.paths import DATA
from tests.support.stand_in import StandIn, still

Change = Callable[[Any, int], None]
STEPS = 14


def measured(change: Change, n: int = 2, steps: int = 6) -> dict[str, np.ndarray]:
    """Metrics of a still world that `change` alters before each observed step."""
    env = still(n, steps)
    behaviour = Behaviour()
    behaviour.begin(env, np.arange(n))
    for t in range(phases.calls(steps)):
        change(env, t)
        behaviour.after_step(env, None)  # type: ignore[arg-type]
    return dict(zip(NAMES, behaviour.values().T, strict=True))


def host(zone: int, number: int = 0) -> int:
    return network.user(zone, number)


def test_there_are_enough_metrics_and_each_is_described() -> None:
    assert len(set(NAMES)) == len(METRICS)
    assert len({metric.label for metric in METRICS}) == len(METRICS)
    assert sum(metric.group != RETURN for metric in METRICS) >= 40
    groups = [metric.group for metric in METRICS]
    assert list(dict.fromkeys(groups)) == list(GROUPS)  # contiguous, the returns first
    assert all(metric.description.endswith(".") for metric in METRICS)
    assert all((metric.floor > 0) == (metric.group != RETURN) for metric in METRICS)
    assert set(FLOOR) == set(Unit) - {Unit.POINTS}


def test_a_still_world_has_no_events_and_undefined_rates() -> None:
    found = measured(lambda env, t: None)
    assert found["return"].tolist() == [0, 0]
    assert found["first_impact"].tolist() == [5, 5]  # censored at the length
    assert found["hosts"].tolist() == [128, 128]
    assert found["servers"].tolist() == [48, 48]
    for name in ("red_success_Impact", "red_dropped", "fsm_cause_success", "green_share_work"):
        assert np.isnan(found[name]).all(), name
    for name in ("red_started", "fsm_rd", "alerts_process", "entered_unexploited"):
        assert found[name].tolist() == [0, 0], name


def test_returns_are_the_official_ones() -> None:
    def change(env: Any, t: int) -> None:
        env.phase[:] = (0, 2)
        env.reward_parts[:] = 0
        env.reward_parts[0, 2, 5] = -3
        env.action_cost[1, 4] = -1

    found = measured(change)
    assert found["return"].tolist() == [-12, -4]  # 4 of 5 steps count
    assert found["return_pre_planning"].tolist() == [-12, 0]
    assert found["return_mission_b"].tolist() == [0, -4]
    assert found["return_ria"].tolist() == [-12, 0]
    assert found["return_action_cost"].tolist() == [0, -4]


def test_a_host_that_two_red_agents_know_counts_twice() -> None:
    def change(env: Any, t: int) -> None:
        env.truth().fsm_state[0, [1, 4], 30] = red_fsm.State.RD
        env.truth().fsm_state[1, 2, 31] = red_fsm.State.K if t < 2 else red_fsm.State.U

    found = measured(change)
    assert found["fsm_rd"].tolist() == [2, 0]
    assert found["fsm_k"].tolist() == [0, 2 / 5]
    assert found["fsm_u"].tolist() == [0, 3 / 5]


def test_compromise_and_its_first_steps() -> None:
    def change(env: Any, t: int) -> None:
        level = env.truth().host_level
        level[0, host(network.CON)] = 2  # where red starts: no foothold
        if t >= 1:
            level[0, host(network.RZA)] = 1
        if t >= 2:
            level[0, host(network.RZA)] = 2
        if t == 3:
            level[0, host(network.OZA)] = 1
        if t == 4:
            level[0, host(network.OZA)] = 0
            env.truth().red_done[1, 3] = RedAction.IMPACT
            env.truth().red_outcome[1, 3] = Outcome.DROPPED

    found = measured(change)
    assert found["first_foothold"].tolist() == [2, 5]
    assert found["first_root"].tolist() == [3, 5]
    assert found["first_operational"].tolist() == [4, 5]
    assert found["first_impact"].tolist() == [5, 5]
    assert found["hosts_user"].tolist() == [2 / 5, 0]
    assert found["hosts_root"].tolist() == [(5 + 3) / 5, 0]
    assert found["hosts_operational"].tolist() == [1 / 5, 0]
    assert found["hosts_at_end"].tolist() == [2, 0]


@pytest.mark.parametrize(
    ("outcome", "first"), [(Outcome.SUCCESS, 2), (Outcome.FAILURE, 2), (Outcome.DROPPED, 4)]
)
def test_the_first_impact_is_the_first_that_was_executed(outcome: Outcome, first: int) -> None:
    """A dropped one never took place, as in the SOC metric ``impacts``."""

    def change(env: Any, t: int) -> None:
        truth = env.truth()
        truth.red_done[:], truth.red_outcome[:] = -1, Outcome.NONE
        if t == 1:
            truth.red_done[:, 3], truth.red_outcome[:, 3] = RedAction.IMPACT, outcome
        if t == 3:
            truth.red_done[:, 3], truth.red_outcome[:, 3] = RedAction.IMPACT, Outcome.FAILURE

    assert measured(change)["first_impact"].tolist() == [first, first]


def test_only_hosts_that_nobody_exploited_count_as_entered_without_an_exploit() -> None:
    def change(env: Any, t: int) -> None:
        truth = env.truth()
        truth.host_level[:, host(network.RZA)] = t >= 1
        truth.host_level[:, host(network.RZB)] = t in (1, 3)  # lost and won again
        truth.red_done[:], truth.red_outcome[:] = -1, Outcome.NONE
        if t == 1:  # on both worlds an exploit, in the second one that failed
            truth.red_done[:, 1] = RedAction.EXPLOIT
            truth.red_outcome[:, 1] = (Outcome.SUCCESS, Outcome.FAILURE)
            truth.red_done_host[:, 1] = host(network.RZA)

    assert measured(change)["entered_unexploited"].tolist() == [2, 3]


def test_red_actions() -> None:
    def change(env: Any, t: int) -> None:
        truth = env.truth()
        truth.red_started[0] = (4, 4, 6, -1, -1, 0)
        truth.red_done[0] = (4, 4, 4, 4, 6, -1)
        truth.red_outcome[0] = (1, 2, 2, 3, 3, 0)
        truth.red_detected[0] = (True, False, True, False, False, False)

    found = measured(change)
    assert found["red_started"].tolist() == [4, 0]
    assert found["red_share_ExploitRemoteService"][0] == 0.5
    assert found["red_share_Impact"][0] == 0.25
    assert found["red_success_ExploitRemoteService"][0] == pytest.approx(1 / 3)
    assert np.isnan(found["red_success_Impact"][0])  # only a dropped one
    assert found["red_detected_ExploitRemoteService"][0] == pytest.approx(2 / 3)
    assert found["red_detected"][0] == pytest.approx(2 / 3)
    assert found["red_dropped"][0] == 2 / 5


def test_only_the_entries_that_count_are_transitions() -> None:
    def change(env: Any, t: int) -> None:
        env.truth().trans_n[:] = (6, 0)
        env.truth().trans_cause[:] = (0, 8, 9, 18, 19, 20, 19, 19)

    found = measured(change)
    causes = ("success", "failure", "first_observed", "session_lost", "reassigned")
    shares = [found[f"fsm_cause_{cause}"][0] for cause in causes]
    assert shares == [2 / 6, *[1 / 6] * 4]
    assert found["fsm_evaluations"].tolist() == [6, 0]


def test_alerts_and_blocks_are_read_from_the_observations() -> None:
    def change(env: Any, t: int) -> None:
        at = observations.OFFSETS[4]
        env.obs[0, at + observations.process_bit(4, network.server(network.ADM))] = 1
        env.obs[0, at + observations.connection_bit(4, host(network.PAZ, 3))] = 1
        env.obs[0, at + observations.connection_bit(4, host(network.OFF, 9))] = 1
        env.obs[1, observations.OFFSETS[2] + observations.blocked_bit(2, network.RZB, 0)] = 1
        env.obs[:, list(observations.OFFSETS)] = 2  # the phase is no alert

    found = measured(change)
    assert found["alerts_process"].tolist() == [1, 0]
    assert found["alerts_connection"].tolist() == [2, 0]
    assert found["blocked"].tolist() == [0, 1]


def test_green_users() -> None:
    work, access = GreenAction.LOCAL_WORK, GreenAction.ACCESS

    def change(env: Any, t: int) -> None:
        users = [host(network.OZB), *(host(network.ADM, i) for i in range(4))]
        env.truth().green_action[0, users] = (work, work, access, access, GreenAction.SLEEP)
        env.truth().green_failure[0, users] = (
            GreenFailure.SERVICE_DEGRADED,
            GreenFailure.NONE,
            GreenFailure.NONE,
            GreenFailure.TRAFFIC_BLOCKED,
            GreenFailure.NONE,
        )

    found = measured(change)
    assert found["green_actions"][0] == 4
    assert found["green_share_work"][0] == found["green_share_access"][0] == 2 / 5
    assert found["green_work_failed"][0] == found["green_access_failed"][0] == 1 / 2
    assert found["green_operational_failed"][0] == 1


def test_blue_actions() -> None:
    def change(env: Any, t: int) -> None:
        restore = actions.index(4, actions.ActionKind.RESTORE, host=network.server(network.OFF))
        env.truth().blue_done[0] = (-1, -1, -1, actions.SLEEP_INDEX[3], restore)
        env.truth().blue_outcome[0] = (0, 0, 0, 1, 2)
        env.free[0] = (True, False, False, True, True)

    found = measured(change)
    assert found["blue_completed"].tolist() == [2, 0]
    assert found["blue_share_Restore"][0] == found["blue_share_Sleep"][0] == 0.5
    assert found["blue_success_Restore"][0] == 0
    assert found["blue_busy"].tolist() == [2 / 5, 0]


class Diary(Observer):
    """Counts with plain loops what `Behaviour` counts with arrays."""

    def begin(self, env: StandIn, seeds: np.ndarray) -> None:
        self.count: dict[str, float] = {}

    def after_step(self, env: StandIn, decision: Any) -> None:
        truth = env.truth()

        def add(name: str, value: float = 1) -> None:
            self.count[name] = self.count.get(name, 0) + value

        for agent in range(agents.N_RED):
            for h in range(network.N_HOSTS):
                add(f"fsm {truth.fsm_state[0, agent, h]}")
            add(f"started {truth.red_started[0, agent]}")
            action, outcome = truth.red_done[0, agent], truth.red_outcome[0, agent]
            if action >= 0:
                add("dropped" if outcome == Outcome.DROPPED else f"executed {action}")
            if action >= 0 and outcome == Outcome.SUCCESS:
                add(f"succeeded {action}")
        for agent in range(agents.N_BLUE):
            done = truth.blue_done[0, agent]
            if done >= 0:
                add(f"blue {actions.KIND[agent][done]}")
            for h in observations.HOSTS[agent]:
                bit = observations.OFFSETS[agent] + observations.connection_bit(agent, int(h))
                add("connections", int(env.obs[0, bit]))


def test_it_agrees_with_a_plain_count_and_does_not_depend_on_the_batch() -> None:
    calls = phases.calls(STEPS)
    params = EnvParams(steps=STEPS)
    together = Behaviour()
    play(load_policy("random"), StandIn(3, params=params), np.array([5, 6, 7]), [together])
    for row, seed in enumerate((5, 6, 7)):
        diary, alone = Diary(), Behaviour()
        play(load_policy("random"), StandIn(1, params=params), np.array([seed]), [alone, diary])
        np.testing.assert_array_equal(alone.values()[0], together.values()[row])
        found, count = dict(zip(NAMES, alone.values()[0], strict=True)), diary.count
        for state in red_fsm.State:
            if state:
                mean = count.get(f"fsm {state.value}", 0) / calls
                assert found[f"fsm_{state.name.lower()}"] == pytest.approx(mean)
        started = sum(count.get(f"started {a}", 0) for a in RedAction)
        for action in RedAction:
            name = red_fsm.RED_ACTION_NAMES[action]
            share = count.get(f"started {action.value}", 0) / started
            assert found[f"red_share_{name}"] == pytest.approx(share)
            executed = count.get(f"executed {action.value}", 0)
            if executed:
                success = count.get(f"succeeded {action.value}", 0) / executed
                assert found[f"red_success_{name}"] == pytest.approx(success)
        assert found["alerts_connection"] == pytest.approx(count["connections"] / calls)
        completed = sum(count.get(f"blue {kind.value}", 0) for kind in actions.ActionKind)
        assert found["blue_completed"] == pytest.approx(completed / calls)


def test_on_the_engine_returns_agree_with_the_evaluation() -> None:
    params, seeds = EnvParams(steps=60), np.arange(4)
    behaviour = Behaviour()
    play(load_policy("random"), BatchedEnv(4, params=params), seeds, [behaviour])
    expected = evaluate(load_policy("random"), seeds, params)
    found = behaviour.values()
    np.testing.assert_array_equal(found[:, 0], expected.returns)
    np.testing.assert_array_equal(found[:, 1:4], expected.by_phase)
    np.testing.assert_array_equal(found[:, 4:8], expected.by_cause)
    named = dict(zip(NAMES, found.T, strict=True))
    assert ((named["hosts"] > 40) & (named["hosts"] <= 128)).all()
    shares = [named[f"red_share_{name}"] for name in red_fsm.RED_ACTION_NAMES]
    np.testing.assert_allclose(np.sum(shares, axis=0), 1)
    assert (named["green_actions"] > 10).all()
    assert (named["blue_busy"] > 0.3).all()


RECORDED = {
    **{f"fsm_{state.name}": f"fsm_{state.name.lower()}" for state in red_fsm.State if state},
    "red_active": "red_active",
    "hosts_root": "hosts_root",
    "proc_bits": "alerts_process",
    "conn_bits": "alerts_connection",
    "blocks": "blocked",
}


def test_metrics_mean_what_was_recorded_from_cyborg() -> None:
    seeds = np.array([0, 3])
    behaviour = Behaviour()
    play(load_policy("random"), BatchedEnv(2), seeds, [behaviour], skip_worlds=1)
    found = dict(zip(NAMES, behaviour.values().T, strict=True))

    recorded = pd.read_parquet(DATA / "step_raw.parquet").query("policy == 'random'")
    means = recorded.groupby("seed")[[*RECORDED, "hosts_red"]].mean().loc[seeds]
    for theirs, ours in RECORDED.items():
        np.testing.assert_allclose(found[ours], means[theirs], err_msg=ours)
    np.testing.assert_allclose(found["hosts_user"], means["hosts_red"] - means["hosts_root"])
    last = recorded[recorded["step"] == 498].set_index("seed").loc[seeds]
    np.testing.assert_array_equal(found["hosts_at_end"], last["hosts_red"])

    # A mail on a host that red holds already, or while it exploits it, is not told apart.
    episodes = pd.read_parquet(DATA / "policy_returns.parquet").query("policy == 'random'")
    mails = episodes.set_index("seed").loc[seeds, "phish_sessions"]
    np.testing.assert_allclose(found["entered_unexploited"], mails, rtol=0.05)
