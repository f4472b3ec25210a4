"""The vectorised policies against their rules, written down plainly for one agent at a time."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind as Kind
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.builtin import BUILTIN
from tests.support.fake_env import FakeEnv

Rule = Iterator[int]
"""A generator that is sent (obs, mask) of its agent and yields the action, step after step."""


def valid(agent: int, mask: np.ndarray, kind: Kind) -> list[int]:
    return [i for i in np.flatnonzero(mask) if actions.KIND[agent][i] == kind]


def constant(agent: int, seed: int, index: tuple[int, ...]) -> Rule:
    yield -1
    while True:
        yield index[agent]


def when_free(agent: int, choose: Callable[[np.ndarray, np.ndarray], int]) -> Rule:
    """The busy rule of the reference data: Sleep for the duration of the action just submitted."""
    obs, mask = yield -1
    while True:
        action = choose(obs, mask)
        obs, mask = yield action
        for _ in range(actions.DURATION[actions.KIND[agent][action]] - 1):
            obs, mask = yield actions.SLEEP_INDEX[agent]


def cycle(agent: int, *kinds: Kind) -> Rule:
    pointer = 0

    def choose(obs: np.ndarray, mask: np.ndarray) -> int:
        nonlocal pointer
        targets = [i for kind in kinds for i in valid(agent, mask, kind)]
        pointer += 1
        return targets[(pointer - 1) % len(targets)]

    return when_free(agent, choose)


def restore_spam(agent: int) -> Rule:
    pointer = 0
    _, mask = yield -1
    while True:
        targets = valid(agent, mask, Kind.RESTORE)
        _, mask = yield targets[pointer % len(targets)]
        pointer += 1


def block_all_then_sleep(agent: int) -> Rule:
    _, mask = yield -1
    queue = valid(agent, mask, Kind.BLOCK)
    while True:
        yield queue.pop(0) if queue else actions.SLEEP_INDEX[agent]


def alerts(agent: int, obs: np.ndarray, bit: Callable[[int, int], int]) -> list[int]:
    return [int(host) for host in observations.HOSTS[agent] if obs[bit(agent, host)]]


def reactive(agent: int, response: Kind) -> Rule:
    pointer = 0

    def choose(obs: np.ndarray, mask: np.ndarray) -> int:
        nonlocal pointer
        if seen := alerts(agent, obs, observations.process_bit):
            return actions.index(agent, response, host=seen[0])
        targets = valid(agent, mask, Kind.ANALYSE)
        pointer += 1
        return targets[(pointer - 1) % len(targets)]

    return when_free(agent, choose)


def comms_block(agent: int) -> Rule:
    obs, _ = yield -1
    while True:
        action = actions.SLEEP_INDEX[agent]
        for to in BLUE_ZONES[agent]:
            for frm in network.ALPHABETICAL:
                if frm == to or action != actions.SLEEP_INDEX[agent]:
                    continue
                prohibited = obs[observations.policy_bit(agent, to, frm)]
                blocked = obs[observations.blocked_bit(agent, to, frm)]
                if prohibited and not blocked:
                    action = actions.index(agent, Kind.BLOCK, to_zone=to, from_zone=frm)
                if blocked and not prohibited:
                    action = actions.index(agent, Kind.ALLOW, to_zone=to, from_zone=frm)
        obs, _ = yield action


def punch(agent: int) -> Rule:
    suspects: set[int] = set()
    obs, mask = yield -1

    def submit(action: int) -> Rule:
        """Submit an action and wait for its end, watching."""
        nonlocal obs
        for step in range(actions.DURATION[actions.KIND[agent][action]]):
            obs, _ = yield actions.SLEEP_INDEX[agent] if step else action
            suspects.update(alerts(agent, obs, observations.process_bit))
            suspects.update(alerts(agent, obs, observations.connection_bit))

    suspects.update(alerts(agent, obs, observations.process_bit))
    suspects.update(alerts(agent, obs, observations.connection_bit))
    while True:
        for analyse in valid(agent, mask, Kind.ANALYSE):
            host = int(actions.HOST[agent][analyse])
            yield from submit(analyse)
            if host in suspects:
                yield from submit(actions.index(agent, Kind.RESTORE, host=host))
                suspects.discard(host)  # what was seen until now, except for ...
                for bit in (observations.process_bit, observations.connection_bit):
                    suspects.update(alerts(agent, obs, bit))  # ... the step of its completion


RULES: dict[str, Callable[[int], Rule]] = {
    "sleep": lambda agent: constant(agent, 0, actions.SLEEP_INDEX),
    "monitor": lambda agent: constant(agent, 0, actions.MONITOR_INDEX),
    "analyse_cycle": lambda agent: cycle(agent, Kind.ANALYSE),
    "remove_cycle": lambda agent: cycle(agent, Kind.REMOVE),
    "restore_cycle": lambda agent: cycle(agent, Kind.RESTORE),
    "decoy_cycle": lambda agent: cycle(agent, Kind.DECOY),
    "block_all_then_sleep": block_all_then_sleep,
    "reactive": lambda agent: reactive(agent, Kind.RESTORE),
    "reactive_remove": lambda agent: reactive(agent, Kind.REMOVE),
    "comms_block": comms_block,
    "block_allow_cycle": lambda agent: cycle(agent, Kind.BLOCK, Kind.ALLOW),
    "restore_spam": restore_spam,
    "punch": punch,
}


def roll(name: str, seeds: list[int], steps: int) -> Iterator[tuple[FakeEnv, np.ndarray]]:
    """Play a policy; yield what it saw and what it chose, before each step."""
    env = FakeEnv(len(seeds), params=SimpleNamespace(steps=steps))
    policy = load_policy(name)
    env.reset(np.array(seeds))
    policy.reset(np.array(seeds))
    for _ in range(steps - 1):
        chosen = policy.act(env.obs, env.mask, env.free).actions
        yield env, chosen
        env.step(chosen)


def test_every_policy_but_random_has_a_reference_rule() -> None:
    elsewhere = {"expert", "champion", "champion_robust"}  # test_expert.py, test_champion.py
    assert set(RULES) | {"random"} | elsewhere == set(BUILTIN)


@pytest.mark.parametrize("name", RULES)
def test_policy_follows_its_rule(name: str) -> None:
    seeds = [3, 1, 4]
    rules = [[RULES[name](agent) for agent in range(5)] for _ in seeds]
    for agents in rules:
        for rule in agents:
            next(rule)
    steps = 0
    for env, chosen in roll(name, seeds, steps=130):
        for e, agents in enumerate(rules):
            for agent, rule in enumerate(agents):
                seen = (
                    env.obs[e, observations.slice_of(agent)].copy(),
                    env.mask[e, actions.slice_of(agent)],
                )
                assert chosen[e, agent] == rule.send(seen), f"step {steps}, agent {agent}"
        steps += 1
    assert steps == 129


def test_random_draws_the_recorded_stream() -> None:
    seeds = [0, 7]
    generators = [np.random.default_rng(10_000 + seed) for seed in seeds]
    for env, chosen in roll("random", seeds, steps=60):
        for e, generator in enumerate(generators):
            for agent in range(5):
                choices = np.flatnonzero(env.mask[e, actions.slice_of(agent)])
                assert chosen[e, agent] == generator.choice(choices)


@pytest.mark.parametrize("name", BUILTIN)
def test_actions_are_valid_and_independent_of_the_batch(name: str) -> None:
    seeds = [11, 12, 13]
    together = []
    for env, chosen in roll(name, seeds, steps=40):
        assert chosen.dtype == np.int64
        offsets = np.array(actions.OFFSETS)
        assert np.take_along_axis(env.mask, chosen + offsets, axis=1).all()
        together.append(chosen)
    alone = [chosen for _, chosen in roll(name, [13], steps=40)]
    np.testing.assert_array_equal(np.stack(together)[:, 2:], np.stack(alone))


@pytest.mark.parametrize("name", BUILTIN)
def test_reset_forgets_the_last_episode(name: str) -> None:
    env = FakeEnv(2, params=SimpleNamespace(steps=30))
    policy = load_policy(name)
    runs = []
    for _ in range(2):
        env.reset(np.array([5, 6]))
        policy.reset(np.array([5, 6]))
        run = []
        for _ in range(25):
            run.append(policy.act(env.obs, env.mask, env.free).actions)
            env.step(run[-1])
        runs.append(np.stack(run))
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"sleep", "monitor", "restore_spam"}))
def test_busy_agents_sleep(name: str) -> None:
    rng = np.random.default_rng(0)
    env = FakeEnv(20, params=SimpleNamespace(steps=20))
    env.reset(np.arange(20))
    policy = load_policy(name)
    policy.reset(np.arange(20))
    for _ in range(30):
        free = rng.random((20, 5)) < 0.5
        obs = (rng.random(env.obs.shape) < 0.5).astype(np.int8)
        chosen = policy.act(obs, env.mask, free).actions
        assert (chosen == actions.SLEEP_INDEX)[~free].all()
