"""The recorder against a plain account of the same episodes, row by row."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import (
    actions,
    agents,
    green,
    network,
    observations,
    red_fsm,
    reward,
    services,
)
from cagexplain.policies.base import Decision
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import Observer, play
from cagexplain.sim import fsm
from cagexplain.tracing import schema
from cagexplain.tracing.host_states import host_states, zone_states
from cagexplain.tracing.recorder import Recorder
from tests.support.fake_env import FakeEnv

N, STEPS, FIRST = 3, 25, 40
CAUSES = {
    fsm.FIRST_OBSERVED: "first_observed",
    fsm.SESSION_LOST: "session_lost",
    fsm.REASSIGNED: "reassigned",
    fsm.OWN_SESSION: "own_session",
}
"""What the engine notes for moves that no red action caused."""
Row = dict[str, Any]


class Talkative:
    """The random policy, with messages, probabilities and now and then an invalid action."""

    def __init__(self) -> None:
        self._inner = load_policy("random")

    def reset(self, seeds: np.ndarray) -> None:
        self._inner.reset(seeds)
        self._rng = np.random.default_rng(0)

    def act(self, obs: np.ndarray, mask: np.ndarray, free: np.ndarray) -> Decision:
        chosen = self._inner.act(obs, mask, free).actions
        any_index = self._rng.integers(0, actions.SIZES, chosen.shape)
        return Decision(
            np.where(self._rng.random(chosen.shape) < 0.3, any_index, chosen),
            self._rng.integers(0, 2, (*chosen.shape, 8)).astype(np.uint8),
            self._rng.random(chosen.shape, dtype=np.float32),
            self._rng.random(chosen.shape, dtype=np.float32),
        )


class Diary(Observer):
    """Copies of everything, before and after each step."""

    def __init__(self) -> None:
        self.steps: list[tuple[SimpleNamespace, Decision, SimpleNamespace]] = []

    def before_step(self, env: FakeEnv, decision: Decision) -> None:
        self._before = self._copy(env)

    def after_step(self, env: FakeEnv, decision: Decision) -> None:
        self.steps.append((self._before, decision, self._copy(env)))

    @staticmethod
    def _copy(env: FakeEnv) -> SimpleNamespace:
        arrays = {**vars(env), **vars(env.truth())}
        return SimpleNamespace(
            **{name: v.copy() for name, v in arrays.items() if isinstance(v, np.ndarray)}
        )


@pytest.fixture(scope="module")
def played() -> tuple[Recorder, Diary]:
    recorder, diary = Recorder(FIRST), Diary()
    env = FakeEnv(N, params=SimpleNamespace(steps=STEPS))
    play(Talkative(), env, np.arange(N), [recorder, diary])
    return recorder, diary


@pytest.fixture(scope="module")
def tables(played: tuple[Recorder, Diary]) -> dict[str, list[Row]]:
    return {name: table.to_pylist() for name, table in played[0].tables().items()}


@pytest.fixture(scope="module")
def diary(played: tuple[Recorder, Diary]) -> Diary:
    return played[1]


def named(names: tuple[str, ...], code: int) -> str | None:
    return names[code] if code >= 0 else None


def check(found: list[Row], expected: list[Row]) -> None:
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        assert set(row) == set(wanted)
        for name, value in wanted.items():
            if isinstance(value, float):
                assert row[name] == pytest.approx(value), (name, wanted)
            else:
                assert row[name] == value, (name, wanted)


def test_tables_have_the_schema(played: tuple[Recorder, Diary]) -> None:
    found = played[0].tables()
    assert set(found) == set(schema.TABLES)
    for name, table in found.items():
        assert table.schema == schema.TABLES[name].schema
        table.validate(full=True)
        for field in table.schema:
            assert field.nullable or table.column(field.name).null_count == 0, field.name


def test_steps(tables: dict[str, list[Row]], diary: Diary) -> None:
    expected = []
    for e in range(N):
        for t, (before, _, after) in enumerate(diary.steps):
            states = host_states(before.fsm_state)[e]
            stateful = [
                h
                for h in range(137)
                if before.host_exists[e, h]
                and network.HOST_KIND[h] in (network.USER, network.SERVER)
            ]
            row = {
                "episode": FIRST + e,
                "step": t,
                "phase": after.phase[e],
                "reward": float(after.reward[e]),
                "reward_lwf": float(after.reward_parts[e, 0].sum()),
                "reward_asf": float(after.reward_parts[e, 1].sum()),
                "reward_ria": float(after.reward_parts[e, 2].sum()),
                "reward_cost": float(after.action_cost[e].sum()),
                "hosts_user": (before.host_level[e] == 1).sum(),
                "hosts_root": (before.host_level[e] == 2).sum(),
                "red_active": before.red_active[e].sum(),
                "done": t == STEPS - 2,
                "counted": t < STEPS - 2,
            }
            for code, state in enumerate(red_fsm.STATE_NAMES):
                inside = [h for h in stateful if states[h] == code]
                row[f"hosts_{state}"] = len(inside)
                row[f"user_{state}"] = sum(before.host_level[e, h] == 1 for h in inside)
                row[f"root_{state}"] = sum(before.host_level[e, h] == 2 for h in inside)
            for kind, bit in (
                ("process", observations.process_bit),
                ("connection", observations.connection_bit),
            ):
                row[f"{kind}_alerts"] = sum(
                    before.obs[e, observations.OFFSETS[agent] + bit(agent, int(host))]
                    for agent in range(5)
                    for host in observations.HOSTS[agent]
                )
            expected.append(row)
    check(tables["steps"], expected)


def test_blue(tables: dict[str, list[Row]], diary: Diary) -> None:
    expected = []
    busy = invalid = 0
    for e in range(N):
        for t, (before, decision, after) in enumerate(diary.steps):
            states = host_states(before.fsm_state)
            for agent in range(5):
                index = int(decision.actions[e, agent])
                free = bool(before.free[e, agent])
                effective = index
                if not before.mask[e, actions.OFFSETS[agent] + index]:
                    effective = actions.SLEEP_INDEX[agent]
                    invalid += 1
                busy += not free
                running = effective if free else int(before.blue_action[e, agent])
                host = int(actions.HOST[agent][effective])
                to_zone = int(actions.TO_ZONE[agent][effective])
                done = int(after.blue_done[e, agent])
                if done >= 0 and not before.mask[e, actions.OFFSETS[agent] + done]:
                    done = actions.SLEEP_INDEX[agent]
                row = {
                    "episode": FIRST + e,
                    "step": t,
                    "agent": agents.BLUE[agent],
                    "action": index,
                    "action_type": actions.KIND_NAMES[actions.KIND[agent][effective]],
                    "target_host": named(network.HOST_NAMES, host),
                    "target_zone": named(
                        network.ZONES, network.zone_of(host) if host >= 0 else to_zone
                    ),
                    "source_zone": named(network.ZONES, int(actions.FROM_ZONE[agent][effective])),
                    "started": free,
                    "executing": actions.KIND_NAMES[actions.KIND[agent][running]],
                    "ticks_left": after.blue_ticks[e, agent],
                    "outcome": schema.OUTCOMES[after.blue_outcome[e, agent]],
                    "completed": None
                    if done < 0
                    else actions.KIND_NAMES[actions.KIND[agent][done]],
                    "completed_host": None,
                    "completed_level": -1,
                    "found": -1,
                    "target_state": None,
                    "target_level": -1,
                    "green_before": None,
                    "process_alert": -1,
                    "connection_alert": -1,
                    "zone_state": schema.STATES[zone_states(states)[e, agent]],
                    "probability": float(decision.probability[e, agent]) if free else None,
                    "entropy": float(decision.entropy[e, agent]) if free else None,
                    "message": int("".join(map(str, decision.messages[e, agent])), 2),
                }
                if done >= 0 and (hit := int(actions.HOST[agent][done])) >= 0:
                    row["completed_host"] = network.HOST_NAMES[hit]
                    row["completed_level"] = before.host_level[e, hit]
                if row["completed"] == "Analyse":
                    row["found"] = after.blue_found[e, agent]
                if host >= 0:
                    if t > 0:
                        worked = int(before.green_action[e, host])
                        row["green_before"] = named(green.GREEN_ACTION_NAMES, worked)
                    seen = before.obs[e, observations.slice_of(agent)]
                    row["target_state"] = schema.STATES[states[e, host]]
                    row["target_level"] = before.host_level[e, host]
                    row["process_alert"] = seen[observations.process_bit(agent, host)]
                    row["connection_alert"] = seen[observations.connection_bit(agent, host)]
                expected.append(row)
    assert busy and invalid
    check(tables["blue"], expected)


def test_red(tables: dict[str, list[Row]], diary: Diary) -> None:
    expected = []
    for e in range(N):
        for t, (_, _, after) in enumerate(diary.steps):
            for agent in range(6):
                for event in ("started", "done"):
                    number = int(getattr(after, f"red_{event}")[e, agent])
                    if number < 0:
                        continue
                    moment = "start" if event == "started" else "done"
                    host, zone, source = (
                        int(getattr(after, f"red_{moment}_{what}")[e, agent])
                        for what in ("host", "zone", "source")
                    )
                    done = event == "done"
                    expected.append(
                        {
                            "episode": FIRST + e,
                            "step": t,
                            "agent": agents.RED[agent],
                            "event": event,
                            "action": number,
                            "action_name": red_fsm.RED_ACTION_NAMES[number],
                            "target_host": named(network.HOST_NAMES, host),
                            "target_zone": network.ZONES[zone],
                            "source_host": named(network.HOST_NAMES, source),
                            "outcome": schema.OUTCOMES[after.red_outcome[e, agent] if done else 0],
                            "detected": bool(done and after.red_detected[e, agent]),
                        }
                    )
    check(tables["red"], expected)


def test_transitions(tables: dict[str, list[Row]], diary: Diary) -> None:
    expected = []
    for e in range(N):
        for t, (_, _, after) in enumerate(diary.steps):
            for i in range(after.trans_n[e]):
                code = int(after.trans_cause[e, i])
                cause, number, outcome = "action", code % 9, "FAILURE" if code > 8 else "SUCCESS"
                if code in CAUSES:
                    cause = CAUSES[code]
                    number, outcome = -1, "NONE"
                expected.append(
                    {
                        "episode": FIRST + e,
                        "step": t,
                        "agent": agents.RED[after.trans_agent[e, i]],
                        "host": network.HOST_NAMES[after.trans_host[e, i]],
                        "from_state": schema.STATES[after.trans_from[e, i]],
                        "to_state": schema.STATES[after.trans_to[e, i]],
                        "cause": cause,
                        "action": number,
                        "outcome": outcome,
                    }
                )
    assert {row["cause"] for row in expected} == set(schema.TRANSITION_CAUSES)
    check(tables["transitions"], expected)


def blue_kind_done(after: SimpleNamespace, e: int, host: int) -> set[str]:
    """Types of the blue actions on a host that took effect."""
    return {
        actions.KIND_NAMES[actions.KIND[agent][index]]
        for agent, index in enumerate(map(int, after.blue_done[e]))
        if index >= 0 and actions.HOST[agent][index] == host
    }


def red_kind_done(after: SimpleNamespace, e: int, host: int) -> set[str]:
    """Red actions on a host that succeeded."""
    return {
        red_fsm.RED_ACTION_NAMES[after.red_done[e, agent]]
        for agent in range(6)
        if after.red_done[e, agent] >= 0
        and after.red_done_host[e, agent] == host
        and schema.OUTCOMES[after.red_outcome[e, agent]] == "SUCCESS"
    }


def cause_of(rose: bool, by_blue: set[str], by_red: set[str]) -> str:
    if rose:
        return (
            "red_action" if by_red & {"ExploitRemoteService", "PrivilegeEscalate"} else "phishing"
        )
    if by_blue & {"Remove", "Restore"}:
        return "Restore" if "Restore" in by_blue else "Remove"
    return "red_action" if "Withdraw" in by_red else "other"


def test_levels(tables: dict[str, list[Row]], diary: Diary) -> None:
    expected = []
    for e in range(N):
        for t, (before, _, after) in enumerate(diary.steps):
            for host in np.flatnonzero(before.host_level[e] != after.host_level[e]):
                old, new = before.host_level[e, host], after.host_level[e, host]
                expected.append(
                    {
                        "episode": FIRST + e,
                        "step": t,
                        "host": network.HOST_NAMES[host],
                        "from_level": old,
                        "to_level": new,
                        "cause": cause_of(
                            new > old,
                            blue_kind_done(after, e, host),
                            red_kind_done(after, e, host),
                        ),
                        "process_event": bool(after.process_events[e, host]),
                        "connection_event": bool(after.connection_events[e, host]),
                    }
                )
    assert {row["cause"] for row in expected} == set(schema.LEVEL_CAUSES)
    check(tables["levels"], expected)


def test_services(tables: dict[str, list[Row]], diary: Diary) -> None:
    expected = []
    for e in range(N):
        for t, (before, _, after) in enumerate(diary.steps):
            names = ("decoys", "reliability", "ot_stopped")
            old, new = (np.stack([getattr(x, n)[e] for n in names]) for x in (before, after))
            for host in np.flatnonzero((old != new).any(axis=0)):
                decoys, reliability, stopped = new[:, host]
                expected.append(
                    {
                        "episode": FIRST + e,
                        "step": t,
                        "host": network.HOST_NAMES[host],
                        "decoys": decoys,
                        "reliability": reliability,
                        "stopped": bool(stopped),
                    }
                )
    assert len({row["decoys"] for row in expected}) > 1
    assert {row["stopped"] for row in expected} == {False, True}
    check(tables["services"], expected)


def test_green_work(tables: dict[str, list[Row]], diary: Diary) -> None:
    expected = []
    for e in range(N):
        for phase in range(3):
            steps = [after for _, _, after in diary.steps if after.phase[e] == phase]
            for zone in range(network.N_REAL_ZONES):
                users = [
                    h
                    for h in range(136)
                    if network.HOST_KIND[h] == network.USER
                    and network.zone_of(h) == zone
                    and diary.steps[0][0].host_exists[e, h]
                ]
                for kind, action, failure in (
                    ("GreenLocalWork", green.GreenAction.LOCAL_WORK, 1),
                    ("GreenAccessService", green.GreenAction.ACCESS, 2),
                ):
                    tries = [(s, h) for s in steps for h in users if s.green_action[e, h] == action]
                    failed = sum(s.green_failure[e, h] == failure for s, h in tries)
                    expected.append(
                        {
                            "episode": FIRST + e,
                            "phase": phase,
                            "zone": network.ZONES[zone],
                            "kind": kind,
                            "attempts": len(tries),
                            "service_degraded": failed if failure == 1 else 0,
                            "traffic_blocked": failed if failure == 2 else 0,
                        }
                    )
    check(tables["green_work"], expected)
    for cause in schema.GREEN_CAUSES:
        failures = sum(row["cause"] == cause for row in tables["green"])
        assert 0 < failures == sum(row[cause] for row in tables["green_work"])


def test_green(tables: dict[str, list[Row]], diary: Diary) -> None:
    expected = []
    for e in range(N):
        for t, (_, _, after) in enumerate(diary.steps):
            for host in np.flatnonzero(after.green_failure[e]):
                local = after.green_failure[e, host] == 1
                zone = network.zone_of(int(host))
                cause = reward.LWF if local else reward.ASF
                expected.append(
                    {
                        "episode": FIRST + e,
                        "step": t,
                        "host": network.HOST_NAMES[host],
                        "kind": "GreenLocalWork" if local else "GreenAccessService",
                        "cause": "service_degraded" if local else "traffic_blocked",
                        "target_host": named(network.HOST_NAMES, int(after.green_target[e, host])),
                        "penalty": float(reward.TABLE[after.phase[e], zone, cause]),
                    }
                )
    check(tables["green"], expected)
    for cause, column in (("GreenLocalWork", "reward_lwf"), ("GreenAccessService", "reward_asf")):
        penalties = sum(row["penalty"] for row in tables["green"] if row["kind"] == cause)
        assert penalties == sum(row[column] for row in tables["steps"])


def test_hosts(tables: dict[str, list[Row]], diary: Diary) -> None:
    world = diary.steps[0][0]
    expected = [
        {
            "episode": FIRST + e,
            "host": network.HOST_NAMES[host],
            "zone": network.ZONES[network.zone_of(int(host))],
            "kind": network.KIND_NAMES[network.HOST_KIND[host]],
            "services": ",".join(
                name for i, name in enumerate(services.REAL) if world.services[e, host] & (1 << i)
            ),
            "os": services.OS_NAMES[world.host_os[e, host]],
            "level": world.host_level[e, host],
        }
        for e in range(N)
        for host in np.flatnonzero(world.host_exists[e])
    ]
    check(tables["hosts"], expected)


def test_observations_and_masks(tables: dict[str, list[Row]], diary: Diary) -> None:
    seen = iter(tables["observations"])
    for e in range(N):
        for t, (before, _, _) in enumerate(diary.steps):
            for agent in range(5):
                row = next(seen)
                where = (row["episode"], row["step"], row["agent"])
                assert where == (FIRST + e, t, agents.BLUE[agent])
                obs = before.obs[e, observations.slice_of(agent)]
                bits = np.unpackbits(np.frombuffer(row["bits"], np.uint8), count=len(obs) - 1)
                np.testing.assert_array_equal([row["phase"], *bits], obs)
    assert next(seen, None) is None
    masks = iter(tables["masks"])
    for e in range(N):
        for agent in range(5):
            row = next(masks)
            assert (row["episode"], row["agent"]) == (FIRST + e, agents.BLUE[agent])
            mask = diary.steps[0][0].mask[e, actions.slice_of(agent)]
            bits = np.unpackbits(np.frombuffer(row["bits"], np.uint8), count=len(mask))
            np.testing.assert_array_equal(bits, mask)
    assert next(masks, None) is None


def test_without_observations_their_tables_are_left_out() -> None:
    recorder = Recorder(with_observations=False)
    env = FakeEnv(1, params=SimpleNamespace(steps=3))
    play(load_policy("sleep"), env, np.array([0]), [recorder])
    assert set(schema.TABLES) - set(recorder.tables()) == schema.OBSERVATION_TABLES


def test_a_policy_without_probabilities_leaves_them_null() -> None:
    recorder = Recorder()
    env = FakeEnv(1, params=SimpleNamespace(steps=3))
    play(load_policy("sleep"), env, np.array([0]), [recorder])
    blue = recorder.tables()["blue"]
    assert blue["probability"].null_count == blue["entropy"].null_count == blue.num_rows
    assert set(blue["message"].to_pylist()) == {0}
