"""Speed and memory of training.

    python -m benchmarks.train [--only NAME]... [--preset NAME]... [--rounds N] [--envs N]

Every method plays and learns for a few rounds from scratch, in a process and on a core of its own.
The time of a round is split into simulation, inference, intrinsic reward and update; the rest of a
run (evaluation, files) is not counted. Rounds in which a replay method only collects are left out.
The learner's products are counted while it runs (those of `host_scores` and of recurrent layers are
not seen, so such methods show less than they do) and compared with the machine's own speed at
products of 1,024 x 1,024 matrices, measured in the same process. Memory is the most that a process
held, plus the part of its replay memory that it had not filled.

Then IPPO with the preset `tuned` runs once per core side by side, and alone on all cores. It
measures, and claims nothing.
"""

import multiprocessing
import resource
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.command import COUNT, benchmark
from cagexplain.cc4 import phases
from cagexplain.common import machine
from cagexplain.policies.rollout import EVALUATION_SEED
from trainers.core.clock import Clock
from trainers.core.evaluation import training_seeds
from trainers.core.loop import default_env
from trainers.core.replay import Replay
from trainers.registry import ALGORITHMS, Learner

PARTS: Final = ("simulation", "inference", "intrinsic", "update")
RUN: Final = 2_000_000
"""Environment steps of one of the study's runs."""


@dataclass(frozen=True)
class Speed:
    """What a method needs.

    Attributes:
        steps: environment steps of a round.
        seconds: of the parts of a round.
        flops: of the matrix products of an update; the peak is of one core.
        peak: matrix products per second of one core.
        memory: bytes.
    """

    steps: int
    seconds: dict[str, float]
    flops: float
    peak: float
    memory: float

    @property
    def rate(self) -> float:
        """Environment steps per second."""
        return self.steps / sum(self.seconds.values())


class _Inline(ThreadPoolExecutor):
    """Does submitted work at once, where the counter of products sees it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def matmul_peak() -> float:
    """Floating point operations per second of one core in products of large matrices."""
    size, best = 1024, float("inf")
    a, b = torch.randn(size, size), torch.randn(size, size)
    for _ in range(20):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def measure(
    name: str, preset: str, threads: int, rounds: int, envs: int | None = None, *, count: bool
) -> Speed:
    """Play and learn for some rounds; `count` counts the products of one more."""
    torch.set_num_threads(1)
    settings = ALGORITHMS[name].presets[preset]
    if envs is not None:
        settings = replace(settings, envs=envs)
    learner: Learner = ALGORITHMS[name].make(settings, 0, threads, "cpu")
    env = default_env(settings.envs, threads)
    env.reset(np.arange(EVALUATION_SEED, EVALUATION_SEED + env.n_envs))  # compiles
    first = getattr(settings, "warmup", 0) + 1  # and one to get going
    laps = []
    for number in range(first + rounds):
        clock = Clock()
        learner.round(env, training_seeds(0, number, env.n_envs), number, 1_000_000, clock)
        laps.append(clock.seconds)
    flops, peak = 0.0, 0.0
    if count:
        if hasattr(learner, "pool"):
            learner.pool = _Inline(1)
        with FlopCounterMode(display=False) as counter:
            number = first + rounds
            learner.round(env, training_seeds(0, number, env.n_envs), number, 1_000_000, Clock())
        flops, peak = float(counter.get_total_flops()), matmul_peak()
    seconds = {part: median(lap.get(part, 0.0) for lap in laps[first:]) for part in PARTS}
    memory = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if hasattr(settings, "replay"):
        missing = max(0, settings.replay - len(laps) * env.n_envs)
        calls = phases.calls(env.params.steps)
        memory += Replay.required_bytes(settings.observation, missing, calls)
    return Speed(env.n_envs * (env.params.steps - 1), seconds, flops, peak, memory)


def _apart(jobs: list[tuple[Any, ...]], *, count: bool) -> list[Speed]:
    """Measure at the same time, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(len(jobs), maxtasksperchild=1) as pool:
        results = [pool.apply_async(measure, job, {"count": count}) for job in jobs]
        return [result.get() for result in results]


@benchmark(__doc__)
@click.option(
    "--only", type=click.Choice(list(ALGORITHMS)), multiple=True, help="Limit to a method."
)
@click.option(
    "--preset",
    "presets",
    type=click.Choice(sorted({name for one in ALGORITHMS.values() for name in one.presets})),
    multiple=True,
    help="Limit to a preset.",
)
@click.option("--rounds", type=COUNT, default=3, show_default=True)
@click.option("--envs", type=COUNT, help="Episodes of a round.  [default: the preset's]")
def command(
    only: tuple[str, ...], presets: tuple[str, ...], rounds: int, envs: int | None
) -> Sequence[str]:
    """Measure the presets of all algorithms."""
    console, cores = Console(), machine.cores()
    table = Table(title="Training on one core: µs per environment step and share of the time")
    headings = ("method", "preset", "steps/s", *PARTS, "GFLOP/s", "of peak", "2M steps", "memory")
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, algorithm in ALGORITHMS.items():
        for preset in algorithm.presets:
            if (only and name not in only) or (presets and preset not in presets):
                continue
            (speed,) = _apart([(name, preset, 1, rounds, envs)], count=True)
            total = sum(speed.seconds.values())
            shares = (
                f"{1e6 * s / speed.steps:,.0f} ({s / total:.0%})" for s in speed.seconds.values()
            )
            # The counted round has the products of play as well; those of updates dominate.
            rate = speed.flops / (speed.seconds["update"] + speed.seconds["inference"])
            table.add_row(
                name,
                preset,
                f"{speed.rate:,.0f}",
                *shares,
                f"{rate / 1e9:.1f}",
                f"{rate / speed.peak:.0%}",
                f"{RUN / speed.rate / 60:.1f} min",
                f"{speed.memory / 2**30:.1f} GiB",
            )
            console.print(f"{name} {preset}: {speed.rate:,.0f} steps/s", highlight=False)
    console.print(table)
    if only and "ippo" not in only:
        return ()
    apart = _apart([("ippo", "tuned", 1, rounds, envs)] * cores, count=False)
    (together,) = _apart([("ippo", "tuned", cores, rounds, envs)], count=False)
    (paper,) = _apart([("ippo", "paper", cores, rounds, envs)], count=False)
    rates = ", ".join(f"{speed.rate:,.0f}" for speed in apart)
    console.print(f"ippo tuned, one run per core, side by side: {rates} steps/s", highlight=False)
    for preset, speed in (("tuned", together), ("paper", paper)):
        console.print(
            f"ippo {preset}, one run on {cores} cores: {speed.rate:,.0f} steps/s, "
            f"2M steps in {RUN / speed.rate / 60:.1f} min",
            highlight=False,
        )
    return ()


if __name__ == "__main__":
    command()
