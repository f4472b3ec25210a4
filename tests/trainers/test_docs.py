"""The algorithm of docs/adding-an-algorithm.md is the one that is run here."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import pages
from tests.trainers.toy import Recall, TwoStep
from trainers import loop, registry
from trainers.clock import Clock
from trainers.config import RunConfig


@pytest.fixture(scope="module")
def reinforce(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with pages.program("adding-an-algorithm.md", "Adding an algorithm", folder) as module:
        yield module


@pytest.mark.parametrize(
    ("name", "toy", "best"), [("reinforce", TwoStep, 8), ("r_reinforce", Recall, 1)]
)
def test_it_learns(reinforce, name, toy, best):
    settings = replace(
        reinforce.presets(name)["tuned"], envs=64, hidden=(16,), core_size=8, learning_rate=2e-2
    )
    learner = reinforce.Reinforce(settings, 0, 1, "cpu")
    env = toy(64)
    for number in range(60):
        learner.round(env, np.arange(64) + 64 * number, number, 60, Clock())
    assert learner.player.rollout.team.sum(0).mean() > 0.9 * best


def test_one_line_in_the_registry_makes_it_trainable(reinforce, tmp_path, monkeypatch):
    entry = registry.Algorithm(reinforce.presets("reinforce"), reinforce.Reinforce, reinforce.check)
    monkeypatch.setitem(registry.ALGORITHMS, "reinforce", entry)
    config = RunConfig("reinforce", "paper", steps=160, eval_episodes=2, final_episodes=2)
    settings = replace(registry.find_preset("reinforce", "paper"), envs=4, hidden=(8,))

    def make(n, threads, red):
        return TwoStep(n)

    half = tmp_path / "half"
    whole = loop.start(config, settings, tmp_path / "whole", threads=1, make_env=make)
    whole.train()
    loop.start(config, settings, half, threads=1, make_env=make)
    loop.resume(half, threads=1, make_env=make).train()
    weights = [
        loop.load_checkpoint(folder / loop.BEST).weights["actors"][0][0][0]
        for folder in (tmp_path / "whole", half)
    ]
    assert torch.equal(*weights)
