"""The learner on tasks whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.policies import networks
from tests.trainers.fake_env import FakeEnv
from trainers.buffers import Rollout
from trainers.clock import Clock
from trainers.evaluation import training_seeds
from trainers.ppo import PPO
from trainers.ppo_config import PAPER, TUNED

# Episodes of 40 steps: a discount of 0.99 would value mostly what lies beyond their end.
FAST = replace(TUNED, network="mlp", envs=8, hidden=(32,), anneal=False, gamma=0.9)


def rounds(learner, env, count, start=0):
    return [
        learner.round(env, training_seeds(0, k, env.n_envs), k, 1000, Clock())
        for k in range(start, start + count)
    ]


def flat_parameters(learner):
    layers = [layer for stack in learner.actors + learner.critics for layer in stack.layers]
    return torch.cat([tensor.flatten() for layer in layers for tensor in layer])


@pytest.mark.parametrize("preset", [PAPER, TUNED])
def test_ratio_is_one_before_the_first_step(preset):
    """Rollout and update agree on observation, mask, action and memory, or this fails."""
    learner = PPO(replace(preset, envs=4, hidden=(16,), learning_rate=1e-3), 0, 1)
    env = FakeEnv(4)
    rounds(learner, env, 3)  # a policy away from uniform
    rollout = Rollout.empty(preset.observation, env)
    rollout.play(
        env, np.arange(4), learner.actors, preset.observation, np.random.default_rng(0), Clock()
    )
    for agent in learner.agents:
        batch = learner._gather(rollout, agent)
        raw = agent.actor(batch.x)
        log_prob, _ = networks.log_prob_and_entropy(raw, batch.legal[batch.env], batch.action)
        torch.testing.assert_close(log_prob, batch.log_prob, atol=1e-5, rtol=1e-5)
        assert len(batch.x) == rollout.free[..., agent.index].sum()


def test_busy_steps_are_no_samples():
    learner = PPO(FAST, 0, 1)
    env = FakeEnv(8)
    rounds(learner, env, 1)
    rollout = learner.rollout
    for agent in range(5):
        durations = actions.DURATION[actions.KIND[agent][rollout.action[..., agent]]]
        for e in range(8):
            decisions = np.flatnonzero(rollout.free[:, e, agent])
            lengths = np.diff(decisions)
            assert (lengths == durations[decisions[:-1], e]).all()
        busy = ~rollout.free[..., agent]
        assert (rollout.action[..., agent][busy] == actions.SLEEP_INDEX[agent]).all()


@pytest.mark.parametrize(("network", "count"), [("mlp", 25), ("hosts", 20)])
def test_learns_the_task(network, count):
    learner = PPO(replace(FAST, network=network, hidden=(16,), learning_rate=5e-3), 0, 2)
    env = FakeEnv(16)
    history = [metrics["return"] for metrics in rounds(learner, env, count)]
    assert np.mean(history[:2]) < -165  # of -195 in 39 counted steps
    assert np.mean(history[-3:]) > -20  # of 0


class ConstantReward(FakeEnv):
    """Every step costs 1 whatever anybody does, so V = -1 / (1 - gamma) everywhere."""

    def step(self, chosen, messages=None):
        super().step(chosen)
        self.reward[:] = -1


@pytest.mark.parametrize("value_norm", [True, False])
def test_values_of_a_constant_reward_ignore_the_time_limit(value_norm):
    """Treating the time limit as an end would give -1 at the last step, not -10."""
    settings = replace(
        FAST,
        observation="flat",
        value_norm=value_norm,
        value_norm_decay=0.9,
        epochs=8,
        learning_rate=1e-2,
    )
    learner = PPO(settings, 0, 1)
    env = ConstantReward(8, steps=31)
    rounds(learner, env, 25)
    for agent in learner.agents:
        batch = learner._gather(learner.rollout, agent)
        assert batch.value.numpy() == pytest.approx(-10, abs=0.5)


class RewardsBlocking(FakeEnv):
    """The only thing that pays is to submit BlockTrafficZone, for every agent by itself."""

    def step(self, chosen, messages=None):
        kinds = np.stack([actions.KIND[a][chosen[:, a]] for a in range(5)], axis=1)
        blocks = ((kinds == ActionKind.BLOCK) & self.free).sum(axis=1)
        super().step(chosen)
        self.reward[:] = blocks


def test_finds_the_paying_action_whatever_the_scale_of_rewards():
    returns = []
    for scale in (1.0, 1000.0):
        learner = PPO(replace(FAST, hidden=(16,), reward_scale=scale, gamma=0.5), 0, 1)
        env = RewardsBlocking(8)
        returns.append(rounds(learner, env, 20)[-1]["return"])
    best = 5 * 39
    assert min(returns) > 0.9 * best
    assert returns[0] == pytest.approx(returns[1], rel=0.05)


def test_threads_do_not_change_the_result():
    one, two = PPO(FAST, 5, 1), PPO(FAST, 5, 2)
    for learner in (one, two):
        rounds(learner, FakeEnv(8), 3)
    assert torch.equal(flat_parameters(one), flat_parameters(two))


def test_seed_decides_the_run():
    first, other = PPO(FAST, 5, 1), PPO(FAST, 6, 1)
    for learner in (first, other):
        rounds(learner, FakeEnv(8), 1)
    assert not torch.equal(flat_parameters(first), flat_parameters(other))


def test_stored_state_continues_bit_for_bit():
    whole = PPO(FAST, 1, 1)
    rounds(whole, FakeEnv(8), 6)
    first = PPO(FAST, 1, 1)
    rounds(first, FakeEnv(8), 3)
    second = PPO(FAST, 1, 1)
    second.load(first.state())
    rounds(second, FakeEnv(8), 3, start=3)
    assert torch.equal(flat_parameters(whole), flat_parameters(second))


def test_agents_do_not_share_anything_but_the_reward():
    """Agent 0's update is the same whatever the networks of the others are."""
    learner = PPO(FAST, 1, 1)
    env = FakeEnv(8)
    rollout = Rollout.empty(FAST.observation, env)
    rollout.play(
        env, np.arange(8), learner.actors, FAST.observation, np.random.default_rng(0), Clock()
    )
    results = []
    for disturb in (False, True):
        fresh = PPO(FAST, 1, 1)
        if disturb:
            for stacks in (fresh.actors, fresh.critics):
                stacks[0].layers[0][0][1:].add_(0.1)
                stacks[1].layers[0][0].add_(0.1)
        batches = [fresh._gather(rollout, agent) for agent in fresh.agents]
        fresh._assign_credit(rollout, batches)
        fresh._improve_policy(fresh.agents[0], batches[0], 1e-3, np.random.default_rng(2))
        fresh._fit_values(fresh.agents[0], batches[0], 1e-3, np.random.default_rng(2))
        results.append([stacks[0].layers[0][0][0] for stacks in (fresh.actors, fresh.critics)])
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_an_agent_stops_when_its_policy_has_moved_too_far():
    settings = replace(FAST, learning_rate=0.1, target_kl=0.01, epochs=10, minibatches=1)
    learner = PPO(settings, 0, 1)
    metrics = rounds(learner, FakeEnv(8), 1)[0]
    assert metrics["policy_steps"] < 10
    free = PPO(replace(settings, target_kl=None), 0, 1)
    assert rounds(free, FakeEnv(8), 1)[0]["policy_steps"] == 10


def test_step_size_is_lowered_linearly():
    learner = PPO(replace(FAST, anneal=True, learning_rate=1e-3), 0, 1)
    env = FakeEnv(8)
    rates = [
        learner.round(env, training_seeds(0, k, 8), k, 4, Clock())["learning_rate"]
        for k in range(4)
    ]
    assert rates == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])
