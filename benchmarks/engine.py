"""Speed of the engine, where the time goes, and what bounds it.

    python -m benchmarks.engine [--only PART] [--batch N] [--cyborg-path FOLDER]

Random valid actions of all five agents, observations written. One environment step is one step of
one environment, in which every agent acts once. All batches start from the middle of episodes.
Every rate is the best of several runs: other work on the machine only ever makes one slower.

The control of the phases is a play without the clock between them, which must end alike. The claim
is that the fastest batch makes at least 1,000 times as many steps a second as CybORG.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks import phases
from benchmarks.command import COUNT, benchmark
from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.phases import DEFAULT_STEPS
from cagexplain.common import machine
from cagexplain.envs import BatchedEnv
from cagexplain.envs.batched import Snapshot
from cagexplain.envs.cyborg.locate import load
from cagexplain.envs.engines import Engine
from cagexplain.envs.protocol import Env
from cagexplain.sim.state import OFTEN_USED, STATE

CYBORG_STEPS_PER_SECOND: Final = 15.0
"""Measured for CybORG 4.0 on one idle core of such a machine."""
LEAST_GAIN: Final = 1000
"""How many times as fast as CybORG the fastest batch is at least."""
CYBORG_STEPS: Final = 200
PARTS: Final = ("machine", "phases", "throughput")
BATCHES: Final = (1, 4, 16, 64, 256, 1024, 4096)
CACHED: Final = 16
"""A batch whose working set stays in a core's own cache."""
RUNS: Final = 5
ENV_STEPS: Final = 20_000
"""Environment steps of a run, as far as the episodes last."""
POOL: Final = 32
"""Different joint actions prepared in advance, so that drawing them is not timed."""
MIDDLE: Final = 200
REMAINING: Final = 240

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


def _random_actions(env: Env) -> npt.NDArray[np.int64]:
    generator = np.random.default_rng(0)
    chosen = np.zeros((POOL, env.n_envs, N_BLUE), dtype=np.int64)
    for agent in range(N_BLUE):
        valid = env.mask[:, actions.slice_of(agent)]
        for k in range(POOL):
            chosen[k, :, agent] = (generator.random(valid.shape) * valid).argmax(axis=1)
    return chosen


def middle_of_episodes(n_envs: int = 64) -> Snapshot:
    """Different episodes, played for a while."""
    env = BatchedEnv(n_envs)
    env.reset(np.arange(n_envs))
    pool = _random_actions(env)
    for k in range(MIDDLE):
        env.step(pool[k % POOL])
    env.close()
    return env.save()


def _placed(n_envs: int, threads: int, start: Snapshot) -> BatchedEnv:
    env = BatchedEnv(n_envs, threads=threads)
    env.restore(start, np.arange(n_envs) % len(start.states))
    return env


