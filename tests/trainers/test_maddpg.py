"""MADDPG: what its losses are, what learns from them and what must not, and what it solves."""

import copy
from dataclasses import fields, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions
from cagexplain.common.errors import UsageError
from cagexplain.policies.checkpoint import read_plain, write_plain
from cagexplain.policies.learned.features import GROUPS
from tests.support.toy import Toy, TwoStep
from tests.support.training_env import FakeEnv
from trainers import gumbel, maddpg
from trainers.core.clock import Clock
from trainers.core.evaluation import training_seeds
from trainers.maddpg import MADDPG

pytestmark = pytest.mark.slow

PAPER = maddpg.presets("maddpg")["paper"]
SMALL = replace(
    PAPER, envs=4, hidden=(8,), critic_hidden=(8,), replay=8, warmup=1, updates=2, batch=24
)


def rounds(learner, env, count, start=0, of=100):
    return [
        learner.round(env, training_seeds(0, k, env.n_envs), k, of, Clock())
        for k in range(start, start + count)
    ]


def tensors(learner):
    stacks = learner.live + learner.targets
    return torch.cat([t.flatten() for stack in stacks for layer in stack.layers for t in layer])


def played(settings=SMALL, seed=0):
    """A learner that remembers a round with busy agents, and a batch of it."""
    learner = MADDPG(settings, seed, 1, "cpu")
    rounds(learner, FakeEnv(settings.envs), 1)
    scatter(learner)
    rng = np.random.default_rng(1)
    _, steps, _ = learner.memory.draw(settings.batch, 0.4, rng)
    weight = torch.from_numpy(rng.uniform(0.1, 1, settings.batch).astype(np.float32))
    return learner, learner._gather(steps, weight, rng)


def scatter(learner):
    """Random parameters, so that no output is like another."""
    generator = torch.Generator().manual_seed(9)
    for stack in learner.live + learner.targets:
        for layer in stack.layers:
            for tensor in layer:
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)


def place(agent):
    g = next(g for g, group in enumerate(GROUPS) if agent in group)
    return g, GROUPS[g].index(agent)


def plain(seen):
    """A critic's inputs (B, inputs) with one-hot vectors of the actions."""
    one_hot = [
        torch.nn.functional.one_hot(seen.action[:, agent], size)
        for agent, size in enumerate(actions.SIZES)
    ]
    return torch.cat([seen.dense, *one_hot], 1)


def test_critics_see_inputs_who_is_free_and_what_is_executed():
    _, batch = played()
    steps, width = batch.steps, batch.steps.state.shape[-1]
    for seen, t in ((batch.taken, 0), (batch.following, 1)):
        assert torch.equal(seen.dense[:, :width], steps.state[t])
        assert torch.equal(seen.dense[:, width:] == 1, steps.free[t])
    assert torch.equal(batch.taken.action, steps.action[0])
    assert torch.equal(batch.considered.action, batch.taken.action)


def test_a_critic_is_the_plain_network_of_one_hot_vectors(double_precision):
    learner, batch = double_precision
    for agent in range(5):
        layers = learner.critics.member(agent)
        expected = learner.critics.network(layers, plain(batch.taken)[None])[0, :, 0]
        torch.testing.assert_close(learner.judge.value(layers, batch.taken), expected)

        other = torch.softmax(torch.randn(len(expected), actions.SIZES[agent]), 1)
        start = batch.taken.dense.shape[1] + actions.OFFSETS[agent]
        inputs = plain(batch.taken)
        inputs[:, start : start + other.shape[1]] = other
        expected = learner.critics.network(layers, inputs[None])[0, :, 0]
        found = learner.judge.value(layers, batch.taken, (agent, other))
        torch.testing.assert_close(found, expected)


def test_target_actions_are_the_best_available_ones_of_target_actors():
    learner, batch = played()
    found, steps = batch.following.action, batch.steps
    illegal_would_win = 0
    for agent in range(5):
        g, m = place(agent)
        raw = learner.target_actors[g](steps.inputs[g][1])[m]
        for b in range(len(raw)):
            available = torch.nonzero(steps.available[g][1, m, b] == 0).ravel()
            assert found[b, agent] == available[raw[b, available].argmax()]
            illegal_would_win += int(raw[b].argmax() != found[b, agent])
    busy = ~steps.free[1]
    assert busy.any() and illegal_would_win > 0


