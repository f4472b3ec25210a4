import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from cagexplain.cc4 import actions, observations
from cagexplain.policies import networks


def stacks(seed=0, hidden=(32, 16), gain=1.0):
    built = networks.build(observations.SIZES, hidden, actions.SIZES)
    generator = torch.Generator().manual_seed(seed)
    for stack in built:
        stack.initialise(generator, gain)
    return built


def test_groups_are_agents_of_equal_layouts():
    assert networks.GROUPS == ((0, 1, 2, 3), (4,))


def test_stacked_product_equals_each_agents_own_network():
    built = stacks()
    agents = networks.agent_networks(built)
    x = torch.randn(7, observations.TOTAL)
    parts = networks.by_group(x, observations.SIZES)
    outputs = [stack(part) for stack, part in zip(built, parts, strict=True)]
    for agent in range(5):
        own = networks.forward(agents[agent], x[:, observations.slice_of(agent)])
        group = 0 if agent < 4 else 1
        torch.testing.assert_close(outputs[group][agent % 4], own)
        assert own.shape == (7, actions.SIZES[agent])


def test_training_an_agent_trains_its_place_in_the_stack_only():
    built = stacks()
    before = [w.clone() for w in built[0].weights]
    layers = [(torch.nn.Parameter(w), torch.nn.Parameter(b)) for w, b in built[0].member(2)]
    optimiser = torch.optim.Adam([p for layer in layers for p in layer], fused=True)
    networks.forward(layers, torch.randn(5, 92)).square().sum().backward()
    optimiser.step()
    for old, new in zip(before, built[0].weights, strict=True):
        assert (old[2] != new[2]).any()
        assert (old[[0, 1, 3]] == new[[0, 1, 3]]).all()


def test_initial_policy_is_nearly_uniform_and_weights_are_orthogonal():
    built = stacks(gain=0.01)
    weight = built[0].weights[1][0]  # (32, 16)
    torch.testing.assert_close(weight.T @ weight, 2 * torch.eye(16), atol=1e-5, rtol=0)
    probability = torch.softmax(built[1](torch.ones(1, 3, 210)), -1)
    assert (probability * 242 - 1).abs().max() < 0.05


@pytest.fixture
def masked():
    generator = torch.Generator().manual_seed(3)
    raw = torch.randn(50, 82, generator=generator) * 3
    mask = torch.rand(50, 82, generator=generator) < 0.5
    mask[:, 0] = True
    mask[0] = False
    mask[0, 81] = True  # a single legal action
    return raw, mask


def test_log_prob_entropy_and_gradient_equal_torch_distributions(masked):
    raw, mask = masked
    action = Categorical(logits=raw.masked_fill(~mask, -1e8)).sample()
    legal = networks.additive(mask)

    ours, theirs = raw.double().requires_grad_(), raw.double().requires_grad_()
    log_prob, entropy = networks.log_prob_and_entropy(ours, legal.double(), action)
    reference = Categorical(logits=theirs.masked_fill(~mask, -1e8), validate_args=False)
    torch.testing.assert_close(log_prob, reference.log_prob(action))
    torch.testing.assert_close(entropy, reference.entropy())
    torch.testing.assert_close(networks.log_prob(raw + legal, action), log_prob.float())

    weight = torch.linspace(-1, 1, 50)
    (log_prob * weight - 0.3 * entropy).sum().backward()
    (reference.log_prob(action) * weight - 0.3 * reference.entropy()).sum().backward()
    assert ours.grad.isfinite().all()
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert (ours.grad[~mask] == 0).all()


def test_sampling_has_the_right_frequencies_and_never_draws_an_illegal_action(masked):
    raw, mask = masked
    logits = (raw + networks.additive(mask))[:4]
    n = 100_000
    u = torch.rand(4, n, generator=torch.Generator().manual_seed(0))
    drawn = torch.stack([networks.sample(logits[i].expand(n, -1), u[i]) for i in range(4)])
    for i in range(4):
        counts = torch.bincount(drawn[i], minlength=82) / n
        probability = torch.softmax(logits[i], -1)
        assert (counts[~mask[i]] == 0).all()
        tolerance = 5 * (probability * (1 - probability) / n).sqrt() + 1e-9
        assert ((counts - probability).abs() <= tolerance).all()


def test_sampling_at_the_ends_of_the_unit_interval_stays_legal():
    logits = torch.full((1000, 82), -math.inf)
    logits[:, 10:20] = torch.randn(1000, 10, generator=torch.Generator().manual_seed(1)) * 10
    for u in (0.0, float(np.nextafter(np.float32(1), np.float32(0)))):
        drawn = networks.sample(logits, torch.full((1000,), u))
        assert ((drawn >= 10) & (drawn < 20)).all()
