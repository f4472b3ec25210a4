"""The algorithm of docs/contributing/method.md is the one that is run here."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import trainers
from tests.docs import pages
from tests.support.paths import ROOT
from tests.support.toy import Recall, TwoStep
from trainers import registry
from trainers.core import loop
from trainers.core.clock import Clock
from trainers.core.config import RunConfig

PAGE = ROOT / "docs" / "contributing" / "method.md"


@pytest.fixture(scope="module")
def reinforce(tmp_path_factory):
    (block,) = [block for block in pages.blocks(PAGE) if block.kind == "python"]
    with pages.program(block, tmp_path_factory.mktemp("page")) as module:
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


def test_the_changes_of_the_registry_make_it_known(reinforce, tmp_path, monkeypatch):
    """They are applied to a copy of the registry, which is then imported."""
    (block,) = [block for block in pages.blocks(PAGE) if block.kind == "diff"]
    source = Path(registry.__file__).read_text(encoding="utf-8")
    for part in block.text.split("\n\n"):
        old, new = (
            [line[1:] for line in part.splitlines() if line[0] == sign] for sign in ("-", "+")
        )
        assert source.count("\n".join(old)) == 1
        source = source.replace("\n".join(old), "\n".join(new))
    monkeypatch.setitem(sys.modules, "trainers.reinforce", reinforce)
    monkeypatch.setattr(trainers, "reinforce", reinforce, raising=False)
    changed = replace(block, kind="python", text=source, line=1)
    with pages.program(changed, tmp_path) as module:
        assert set(module.ALGORITHMS) - set(registry.ALGORITHMS) == {"reinforce", "r_reinforce"}
        assert module.ALGORITHMS["reinforce"].make is reinforce.Reinforce


def test_an_entry_makes_it_trainable(reinforce, tmp_path, monkeypatch):
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
