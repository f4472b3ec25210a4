"""Replays blue's actions against an exported red in the real CybORG; a script for a process of its
own.

    python -Bm cagexplain.export.red_replay CYBORG RED_AGENT EPISODES REWARDS

CYBORG is the folder that holds the package CybORG, or empty if it is installed; RED_AGENT the file
of the exported class. EPISODES holds seeds, actions and messages of some episodes (see
`cagexplain.export.red`), and REWARDS gets what CybORG gives in each of their steps. Of this package
only what finds CybORG takes part.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from cagexplain.envs.cyborg.locate import load

AGENT: Final = "TableRedAgent"
"""Name of the exported class."""
BLUE: Final = [f"blue_agent_{i}" for i in range(5)]


def rewards(api: Any, red: Any, seed: int, actions: Any, messages: Any) -> list[float]:
    """What the blue team gets in each step of an episode.

    Args:
        api: CybORG's classes.
        red: class of its red agents.
        seed: of the episode.
        actions, messages: ``int[steps, 5]``, ``bool[steps, 5, 8]`` of blue.
    """
    scenario = api.EnterpriseScenarioGenerator(
        blue_agent_class=api.SleepAgent,
        green_agent_class=api.EnterpriseGreenAgent,
        red_agent_class=red,
        steps=len(actions) + 1,
    )
    cyborg = api.CybORG(scenario, seed=0)  # its world is discarded: the seed comes afterwards
    env = api.BlueFlatWrapper(cyborg)
    cyborg.set_seed(seed)
    env.reset()
    given = []
    for chosen, told in zip(actions.tolist(), messages, strict=True):
        _, reward, *_ = env.step(
            dict(zip(BLUE, chosen, strict=True)), dict(zip(BLUE, told, strict=True))
        )
        given.append(float(reward[BLUE[0]]))
    return given


def main(cyborg: str, agent: str, episodes: str, answers: str) -> None:
    """Replay every episode."""
    api = load(Path(cyborg) if cyborg else None)
    red = runpy.run_path(agent)[AGENT]
    with np.load(episodes, allow_pickle=False) as archive:
        recorded = zip(archive["seeds"], archive["actions"], archive["messages"], strict=True)
        np.save(answers, [rewards(api, red, int(seed), *blue) for seed, *blue in recorded])


if __name__ == "__main__":
    main(*sys.argv[1:])