def test_others_may_act_as_they_would_now():
    learner, batch = played(replace(SMALL, others="current"))
    for stack, group in zip(learner.actors, GROUPS, strict=True):
        stack.layers[-1][1].zero_()
        stack.layers[-1][1][:, actions.SLEEP_INDEX[group[0]]] = 1000
    batch = learner._gather(batch.steps, batch.weight, np.random.default_rng(0))
    free, action = batch.steps.free[0], batch.steps.action[0]
    expected = torch.where(free, torch.tensor(actions.SLEEP_INDEX), action)
    assert torch.equal(batch.considered.action, expected)
    assert torch.equal(batch.taken.action, action)
    assert not torch.equal(expected, action)


@pytest.mark.parametrize("time_limit", ["truncation", "terminal"])
def test_critic_loss_is_the_weighted_mean_of_squared_errors(time_limit):
    learner, batch = played(replace(SMALL, time_limit=time_limit, reward_scale=0.5, batch=200))
    last = batch.steps.last[0]
    assert last.any() and not last.all()
    for agent in learner.agents:
        loss, errors, _ = learner._critic_loss(agent, batch)
        norm, k = agent.norm, agent.agent
        live, target = (
            stack.network(stack.member(k), plain(x)[None])[0, :, 0]
            for stack, x in (
                (learner.critics, batch.taken),
                (learner.target_critics, batch.following),
            )
        )
        total = 0.0
        for b in range(len(last)):
            onward = norm.mean + norm.std * float(target[b])
            if last[b] and time_limit == "terminal":
                onward = 0.0
            goal = 0.5 * float(batch.steps.reward[0, b, k]) + 0.99 * onward
            error = (goal - norm.mean) / norm.std - float(live[b])
            assert float(errors[b]) == pytest.approx(error, abs=1e-4)
            total += float(batch.weight[b]) * 0.5 * error**2
        assert float(loss.detach()) == pytest.approx(total / len(last), rel=1e-4)


@pytest.mark.parametrize("agent", [1, 4])
def test_an_actor_step_moves_nothing_but_the_actor(agent):
    learner, batch = played()
    before = {id(a): [p.clone() for p in a.actor.parameters] for a in learner.agents}
    critics = [p.clone() for a in learner.agents for p in a.critic.parameters]
    own = next(a for a in learner.agents if a.agent == agent)
    loss, _ = learner._actor_loss(own, batch, np.random.default_rng(0))
    own.actor.descend(loss, 1e-2, 0.5)
    for other in learner.agents:
        pairs = zip(before[id(other)], other.actor.parameters, strict=True)
        assert all(torch.equal(*pair) for pair in pairs) == (other is not own)
        assert all(p.grad is None for p in other.critic.parameters)
        assert other is own or all(p.grad is None for p in other.actor.parameters)
    after = [p for a in learner.agents for p in a.critic.parameters]
    assert all(torch.equal(*pair) for pair in zip(critics, after, strict=True))


def test_a_critic_step_moves_nothing_but_the_critic():
    learner, batch = played()
    own, before = learner.agents[2], tensors(learner)
    old = [p.clone() for p in own.critic.parameters]
    loss, _, _ = learner._critic_loss(own, batch)
    own.critic.descend(loss, 1e-2, 0.5)
    assert any(not torch.equal(*pair) for pair in zip(old, own.critic.parameters, strict=True))
    with torch.no_grad():
        for parameter, value in zip(own.critic.parameters, old, strict=True):
            parameter.copy_(value)
    assert torch.equal(tensors(learner), before)


def test_illegal_actions_and_busy_steps_teach_an_actor_nothing():
    learner, batch = played()
    agent = learner.agents[0]
    free = batch.steps.free[0, :, 0]
    assert free.any() and not free.all()

    def gradients():
        loss, entropy = learner._actor_loss(agent, batch, np.random.default_rng(0))
        return torch.autograd.grad(loss, agent.actor.parameters), entropy

    first, entropy = gradients()
    weight, bias = first[-2][0], first[-1][0]
    illegal = batch.steps.available[0][0, 0][free].isneginf().all(0)
    assert illegal.any() and (weight[:, illegal] == 0).all() and (bias[illegal] == 0).all()
    assert (bias[~illegal] != 0).any()

    batch.steps.inputs[0][0, 0][~free] += 5
    batch.weight[~free] += 5
    second, same = gradients()
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True)) and same == entropy

    batch.steps.elapsed[0, :, 0] = 1
    never, _ = gradients()
    assert all((gradient == 0).all() for gradient in never)


@pytest.fixture
def double_precision():
    """A learner and a batch in double precision."""
    learner, batch = played(replace(SMALL, regulariser=0.1))
    torch.set_default_dtype(torch.float64)
    exact = MADDPG(learner.config, 0, 1, "cpu")
    scatter(exact)
    yield exact, as_double(batch)
    torch.set_default_dtype(torch.float32)


