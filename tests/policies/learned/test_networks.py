import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import HOST_KINDS, ActionKind
from cagexplain.common.errors import UsageError
from cagexplain.policies.learned import features, networks
from trainers import ppo

MLP = {"network": "mlp", "hidden": (32, 16)}
HOSTS = {"network": "hosts", "hidden": (8,)}
SCORES = {"network": "scores", "hidden": (16, 8)}


def build(kind, profile="flat", gain=1.0, make=networks.build_actors):
    built = make({**kind, "observation": profile})
    generator = torch.Generator().manual_seed(0)
    for stack in built:
        stack.initialise(generator, gain)
    return built


def test_groups_are_agents_of_equal_layouts():
    assert features.GROUPS == ((0, 1, 2, 3), (4,))


@pytest.mark.parametrize("kind", [MLP, HOSTS, SCORES])
@pytest.mark.parametrize("profile", features.PROFILES)
def test_an_agents_own_network_equals_its_place_in_the_stack(kind, profile):
    sizes = features.sizes(profile)
    x = torch.randn(7, sum(sizes))
    for actor in (True, False):
        make = networks.build_actors if actor else networks.build_critics
        for stack, group, part in zip(
            build(kind, profile, make=make),
            features.GROUPS,
            networks.by_group(x, sizes),
            strict=True,
        ):
            together = stack(part)
            for member, agent in enumerate(group):
                own = stack.network(stack.member(member), part[member : member + 1])
                torch.testing.assert_close(together[member], own[0])
                assert own.shape == (1, 7, actions.SIZES[agent] if actor else 1)


def test_perceptron_equals_torchs():
    stack = build(MLP)[1]
    (layers,) = [stack.member(0)]
    modules = []
    for weight, bias in layers:
        linear = torch.nn.Linear(*weight.shape[1:])
        linear.weight.data, linear.bias.data = weight[0].T, bias[0]
        modules += [linear, torch.nn.ReLU()]
    x = torch.randn(5, 210)
    expected = torch.nn.Sequential(*modules[:-1])(x)
    torch.testing.assert_close(stack(x.unsqueeze(0))[0], expected)


@pytest.mark.parametrize("kind", [MLP, HOSTS, SCORES])
def test_training_an_agent_trains_its_place_in_the_stack_only(kind):
    stack = build(kind)[0]
    before = [w.clone() for w, _ in stack.layers]
    layers = [(torch.nn.Parameter(w), torch.nn.Parameter(b)) for w, b in stack.member(2)]
    optimiser = torch.optim.Adam([p for layer in layers for p in layer], fused=True)
    stack.network(layers, torch.rand(1, 5, 92)).square().sum().backward()
    optimiser.step()
    for old, (new, _) in zip(before, stack.layers, strict=True):
        assert (old[2] != new[2]).any()
        assert (old[[0, 1, 3]] == new[[0, 1, 3]]).all()