def steps_per_second(n_envs: int, threads: int, start: Snapshot) -> float:
    """Environment steps per second, from the middle of episodes on."""
    env = _placed(n_envs, threads, start)
    pool = _random_actions(env)
    steps = min(max(ENV_STEPS // n_envs, 10), REMAINING)
    rates = []
    for _ in range(RUNS if steps > 10 else 2):
        env.restore(start, np.arange(n_envs) % len(start.states))
        env.step(pool[0])
        started = time.perf_counter()
        for k in range(steps):
            env.step(pool[k % POOL])
        rates.append(steps * n_envs / (time.perf_counter() - started))
    env.close()
    return max(rates)


def microseconds_of_a_reset(n_envs: int = 64) -> float:
    """A new world, per environment."""
    env = BatchedEnv(n_envs, threads=1)
    env.reset(np.arange(n_envs))
    return 1e6 / n_envs * min(_seconds(env.reset) for _ in range(RUNS))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cyborg_rates(folder: Path) -> tuple[float, float]:
    """Steps per second of the real simulator on this machine, now, in one process: by itself, and
    behind our adapter, which leaves out work that nobody reads."""
    api = load(folder)
    scenario = api.EnterpriseScenarioGenerator(
        blue_agent_class=api.SleepAgent,
        green_agent_class=api.EnterpriseGreenAgent,
        red_agent_class=api.FiniteStateRedAgent,
        steps=DEFAULT_STEPS,
    )
    wrapper = api.BlueFlatWrapper(api.CybORG(scenario, seed=0))
    wrapper.reset()
    env = Engine("cyborg", workers=1, cyborg_path=folder).make(1)
    env.reset(np.arange(1))
    pool = _random_actions(env)[:, 0]

    def alone() -> None:
        for k in range(CYBORG_STEPS):
            wrapper.step({agent: int(pool[k % POOL, b]) for b, agent in enumerate(BLUE)})

    def adapted() -> None:
        for k in range(CYBORG_STEPS):
            env.step(pool[k % POOL][None])

    return CYBORG_STEPS / _seconds(alone), CYBORG_STEPS / _seconds(adapted)


def scaling_of_cores(cores: int) -> float:
    """How much faster all cores draw random numbers than one: what threads can gain at most."""
    work = phases.nanoseconds_of_an_output

    def together() -> None:
        workers = [threading.Thread(target=work) for _ in range(cores)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    work()
    return max(cores * _seconds(work) / _seconds(together) for _ in range(3))


def start_up(cache: str) -> float:
    """Seconds from ``import`` to the end of the first step, in a process of its own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    process = subprocess.run(
        [sys.executable, "-c", _START_UP],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(process.stdout)


def print_machine(console: Console, cores: int) -> None:
    """Sizes, start-up times, what threads can gain."""
    console.print(
        f"{platform.machine()}, {cores} cores, on which pure computation gains a factor of "
        f"{scaling_of_cores(cores):.2f} over one"
    )
    console.print(
        f"{STATE.itemsize / 1024:.0f} KiB per environment, of which an ordinary step uses about "
        f"{OFTEN_USED.size * 64 / 1024:.0f}; a reset takes {microseconds_of_a_reset():.0f} µs"
    )
    with tempfile.TemporaryDirectory() as cache:
        cold = start_up(cache)
        warm = statistics.median(start_up(cache) for _ in range(3))
    console.print(
        f"first step after start: {cold:.1f} s on a cold cache, {warm:.1f} s on a warm one"
    )


def print_phases(console: Console, start: Snapshot) -> None:
    """Where a step's time goes, with everything in the cache and with nothing in it."""
    profiles = []
    for n_envs, steps in ((CACHED, REMAINING), (BATCHES[-2], 12)):
        env = _placed(n_envs, 1, start)
        pool = _random_actions(env)
        profiles.append(phases.profile(env, pool[np.arange(steps) % POOL]))
    cached, distant = profiles
    table = Table("phase", f"µs, batch {CACHED}", "share", f"µs, batch {BATCHES[-2]}")
    for name, near, far in zip(
        phases.PHASES, cached.microseconds, distant.microseconds, strict=True
    ):
        share = near / cached.microseconds.sum()
        table.add_row(name, f"{near:.2f}", f"{share:.0%}", f"{far:.2f}")
    near, far = cached.microseconds.sum(), distant.microseconds.sum()
    table.add_row("all", f"{near:.2f}", "", f"{far:.2f}")
    console.print(table)

    output = phases.nanoseconds_of_an_output()
    floor = cached.outputs * output / 1000
    console.print(
        f"A step draws {cached.outputs:.0f} 64-bit random numbers of {output:.1f} ns, each from "
        f"the one before: {floor:.2f} µs, {floor / near:.0%} of the step, that cannot be avoided. "
        f"The rest of batch {CACHED}, {near - floor:.2f} µs, is computation; what batch "
        f"{BATCHES[-2]} takes more, {far - near:.2f} µs, is waiting for memory."
    )


def print_throughput(
    console: Console,
    cores: int,
    batches: Sequence[int],
    start: Snapshot,
    cyborg: float,
    origin: str,
) -> float:
    """Steps per second by threads and batch; returns the highest."""
    best = 0.0
    table = Table("threads", "batch", "steps/s", "µs per step", f"× CybORG's {cyborg:.1f} steps/s")
    for threads in sorted({1, cores}):
        for n_envs in batches:
            if threads > 1 and n_envs < 16:
                continue
            rate = steps_per_second(n_envs, threads, start)
            best = max(best, rate)
            table.add_row(
                str(threads),
                str(n_envs),
                f"{rate:,.0f}",
                f"{1e6 / rate:.1f}",
                f"{rate / cyborg:,.0f}",
            )
    console.print(table)
    console.print(f"CybORG's rate on one core: {origin}")
    return best


@benchmark(__doc__)
@click.option(
    "--only",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    default=PARTS,
    show_default=True,
    help="What to measure; repeatable.",
)
@click.option("--batch", "batches", type=COUNT, multiple=True, default=BATCHES, show_default=True)
@click.option(
    "--cyborg-path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that holds the CybORG package: measures it in the same run.",
)
def command(
    parts: Sequence[str], batches: Sequence[int], cyborg_path: Path | None
) -> Sequence[str]:
    """Prints the tables."""
    console = Console()
    cores = machine.cores()
    start = middle_of_episodes()
    if "machine" in parts:
        print_machine(console, cores)
    if "phases" in parts:
        print_phases(console, start)
    if "throughput" not in parts:
        return []
    if cyborg_path is None:
        cyborg, origin = CYBORG_STEPS_PER_SECOND, "measured earlier, on an idle machine like this"
    else:
        cyborg, adapted = cyborg_rates(cyborg_path)
        origin = f"measured in this run; {adapted:.1f} behind our adapter"
    best = print_throughput(console, cores, batches, start, cyborg, origin)
    if best >= LEAST_GAIN * cyborg:
        return []
    return [f"the engine is at least {LEAST_GAIN:,} times as fast as CybORG ({best / cyborg:,.0f})"]


if __name__ == "__main__":
    command()
