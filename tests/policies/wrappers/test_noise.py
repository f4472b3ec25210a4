"""A policy behind unreliable sensors."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.cycles import Constant
from cagexplain.policies.wrappers.base import unwrapped
from cagexplain.policies.wrappers.noise import NoisyAlerts

SEEDS = np.array([5, 6, 7])
PARAMS = EnvParams(steps=80)
IS_ALERT = np.zeros(observations.TOTAL, np.bool_)
for agent, hosts in enumerate(observations.HOSTS):
    for host in hosts:
        for bit in (observations.process_bit, observations.connection_bit):
            IS_ALERT[observations.OFFSETS[agent] + bit(agent, int(host))] = True


class Watching(Constant):
    """Sleeps, and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__("sleep", actions.SLEEP_INDEX)
        self.seen: list[np.ndarray] = []

    def choose(self, obs: Any, mask: Any, free: Any) -> Any:
        self.seen.append(obs.copy())
        return super().choose(obs, mask, free)


def shown(**noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations with and without noise, ``[T, n, 578]``, and which hosts' bits exist."""
    policy = Watching()
    noisy = NoisyAlerts(policy, **noise)
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    noisy.reset(SEEDS)
    real = []
    for _ in range(60):
        real.append(env.obs.copy())
        env.step(noisy.act(env.obs, env.mask, env.free).actions)
    exists = np.zeros((len(SEEDS), observations.TOTAL), np.bool_)
    for agent, hosts in enumerate(observations.HOSTS):
        for host in hosts:
            own = actions.OFFSETS[agent] + actions.index(agent, ActionKind.ANALYSE, host=int(host))
            for bit in (observations.process_bit, observations.connection_bit):
                entry = observations.OFFSETS[agent] + bit(agent, int(host))
                exists[:, entry] = env.mask[:, own]
    return np.stack(policy.seen), np.stack(real), exists


@pytest.mark.parametrize("name", ["reactive", "ippo_tuned"])
def test_no_noise_changes_nothing(name: str) -> None:
    policy = load_policy(name)
    plain = evaluate(policy, SEEDS, PARAMS)
    noisy = evaluate(NoisyAlerts(policy), SEEDS, PARAMS)
    np.testing.assert_array_equal(plain.penalties, noisy.penalties)
    np.testing.assert_array_equal(plain.costs, noisy.costs)


def test_when_all_alerts_are_lost_none_is_shown() -> None:
    seen, real, _ = shown(drop=1.0)
    assert real[..., IS_ALERT].any()
    assert not seen[..., IS_ALERT].any()
    np.testing.assert_array_equal(seen[..., ~IS_ALERT], real[..., ~IS_ALERT])


def test_when_all_alerts_are_invented_every_existing_host_shows_both() -> None:
    seen, real, exists = shown(invent=1.0)
    alerts = IS_ALERT & exists
    np.testing.assert_array_equal(seen != 0, (real != 0) | alerts)
    assert (IS_ALERT & ~exists).any()


def test_shares_of_lost_and_invented_alerts_are_as_asked() -> None:
    seen, real, exists = shown(drop=0.25, invent=0.01)
    was, tells = (real != 0) & IS_ALERT, (seen != 0) & IS_ALERT
    kept = tells[was]
    made = tells[~was & (IS_ALERT & exists)]
    for found, wanted in ((kept, 0.75), (made, 0.01)):
        assert abs(found.mean() - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / found.size)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.floats(0, 1), st.floats(0, 1))
def test_noise_of_an_episode_does_not_depend_on_the_others(
    seeds: list[int], drop: float, invent: float
) -> None:
    generator = np.random.default_rng(1)
    obs = (generator.random((len(seeds), observations.TOTAL)) < 0.1).astype(np.int8)
    mask = generator.random((len(seeds), actions.TOTAL)) < 0.7
    free = np.ones((len(seeds), 5), np.bool_)
    together, alone = Watching(), Watching()
    noisy = NoisyAlerts(together, drop=drop, invent=invent)
    noisy.reset(np.array(seeds))
    noisy.act(obs, mask, free)
    for i, seed in enumerate(seeds):
        single = NoisyAlerts(alone, drop=drop, invent=invent)
        single.reset(np.array([seed]))
        single.act(obs[i : i + 1], mask[i : i + 1], free[i : i + 1])
        np.testing.assert_array_equal(alone.seen[-1][0], together.seen[0][i])


def test_a_branch_is_shown_what_the_original_is_shown() -> None:
    policy = NoisyAlerts(load_policy("punch"), drop=0.5, invent=0.01)
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    policy.reset(SEEDS)
    for _ in range(20):
        env.step(policy.act(env.obs, env.mask, env.free).actions)
    rows = np.array([2, 0, 0])
    copies = BatchedEnv(len(rows), params=PARAMS, threads=1)
    copies.restore(env.save(), rows)
    branch = policy.branch(rows)
    for _ in range(40):
        copies.step(branch.act(copies.obs, copies.mask, copies.free).actions)
    for _ in range(40):
        env.step(policy.act(env.obs, env.mask, env.free).actions)
    np.testing.assert_array_equal(copies.state, env.state[rows])


@pytest.mark.parametrize(("field", "value"), [("drop", -0.1), ("invent", 1.5)])
def test_a_number_that_is_no_probability_is_refused(field: str, value: float) -> None:
    with pytest.raises(UsageError, match=field):
        NoisyAlerts(load_policy("sleep"), **{field: value})


def test_it_tells_what_it_is() -> None:
    policy = NoisyAlerts(load_policy("reactive"), drop=0.25)
    assert policy.name == "reactive (alerts: 0.25 lost, 0 invented)"
    assert json.loads(json.dumps(policy.describe()))["policy"]["name"] == "reactive"
    assert unwrapped(policy).name == "reactive"
