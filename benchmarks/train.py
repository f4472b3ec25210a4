"""Speed of training, split into simulation, inference and update.

    python -m benchmarks.train [--rounds N]

Every preset plays and learns for a few rounds from scratch, on one core and on all. The three parts
are wall-clock time of one round; the rest of a run (evaluation, files) is not counted.
"""

import os
from statistics import median
from typing import Final

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from cagexplain.policies.rollout import EVALUATION_SEED
from trainers.clock import Clock
from trainers.evaluation import training_seeds
from trainers.loop import default_env
from trainers.registry import ALGORITHMS

PARTS: Final = ("simulation", "inference", "update")


def measure(algorithm: str, preset: str, threads: int, rounds: int) -> tuple[int, dict[str, float]]:
    """Environment steps of a round, and the median seconds of its parts."""
    settings = ALGORITHMS[algorithm].presets[preset]
    learner = ALGORITHMS[algorithm].make(settings, 0, threads)
    env = default_env(settings.envs, threads)
    env.reset(np.arange(EVALUATION_SEED, EVALUATION_SEED + env.n_envs))  # compiles
    laps = []
    for number in range(rounds + 1):
        clock = Clock()
        seeds = training_seeds(0, number, env.n_envs)
        learner.round(env, seeds, number, rounds + 1, clock)
        laps.append(clock.seconds)
    steps = env.n_envs * (env.params.steps - 1)
    return steps, {part: median(lap[part] for lap in laps[1:]) for part in PARTS}


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
def main(rounds: int) -> None:
    """Measure all presets of all algorithms."""
    torch.set_num_threads(1)
    cores = len(os.sched_getaffinity(0))
    table = Table(title="Training speed: µs per environment step and share of the time")
    for heading in ("preset", "threads", "steps/s", *PARTS):
        table.add_column(heading, justify="right")
    for name, algorithm in ALGORITHMS.items():
        for preset in algorithm.presets:
            for threads in sorted({1, cores}):
                steps, seconds = measure(name, preset, threads, rounds)
                total = sum(seconds.values())
                parts = (
                    f"{1e6 * seconds[part] / steps:.0f} ({seconds[part] / total:.0%})"
                    for part in PARTS
                )
                table.add_row(f"{name} {preset}", str(threads), f"{steps / total:,.0f}", *parts)
    Console().print(table)


if __name__ == "__main__":
    main()
