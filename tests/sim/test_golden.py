"""Recorded CybORG episodes, replayed step by step from the seed and the recorded blue actions.

Compared after every step, without tolerance: observations, rewards by cause and zone, FSM tables,
sessions, processes, services, files, events, blocks, suspicious pids, port knowledge, known ids and
zones, actions in progress, what red chose, what came due with which outcome, and at the end the
state of the generator.
"""

from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions, network, observations, outcome, red_fsm, services
from cagexplain.cc4.agents import BLUE, RED
from cagexplain.cc4.reward import CAUSES
from cagexplain.envs import BatchedEnv, full_state
from cagexplain.sim import rng
from tests.support import recorded

pytestmark = pytest.mark.slow

TRACES = recorded.traces()


def _world(env: BatchedEnv, trace: dict[str, Any]) -> None:
    s = env.state[0]
    assert [[network.ZONES[z], full_state.cidr(s, z)] for z in range(9)] == trace["subnets"]
    hosts = []
    for host in np.flatnonzero(s["exists"]).tolist():
        codes = [int(c) for c in s["svc_order"][host, : s["svc_n"][host]]]
        rows = [[services.REAL[c], int(s["svc_pid"][host, c]), True, 100] for c in codes]
        os_name = services.OS_NAMES[s["os"][host]]
        hosts.append([network.HOST_NAMES[host], full_state.address(s, host), os_name, rows])
    assert hosts == trace["hosts"]
    for agent, name in enumerate(BLUE):
        mask = env.mask[0, actions.slice_of(agent)]
        assert "".join(str(int(bit)) for bit in mask) == _digits(trace["mask"][name])


def _digits(mask: Any) -> str:
    return mask if isinstance(mask, str) else "".join(str(int(bit)) for bit in mask)


def _parameters(s: Any, host: int, zone: int, action: str, ident: int) -> list[str]:
    if action == "DiscoverRemoteSystems":
        target = f"subnet={full_state.cidr(s, zone)}"
    elif action in ("PrivilegeEscalate", "Impact", "DegradeServices"):
        target = f"hostname={network.HOST_NAMES[host]}"
    else:
        target = f"ip_address={full_state.address(s, host)}"
    return [target, f"session={ident}"]


def _red(env: BatchedEnv, step: dict[str, Any], idents: dict[str, int]) -> None:
    """What red chose, and what came due with which outcome."""
    s, truth = env.state[0], env.truth()
    chosen, done, dropped = {}, [], []
    for r, agent in enumerate(RED):
        if truth.red_started[0, r] >= 0:
            name = red_fsm.RED_ACTION_NAMES[truth.red_started[0, r]]
            idents[agent] = int(s["red_session"][r])
            host, zone = int(truth.red_start_host[0, r]), int(truth.red_start_zone[0, r])
            chosen[agent] = [name, *_parameters(s, host, zone, name, idents[agent])]
        if truth.red_done[0, r] >= 0:
            name = red_fsm.RED_ACTION_NAMES[truth.red_done[0, r]]
            if truth.red_outcome[0, r] == outcome.Outcome.DROPPED:
                dropped.append(agent)
                continue
            host, zone = int(truth.red_done_host[0, r]), int(truth.red_done_zone[0, r])
            success = truth.red_outcome[0, r] == outcome.Outcome.SUCCESS
            parameters = _parameters(s, host, zone, name, idents[agent])
            done.append([agent, name, parameters, "TRUE" if success else "FALSE"])
    assert chosen == step["chosen"]
    assert done == [entry for entry in step["exec"] if entry[0].startswith("red")]
    assert dropped == step["dropped"]


def _rewards(env: BatchedEnv, step: dict[str, Any]) -> None:
    expected = np.zeros((3, 9), dtype=int)
    for cause, _, zone, value in step["parts"]:
        expected[CAUSES.index(cause), network.ZONES.index(zone)] += value
    assert (env.reward_parts[0] == expected).all()
    assert env.action_cost[0].sum() == step["reward"][1]
    assert env.reward[0] == sum(step["reward"])


@pytest.mark.parametrize("trace", TRACES, ids=[t["policy"] for t in TRACES])
def test_recorded_episode(trace: dict[str, Any]) -> None:
    env = BatchedEnv(1)
    env.reset([trace["seed"]], skip_worlds=1)
    _world(env, trace)
    state = {key: recorded.normal(key, value) for key, value in trace["state"].items()}
    obs = np.concatenate([[int(digit) for digit in trace["obs"][agent]] for agent in BLUE])
    idents: dict[str, int] = {}

    for t, step in enumerate([None, *trace["steps"]]):
        if step is not None:
            env.step(np.array([step["blue"]]))
            for key, value in step["state"].items():
                if value is None:
                    del state[key]
                else:
                    state[key] = recorded.normal(key, value)
            for agent, changes in step["obs"].items():
                for index, value in changes:
                    obs[observations.OFFSETS[BLUE.index(agent)] + index] = value
            _red(env, step, idents)
            _rewards(env, step)
        expected = {key: value for key, value in state.items() if recorded.watched(key)}
        # The recorder did not note the ephemeral ports; tests/fidelity compares them.
        state_now = {k: v for k, v in env.full_state(0).items() if not k.startswith("eph|")}
        assert state_now == expected, f"after {t} steps"
        assert (env.obs[0] == obs).all(), f"observations after {t} steps"
        assert env.done[0] == (t == 499)

    generator = rng.to_numpy(env.state[0]["rng"]).state["state"]
    assert str(generator["state"]) == trace["generator"]["state"]
    assert str(generator["inc"]) == trace["generator"]["inc"]
