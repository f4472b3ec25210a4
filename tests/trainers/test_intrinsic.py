import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions
from cagexplain.policies.checkpoint import read_plain, write_plain
from cagexplain.policies.learned.features import GROUPS, sizes
from trainers.core.clock import Clock
from trainers.core.player import Player
from trainers.core.settings import PAPER, Settings
from trainers.intrinsic import NGU, EpisodicNovelty, RunningMoments

SETTINGS = Settings(**PAPER, adam_eps=1e-5)
ENVS, STEPS = 3, 24
SMALL = replace(SETTINGS, envs=ENVS, ngu_k=4, ngu_hidden=(16,), ngu_embedding=6)


def play(seed, n=ENVS, steps=STEPS):
    """Observations and actions of made-up episodes."""
    rng = np.random.default_rng(seed)
    widths = sizes("flat")
    features = [
        torch.from_numpy(
            (rng.random((steps + 1, len(g), n, widths[g[0]])) < 0.1).astype(np.float32)
        )
        for g in GROUPS
    ]
    return features, rng.integers(0, actions.SIZES, (steps, n, 5))


def slow_episodic(embedding, settings, total=0.0, count=0):
    """The reward by the letter of the paper: one observation after another, all in scalars."""
    observations, envs, _ = embedding.shape
    memories = [[] for _ in range(envs)]
    rewards = np.zeros((observations, envs))
    for t in range(observations):
        nearest = {}
        for e, memory in enumerate(memories):
            point = embedding[t, e].tolist()
            squared = sorted(
                sum((a - b) ** 2 for a, b in zip(point, other, strict=True)) for other in memory
            )
            if len(squared) >= settings.ngu_k:
                nearest[e] = squared[: settings.ngu_k]
                total += sum(nearest[e])
                count += settings.ngu_k
            memory.append(point)
        for e, squared in nearest.items():
            similarity = 0.0
            for d in squared:
                apart = max(d / (total / count) - settings.ngu_cluster, 0)
                similarity += settings.ngu_kernel / (apart + settings.ngu_kernel)
            similarity = math.sqrt(similarity) + settings.ngu_constant
            if similarity <= settings.ngu_max_similarity:
                rewards[t, e] = 1 / similarity
    return rewards[1:], total, count


def points(seed, observations=STEPS + 1, n=ENVS):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(observations, n, 5, generator=generator)


@pytest.mark.parametrize("k", [1, 4, 10])
@pytest.mark.parametrize("capped", [False, True])
def test_episodic_reward_equals_a_scalar_loop(k, capped):
    cap = 0.35 * math.sqrt(k) if capped else 8.0
    settings = replace(SETTINGS, ngu_k=k, ngu_kernel=0.1, ngu_cluster=0.3, ngu_max_similarity=cap)
    novelty, total, count = EpisodicNovelty(settings), 0.0, 0
    for episode in range(2):  # the mean distance goes on, the memory does not
        embedding = points(episode) * (episode + 1)
        expected, total, count = slow_episodic(embedding, settings, total, count)
        rewards = novelty.rewards(embedding)
        assert rewards.numpy() == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert novelty.distances.tolist() == pytest.approx([total, count])
    assert ((expected[k:] > 0).any(), (expected[k:] == 0).any()) == (True, capped)


def test_too_few_neighbours_earn_nothing():
    rewards = EpisodicNovelty(replace(SETTINGS, ngu_k=7)).rewards(points(0))
    assert (rewards[:6] == 0).all()  # they lead to the observations 1 to 6
    assert (rewards[6:] > 0).all()
    assert (EpisodicNovelty(replace(SETTINGS, ngu_k=STEPS + 1)).rewards(points(0)) == 0).all()


def test_a_reward_knows_nothing_of_what_comes_later():
    early, late = points(0), points(0)
    late[15:] = 100 * points(1)[15:]
    rewards = [EpisodicNovelty(SMALL).rewards(embedding) for embedding in (early, late)]
    assert torch.equal(rewards[0][:14], rewards[1][:14])
    assert (rewards[0][14:] != rewards[1][14:]).any()


