"""Small games with known answers: what each member of the PPO family, each kind of message, reward
and bonus can solve, and what it cannot."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from cagexplain.cc4 import observations
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.learned import networks
from tests.support.toy import SYMBOLS, Recall, Toy, TwoStep
from trainers.core.clock import Clock
from trainers.core.evaluation import training_seeds
from trainers.core.player import Player
from trainers.registry import ALGORITHMS

pytestmark = pytest.mark.slow

FAST = {
    "envs": 32,
    "hidden": (16,),
    "critic_hidden": (16,),
    "core_size": 16,
    "learning_rate": 1e-2,
    "anneal": False,
    "time_limit": "terminal",
    "target_kl": None,
    "clip": 0.2,
    "epochs": 4,
    "minibatches": 1,
}


def learn(algorithm, toy, rounds, seed=0, **changes):
    """Mean team return of each round."""
    entry = ALGORITHMS[algorithm]
    settings = replace(entry.presets["paper"], **FAST | changes)
    entry.check(settings)
    learner, env, found = entry.make(settings, seed, 1, "cpu"), toy(settings.envs), []
    for k in range(rounds):
        learner.round(env, training_seeds(seed, k, env.n_envs), k, rounds, Clock())
        found.append(float(learner.player.rollout.team.sum(0).mean()))
    return np.array(found)


@pytest.mark.parametrize("algorithm", ["ippo", "mappo", "c_mappo"])
def test_the_two_step_game_is_solved(algorithm):
    assert learn(algorithm, TwoStep, 30)[-1] > 7.9  # of 8; the other branch pays 7


@pytest.mark.parametrize("algorithm", ["r_ippo", "r_mappo"])
def test_what_was_seen_is_recalled_with_memory(algorithm):
    assert learn(algorithm, Recall, 25)[-3:].mean() > 0.9


@pytest.mark.parametrize("algorithm", ["ippo", "mappo"])
def test_what_was_seen_is_not_recalled_without_memory(algorithm):
    assert abs(learn(algorithm, Recall, 15)[-8:].mean()) < 0.25  # 256 coins: 4 deviations


class Penalty(Toy):
    """The penalty game (Claus and Boutilier 1998): two agents get 10 for meeting in one of two
    corners, `penalty` for mixing the corners up, and 2 for meeting in the safe middle."""

    choices: ClassVar = {0: 3, 1: 3}
    penalty = 0

    def begin(self):
        self.shown[:, :2, 0] = 1

    def pay(self, chosen):
        k = self.penalty
        return np.array([[10, 0, k], [0, 2, 0], [k, 0, 10]])[chosen[:, 0], chosen[:, 1]]


class HarshPenalty(Penalty):
    penalty = -100


@pytest.mark.parametrize("algorithm", ["ippo", "mappo"])
@pytest.mark.parametrize(("toy", "outcome"), [(Penalty, 10), (HarshPenalty, 2)])
def test_independent_policies_meet_where_mistakes_are_cheap(algorithm, toy, outcome):
    """While the other still mixes, a corner is worth more than the middle if mistakes are free and
    less if they cost 100; nothing then leads away from the place where both have gone."""
    assert learn(algorithm, toy, 20)[-1] == pytest.approx(outcome, abs=0.5)


class Whisper(Toy):
    """Agent 0 is shown whether there is an alert and must choose accordingly at once; agent 1 must
    do so in the next step, and was shown nothing.

    Each choice pays 1 if right, else -1. Without messages agent 1 can only guess: the best expected
    return is 1. Agent 0's action tells what it saw, and so do messages about alerts: the best is 2.
    """

    calls = 2
    choices: ClassVar = {0: 2, 1: 2}

    def begin(self):
        self.cue = np.array([g.integers(2) for g in self.rng])
        alert = observations.process_bit(0, int(observations.HOSTS[0][0])) - int(SYMBOLS[0])
        self.shown[self.cue == 1, 0, alert] = 1

    def pay(self, chosen):
        self.shown[:] = 0
        return np.where(chosen[:, self.steps] == self.cue, 1, -1)


@pytest.mark.parametrize("kind", ["action", "2bit", "8bit"])
def test_messages_carry_what_only_another_agent_saw(kind):
    assert learn("ippo", Whisper, 60, messages=kind)[-5:].mean() > 1.7


@pytest.mark.parametrize("algorithm", ["ippo", "mappo"])
def test_without_messages_agents_can_only_guess(algorithm):
    assert learn(algorithm, Whisper, 25)[-8:].mean() == pytest.approx(1, abs=0.25)


class Blame(Toy):
    """The wrong choice of agents 0 to 3 (one of three) costs 1 in the agent's zone. Agent 4's zones
    cost 24 in every second episode, for which nobody can be blamed."""

    choices: ClassVar = dict.fromkeys(range(4), 3)

    def begin(self):
        self.shown[:, :, 0] = 1

    def pay(self, chosen):
        for agent, zones in enumerate(BLUE_ZONES[:4]):
            self.reward_parts[:, 0, zones[0]] = np.where(chosen[:, agent] == 1, 0, -1)
        self.reward_parts[::2, 0, BLUE_ZONES[4][0]] = -24
        return self.reward_parts.sum((1, 2))


def test_individual_rewards_assign_credit_faster():
    """After the same small number of rounds, averaged over seeds; -12 would be perfect."""
    means = {
        kind: np.mean([learn("ippo", Blame, 10, seed, reward=kind)[-1] for seed in range(3)])
        for kind in ("individual", "global")
    }
    assert means["individual"] > -12.7
    assert means["global"] < -13.3


class Lock(Toy):
    """A combination lock: one of three choices leads on, the others back to the start.

    The end is eleven right choices away and pays 1 per step there: 7 if nothing goes wrong. Chance
    gets there in one of 35,000 episodes.
    """

    calls = 17
    length = 11
    choices: ClassVar = {0: 3}

    def begin(self):
        self._go(np.zeros(self.n_envs, np.int64))

    def pay(self, chosen):
        right = chosen[:, 0] == self.place % 3
        self._go(np.where(self.place == self.length, self.length, (self.place + 1) * right))
        return (self.place == self.length).astype(float)

    def _go(self, place):
        self.place = place
        self.shown[:] = 0
        self.shown[np.arange(self.n_envs), 0, place] = 1


def test_what_pays_only_at_the_end_is_found_by_novelty():
    """Both play 1,120 episodes."""
    ngu = {"ngu_k": 3, "ngu_hidden": (32,), "ngu_embedding": 8, "ngu_rate": 1e-3}
    ngu |= {"ngu_weight": 0.02}  # a bonus of a few units must not drown a reward of one
    with_bonus = learn("ippo", Lock, 35, intrinsic="ngu", **ngu)
    assert with_bonus[-5:].mean() > 6
    assert learn("ippo", Lock, 35)[-5:].mean() < 1


class Given:
    """Random numbers made beforehand, for some of the environments."""

    def __init__(self, numbers):
        self.numbers = numbers

    def random(self, shape, dtype):
        assert shape == self.numbers.shape
        return self.numbers


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("ippo", {"observation": "memory", "messages": "8bit", "reward": "hybrid"}),
        ("r_ippo", {}),
    ],
)
def test_episodes_do_not_depend_on_what_is_played_beside_them(algorithm, changes):
    """The same weights and seeds: three environments at once equal three one after the other."""
    n, steps = 3, 60
    settings = replace(ALGORITHMS[algorithm].presets["paper"], hidden=(16,), **changes)
    stacks = networks.build_actors(vars(settings))
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(0), 1.0)
    uniform = np.random.default_rng(0).random((steps - 1, 5, n), dtype=np.float32)
    seeds = np.arange(n) + 7

    def play(envs):
        player = Player(replace(settings, envs=len(envs)), 0)
        env = BatchedEnv(len(envs), params=EnvParams(steps=steps))
        rng = Given(uniform[..., envs])
        return player.play(env, seeds[envs], stacks, None, rng, Clock())

    together = play([0, 1, 2])
    for e in range(n):
        alone = play([e])
        for name in ("action", "free", "reward", "team"):
            assert np.array_equal(getattr(alone, name)[:, 0], getattr(together, name)[:, e])
        np.testing.assert_allclose(alone.log_prob[:, 0], together.log_prob[:, e], atol=1e-5)
        for own, all_of_them in zip(alone.features, together.features, strict=True):
            assert torch.equal(own[:, :, 0], all_of_them[:, :, e])
