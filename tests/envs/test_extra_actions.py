"""Actions behind the layout: the engine plays them as CybORG plays action objects."""

import numpy as np
import pytest

from cagexplain.cc4 import actions, network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.outcome import Outcome
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, Engine, EnvParams
from cagexplain.fidelity import view
from tests.support.beyond import mixed
from tests.support.cyborg import require_cyborg

STEPS = 120
SLEEP = list(actions.SLEEP_INDEX)


@pytest.mark.parametrize("red", ["finite_state", "discovery"])
def test_equals_cyborg(red: str) -> None:
    params = EnvParams(steps=STEPS, red=red)
    ours = BatchedEnv(1, params=params)
    theirs = Engine("cyborg", 1, require_cyborg()).make(1, params)
    generator = np.random.default_rng(5)
    ours.reset([11])
    theirs.reset([11])
    for step in range(STEPS - 1):
        chosen = mixed(generator)[None]
        ours.step(chosen)
        theirs.step(chosen)
        mine, its = view.of(ours, 0), view.of(theirs, 0)
        different = {k: (mine.get(k), its.get(k)) for k in view.differences(mine, its)}
        assert not different, (step, [actions.label(a, int(i)) for a, i in enumerate(chosen[0])])


@pytest.fixture(scope="module")
def env() -> BatchedEnv:
    return BatchedEnv(1, params=EnvParams(steps=60))


def _play(env: BatchedEnv, agent: int, action: int, steps: int = 1) -> None:
    """The action, then Sleep."""
    row = list(SLEEP)
    row[agent] = action
    env.step([row])
    for _ in range(steps - 1):
        env.step([SLEEP])


def _router(agent: int) -> int:
    return BLUE_ZONES[agent][0] * network.HOSTS_PER_ZONE


def test_indices_are_unlike_those_of_the_layout() -> None:
    for agent in range(N_BLUE):
        rows = {
            (int(actions.ALL_KIND[agent, i]), int(actions.ALL_HOST[agent, i]))
            for i in range(actions.SIZES[agent], actions.ALL_SIZES[agent])
        }
        assert {(kind, host) for kind in actions.HOST_KINDS for host in range(-1, 137)} <= rows
        to_zone, source = BLUE_ZONES[agent][0], network.INT
        with pytest.raises(KeyError):  # the layout has it
            actions.extra_index(agent, ActionKind.BLOCK, to_zone=to_zone, from_zone=source)
        inside = actions.extra_index(agent, ActionKind.BLOCK, to_zone=to_zone, from_zone=to_zone)
        assert actions.label(agent, inside).startswith("BlockTrafficZone")


def test_restores_and_decoys_of_the_router(env: BatchedEnv) -> None:
    agent, router = 4, _router(4)
    env.reset([3])
    _play(env, agent, actions.extra_index(agent, ActionKind.DECOY, host=router), 2)
    raw = env.raw_observation(0, agent)
    assert raw["action"] == f"DeployDecoy {network.HOST_NAMES[router]}"
    assert raw["success"] == "TRUE"
    assert raw[network.HOST_NAMES[router]]["Processes"][0]["service_name"]
    assert env.truth().decoys[0, router] == 1
    _play(env, agent, actions.extra_index(agent, ActionKind.RESTORE, host=router))
    assert env.action_cost[0, agent] == -1
    assert not env.free[0, agent]
    for _ in range(4):
        env.step([SLEEP])
    assert env.truth().decoys[0, router] == 0


def test_blocks_traffic_of_others(env: BatchedEnv) -> None:
    env.reset([3])
    block, allow = (
        actions.extra_index(0, kind, to_zone=network.OZB, from_zone=network.OZB)
        for kind in (ActionKind.BLOCK, ActionKind.ALLOW)
    )
    _play(env, 0, block)
    assert env.state["blocks"][0, network.OZB, network.OZB] == 1
    assert env.truth().blue_outcome[0, 0] == Outcome.SUCCESS
    _play(env, 0, block)
    assert env.truth().blue_outcome[0, 0] == Outcome.FAILURE
    _play(env, 0, allow)
    assert not env.state["blocks"].any()


@pytest.mark.parametrize("host", [network.host_index("root_internet_host_0"), None])
def test_what_cyborg_refuses_takes_a_step_and_fails(env: BatchedEnv, host: int | None) -> None:
    env.reset([3])
    absent = np.flatnonzero((env.state["exists"][0] == 0) & (network.HOST_ZONE == network.RZA))
    target = int(absent[0]) if host is None else host
    _play(env, 0, actions.extra_index(0, ActionKind.RESTORE, host=target))
    raw = env.raw_observation(0, 0)
    assert (raw["success"], raw["action"]) == ("FALSE", "InvalidAction")
    assert env.free[0, 0]
    assert env.action_cost[0, 0] == -1  # charged all the same


def test_an_invalid_action_costs_a_tenth(env: BatchedEnv) -> None:
    env.reset([3])
    env.step([SLEEP])
    usual = float(env.reward[0])
    env.reset([3])
    env.step([actions.INVALID_ACTION])
    assert float(env.reward[0]) == pytest.approx(usual - 0.5)
    assert env.raw_observation(0, 4)["success"] == "FALSE"


@pytest.mark.parametrize("agent", range(N_BLUE))
def test_refuses_what_lies_behind_all(env: BatchedEnv, agent: int) -> None:
    env.reset([3])
    row = list(SLEEP)
    row[agent] = actions.ALL_SIZES[agent]
    with pytest.raises(UsageError, match="none of its agent's actions"):
        env.step([row])