def test_environments_share_the_scale_only():
    novelty = EpisodicNovelty(SMALL)
    alone = EpisodicNovelty(SMALL)
    novelty.distances += torch.tensor([1e9, 1e9])  # a mean that a round cannot move
    alone.distances += torch.tensor([1e9, 1e9])
    together = novelty.rewards(points(0))
    torch.testing.assert_close(together[:, 1:2], alone.rewards(points(0)[:, 1:2]))


def test_repetitions_earn_less_than_something_new():
    embedding = points(0, n=1) * 0.1
    embedding[10:15] = embedding[9]
    embedding[18] = 5.0
    rewards = EpisodicNovelty(SMALL).rewards(embedding)[:, 0]
    repeated = rewards[9:14]  # of the observations 10 to 14
    assert (repeated.diff()[:3] < 0).all()  # one more like it among its four neighbours each time
    assert repeated[-1] == pytest.approx(1 / (2 + SMALL.ngu_constant))  # sqrt(4): all four are
    assert rewards[17] == rewards.max() > 5 * repeated[-1]


def test_an_episode_where_nothing_happens():
    rewards = EpisodicNovelty(SMALL).rewards(torch.zeros(STEPS + 1, 1, 5))
    assert rewards[3:].numpy() == pytest.approx(1 / (2 + SMALL.ngu_constant))


def test_moments_of_batches_are_those_of_all_rows():
    rows = points(0).flatten(0, 1) * 50 + 1000
    moments = RunningMoments(5)
    for part in rows.split([1, 30, 44]):
        moments.update(part)
    assert moments.mean.numpy() == pytest.approx(rows.double().mean(0).numpy())
    expected = rows.double().std(0, correction=0)
    assert moments.std(0.0).numpy() == pytest.approx(expected.numpy())
    assert moments.std(60.0).min() == 60


def test_reward_is_episodic_times_life_long_novelty():
    """Put together by hand from an agent's own networks."""
    settings = replace(SMALL, ngu_max_novelty=1.5)
    features, action = play(0)
    rewards = NGU(settings, 0).rewards(features, action)
    assert rewards.shape == action.shape and rewards.dtype == np.float32
    factors = []
    for number, x in enumerate([*features[0].unbind(1), features[1][:, 0]]):
        agent = NGU(settings, 0).agents[number]
        with torch.no_grad():
            novelty = EpisodicNovelty(settings).rewards(agent.embed(x))
            rows = x[1:].flatten(0, 1).double()
            std = rows.std(0, correction=0).clamp(min=1e-4)
            z = ((rows - rows.mean(0)) / std).clamp(-5, 5).float()
            error = (agent.predictor(z) - agent.target(z)).square().mean(-1)
        factor = (1 + (error - error.mean()) / error.std(correction=0)).clamp(1, 1.5)
        factors.append(factor)
        expected = novelty * factor.view(novelty.shape)
        assert rewards[..., number] == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-5)
    assert min(f.min() for f in factors) == 1 and max(f.max() for f in factors) == 1.5


def test_what_is_familiar_is_no_longer_new_for_life():
    """The factor vanishes with the errors; but a bit that was never set before still stands out."""
    ngu, rng = NGU(SMALL, 0), np.random.default_rng(0)
    features, action = play(0)
    agent, x = ngu.agents[0], features[0][1:, 0].clone()
    x[..., 3] = features[0][:, 0, :, 3] = 0
    factors = []
    for _ in range(150):
        ngu.rewards(features, action)
        with torch.no_grad():
            factors.append(agent._modulation(x))
        ngu.learn(features, action, rng, 3e-3)
    excess = [float(factor.mean()) - 1 for factor in factors]
    assert excess[0] > 0.2
    assert excess[-1] < 0.1 * excess[0]
    errors = []
    for bit in (0, 1):
        x[..., 3] = bit
        with torch.no_grad():
            errors.append(float(agent._error(agent._normalise(x.flatten(0, 1))).mean()))
    assert errors[1] > 5 * errors[0]


