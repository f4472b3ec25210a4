"""Speed of the engine.

    python -m benchmarks.engine

Random valid actions of all five agents, observations and masks written. One environment step is one
step of one environment, in which every agent acts once. Every figure is the median of several runs.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.envs import BatchedEnv
from cagexplain.sim.state import STATE

CYBORG_STEPS_PER_SECOND: Final = 15.0
"""Measured for CybORG 4.0 on one idle core of such a machine."""
BATCHES: Final = (1, 4, 16, 64, 256)
ENV_STEPS: Final = 60_000
RUNS: Final = 5
POOL: Final = 64
"""Different joint actions prepared in advance, so that drawing them is not timed."""

_START_UP: Final = """
import time
start = time.perf_counter()
import numpy as np
from cagexplain.cc4 import actions
from cagexplain.envs import BatchedEnv
env = BatchedEnv(1)
env.reset([0])
env.step(np.array([actions.SLEEP_INDEX]))
print(time.perf_counter() - start)
"""


def _random_actions(env: BatchedEnv, generator: np.random.Generator) -> np.ndarray:
    chosen = np.zeros((POOL, env.n_envs, N_BLUE), dtype=np.int64)
    for agent in range(N_BLUE):
        valid = env.mask[:, actions.slice_of(agent)]
        for k in range(POOL):
            chosen[k, :, agent] = (generator.random(valid.shape) * valid).argmax(axis=1)
    return chosen


def steps_per_second(n_envs: int, threads: int) -> float:
    """Environment steps per second over whole episodes, resets included."""
    env = BatchedEnv(n_envs, threads=threads)
    env.reset(np.arange(n_envs))
    pool = _random_actions(env, np.random.default_rng(0))
    env.step(pool[0])
    steps = max(ENV_STEPS // n_envs, 100)
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        for k in range(steps):
            if env.done.all():
                env.reset()
            env.step(pool[k % POOL])
        rates.append(steps * n_envs / (time.perf_counter() - started))
    env.close()
    return statistics.median(rates)


def start_up(cache: str) -> float:
    """Seconds from ``import`` to the end of the first step, in a process of its own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, "-c", _START_UP],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Prints the tables."""
    console = Console()
    cores = len(os.sched_getaffinity(0))
    console.print(
        f"{platform.machine()}, {cores} cores; {STATE.itemsize / 1024:.0f} KiB per environment"
    )
    with tempfile.TemporaryDirectory() as cache:
        cold = start_up(cache)
        warm = statistics.median(start_up(cache) for _ in range(3))
    console.print(
        f"first step after start: {cold:.1f} s on a cold cache, {warm:.1f} s on a warm one"
    )

    table = Table("threads", "batch", "steps/s", "µs per step", "× CybORG on one core")
    for threads in sorted({1, cores}):
        for n_envs in BATCHES:
            if threads > 1 and n_envs < 16:
                continue
            rate = steps_per_second(n_envs, threads)
            table.add_row(
                str(threads),
                str(n_envs),
                f"{rate:,.0f}",
                f"{1e6 / rate:.1f}",
                f"{rate / CYBORG_STEPS_PER_SECOND:,.0f}",
            )
    console.print(table)


if __name__ == "__main__":
    main()
