"""The network that all hosts of all agents share."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import HOST_KINDS, ActionKind
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import decide
from cagexplain.policies.checkpoint import Checkpoint
from cagexplain.policies.learned import features, networks
from cagexplain.policies.learned.trained import TrainedPolicy
from trainers.registry import check_combination, find_preset

CONFIG = {"network": "shared", "hidden": (16, 8)}


def build(profile="raw", make=networks.build_actors, **changes):
    stacks = make({**CONFIG, "observation": profile, **changes})
    generator = torch.Generator().manual_seed(0)
    for stack in networks.distinct(stacks):
        stack.initialise(generator, 1.0)
        for _, bias in stack.layers:
            bias.copy_(torch.randn(bias.shape, generator=generator))
    return stacks


def observed(agent, profile="raw", rows=6, seed=1):
    """Random inputs (1, rows, width) of worlds in which some hosts do not exist."""
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(rows, features.sizes(profile)[agent], generator=g)
    gate = features.exists_column(profile)
    if gate >= 0:
        columns = torch.tensor(features.host_columns(profile, agent))
        there = (torch.rand(rows, len(columns), generator=g) < 0.6).float()
        for column in columns.T:
            x[:, column] *= there
        x[:, columns[:, gate]] = there
    for zone in BLUE_ZONES[agent]:
        start = observations.block_start(agent, zone)
        x[:, start : start + network.N_ZONES] = torch.eye(network.N_ZONES)[zone]
    return x[None]


def test_all_agents_have_the_same_few_weights():
    stacks = build(hidden=(64, 64))
    (stored,) = networks.stored(stacks)
    assert all(weight.shape[0] == bias.shape[0] == 1 for weight, bias in stored)
    size = sum(tensor.numel() for layer in stored for tensor in layer)
    assert 5_000 < size < 8_000
    assert networks.actor_bytes({**CONFIG, "hidden": (64, 64), "observation": "raw"}) == 4 * size
    stacks[0].layers[0][0].add_(1.0)
    assert torch.equal(stacks[1].layers[0][0], stacks[0].layers[0][0])


def test_stored_weights_come_back_and_others_are_refused():
    stacks = build()
    saved = networks.stored(stacks)
    again = networks.stored_actors({**CONFIG, "observation": "raw"}, saved)
    for stack, other, group in zip(stacks, again, features.GROUPS, strict=True):
        x = observed(group[0]).expand(len(group), -1, -1)
        assert torch.equal(stack(x), other(x))
    with pytest.raises(ValueError, match="has 2 parts, not 1"):
        networks.stored_actors({**CONFIG, "observation": "raw"}, saved * 2)


@pytest.mark.parametrize("profile", features.PROFILES)
@pytest.mark.parametrize("actor", [True, False])
@pytest.mark.parametrize("agent", [0, 4])
def test_skipping_what_does_not_exist_changes_nothing(agent, actor, profile):
    """Outputs and gradients are those of products over all hosts."""
    make = networks.build_actors if actor else networks.build_critics
    stack, x = build(profile, make)[agent // 4], observed(agent, profile)
    results = []
    for dense in (False, True):
        layers = [
            (w.clone().requires_grad_(), b.clone().requires_grad_()) for w, b in stack.member(0)
        ]
        y = stack.network(layers, x.clone().requires_grad_(dense))
        (y * torch.sin(torch.arange(float(y.numel())).view(y.shape))).sum().backward()
        results.append([y.detach(), *(p.grad for layer in layers for p in layer)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("agent", [0, 4])
def test_a_hosts_actions_follow_from_its_own_inputs(agent):
    """Each logit has a gradient at the host or link of its action, and at what is of the whole."""
    stack = build()[agent // 4]
    x = observed(agent, rows=1).requires_grad_()
    logits = stack.network(stack.member(0), x)[0, 0]
    columns = features.host_columns("raw", agent)
    hosts = [int(host) for host in observations.HOSTS[agent]]
    whole = set(features.global_columns("raw", agent).tolist())
    for action in range(actions.SIZES[agent]):
        (gradient,) = torch.autograd.grad(logits[action], x, retain_graph=True)
        reached = set(gradient[0, 0].nonzero().squeeze(-1).tolist())
        host = int(actions.HOST[agent][action])
        if host >= 0:
            at = hosts.index(host)
            zone = int(network.HOST_ZONE[host])
            start = observations.block_start(agent, zone)
            allowed = {*columns[at].tolist(), *range(start, start + network.N_ZONES)}
            there = x[0, 0, columns[at, 2]] != 0
            assert bool(reached) == bool(there)
        elif actions.KIND[agent][action] in actions.TRAFFIC_KINDS:
            to, frm = int(actions.TO_ZONE[agent][action]), int(actions.FROM_ZONE[agent][action])
            allowed = {
                observations.blocked_bit(agent, to, frm),
                observations.policy_bit(agent, to, frm),
            }
            assert allowed <= reached
        else:
            allowed = set()
        assert reached <= allowed | whole


def test_a_host_is_judged_alike_whoever_defends_it():
    """The same told about a host of agent 0 and of agent 4 gives the same logits of its actions."""
    stacks = build()
    chances = []
    for agent in (0, 4):
        x = torch.zeros(1, 1, features.sizes("raw")[agent])
        columns = features.host_columns("raw", agent)[7]
        x[0, 0, columns] = torch.linspace(0.1, 1, len(columns))
        start = observations.block_start(agent, BLUE_ZONES[agent][0])
        x[0, 0, start + 2] = 1
        host = int(observations.HOSTS[agent][7])
        at = [actions.index(agent, kind, host=host) for kind in sorted(HOST_KINDS)]
        chances.append(stacks[agent // 4].network(stacks[0].member(0), x)[0, 0, at])
    torch.testing.assert_close(*chances, atol=0.05, rtol=0)  # but for the order in the layout
    assert chances[0].std() > 0.1


def test_between_hosts_that_look_alike_the_first_one_wins_in_any_company():
    stack = build()[0]
    x = torch.zeros(4, 50, features.sizes("raw")[0])
    columns = torch.tensor(features.host_columns("raw", 0))
    x[..., columns[6:, 2]] = 1  # user hosts, of which the agent knows the same
    x[:, 25:, columns[3, 2]] = 1
    restores = [
        actions.index(0, ActionKind.RESTORE, host=int(host)) for host in observations.HOSTS[0][6:]
    ]
    together = stack(x)[..., restores]
    assert (together.argmax(-1) == 0).all()
    assert (together[..., :-1] > together[..., 1:]).all()
    alone = stack.network(stack.layers, x[:1, :1])[..., restores]
    assert alone.argmax() == 0


def test_only_wanted_rows_are_computed():
    stack, x = build()[0], torch.cat([observed(0, seed=m) for m in range(4)])
    wanted = torch.rand(4, 6, generator=torch.Generator().manual_seed(3)) < 0.5
    some, every = stack.some(x, wanted.numpy()), stack(x)
    torch.testing.assert_close(some[wanted], every[wanted])
    assert (some[~wanted] == 0).all()
    assert (stack.some(x, np.zeros((4, 6), np.bool_)) == 0).all()


@pytest.mark.parametrize("method", ["qmix", "maddpg"])
def test_methods_that_train_agents_apart_refuse_it(method):
    settings = replace(find_preset(method, "tuned"), network="shared")
    with pytest.raises(UsageError, match="same weights"):
        check_combination(method, settings)


def test_it_has_no_place_for_a_recurrent_layer():
    settings = replace(find_preset("ippo", "tuned"), network="shared", core="gru")
    with pytest.raises(UsageError, match="'shared'"):
        check_combination("ippo", settings)


def test_best_actions_are_the_same_in_any_company():
    """On the engine, where many hosts look alike: an episode alone is the episode among others."""
    config = {**CONFIG, "hidden": [16, 8], "observation": "raw", "acting": "greedy"}
    content = {"actors": networks.stored(build())}
    policy = TrainedPolicy(Checkpoint("ippo", "test", config, content, {}))
    assert policy.deterministic
    played = []
    for seeds in ([4], [2, 3, 4]):
        env = BatchedEnv(len(seeds), params=EnvParams(steps=60), threads=1)
        env.reset(np.array(seeds))
        policy.reset(np.array(seeds))
        steps = []
        while not env.done.any():
            decision = decide(policy, env)
            steps.append(decision.actions[-1])
            env.step(decision.actions, decision.messages)
        played.append(np.stack(steps))
    assert (played[0] == played[1]).all()
    assert len(np.unique(played[0])) > 10
