"""PPO for red: what it learns from, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cagexplain.cc4 import network, reward
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.cc4.reds import REDS
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.policies.checkpoint import read_plain, write_plain
from cagexplain.policies.learned_red import AgainstLearned, LearnedRed, Scorer, log_softmax
from cagexplain.policies.registry import load_policy
from trainers.red import RedLearner, RedSettings, _losses, joined

SETTINGS = RedSettings(envs=4, minibatches=2)


def _learner(seed: int = 0, steps: int = 60, settings: RedSettings = SETTINGS) -> RedLearner:
    red = LearnedRed(REDS["greedy_live"])
    return RedLearner(red, load_policy("sleep"), EnvParams(steps=steps), settings, seed)


def _rounds(learner: RedLearner, count: int) -> list[dict[str, float]]:
    return [learner.round() for _ in range(count)]


def test_a_run_is_a_function_of_its_seed() -> None:
    ends = []
    for seed in (0, 0, 1):
        learner = _learner(seed)
        rows = _rounds(learner, 2)
        assert len(rows) == 2
        ends.append(torch.cat([w.detach().flatten() for w in learner.red.scorer.parameters()]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_stored_run_goes_on_as_if_it_had_not_been_interrupted(tmp_path: Path) -> None:
    whole, first, second = (_learner() for _ in range(3))
    rows = _rounds(whole, 3)
    assert _rounds(first, 1) == rows[:1]
    write_plain(tmp_path / "x.pt", "state", first.state())
    second.load(
        {name: read_plain(tmp_path / "x.pt", "state")[name] for name in first.state()}, tmp_path
    )
    assert second.rounds == 1
    assert _rounds(second, 2) == rows[1:]
    for one, other in zip(
        whole.red.scorer.parameters(), second.red.scorer.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_a_state_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    state = _learner().state()
    state["critic"] = {name: weight[:1] for name, weight in state["critic"].items()}
    with pytest.raises(CagexplainError, match=r"learner\.critic"):
        _learner().load(state, tmp_path)


def test_it_learns_what_pays() -> None:
    """Against Sleep, which evicts nobody, a table that knows no Degrade learns to Degrade or Impact
    more: blue loses more after some rounds."""
    settings = RedSettings(envs=8, minibatches=2, epochs=4, learning_rate=1e-2)
    learner = _learner(0, 150, settings)
    rows = [row["return"] for row in _rounds(learner, 16)]
    assert np.mean(rows[-4:]) < 1.2 * np.mean(rows[:4])


def test_decisions_of_several_steps_are_scored_as_one_by_one() -> None:
    env = AgainstLearned(4, LearnedRed(REDS["greedy_live"]), EnvParams(steps=80))
    env.reset(np.arange(4))
    scorer = Scorer()
    with torch.no_grad():
        for weight in scorer.parameters():
            weight.normal_(generator=torch.Generator().manual_seed(2))
    parts, taken, alone = [], [], []
    for _ in range(40):
        made, options, _ = env.red.consider(env.red_view())
        parts.append(made)
        taken.append(options)
        decides = torch.from_numpy(made.decides)
        alone.append(log_softmax(scorer(made), decides, len(made))[torch.from_numpy(options)])
        env.step(np.zeros((4, 5), np.int64), red_choices=made.choices(4, options))
    whole, options = joined(parts, taken)
    together = log_softmax(scorer(whole), torch.from_numpy(whole.decides), len(whole))
    assert len(whole) == sum(map(len, parts)) > 40
    assert (whole.decides[options] == np.arange(len(whole))).all()
    assert torch.allclose(together[torch.from_numpy(options)], torch.cat(alone), atol=1e-5)


def test_what_is_lost_adds_up_and_leaves_the_contractor_out() -> None:
    env = AgainstLearned(4, LearnedRed(REDS["silent_live"]), EnvParams(steps=120))
    env.reset(np.arange(4))
    contractor = 0.0
    for _ in range(100):
        env.step(np.zeros((4, 5), np.int64))
        lost, by_zone = _losses(env, "return")
        assert (lost == -env.reward).all()
        assert (by_zone.sum(axis=1) - env.action_cost.sum(axis=1) == lost).all()
        rest, _ = _losses(env, "without-contractor")
        assert (lost - rest == -env.reward_parts[:, reward.RIA, network.CON]).all()
        contractor += float((lost - rest).sum())
    assert contractor > 0
    assert RedAction.IMPACT in env.state["red_started"] or contractor
