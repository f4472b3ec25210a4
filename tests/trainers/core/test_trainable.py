"""Networks that learn from what agents see, each distinct view once."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.policies.learned import features
from cagexplain.policies.learned.networks import Stack, mlp
from tests.support.training_env import FakeEnv
from trainers.core.clock import Clock
from trainers.core.evaluation import training_seeds
from trainers.core.trainable import Trainable, Views, parts
from trainers.ppo import PPO, presets


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3))
def test_equal_views_are_computed_once_and_count_as_often_as_they_are_seen(seed, bits, count):
    """Outputs and gradients are those of the plain way, in double precision to 12 digits."""
    rng = np.random.default_rng(seed)
    grid = torch.from_numpy(rng.integers(0, 2, (9, 4, bits)).astype(np.float64))
    decided = torch.from_numpy(rng.random((9, 4)) < 0.7)
    decided[0, 0] = True
    goal = torch.from_numpy(rng.random((36, 3)))
    generator = torch.Generator().manual_seed(seed)
    stack = Stack(mlp((bits, 8, 3)), 1)
    stack.initialise(generator, 1.0)
    stack.layers = [(w.double(), b.double()) for w, b in stack.layers]
    for part in parts(decided, count, rng, recurrent=False):
        found = []
        for repeat in (False, True):
            net = Trainable(stack, 0, 1e-5)
            out = net(Views(grid, repeat=repeat), part)
            (out - goal[part.rows]).square().mean().backward()
            found.append([out.detach(), *(p.grad for p in net.parameters)])
        for plain, once in zip(*found, strict=True):
            torch.testing.assert_close(once, plain, rtol=1e-12, atol=1e-12)


def test_views_are_alike_only_if_all_their_numbers_are():
    grid = torch.tensor([[[0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0 + 2**-23]]])
    views, which = Views(grid, repeat=True).distinct(torch.arange(4))
    assert len(views) == 3 and torch.equal(views[which], grid.flatten(0, 1))
    views, which = Views(grid, repeat=True).distinct(torch.tensor([1, 0]))
    assert len(views) == 1 and which.tolist() == [0, 0]
    views, which = Views(grid, repeat=False).distinct(torch.tensor([1, 0]))
    assert len(views) == 2 and which is None


def test_what_repeats_has_no_clock():
    assert [p for p in features.PROFILES if features.repeats(p)] == ["flat"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ippo", "mappo", "c_mappo", "r_ippo", "r_mappo"])
@pytest.mark.parametrize("minibatches", [1, 3])
def test_a_run_learns_the_same(name, minibatches, monkeypatch):
    """But for rounding: a step of Adam is at most the learning rate, whatever the gradient."""
    settings = presets(name)["paper"]
    changes = {"hidden": (32,), "critic_hidden": (32,), "envs": 4, "minibatches": minibatches}
    learned = []
    for repeats in (True, False):
        monkeypatch.setattr(features, "repeats", lambda profile, repeats=repeats: repeats)
        learner = PPO(replace(settings, **changes), 0, 1)
        env = FakeEnv(4)
        for k in range(2):
            learner.round(env, training_seeds(0, k, env.n_envs), k, 100, Clock())
        stacks = learner.actor_stacks + learner.critic_stacks
        learned.append([tensor for stack in stacks for layer in stack.layers for tensor in layer])
    for once, plain in zip(*learned, strict=True):
        torch.testing.assert_close(once, plain, rtol=1e-3, atol=1e-5)
