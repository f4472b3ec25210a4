"""The learner on tasks whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from tests.support.training_env import FakeEnv
from trainers.core.clock import Clock
from trainers.core.evaluation import training_seeds
from trainers.core.trainable import parts
from trainers.ppo import MEMBERS, PPO, check, presets

pytestmark = pytest.mark.slow

# Episodes of 40 steps: a discount of 0.99 would value mostly what lies beyond their end.
FAST = replace(
    presets("ippo")["paper"],
    observation="memory",
    envs=8,
    hidden=(32,),
    critic_hidden=(32,),
    learning_rate=3e-3,
    epochs=4,
    minibatches=4,
    clip=0.2,
    entropy=0.002,
    target_kl=None,
    anneal=False,
    gamma=0.9,
)
NETWORKS = {"mlp": (16,), "hosts": (16,), "scores": (32, 16), "shared": (16, 16)}


def member(name, **changes):
    return replace(FAST, **MEMBERS[name], **changes)


def played(learner, env, seed=0):
    return learner.player.play(
        env,
        np.arange(env.n_envs),
        learner.actor_stacks,
        None,
        np.random.default_rng(seed),
        Clock(),
    )


def rounds(learner, env, count, start=0):
    return [
        learner.round(env, training_seeds(0, k, env.n_envs), k, 1000, Clock())
        for k in range(start, start + count)
    ]


def flat_parameters(learner):
    layers = [
        layer for stack in learner.actor_stacks + learner.critic_stacks for layer in stack.layers
    ]
    return torch.cat([tensor.flatten() for layer in layers for tensor in layer])


@pytest.mark.parametrize("observation", ["flat", "memory"])
@pytest.mark.parametrize(
    ("core", "network"), [("none", "mlp"), ("lstm", "mlp"), ("gru", "mlp"), ("none", "shared")]
)
def test_ratio_is_one_before_the_first_step(core, network, observation):
    """Rollout and update agree on observation, mask, action and memory, or this fails."""
    settings = replace(FAST, envs=4, core=core, core_size=8, network=network)
    learner = PPO(replace(settings, observation=observation), 0, 1)
    env = FakeEnv(4)
    rounds(learner, env, 3)  # a policy away from uniform
    rollout = played(learner, env)
    batch = learner._gather(rollout)
    decisions = 0
    for actor in learner.actors:
        steps = batch.free[0].numel()
        for part in parts(actor.decisions(batch), 3, np.random.default_rng(1), actor.net.recurrent):
            for agent, share in actor.by_agent(part, steps):
                log_ratio, *_ = learner._compare(actor.net, agent, batch, share)
                torch.testing.assert_close(
                    log_ratio, torch.zeros_like(log_ratio), atol=1e-5, rtol=0
                )
                assert share.of(batch.free[agent]).all()
                decisions += len(log_ratio)
    assert decisions == batch.free.sum()


def test_busy_steps_are_no_samples():
    learner = PPO(FAST, 0, 1)
    rollout = played(learner, FakeEnv(8))
    for agent in range(5):
        durations = actions.DURATION[actions.KIND[agent][rollout.action[..., agent]]]
        for e in range(8):
            decisions = np.flatnonzero(rollout.free[:-1, e, agent])
            lengths = np.diff(decisions)
            assert (lengths == durations[decisions[:-1], e]).all()
            for start, length in zip(decisions, lengths, strict=False):
                # while busy, the action in progress counts as the agent's
                held = rollout.action[start : start + length, e, agent]
                assert (held == held[0]).all()


@pytest.mark.parametrize(
    ("network", "count"), [("mlp", 25), ("hosts", 20), ("scores", 20), ("shared", 20)]
)
def test_learns_the_task(network, count):
    settings = replace(FAST, network=network, hidden=NETWORKS[network], learning_rate=5e-3, envs=16)
    learner = PPO(settings, 0, 2)
    env = FakeEnv(16)
    history = [metrics["return"] for metrics in rounds(learner, env, count)]
    assert np.mean(history[:2]) < -165  # of -195 in 39 counted steps
    assert np.mean(history[-3:]) > -20  # of 0


class ConstantReward(FakeEnv):
    """Every step costs 1 whatever anybody does, so V = -1 / (1 - gamma) everywhere."""

    def step(self, chosen, messages=None):
        super().step(chosen)
        self.reward[:] = -1


@pytest.mark.parametrize(
    ("name", "value_norm"), [("ippo", True), ("ippo", False), ("mappo", True), ("r_mappo", True)]
)
def test_values_of_a_constant_reward_ignore_the_time_limit(name, value_norm):
    """Treating the time limit as an end would give -1 at the last step, not -10."""
    settings = member(
        name,
        core_size=8,
        observation="flat",
        value_norm=value_norm,
        value_norm_decay=0.9,
        epochs=8,
        minibatches=1,
        learning_rate=1e-2,
    )
    learner = PPO(settings, 0, 1)
    env = ConstantReward(8, steps=31)
    rounds(learner, env, 25)
    batch = learner._gather(learner.player.rollout)
    assert (batch.value[batch.free] + 10).abs().mean() < 0.5


def test_values_at_a_terminal_end_fall_to_what_is_left():
    settings = replace(
        FAST,
        time_limit="terminal",
        gamma=1.0,
        epochs=8,
        minibatches=1,
        learning_rate=1e-2,
        value_norm_decay=0.9,
    )
    learner = PPO(settings, 0, 1)
    env = ConstantReward(8, steps=11)
    rounds(learner, env, 40)
    batch = learner._gather(learner.player.rollout)
    left = (
        torch.arange(-10.0, 0.0).expand(5, 8, 10).transpose(1, 2)
    )  # the clock is among the inputs
    assert (batch.value - left)[batch.free].abs().mean() < 0.7


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
        learner = PPO(
            replace(FAST, hidden=(16,), minibatches=1, reward_scale=scale, gamma=0.5), 0, 1
        )
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


def test_the_preset_raw_is_for_members_without_a_recurrent_layer():
    assert {name for name in MEMBERS if "raw" in presets(name)} == {"ippo", "mappo", "c_mappo"}
    for name in ("ippo", "mappo", "c_mappo"):
        check(presets(name)["raw"])


def test_seed_decides_the_run():
    first, other = PPO(FAST, 5, 1), PPO(FAST, 6, 1)
    for learner in (first, other):
        rounds(learner, FakeEnv(8), 1)
    assert not torch.equal(flat_parameters(first), flat_parameters(other))


@pytest.mark.parametrize(
    "changes",
    [{}, {"critic": "compact", "core": "lstm"}, {"intrinsic": "ngu"}, {"network": "shared"}],
)
def test_stored_state_continues_bit_for_bit(changes):
    settings = replace(FAST, **changes, envs=4, core_size=8, ngu_hidden=(16,), ngu_k=3)
    whole = PPO(settings, 1, 1)
    rounds(whole, FakeEnv(4), 4)
    first = PPO(settings, 1, 1)
    rounds(first, FakeEnv(4), 2)
    second = PPO(settings, 1, 1)
    second.load(first.state())
    rounds(second, FakeEnv(4), 2, start=2)
    assert torch.equal(flat_parameters(whole), flat_parameters(second))


@pytest.mark.parametrize("critic", ["own", "central"])
def test_agents_share_nothing_but_the_reward_and_a_central_critic(critic):
    """Agent 0's update is the same whatever the networks of the others are."""
    settings = replace(FAST, critic=critic)
    rollout = played(PPO(settings, 1, 1), FakeEnv(8))
    results = []
    for disturb in (False, True):
        fresh = PPO(settings, 1, 1)
        if disturb:
            fresh.actor_stacks[0].layers[0][0][1:].add_(0.1)
            fresh.actor_stacks[1].layers[0][0].add_(0.1)
            if critic == "own":
                fresh.critic_stacks[0].layers[0][0][1:].add_(0.1)
                fresh.critic_stacks[1].layers[0][0].add_(0.1)
        batch = fresh._gather(rollout)
        fresh._normalise(batch)
        fresh._improve_policy(fresh.actors[0], batch, 1e-3, np.random.default_rng(2))
        fresh._fit_values(fresh.critics[0], batch, 1e-3, np.random.default_rng(2))
        results.append(
            [stacks[0].layers[0][0][0] for stacks in (fresh.actor_stacks, fresh.critic_stacks)]
        )
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_an_own_critic_sees_its_agent_alone_and_a_central_one_all():
    for name, width in (("ippo", 92), ("mappo", 578), ("c_mappo", 454)):
        learner = PPO(member(name, observation="flat"), 0, 1)
        batch = learner._gather(played(learner, FakeEnv(8)))
        assert batch.critic_inputs[0].grid.shape[-1] == width
        assert len(learner.critics) == (5 if name == "ippo" else 1)


