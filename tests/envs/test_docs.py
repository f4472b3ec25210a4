"""The trainers of docs/your-own-trainer.md are those that are run here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cagexplain.envs import EnvParams, parallel_env
from tests.docs import pages

PROGRAMS = {
    block.heading: block
    for block in pages.blocks(pages.ROOT / "docs" / "your-own-trainer.md")
    if block.kind == "python"
}
NEEDED = {
    "Stable-Baselines3": ("supersuit", "stable_baselines3"),
    "MaskablePPO": ("supersuit", "sb3_contrib"),
    "TorchRL": ("torchrl",),
    "A loop of your own": (),
}
EPISODE = 6
"""Steps of an episode: many end within a test."""


@pytest.fixture
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    for package in NEEDED[request.param]:
        pytest.importorskip(package, reason=f"{package} (extra 'dev') is not installed")
    with pages.program(PROGRAMS[request.param], tmp_path) as module:
        yield module


def shown(heading: str) -> Callable[..., Any]:
    """The test gets the program below this heading."""
    return pytest.mark.parametrize("program", [heading], indirect=True)


def test_every_program_is_run() -> None:
    assert set(PROGRAMS) == set(NEEDED)


@pytest.mark.parametrize("cpus", [0, 2])
@shown("Stable-Baselines3")
def test_stable_baselines(program: Any, cpus: int) -> None:
    learner = program.train(steps=5 * 2 * 128, envs=2, cpus=cpus, episode=EPISODE)
    assert learner.num_timesteps == 5 * 2 * 128
    starts = learner.rollout_buffer.episode_starts
    assert (np.flatnonzero(starts[:, 0]) % (EPISODE - 1) == 0).all()
    assert starts[:, 0].sum() == -(-128 // (EPISODE - 1))


@shown("MaskablePPO")
def test_maskable_ppo(program: Any) -> None:
    learner = program.train(steps=5 * 2 * 128, envs=2, episode=EPISODE)
    buffer = learner.rollout_buffer
    taken = buffer.actions.reshape(-1).astype(int)
    masks = buffer.action_masks.reshape(len(taken), -1)
    assert masks.shape[1] == 242
    assert masks[np.arange(len(taken)), taken].all()
    assert 0 < masks.mean() < 1


@shown("TorchRL")
@pytest.mark.filterwarnings("ignore")
def test_torchrl(program: Any) -> None:
    actor = program.train(steps=40, per_round=20, episode=EPISODE)
    played = program.make_env(EPISODE).rollout(3 * EPISODE, actor, break_when_any_done=False)
    assert played["next", "done"].squeeze().nonzero().squeeze().tolist() == [4, 9, 14]
    taken = played["blue_agent", "action"]
    assert played["blue_agent", "action_mask"].gather(-1, taken[..., None]).all()
    assert played["state"].shape == (3 * EPISODE, 578)
    env = parallel_env(EnvParams(steps=EPISODE))
    assert env.state_space.shape == (578,)


@shown("A loop of your own")
def test_a_loop_of_ones_own(program: Any) -> None:
    agent, rewards = program.train(steps=2 * 4 * 16, envs=4, per_round=16, episode=EPISODE)
    assert len(rewards) == 2
    assert np.isfinite(rewards).all()
    fresh = program.Agent()
    assert any(
        not torch.equal(here, there)
        for here, there in zip(agent.parameters(), fresh.parameters(), strict=True)
    )