@pytest.mark.parametrize("profile", features.PROFILES)
@pytest.mark.parametrize("agent", [0, 4])
def test_hosts_are_treated_alike(profile, agent):
    """Swapping the inputs of two hosts swaps the logits of their actions and nothing else."""
    stack = build(HOSTS, profile)[agent // 4]
    columns = features.host_columns(profile, agent)
    hosts = observations.HOSTS[agent]
    x = torch.rand(1, 3, features.sizes(profile)[agent])
    i, j = 2, len(hosts) - 1
    swapped = x.clone()
    swapped[..., columns[i]], swapped[..., columns[j]] = x[..., columns[j]], x[..., columns[i]]
    member = stack.member(0)
    logits, after = stack.network(member, x)[0], stack.network(member, swapped)[0]
    place = {int(hosts[i]): int(hosts[j]), int(hosts[j]): int(hosts[i])}
    expected = logits.clone()
    for kind in HOST_KINDS:
        for one, other in place.items():
            to = actions.index(agent, kind, host=other)
            expected[:, to] = logits[:, actions.index(agent, kind, host=one)]
    assert (expected != logits).any()
    torch.testing.assert_close(after, expected)
    critic = build(HOSTS, profile, make=networks.build_critics)[agent // 4]
    values = [critic.network(critic.member(0), v) for v in (x, swapped)]
    torch.testing.assert_close(*values)


def test_a_host_reaches_its_own_actions_most():
    """Logits of a host's actions depend on its inputs directly, not only through the summary."""
    stack = build(HOSTS)[0]
    x = torch.rand(1, 200, 92, requires_grad=True)
    host = int(observations.HOSTS[1][5])
    action = actions.index(1, ActionKind.RESTORE, host=host)
    stack.network(stack.member(1), x)[0, :, action].sum().backward()
    bits = [observations.process_bit(1, int(h)) for h in observations.HOSTS[1]]
    gradient = x.grad[0, :, bits].abs().mean(0)
    assert gradient.argmax() == 5


@pytest.mark.parametrize("kind", [MLP, HOSTS, SCORES])
def test_first_policy_is_nearly_uniform(kind):
    probability = torch.softmax(build(kind, gain=0.01)[1](torch.ones(1, 3, 210)), -1)
    assert (probability * 242 - 1).abs().max() < 0.1


def test_weights_are_orthogonal_at_first():
    weight = build(MLP)[0].layers[1][0][0]  # (32, 16)
    torch.testing.assert_close(weight.T @ weight, 2 * torch.eye(16), atol=1e-5, rtol=0)


def test_stored_parameters_come_back():
    one, other = build(HOSTS), build(HOSTS, gain=3.0)
    networks.restore(other, networks.stored(one))
    x = torch.rand(4, 5, 92)
    assert torch.equal(one[0](x), other[0](x))
    with pytest.raises(ValueError, match="shape"):
        networks.restore(
            networks.build_actors({**MLP, "observation": "flat"}),
            networks.stored(build({"network": "mlp", "hidden": (32, 17)})),
        )


def test_host_network_has_one_width():
    tuned = ppo.presets("ippo")["tuned"]
    with pytest.raises(UsageError, match="one width"):
        ppo.check(replace(tuned, network="hosts", hidden=(8, 8)))


def test_a_recurrent_layer_has_no_place_between_hosts():
    tuned = ppo.presets("ippo")["tuned"]
    with pytest.raises(UsageError, match="recurrent layer"):
        ppo.check(replace(tuned, network="hosts", hidden=(32,), core="lstm"))


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

    weight = torch.linspace(-1, 1, 50)
    (log_prob * weight - 0.3 * entropy).sum().backward()
    (reference.log_prob(action) * weight - 0.3 * reference.entropy()).sum().backward()
    assert ours.grad.isfinite().all()
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert (ours.grad[~mask] == 0).all()


def test_drawn_log_probabilities_are_those_of_the_drawn_actions(masked):
    raw, mask = masked
    logits = raw + networks.additive(mask)
    action, log_prob = networks.draw(logits, torch.rand(50))
    torch.testing.assert_close(log_prob, torch.log_softmax(logits, -1)[range(50), action])


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


@pytest.mark.parametrize("core", ["lstm", "gru"])
@pytest.mark.parametrize("kind", [MLP, SCORES])
def test_recurrent_steps_equal_the_pass_over_the_whole_episode(core, kind):
    """In play the state is carried from step to step; in learning whole episodes run at once."""
    config = {**kind, "observation": "flat", "core": core, "core_size": 5}
    stacks = build_random(config)
    acting = networks.Acting(stacks, 3)
    g = torch.Generator().manual_seed(1)
    inputs = [torch.randn(6, 4, 3, 92, generator=g), torch.randn(6, 1, 3, 210, generator=g)]
    steps = [acting.outputs([x[t] for x in inputs]) for t in range(6)]
    for k, (stack, x) in enumerate(zip(stacks, inputs, strict=True)):
        for m in range(stack.members):
            whole = stack.network(stack.member(m), x[:, m])
            torch.testing.assert_close(whole, torch.stack([step[k][m] for step in steps]))
    fresh = networks.Acting(stacks, 3).outputs([x[5] for x in inputs])
    assert not torch.allclose(fresh[0], steps[5][0])  # the state mattered


@pytest.mark.parametrize("core", ["lstm", "gru"])
def test_recurrent_cores_equal_torch(core):
    (stack, _) = build_random({**MLP, "observation": "flat", "core": core, "core_size": 5})
    layers = stack.member(0)
    *trunk, into, state, head = layers
    width = into[0].shape[-1]
    oracle = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[core](width, 5)
    with torch.no_grad():
        for theirs, ours in zip(
            oracle.parameters(), (into[0], state[0], into[1], state[1]), strict=True
        ):
            theirs.copy_(ours[0])
        x = torch.randn(7, 4, 92)
        hidden = x
        for weight, bias in trunk:
            hidden = torch.relu(hidden @ weight[0] + bias[0])
        expected = oracle(hidden)[0] @ head[0][0] + head[1][0]
        torch.testing.assert_close(stack.network(layers, x), expected)


def build_random(config):
    stacks = networks.build_actors(config)
    generator = torch.Generator().manual_seed(0)
    for stack in stacks:
        stack.initialise(generator, 1.0)
        for _, bias in stack.layers:
            bias.copy_(torch.randn(bias.shape, generator=generator))
    return stacks
