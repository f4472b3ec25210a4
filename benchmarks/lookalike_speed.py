"""How many times as fast as CybORG its own wrapper is on the look-alike.

    python -m benchmarks.lookalike_speed [--steps N] [--cyborg-path FOLDER]

EnterpriseMAE of the user's CybORG wraps both, with the same seed and the same random actions.
The two play in turns, a stretch at a time, so that other work on the machine slows both; every
rate is the median of the stretches. The control is that both earn the same rewards. The claim is
that the look-alike is at least 20 times as fast.
"""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from benchmarks.command import COUNT, CannotMeasure, benchmark
from cagexplain.cc4.agents import BLUE
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.envs.lookalike import InProcess, Lookalike, load_parts

LEAST_GAIN: Final = 20
STRETCH: Final = 25
SEED: Final = 5


def _chosen(generator: np.random.Generator, env: Any) -> dict[str, int]:
    return {agent: int(generator.choice(np.flatnonzero(env.action_mask(agent)))) for agent in BLUE}


def _stretch(env: Any, plan: list[dict[str, int]]) -> tuple[float, list[float]]:
    """Seconds a step, and the rewards."""
    start = time.perf_counter()
    rewards = [env.step(chosen)[1][BLUE[0]] for chosen in plan]
    return (time.perf_counter() - start) / len(plan), rewards


@benchmark(__doc__)
@click.option("--steps", type=COUNT, default=250, show_default=True, help="Steps of both.")
@click.option(
    "--cyborg-path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CAGEXPLAIN_CYBORG_PATH",
    help="Folder that holds CybORG.",
)
def command(steps: int, cyborg_path: Path | None) -> Sequence[str]:
    """See the module."""
    api = load_parts(cyborg_path)
    length = steps + 2
    scenario = api.EnterpriseScenarioGenerator(
        blue_agent_class=api.SleepAgent,
        green_agent_class=api.EnterpriseGreenAgent,
        red_agent_class=api.FiniteStateRedAgent,
        steps=length,
    )
    cyborg = api.CybORG(scenario, seed=0)
    cyborg.set_seed(SEED)
    engine = BatchedEnv(1, params=EnvParams(steps=length), threads=1)
    pair = {
        "look-alike": api.EnterpriseMAE(Lookalike(api, InProcess(engine, SEED), length)),
        "CybORG": api.EnterpriseMAE(cyborg),
    }
    seconds: dict[str, list[float]] = {name: [] for name in pair}
    for env in pair.values():
        env.reset()
    generator = np.random.default_rng(0)
    for _ in range(max(1, steps // STRETCH)):
        plan = [_chosen(generator, pair["CybORG"]) for _ in range(min(STRETCH, steps))]
        rewards = []
        for name, env in pair.items():
            each, earned = _stretch(env, plan)
            seconds[name].append(each)
            rewards.append(earned)
        if rewards[0] != rewards[1]:
            raise CannotMeasure("the two earned different rewards")
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    for name, each in middle.items():
        click.echo(f"{name:12} {1 / each:8.1f} steps/s")
    gain = middle["CybORG"] / middle["look-alike"]
    click.echo(f"gain         {gain:8.1f}")
    false = gain < LEAST_GAIN
    return [f"the look-alike is {gain:.1f} times as fast, not {LEAST_GAIN}"] if false else []


if __name__ == "__main__":
    command()