def as_double(part):
    """A batch in double precision."""
    if isinstance(part, torch.Tensor):
        return part.double() if part.is_floating_point() else part
    if isinstance(part, list):
        return [as_double(entry) for entry in part]
    values = {field.name: as_double(getattr(part, field.name)) for field in fields(part)}
    return replace(part, **values)


def assert_gradients(loss, parameters):
    """Gradients of `loss()` equal its finite differences, in some entries of each parameter."""
    found = torch.autograd.grad(loss(), parameters)
    for parameter, gradient in zip(parameters, found, strict=True):
        flat, step = parameter.data.view(-1), 1e-6
        for i in gradient.flatten().abs().argsort(descending=True)[:3]:
            value = float(flat[i])
            flat[i] = value + step
            high = float(loss().detach())
            flat[i] = value - step
            low = float(loss().detach())
            flat[i] = value
            expected = (high - low) / (2 * step)
            assert float(gradient.flatten()[i]) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_critic_gradient_equals_finite_differences(double_precision):
    learner, batch = double_precision
    for agent in (learner.agents[0], learner.agents[4]):
        assert_gradients(lambda a=agent: learner._critic_loss(a, batch)[0], agent.critic.parameters)


def test_actor_gradient_equals_finite_differences_of_the_relaxed_objective(
    double_precision, monkeypatch
):
    """The estimator's value is piecewise constant; its gradient is that of the sample plus the
    change of the softmax, which is smooth and can be differenced."""
    learner, batch = double_precision
    original, start = gumbel.straight_through, {}  # where the softmax is linearised

    def relaxed(raw, legal, temperature, rng):
        noise = -gumbel._exponential(raw.shape, rng, raw).log()
        soft = torch.softmax((raw + legal + noise) / temperature, -1)
        if "soft" not in start:
            start["soft"] = soft.detach()
            start["hard"] = original(raw, legal, temperature, np.random.default_rng(0)).detach()
        return start["hard"] + soft - start["soft"]

    for agent in (learner.agents[0], learner.agents[4]):

        def loss(a=agent):
            return learner._actor_loss(a, batch, np.random.default_rng(0))[0]

        exact = torch.autograd.grad(loss(), agent.actor.parameters)
        start.clear()
        with monkeypatch.context() as patch:
            patch.setitem(gumbel.ESTIMATORS, "straight_through", relaxed)
            smooth = torch.autograd.grad(loss(), agent.actor.parameters)
            assert_gradients(loss, agent.actor.parameters)
        for pair in zip(exact, smooth, strict=True):
            torch.testing.assert_close(*pair)


def test_targets_go_a_part_of_the_way():
    learner, _ = played(replace(SMALL, target_tau=0.25))
    before = tensors(learner)
    learner._update(1e-2, 0.4, np.random.default_rng(0))
    half = len(before) // 2
    live, target = tensors(learner).split(half)
    torch.testing.assert_close(target, before[half:] + 0.25 * (live - before[half:]))
    assert not torch.equal(live, before[:half])


def test_priorities_follow_the_agents_mean_error():
    settings = replace(SMALL, prioritised=True)
    (one, _), (two, _) = played(settings), played(settings)
    rng = np.random.default_rng(4)
    units, steps, weight = one.memory.draw(settings.batch, 0.4, rng)
    batch = one._gather(steps, weight, rng)
    errors = torch.stack([one._critic_loss(agent, batch)[1] for agent in one.agents])
    two._update(1e-3, 0.4, np.random.default_rng(4))
    expected = (errors.abs().mean(0).double().numpy() + 1e-6) ** 0.6
    np.testing.assert_allclose(two.memory.priorities.leaves[units], expected, rtol=1e-5)
    assert len(np.unique(two.memory.priorities.leaves)) > 10


class Dues(Toy):
    """Each step costs agent a (a + 1), whatever it does."""

    calls = 4

    def begin(self):
        self.action_cost[:] = -1 - np.arange(5)

    def pay(self, chosen):
        return self.action_cost.sum(1)


@pytest.mark.parametrize(
    ("time_limit", "expected"),
    [("truncation", 2.0), ("terminal", np.mean([1.875, 1.75, 1.5, 1.0]))],
)
def test_critics_learn_each_agents_own_return(time_limit, expected):
    settings = replace(
        SMALL,
        time_limit=time_limit,
        reward="individual",
        gamma=0.5,
        learning_rate=1e-2,
        target_tau=0.2,
        updates=25,
    )
    learner = MADDPG(settings, 0, 1, "cpu")
    rounds(learner, Dues(4), 5)
    batch = learner._gather(*learner.memory.draw(400, 1, rng := np.random.default_rng(0))[1:], rng)
    found = [learner._critic_loss(agent, batch)[2]["q_mean"] for agent in learner.agents]
    assert found == pytest.approx([-expected * (a + 1) for a in range(5)], rel=0.05)