def test_compact_inputs_lose_nothing():
    """Every entry that C_MAPPO leaves out stands somewhere in what it keeps."""
    from cagexplain.policies.learned import features

    keep = features.compact_columns("flat")
    assert len(keep) == 454
    rng = np.random.default_rng(0)
    phase, told = rng.integers(3, size=50), rng.integers(2, size=(50, 5, 8))
    from cagexplain.cc4 import observations

    obs = rng.integers(2, size=(50, observations.TOTAL))
    for agent in range(5):
        start, heard = observations.OFFSETS[agent], observations.message_slice(agent)
        obs[:, start + observations.PHASE] = phase
        obs[:, start + heard.start : start + heard.stop] = np.delete(told, agent, 1).reshape(50, -1)
    kept = {obs[:, column].tobytes() for column in keep}
    assert all(obs[:, column].tobytes() in kept for column in range(observations.TOTAL))


@pytest.mark.parametrize(
    "changes",
    [
        *({"network": name, "hidden": hidden} for name, hidden in NETWORKS.items()),
        {"critic": "central"},
        {"network": "scores", "hidden": (32, 16), "core": "gru"},
    ],
)
def test_values_stay_when_the_scale_of_returns_moves(changes):
    """PopArt: whatever the critic's last layers are, its denormalised outputs are preserved."""
    learner = PPO(replace(FAST, **changes, core_size=8, value_norm_decay=0.5, envs=4), 0, 1)
    rounds(learner, FakeEnv(4), 2)
    batch = learner._gather(played(learner, FakeEnv(4), seed=1))
    batch.returns = batch.returns * 3 - 50  # a jump of mean and spread
    before = [norm.mean for critic in learner.critics for norm in critic.norms]
    learner._normalise(batch)
    assert [norm.mean for critic in learner.critics for norm in critic.norms] != before
    for critic, inputs in zip(learner.critics, batch.critic_inputs, strict=True):
        decided = batch.free[critic.agents].any(0)
        (part,) = parts(decided, 1, None, critic.net.recurrent)
        with torch.no_grad():
            after = critic.denormalise(critic.net(inputs, part).T)
        own = part.of(batch.free[critic.agents])
        expected = part.of(batch.value[critic.agents])
        torch.testing.assert_close(after[own], expected[own], atol=1e-2, rtol=1e-3)


