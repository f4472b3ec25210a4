"""The look-alike beside the real CybORG: every answer the same (needs CybORG)."""

from typing import Any

import numpy as np
import pytest

from benchmarks import lookalike_state
from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import CagexplainError
from cagexplain.envs.lookalike import Parts, history, hosts
from cagexplain.fidelity.objects import difference
from tests.support.cyborg import require_cyborg
from tests.support.lookalike import lookalike, parts, real

STEPS = 40


@pytest.fixture(scope="module")
def api() -> Parts:
    return parts(require_cyborg())


def _wrapped(wrapper: type, api: Parts, seed: int, steps: int, **options: Any) -> tuple[Any, Any]:
    return tuple(
        wrapper(env, **options) for env in (lookalike(api, seed, steps), real(api, seed, steps))
    )


def _chosen(generator: np.random.Generator, mask: dict[str, list[bool]]) -> dict[str, int]:
    """Random valid actions, half of them on hosts."""
    chosen = {}
    for number, agent in enumerate(BLUE):
        valid = np.flatnonzero(mask[agent])
        valid = valid[valid < actions.SIZES[number]]
        on_host = valid[actions.HOST[number][valid] >= 0]
        chosen[agent] = int(generator.choice(on_host if generator.random() < 0.7 else valid))
    return chosen


def _assert_same(ours: Any, theirs: Any, what: str) -> None:
    assert (first := difference(ours, theirs, what)) is None, first


@pytest.mark.parametrize("name", ["BlueFlatWrapper", "BlueEnterpriseWrapper", "EnterpriseMAE"])
@pytest.mark.parametrize("pad_spaces", [False, True])
def test_flat_wrappers(api: Parts, name: str, pad_spaces: bool) -> None:
    ours, theirs = _wrapped(getattr(api, name), api, 11, STEPS, pad_spaces=pad_spaces)
    generator = np.random.default_rng(1)
    for agent in BLUE:
        for question in ("action_space", "observation_space", "hosts", "subnets"):
            mine, its = (getattr(env, question)(agent) for env in (ours, theirs))
            assert mine == its, question
    here, there = ours.reset(), theirs.reset()
    for step in range(STEPS - 1):
        _assert_same(here, there, f"step {step}")
        assert ours.agents == theirs.agents
        _assert_same(ours._action_space, theirs._action_space, "action space")
        chosen = _chosen(generator, {agent: theirs.action_mask(agent) for agent in BLUE})
        messages = {agent: generator.integers(0, 2, 8).astype(bool) for agent in BLUE[:3]}
        here, there = (env.step(chosen, messages=messages) for env in (ours, theirs))
    _assert_same(here[:3], there[:3], "end")
    assert all(there[3].values())


@pytest.mark.parametrize("seed", range(3))
def test_raw_observations_and_their_second_answers(api: Parts, seed: int) -> None:
    ours, theirs = _wrapped(api.BlueFixedActionWrapper, api, seed, STEPS)
    generator = np.random.default_rng(seed)
    here, there = ours.reset()[0], theirs.reset()[0]
    for step in range(STEPS - 1):
        _assert_same(here, there, f"step {step}")
        for agent in BLUE:
            if generator.random() < 0.5:
                mine, its = (env.get_observation(agent) for env in (ours, theirs))
                _assert_same(mine, its, f"step {step}, second answer of {agent}")
            _assert_same(
                ours.get_last_action(agent), theirs.get_last_action(agent), f"last action {agent}"
            )
        chosen = _chosen(generator, {agent: theirs.action_mask(agent) for agent in BLUE})
        messages = {agent: generator.integers(0, 2, 8).astype(bool) for agent in BLUE}
        here, there = (env.step(chosen, messages=messages)[0] for env in (ours, theirs))
        for agent in BLUE:
            mine, its = (env.env.environment_controller.get_reward(agent) for env in (ours, theirs))
            _assert_same(mine, its, f"reward after step {step}")


def test_initial_states(api: Parts) -> None:
    for seed in range(50):
        ours, theirs = lookalike(api, seed, STEPS), real(api, seed, STEPS)
        ours.reset()
        theirs.reset()
        mine, its = (env.environment_controller for env in (ours, theirs))
        _assert_same(mine.init_state, its.init_state, f"init_state of seed {seed}")
        everything = {
            name: {"Processes": "All", "Files": "All", "Services": ["All"]} | dict(host)
            for name, host in its.INFO_DICT["True"].items()
        }
        _assert_same(
            ours.get_true_state(everything), theirs.get_true_state(everything), f"seed {seed}"
        )
        for agent in BLUE:
            _assert_same(mine.INFO_DICT[agent], its.INFO_DICT[agent], "INFO_DICT")
            _assert_same(ours.get_observation(agent), theirs.get_observation(agent), "first")
        assert ours.agents == theirs.agents
        assert ours.active_agents == theirs.active_agents
        for name in (
            "subnet_name_to_cidr",
            "ip_addresses",
            "hostname_ip_map",
            "hostname_subnet_map",
            "subnets",
            "blocks",
            "mission_phase",
        ):
            _assert_same(getattr(mine.state, name), getattr(its.state, name), name)