class Matching(Toy):
    """Two agents are paid 1, 2 or 4 for the same choice and nothing for different ones."""

    choices: ClassVar = {0: 3, 4: 3}

    def begin(self):
        self.shown[:, :, 0] = 1

    def pay(self, chosen):
        return np.where(chosen[:, 0] == chosen[:, 4], 2.0 ** chosen[:, 0], 0)


LEARN = replace(
    PAPER,
    envs=32,
    hidden=(16,),
    critic_hidden=(32,),
    learning_rate=5e-3,
    time_limit="terminal",
    target_tau=0.05,
    warmup=1,
    updates=8,
    batch=64,
    replay=500,
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prioritised": True},
        {"others": "current"},
        {"estimator": "rao"},
    ],
    ids=str,
)
def test_finds_the_best_of_three_agreements(changes):
    learner = MADDPG(replace(LEARN, **changes), 0, 1, "cpu")
    env = Matching(LEARN.envs)
    metrics = rounds(learner, env, 12)[-1]
    assert learner.player.rollout.team.mean() > 3.8
    assert metrics["entropy"] < 0.3


@pytest.mark.parametrize("member", maddpg.MEMBERS)
def test_solves_the_two_step_game(member):
    own = maddpg.MEMBERS[member]
    learner = MADDPG(replace(LEARN, updates=10, **own), 0, 1, "cpu")
    env = TwoStep(LEARN.envs)
    rounds(learner, env, 14)
    assert learner.player.rollout.team.sum(0).mean() > 7.8


def test_metrics_before_and_after_the_first_update():
    learner = MADDPG(replace(SMALL, replay=16), 0, 1, "cpu")
    waiting, learning = rounds(learner, FakeEnv(4), 2)
    assert waiting == {"replay_fill": 0.25, "gradient_steps": 0, "return": waiting["return"]}
    assert learning["entropy"] == pytest.approx(1, abs=1e-3)
    assert learning["replay_fill"] == 0.5
    assert learning.keys() - waiting.keys() == {
        *("critic_loss", "actor_loss", "q_mean", "entropy", "critic_grad_norm", "actor_grad_norm")
    }


def test_threads_do_not_change_the_result_and_seeds_do():
    learners = [MADDPG(SMALL, seed, threads, "cpu") for seed, threads in ((5, 1), (5, 3), (6, 1))]
    for learner in learners:
        rounds(learner, FakeEnv(4), 3)
    one, three, other = map(tensors, learners)
    assert torch.equal(one, three)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("member", maddpg.MEMBERS)
def test_stored_state_continues_bit_for_bit(member, tmp_path):
    settings = replace(SMALL, **maddpg.MEMBERS[member], others="current")
    whole, first, second = (MADDPG(settings, 1, 1, "cpu") for _ in range(3))
    rounds(whole, FakeEnv(4), 5)
    rounds(first, FakeEnv(4), 3)
    write_plain(tmp_path / "state", "state", first.state())
    second.load(read_plain(tmp_path / "state", "state"))
    rounds(second, FakeEnv(4), 2, start=3)
    assert torch.equal(tensors(whole), tensors(second))


def test_a_state_before_the_first_round_can_be_stored():
    settings = replace(SMALL, prioritised=True)
    first, second = (MADDPG(settings, 1, 1, "cpu") for _ in range(2))
    second.load(copy.deepcopy(first.state()))  # as from a file: a state is no copy
    rounds(first, FakeEnv(4), 2)
    rounds(second, FakeEnv(4), 2)
    assert torch.equal(tensors(first), tensors(second))


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"core": "gru"}, "core"), ({"replay": 3}, "replay"), ({"network": "hosts"}, "hidden")],
)
def test_combinations_without_sense_are_refused(changes, field):
    with pytest.raises(UsageError) as caught:
        maddpg.check(replace(PAPER, **changes))
    assert caught.value.field == field


def test_paper_preset_is_the_studys_column():
    published = {
        "gamma": 0.99,
        "learning_rate": 2.5e-4,
        "hidden": (256, 256),
        "critic_hidden": (256, 256),
        "target_tau": 0.01,
        "regulariser": 1e-3,
        "max_grad_norm": 0.5,
    }
    for member in maddpg.MEMBERS:
        preset = maddpg.presets(member)["paper"]
        assert {name: getattr(preset, name) for name in published} == published
        maddpg.check(preset)
        maddpg.check(maddpg.presets(member)["tuned"])