def test_learning_lowers_both_losses():
    ngu, rng = NGU(SMALL, 0), np.random.default_rng(0)
    features, action = play(0)
    # The action can be read off the bit that has changed.
    action %= 5
    for number in range(5):
        x = features[number // 4][:, number % 4]
        x[1:, :, :5] = torch.nn.functional.one_hot(torch.from_numpy(action[..., number]), 5)
    ngu.rewards(features, action)
    history = [ngu.learn(features, action, rng, 1e-2) for _ in range(60)]
    assert history[-1]["ngu_error"] < 0.1 * history[0]["ngu_error"]
    assert history[-1]["ngu_inverse_loss"] < 0.1 * history[0]["ngu_inverse_loss"]


def test_target_is_never_trained():
    ngu, (features, action) = NGU(SMALL, 0), play(0)
    before = [p.clone() for p in ngu.agents[2].target.parameters()]
    ngu.rewards(features, action)
    ngu.learn(features, action, np.random.default_rng(0), 0.1)
    for old, new in zip(before, ngu.agents[2].target.parameters(), strict=True):
        assert torch.equal(old, new)


def test_agents_share_nothing():
    """What agent 0 sees and does changes nothing for agent 1."""
    results = []
    for disturb in (False, True):
        ngu, (features, action) = NGU(SMALL, 0), play(0)
        if disturb:
            features[0][:, 0] = 1 - features[0][:, 0]
            action[..., 0] = 0
        rewards = [ngu.rewards(features, action)]
        ngu.learn(features, action, np.random.default_rng(0), 1e-2)
        rewards.append(ngu.rewards(features, action))
        results.append(np.stack(rewards))
    same = (results[0] == results[1]).all(axis=(0, 1, 2))
    assert same.tolist() == [False, True, True, True, True]


def test_networks_learn_from_a_bounded_number_of_steps(monkeypatch):
    monkeypatch.setattr("trainers.intrinsic.MAX_ROWS", 20)
    monkeypatch.setattr("trainers.intrinsic.MINIBATCH", 8)
    ngu, (features, action) = NGU(SMALL, 0), play(0)
    ngu.rewards(features, action)
    ngu.learn(features, action, np.random.default_rng(0), 1e-3)
    steps = {float(s["step"]) for s in ngu.optimiser.state_dict()["state"].values()}
    assert steps == {3}  # 8 + 8 + 4


def test_stored_state_continues_bit_for_bit(tmp_path):
    def rounds(ngu, numbers):
        outcome = []
        for number in numbers:
            features, action = play(number)
            rng = np.random.default_rng([0, number])
            outcome.append(ngu.rewards(features, action))
            outcome.append(list(ngu.learn(features, action, rng, 1e-3 * 0.9**number).values()))
        return outcome

    whole = rounds(NGU(SMALL, 1), range(6))
    first = NGU(SMALL, 1)
    rounds(first, range(3))
    write_plain(tmp_path / "state", "resume", {"ngu": first.state()})
    second = NGU(SMALL, 2)
    second.load(read_plain(tmp_path / "state", "resume")["ngu"])
    for expected, found in zip(whole[6:], rounds(second, range(3, 6)), strict=True):
        assert np.array_equal(expected, found)


def test_seed_decides_and_the_global_generator_is_left_alone():
    features, action = play(0)
    state = torch.random.get_rng_state()
    one, same, other = (NGU(SMALL, seed).rewards(features, action) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_memory_made_while_playing_can_be_learned_from():
    """Play fills its memory in inference mode, whose tensors autograd refuses to keep."""
    with torch.inference_mode():
        features, action = play(0)
    ngu = NGU(SMALL, 0)
    ngu.rewards(features, action)
    ngu.learn(features, action, np.random.default_rng(0), 1e-3)


def test_the_bonus_times_its_weight_is_added_to_the_reward():
    """Whatever is earned: in units of the returns' spread it would grow as agents get worse."""
    settings = replace(SMALL, intrinsic="ngu", ngu_weight=0.25)
    features, action = play(0)
    bonus = NGU(settings, 0).rewards(features, action)
    for earned in (0.0, -1000.0):
        rollout = SimpleNamespace(features=features, action=action)
        rollout.reward = np.full(action.shape, earned, np.float32)
        report = Player(settings, 0).seek_novelty(rollout, 0, np.random.default_rng(0), Clock())
        assert rollout.reward == pytest.approx(earned + 0.25 * bonus)
        assert report["intrinsic_reward"] == pytest.approx(bonus.mean())
