"""The mixers: their formula, their monotonicity, their gradients."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cagexplain.policies.learned import features
from trainers.mixing import Monotonic, Sum, build

AGENTS, STATE = 3, 7


def monotonic(seed, scale=1.0):
    """A mixer with parameters that are far from its start."""
    mixer = Monotonic(AGENTS, STATE, embed=4, hyper=5)
    generator = torch.Generator().manual_seed(seed)
    nets = [
        [(scale * torch.randn(p.shape, generator=generator).double() for p in layer) for layer in s]
        for s in (stack.layers for stack in mixer.stacks)
    ]
    return mixer, [[tuple(layer) for layer in net] for net in nets]


def normal(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def by_hand(nets, q, s):
    """The formula for one row, in loops."""
    (w1a, w1b), (b1,), (w2a, w2b), (va, vb) = [[(w[0], b[0]) for w, b in net] for net in nets]

    def two(first, second):
        hidden = (s @ first[0] + first[1]).clamp(min=0)
        return hidden @ second[0] + second[1]

    w1 = two(w1a, w1b).abs().reshape(AGENTS, -1)
    bias = s @ b1[0] + b1[1]
    w2 = two(w2a, w2b).abs()
    total = two(va, vb)[0]
    for e in range(len(w2)):
        x = bias[e] + sum(q[i] * w1[i, e] for i in range(AGENTS))
        total = total + w2[e] * (x if x > 0 else torch.exp(x) - 1)
    return total


def test_formula():
    mixer, nets = monotonic(0)
    q, s = normal(1, 2, 6, AGENTS), normal(2, 2, 6, STATE)
    mixed = mixer(nets, q, s)
    assert mixed.shape == (2, 6)
    for t, b in product(range(2), range(6)):
        torch.testing.assert_close(mixed[t, b], by_hand(nets, q[t, b], s[t, b]))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 10))
def test_never_falls_when_an_agents_value_rises(seed, scale):
    mixer, nets = monotonic(seed, scale)
    q = normal(seed + 1, 20, AGENTS).requires_grad_()
    s = normal(seed + 2, 20, STATE)
    (slope,) = torch.autograd.grad(mixer(nets, q, s).sum(), q)
    assert (slope >= 0).all()
    assert slope.max() > 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_best_joint_action_is_that_of_the_best_actions(seed):
    mixer, nets = monotonic(seed, 0.5)
    values = normal(seed + 1, AGENTS, 4)
    s = normal(seed + 2, STATE)
    joint = torch.tensor([*product(range(4), repeat=AGENTS)])
    chosen = values[torch.arange(AGENTS), joint]
    mixed = mixer(nets, chosen, s.expand(len(joint), -1))
    greedy = (joint == values.argmax(-1)).all(-1)
    assert greedy.sum() == 1
    assert mixed[greedy].item() >= mixed.max().item() - 1e-12


def test_gradients_are_those_of_finite_differences():
    mixer, nets = monotonic(3)
    q, s = normal(4, 5, AGENTS), normal(5, 5, STATE)
    target = normal(6, 5)
    flat = [p.requires_grad_() for net in nets for layer in net for p in layer]

    def loss(values, *parameters):
        rebuilt, rest = [], list(parameters)
        for net in nets:
            rebuilt.append([(rest.pop(0), rest.pop(0)) for _ in net])
        return 0.5 * (mixer(rebuilt, values, s) - target).square().mean()

    assert torch.autograd.gradcheck(loss, (q.requires_grad_(), *flat))


def test_begins_near_the_sum_whatever_the_state():
    slopes = []
    for seed in range(40):
        mixer = Monotonic(5, STATE, embed=32, hyper=64)
        mixer.initialise(torch.Generator().manual_seed(seed))
        nets = [stack.layers for stack in mixer.stacks]
        q = torch.zeros(1, 5, requires_grad=True)
        for state in (torch.zeros(1, STATE), torch.ones(1, STATE)):
            (slope,) = torch.autograd.grad(mixer(nets, q, state).sum(), q)
            slopes.append(slope)
    mean = torch.cat(slopes).mean()
    assert 0.3 < mean < 2
    assert torch.cat(slopes).min() > 0.02


def test_sum_is_the_sum():
    q = normal(0, 4, 6, AGENTS)
    mixer = Sum()
    assert mixer.stacks == []
    torch.testing.assert_close(mixer([], q, normal(1, 4, 6, STATE)), q.sum(-1))


@pytest.mark.parametrize("profile", features.PROFILES)
def test_built_for_the_inputs_of_all_agents(profile):
    config = {"mixer": "monotonic", "observation": profile, "mixer_embed": 8, "mixer_hyper": 16}
    mixer = build(config)
    mixer.initialise(torch.Generator().manual_seed(0))
    state = torch.zeros(2, 3, sum(features.sizes(profile)))
    nets = [stack.layers for stack in mixer.stacks]
    assert mixer(nets, torch.zeros(2, 3, 5), state).shape == (2, 3)
    assert isinstance(build({"mixer": "sum"}), Sum)