def _objects(api: Parts, generator: np.random.Generator, agent: str, names: list[str]) -> list[Any]:
    """Actions that no index names, and some that are invalid."""
    any_host = names[generator.integers(len(names))]
    subnets = [*(subnet.value for subnet in api.SUBNET), "nowhere"]
    to, source = (subnets[generator.integers(len(subnets))] for _ in range(2))
    who = {"session": 0, "agent": agent}
    return [
        api.Restore(hostname=any_host, **who),
        api.Analyse(hostname="no_such_host", **who),
        api.Remove(hostname=any_host, session=3, agent=agent),
        api.DeployDecoy(hostname=any_host, **who),
        api.BlockTrafficZone(from_subnet=source, to_subnet=to, **who),
        api.AllowTrafficZone(from_subnet=source, to_subnet=to, **who),
        api.InvalidAction(),
        api.Monitor(**who),
        api.Sleep(),
    ]


@pytest.mark.parametrize("seed", range(2))
def test_actions_beyond_the_layout(api: Parts, seed: int) -> None:
    ours, theirs = _wrapped(api.BlueFlatWrapper, api, seed, STEPS)
    generator = np.random.default_rng(seed)
    ours.reset()
    theirs.reset()
    names = list(theirs.env.environment_controller.state.hosts)
    for step in range(STEPS - 1):
        chosen = {}
        for agent in BLUE:
            options = _objects(api, generator, agent, names)
            chosen[agent] = options[generator.integers(len(options))]
        here, there = (env.step(dict(chosen)) for env in (ours, theirs))
        _assert_same(here[:3], there[:3], f"step {step}")
        for agent in BLUE:
            mine, its = (env.get_last_action(agent) for env in (ours, theirs))
            _assert_same(mine, its, f"step {step}, {agent}")
        mine, its = (env.env.environment_controller.state for env in (ours, theirs))
        _assert_same(mine.blocks, its.blocks, f"blocks after step {step}")


@pytest.mark.parametrize("seed", range(2))
def test_the_state_while_it_is_played(api: Parts, seed: int) -> None:
    ours, theirs = _wrapped(api.BlueFlatWrapper, api, seed, 2 * STEPS)
    generator = np.random.default_rng(seed)
    ours.reset()
    theirs.reset()
    for _ in range(2 * STEPS - 1):
        chosen = _chosen(generator, {agent: theirs.action_mask(agent) for agent in BLUE})
        ours.step(chosen)
        theirs.step(chosen)
        mine, its = (env.env.environment_controller.state for env in (ours, theirs))
        assert ours.active_agents == theirs.active_agents
        assert mine.mission_phase == its.mission_phase
        for agent in its.sessions:
            assert list(mine.sessions[agent]) == list(its.sessions[agent])
            for ident, session in its.sessions[agent].items():
                for name in ("hostname", "username", "pid", "session_type", "agent", "active"):
                    assert getattr(mine.sessions[agent][ident], name) == getattr(session, name)


@pytest.mark.parametrize(("seed", "policy"), [(1, "expert"), (2, "random"), (3, "remove_cycle")])
def test_true_states_and_hosts_while_they_are_played(api: Parts, seed: int, policy: str) -> None:
    """What `benchmarks.lookalike_state` does for more seeds, and longer."""
    tally = lookalike_state.Tally()
    lookalike_state.compare(api, seed, policy, 2 * STEPS, 10, tally)
    assert tally.states > 0
    assert tally.differences == []


def test_a_difference_is_seen(api: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "REVERSE_SHELL_PORT", 4445)
    monkeypatch.setattr(history, "REVERSE_SHELL_PORT", 4445)
    tally = lookalike_state.Tally()
    lookalike_state.compare(api, 1, "sleep", STEPS, 10, tally)
    assert any("['Connections'][0]['remote_port']: 4445 and 4444" in d for d in tally.differences)


def test_what_is_not_there_is_one_clear_error(api: Parts) -> None:
    env = lookalike(api, 1, STEPS)
    for ask in (
        lambda: env.environment_controller.bandwidth_usage,
        lambda: env.environment_controller.agent_interfaces["red_agent_0"],
        lambda: env.environment_controller.state.sessions["red_agent_0"][0].ports,
        lambda: env.np_random.random(),
        lambda: env.reset(seed=3),
    ):
        with pytest.raises(CagexplainError, match="--engine cyborg"):
            ask()
    assert not hasattr(env, "renderer")
