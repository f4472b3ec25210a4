import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions, observations
from cagexplain.policies.checkpoint import Checkpoint, save_checkpoint
from cagexplain.policies.learned import features, networks
from cagexplain.policies.learned.trained import TrainedPolicy, load_trained
from tests.support.training_env import FakeEnv


def checkpoint(profile="memory", acting="sampled", network="mlp", gain=2.0):
    config = {"observation": profile, "acting": acting, "network": network, "hidden": [16]}
    stacks = networks.build_actors(config)
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(1), gain)
    return Checkpoint("ippo", "test", config, {"actors": networks.stored(stacks)}, {})


def play(policy, seeds, steps=20):
    env = FakeEnv(len(seeds))
    env.reset(np.asarray(seeds))
    policy.reset(np.asarray(seeds))
    decisions = []
    for _ in range(steps):
        decision = policy.act(env.obs, env.mask, env.free)
        decisions.append((decision, env.mask.copy(), env.free.copy()))
        env.step(decision.actions)
    return decisions


@pytest.mark.parametrize("profile", features.PROFILES)
@pytest.mark.parametrize("acting", ["sampled", "greedy"])
@pytest.mark.parametrize("network", networks.KINDS)
def test_saved_and_loaded_policy_acts_the_same(tmp_path, profile, acting, network):
    original = checkpoint(profile, acting, network)
    save_checkpoint(tmp_path / "ckpt.pt", original)
    a = play(TrainedPolicy(original), [3, 4])
    b = play(load_trained(tmp_path / "ckpt.pt"), [3, 4])
    for (x, _, _), (y, _, _) in zip(a, b, strict=True):
        assert (x.actions == y.actions).all()
        assert (x.probability == y.probability).all()


def test_actions_are_legal_and_busy_agents_sleep():
    for decision, mask, free in play(TrainedPolicy(checkpoint()), range(8)):
        assert decision.actions.shape == (8, 5)
        for agent in range(5):
            own = mask[:, actions.slice_of(agent)]
            chosen = decision.actions[:, agent]
            assert own[np.arange(8), chosen].all()
            assert (chosen[~free[:, agent]] == actions.SLEEP_INDEX[agent]).all()


def test_an_episode_does_not_depend_on_those_beside_it():
    alone = play(TrainedPolicy(checkpoint()), [7])
    among = play(TrainedPolicy(checkpoint()), [5, 6, 7, 8])
    for (x, _, _), (y, _, _) in zip(alone, among, strict=True):
        assert (x.actions[0] == y.actions[2]).all()


def test_seeds_decide_drawn_actions():
    policy = TrainedPolicy(checkpoint())
    first, second, again = (play(policy, [seed]) for seed in (1, 2, 1))
    same = [(x[0].actions == y[0].actions).all() for x, y in zip(first, again, strict=True)]
    other = [(x[0].actions == y[0].actions).all() for x, y in zip(first, second, strict=True)]
    assert all(same)
    assert not all(other)


def test_probability_and_entropy_are_the_policys():
    policy = TrainedPolicy(checkpoint("flat"))
    policy.reset(np.array([0]))
    obs = np.zeros((1, observations.TOTAL), np.int8)
    mask = np.ones((1, actions.TOTAL), np.bool_)
    mask[:, 100:150] = False
    free = np.ones((1, 5), np.bool_)
    decision = policy.act(obs, mask, free)
    for agent in range(5):
        actor = policy.actors[agent // 4]
        x = torch.zeros(1, 1, observations.SIZES[agent])
        raw = actor.network(actor.member(agent % 4), x)[0]
        legal = torch.from_numpy(mask[:, actions.slice_of(agent)])
        p = torch.softmax(raw.masked_fill(~legal, -torch.inf), -1)[0]
        chosen = decision.actions[0, agent]
        assert decision.probability[0, agent] == pytest.approx(float(p[chosen]), rel=1e-4)
        h = -(p[p > 0] * p[p > 0].log()).sum()
        assert decision.entropy[0, agent] == pytest.approx(float(h), rel=1e-4)


def test_large_logits_leave_probability_and_entropy_in_their_range():
    """As those of a network that imitates rules, which single precision cannot add up."""
    decisions = [
        decision for decision, _, _ in play(TrainedPolicy(checkpoint(gain=3e3)), range(4), 40)
    ]
    assert min(decision.entropy.min() for decision in decisions) >= 0
    assert max(decision.probability.max() for decision in decisions) <= 1


def test_greedy_takes_the_most_probable_legal_action():
    greedy = TrainedPolicy(checkpoint("flat", "greedy"))
    drawn = TrainedPolicy(checkpoint("flat", "sampled"))
    env = FakeEnv(3)
    env.reset(np.arange(3))
    greedy.reset(np.arange(3))
    best = greedy.act(env.obs, env.mask, env.free).probability
    for first_seed in range(0, 300, 3):
        drawn.reset(np.arange(first_seed, first_seed + 3))
        other = drawn.act(env.obs, env.mask, env.free).probability
        assert (other <= best + 1e-6).all()


def test_a_masked_sleep_is_never_chosen_by_a_free_agent():
    policy = TrainedPolicy(checkpoint())
    env = FakeEnv(4)
    env.reset(np.arange(4))
    policy.reset(np.arange(4))
    mask = env.mask.copy()
    for agent in range(5):
        mask[:, actions.OFFSETS[agent] + actions.SLEEP_INDEX[agent]] = False
    for _ in range(20):
        decision = policy.act(env.obs, mask, env.free)
        assert (decision.actions != np.array(actions.SLEEP_INDEX))[env.free].all()
        env.step(decision.actions)