def test_a_fresh_critic_learns_from_the_first_round_on_even_if_clipped():
    learner = PPO(replace(FAST, value_clip=0.2, minibatches=1, epochs=1), 0, 1)
    metrics = rounds(learner, FakeEnv(8), 1)[0]
    assert metrics["critic_grad_norm"] > 0.01


@pytest.mark.parametrize("choice", ["agent", "team", "minibatch", "none"])
def test_advantages_are_normalised_as_asked(choice):
    learner = PPO(replace(FAST, advantages=choice), 0, 1)
    batch = learner._gather(played(learner, FakeEnv(8)))
    raw = batch.advantage.clone()
    learner._normalise(batch)
    own = [batch.advantage[a][batch.free[a]] for a in range(5)]
    if choice == "agent":
        assert all(abs(float(x.mean())) < 1e-4 for x in own)
        assert all(float(x.std(correction=0)) == pytest.approx(1, abs=1e-3) for x in own)
    elif choice == "team":
        assert abs(float(torch.cat(own).mean())) < 1e-4
        assert float(torch.cat(own).std(correction=0)) == pytest.approx(1, abs=1e-3)
    else:
        assert torch.equal(raw, batch.advantage)


def test_value_loss_options():
    """Squared, Huber and clipped losses against values worked out by hand."""
    plain = PPO(FAST, 0, 1)
    huber = PPO(replace(FAST, value_huber=1.0), 0, 1)
    value, goal = torch.tensor([0.0, 3.0]), torch.tensor([0.5, 0.0])
    assert plain._value_error(value, goal).tolist() == [0.125, 4.5]
    assert huber._value_error(value, goal).tolist() == [0.125, 2.5]


def test_a_clipped_value_loss_stops_pulling_beyond_the_clip():
    settings = replace(FAST, value_clip=0.05, epochs=30, learning_rate=1e-2, envs=4)
    moved = []
    for clip in (0.05, None):
        learner = PPO(replace(settings, value_clip=clip), 0, 1)
        batch = learner._gather(played(learner, FakeEnv(4)))
        learner._normalise(batch)
        critic = learner.critics[0]
        learner._fit_values(critic, batch, 1e-2, np.random.default_rng(0))
        (part,) = parts(batch.free[0], 1, None, False)
        with torch.no_grad():
            after = critic.net(batch.critic_inputs[0], part).squeeze(-1)
        before = part.of(critic.normalise(batch.value[:1]))[0]
        moved.append(float((after - before).abs().mean()))
    assert moved[0] < 0.5 * moved[1]


def test_an_agent_stops_when_its_policy_has_moved_too_far():
    settings = replace(FAST, learning_rate=0.1, target_kl=0.01, epochs=10, minibatches=1)
    learner = PPO(settings, 0, 1)
    metrics = rounds(learner, FakeEnv(8), 1)[0]
    assert metrics["gradient_steps"] < 10
    free = PPO(replace(settings, target_kl=None), 0, 1)
    assert rounds(free, FakeEnv(8), 1)[0]["gradient_steps"] == 10


def test_step_size_is_lowered_linearly():
    learner = PPO(replace(FAST, anneal=True, learning_rate=1e-3), 0, 1)
    env = FakeEnv(8)
    rates = [
        learner.round(env, training_seeds(0, k, 8), k, 4, Clock())["learning_rate"]
        for k in range(4)
    ]
    assert rates == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])
