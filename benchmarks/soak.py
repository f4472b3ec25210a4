"""Whether a process that works on and on needs more and more memory, threads or open files.

    python -m benchmarks.soak [--minutes 20] [--bound 20] [--json FILE]

Repeats a cycle in one process: environments of several sizes are made, played, saved, copied and
closed, PettingZoo environments likewise, a trace is recorded, analysed and audited. After every
cycle the resident memory is taken, when garbage has been collected.

Memory grows if the slope of its second half (Theil and Sen) is above the bound, in MB per ten
minutes, and the 95 % interval of the slope is above zero: a step near the end is no growth.
Threads and files grow if there are more of them in the last quarter than ever in the first half.
The exit status is 1 if anything grows, or if there were too few cycles to tell.
"""

import argparse
import copy
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import theilslopes

from cagexplain.audit.conduct import conduct
from cagexplain.audit.profiles import load_profile
from cagexplain.audit.references import load_references
from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.common.files import write_json
from cagexplain.envs import BatchedEnv, EnvParams, parallel_env
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace

BOUND: Final = 20.0
"""MB per ten minutes."""
CYCLES: Final = 12
"""Fewest that can tell a trend."""
SIZES: Final = (1, 8, 64)
PARAMS: Final = EnvParams(steps=30)


class Sample(NamedTuple):
    """The state of the process after a cycle: clock in seconds, resident memory in MB."""

    seconds: float
    memory: float
    threads: int
    files: int


@dataclass(frozen=True)
class Trend:
    """What the samples tell.

    Attributes:
        slope, low, high: of the memory in the second half, MB per ten minutes, with the interval.
        threads, files: how many more there were in the last quarter than ever in the first half.
    """

    slope: float
    low: float
    high: float
    threads: int
    files: int

    def growing(self, bound: float) -> list[str]:
        """Names of what grows."""
        grows = {
            "memory": self.slope > bound and self.low > 0,
            "threads": self.threads > 0,
            "files": self.files > 0,
        }
        return [name for name, it_does in grows.items() if it_does]


def trend(samples: Sequence[Sample]) -> Trend:
    """The trend of at least `CYCLES` samples."""
    half, quarter = len(samples) // 2, len(samples) // 4
    late = samples[half:]
    fit = theilslopes([s.memory for s in late], [s.seconds for s in late], alpha=0.95)
    slope, low, high = (600 * float(x) for x in (fit[0], fit[2], fit[3]))

    def more(of: Callable[[Sample], int]) -> int:
        return max(map(of, samples[-quarter:])) - max(map(of, samples[:half]))

    return Trend(slope, low, high, more(lambda s: s.threads), more(lambda s: s.files))


def batched_envs(seed: int) -> None:
    """Make, play, save, copy and close environments of several sizes."""
    for size in SIZES:
        env = BatchedEnv(size, params=PARAMS, threads=2)
        env.reset(seed + np.arange(size))
        chosen = np.tile(SLEEP_INDEX, (size, 1))
        for _ in range(10):
            env.step(chosen)
        saved = env.save()
        twin = copy.deepcopy(env)
        for each in (env, twin):
            each.restore(saved)
            for _ in range(10):
                each.step(chosen)
            each.close()


def parallel_envs(seed: int) -> None:
    """The same with environments of PettingZoo."""
    env = parallel_env(PARAMS)
    env.reset(seed=seed)
    twin = copy.deepcopy(env)
    for each in (env, twin):
        for _ in range(10):
            each.step({agent: actions.SLEEP_INDEX[i] for i, agent in enumerate(BLUE)})
        each.close()


def traces(seed: int) -> None:
    """Record, analyse and audit some episodes."""
    with tempfile.TemporaryDirectory() as folder:
        Recording(Path(folder), load_policy("random"), seed + np.arange(4), PARAMS, batch=2).run()
        conduct(
            open_trace(folder), None, load_profile("default"), load_references(), command="soak"
        )


PARTS: Final = (batched_envs, parallel_envs, traces)


def sample(began: float) -> Sample:
    """The process as it is now, without garbage."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    threads, files = (len(os.listdir(f"/proc/self/{name}")) for name in ("task", "fd"))
    return Sample(time.monotonic() - began, memory, threads, files)


def soak(minutes: float, parts: Sequence[Callable[[int], None]] = PARTS) -> list[Sample]:
    """Repeat the cycle for some minutes."""
    began = time.monotonic()
    samples: list[Sample] = []
    while not samples or samples[-1].seconds < 60 * minutes:
        for part in parts:
            part(len(samples))
        samples.append(sample(began))
    return samples


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    options = _options(arguments)
    samples = soak(options.minutes)
    console = Console(width=120)
    table = Table("minutes", "cycles", "memory (MB)", "threads", "files", title="after a cycle")
    for i in sorted({int(i) for i in np.linspace(0, len(samples) - 1, 11)}):
        row = samples[i]
        cells = (f"{row.seconds / 60:.1f}", i + 1, f"{row.memory:.1f}", row.threads, row.files)
        table.add_row(*map(str, cells))
    console.print(table)
    if len(samples) < CYCLES:
        console.print(f"{len(samples)} cycles cannot tell a trend; give more --minutes")
        return 1
    growth = trend(samples)
    console.print(
        f"memory: {growth.slope:+.1f} MB per 10 minutes "
        f"({growth.low:+.1f} to {growth.high:+.1f}) in the second half; "
        f"threads {growth.threads:+d}, files {growth.files:+d}",
        highlight=False,
    )
    growing = growth.growing(options.bound)
    console.print(f"growing: {', '.join(growing) or 'nothing'}")
    if options.json:
        rows = [each._asdict() for each in samples]
        write_json(options.json, {**asdict(growth), "growing": growing, "samples": rows})
    return int(bool(growing))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    summary = "Whether a process that works on and on needs more memory, threads or files."
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=summary)
    parser.add_argument("--minutes", type=_positive, default=20.0, help="how long")
    parser.add_argument("--bound", type=_positive, default=BOUND, help="MB per ten minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the samples there as well")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < np.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
