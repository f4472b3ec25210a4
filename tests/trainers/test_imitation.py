"""Warm starts: what is learned from a teacher, and what ties the learner to it later."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.base import Decision
from cagexplain.policies.learned import networks
from cagexplain.policies.teacher import Teacher
from tests.support.training_env import _BITS, _RIGHT, FakeEnv
from trainers import imitation, registry
from trainers.core.clock import Clock
from trainers.core.config import from_plain
from trainers.core.evaluation import training_seeds
from trainers.imitation import Lesson, cross_entropy, divergence, load_teacher
from trainers.ppo import PPO, PPOConfig, presets

FAST = replace(
    presets("ippo")["paper"],
    observation="memory",
    network="shared",
    hidden=(16, 16),
    critic_hidden=(16,),
    envs=8,
    epochs=2,
    minibatches=2,
    learning_rate=1e-3,
    anneal=False,
    gamma=0.9,
    warm_start="answers",
    warm_rounds=3,
    warm_batch=64,
    warm_rate=1e-2,
)


class Answers:
    """Restores the alarmed host, which is the best policy of `FakeEnv`; notes what was played."""

    name, kind = "answers", "scripted"

    def reset(self, seeds):
        self.played = []

    def act(self, obs, mask, free, instead=None):
        alarmed = np.stack([obs[:, bits].argmax(1) for bits in _BITS], 1)
        chosen = _RIGHT[np.arange(5), alarmed]
        self.played.append(chosen if instead is None else instead(chosen))
        return Decision(self.played[-1])

    def describe(self):
        return {"name": self.name, "kind": self.kind}


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(imitation, "load_policy", lambda spec: Answers())


def rounds(learner, count, start=0, of=12):
    env = FakeEnv(8)
    return [
        learner.round(env, training_seeds(0, k, 8), k, of, Clock())
        for k in range(start, start + count)
    ]


def weights(stacks):
    return torch.cat([t.flatten() for stack in stacks for layer in stack.layers for t in layer])


@pytest.fixture
def masked():
    g = torch.Generator().manual_seed(3)
    mask = torch.rand(20, 9, generator=g) < 0.5
    mask[:, 2] = True
    legal = networks.additive(mask)
    before, now = (torch.randn(20, 9, generator=g) * 3 for _ in range(2))
    return before, now.requires_grad_(), legal


def test_losses_and_gradients_are_those_of_torch_distributions(masked):
    before, now, legal = masked
    p, q = (Categorical(logits=(x + legal).clamp_min(-1e8)) for x in (before, now))
    chance = torch.softmax(before + legal, -1)
    theirs = kl_divergence(p, q)
    ours = divergence(before + legal, now + legal)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        cross_entropy(now + legal, chance), theirs + p.entropy(), atol=1e-5, rtol=1e-4
    )
    gradients = [
        torch.autograd.grad(x.sum(), now, retain_graph=True)[0]
        for x in (ours, theirs, cross_entropy(now + legal, chance))
    ]
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradients[0], gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("network", ["shared", "scores"])
def test_a_few_rounds_make_the_learner_play_as_the_teacher(network):
    learner = PPO(replace(FAST, network=network, warm_rounds=4), 0, 2)
    history = rounds(learner, 5)
    assert history[0]["return"] == 0  # the teacher played
    assert history[3]["agreement"] > 0.9
    assert history[4]["return"] > -100  # of -195 at random


def test_the_teacher_leads_the_first_round_and_only_judges_the_others():
    learner = PPO(replace(FAST, warm_rate=1e-5), 0, 1)
    for number in range(2):
        rounds(learner, 1, number)
        played = np.stack(learner.teacher.policy.played)
        rollout = learner.player.rollout
        free = rollout.free[:-1]
        assert (played[free] == rollout.action[free]).all()
        right = np.isin(rollout.action[free], _RIGHT).mean()
        assert right == 1 if number == 0 else right < 0.5


def test_free_agents_alone_are_imitated_by_what_their_decisions_matter():
    """A decision without importance, or of a busy agent, teaches nothing."""
    learner = PPO(FAST, 0, 1)
    before = weights(learner.actor_stacks).clone()
    env = FakeEnv(8)
    lesson = Lesson(learner.teacher, False, env, np.arange(8))
    batch = learner._gather(
        learner.player.play(
            env,
            np.arange(8),
            learner.actor_stacks,
            None,
            np.random.default_rng(0),
            Clock(),
            lesson,
        )
    )
    batch.lesson = lesson
    assert (lesson.importance == 1).all()
    free = batch.free.permute(1, 2, 0).numpy()
    lesson.importance[free] = 0
    rng = np.random.default_rng(0)
    learner._copy_teacher(learner.actors[0], batch, 1e-2, rng)
    assert torch.equal(before, weights(learner.actor_stacks))
    lesson.importance[free] = 1
    learner._copy_teacher(learner.actors[0], batch, 1e-2, rng)
    assert not torch.equal(before, weights(learner.actor_stacks))


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_stored_state_continues_bit_for_bit(cut):
    """In the middle of the imitation, at its end, and while the tie fades."""
    whole, first, second = (PPO(FAST, 1, 1) for _ in range(3))
    rounds(whole, 6)
    rounds(first, cut)
    second.load(first.state())
    rounds(second, 6 - cut, cut)
    for part in ("actor_stacks", "critic_stacks", "imitated"):
        assert torch.equal(weights(getattr(whole, part)), weights(getattr(second, part)))


def test_learning_begins_with_a_fresh_optimiser_and_remembers_what_was_imitated():
    learner = PPO(FAST, 0, 1)
    rounds(learner, 3)
    cloned = weights(learner.actor_stacks).clone()
    rounds(learner, 1, 3)
    assert torch.equal(weights(learner.imitated), cloned)
    assert not torch.equal(weights(learner.actor_stacks), cloned)
    steps = max(float(s["step"]) for s in learner.actors[0].net.optimiser.state.values())
    assert steps == FAST.epochs * FAST.minibatches


def test_a_tie_holds_the_learner_back():
    strayed = []
    for tie in (0.01, 100.0):
        settings = replace(FAST, warm_tie=tie, warm_fade=1.0, learning_rate=3e-3)
        learner = PPO(settings, 0, 1)
        strayed.append(rounds(learner, 8)[-1]["strayed"])
    assert 0 < strayed[1] < 0.3 * strayed[0]


def test_the_tie_fades_to_zero():
    settings = replace(FAST, warm_tie=2.0, warm_fade=0.5)
    assert [settings.tie(progress) for progress in (0, 0.25, 0.5, 1)] == [2.0, 1.0, 0.0, 0.0]
    assert replace(settings, warm_start=None).tie(0) == 0
    assert replace(settings, warm_fade=0.0).tie(0) == 0


def test_another_policy_of_the_same_name_does_not_continue_the_run():
    learner, other = PPO(FAST, 0, 1), PPO(FAST, 0, 1)
    other.teacher.policy.name = "another"
    with pytest.raises(ValueError, match="another one"):
        other.load(learner.state())


def test_settings_are_stored_with_the_others():
    plain = {**vars(FAST), "hidden": [16, 16], "critic_hidden": [16], "ngu_hidden": [8, 8]}
    assert from_plain(PPOConfig, plain, "config.json").warm_start == "answers"


class TestBadPolicies:
    @pytest.fixture(autouse=True)
    def unknown(self, known, monkeypatch):
        monkeypatch.undo()

    def test_names_and_files_get_one_error_that_names_the_setting(self, tmp_path):
        for spec in ("champoin", str(tmp_path / "nowhere.pt"), ""):
            with pytest.raises(CagexplainError, match="warm_start") as caught:
                load_teacher(replace(FAST, warm_start=spec))
            assert caught.value.remedy

    def test_code_of_others_is_not_run(self, tmp_path):
        code = tmp_path / "mine.py"
        code.write_text("open('ran', 'w')\ndef policy(*a): ...\n")
        with pytest.raises(UsageError, match="runs no code of others") as caught:
            load_teacher(replace(FAST, warm_start=f"{code}:policy"))
        assert "trust" not in str(caught.value)

    def test_nobody_is_asked_without_a_warm_start(self):
        settings = replace(FAST, warm_start=None)
        assert load_teacher(settings) is None
        learner = PPO(settings, 0, 1)
        assert learner.state()["imitation"] == {}
        assert isinstance(load_teacher(replace(FAST, warm_start="champion")), Teacher)

    def test_other_methods_have_no_warm_start(self):
        assert hasattr(registry.find_preset("mappo", "tuned"), "warm_start")
        assert not hasattr(registry.find_preset("qmix", "tuned"), "warm_start")
