"""Whether what other trainers save is audited by one command, as it was saved.

    python -m benchmarks.outside_trainers [--minutes 1] [--episodes 20] [--json FILE]

Trains PPO of Stable-Baselines3 and of RLlib, each for about so many minutes, by the programs of
docs/your-own-trainer.md and docs/your-agent.md, lets them save their policies, and calls
`cagexplain audit` with nothing but their paths (and --trust-code for RLlib). The claims: the audit
ends with a judgement, and the policy does better than one that Sleeps. The second is a control of
the form in which observations and actions reach the network: a policy that is shown other entries
than it was trained on does worse than nothing. PPO may need more than a minute for it.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command import COUNT, FILE, benchmark
from cagexplain.common.files import write_json
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED

_DOCS: Final = Path(__file__).parents[1] / "docs"
_ROUND: Final = 500
"""Steps of the environment between two looks at the clock."""


@dataclass(frozen=True)
class Result:
    """A trainer's policy, audited.

    Attributes:
        trainer: its name.
        seconds: of the training, of the audit.
        status: of the audit's process: 0, or 3 where checks fail.
        mean: return of the policy over the audit's episodes; None if there is none.
    """

    trainer: str
    seconds: tuple[float, float]
    status: int
    mean: float | None


def _program(page: str, heading: str) -> dict[str, Any]:
    """What the program below a heading of a page defines."""
    text = (_DOCS / page).read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {"__name__": heading}
    exec(compile(code, f"{page}, {heading}", "exec"), names)
    return names


def _stable_baselines(folder: Path, seconds: float) -> Path:
    train: Callable[..., Any] = _program("your-own-trainer.md", "Stable-Baselines3")["train"]
    begin = time.monotonic()
    learner = train(steps=5 * 8 * 128)
    steps = 5 * 8 * 128 * seconds / (time.monotonic() - begin)
    learner = train(steps=max(5 * 8 * 128, int(steps)))
    learner.save(folder / "team.zip")
    return folder / "team.zip"


def _rllib(folder: Path, seconds: float) -> Path:
    import ray

    algorithm = _program("your-agent.md", "RLlib")["train"](rounds=1, per_round=_ROUND)
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        algorithm.train()
    algorithm.save_to_path(str(folder / "team"))
    algorithm.stop()
    ray.shutdown()
    return folder / "team"


_TRAINERS: Final[dict[str, tuple[Callable[[Path, float], Path], tuple[str, ...]]]] = {
    "Stable-Baselines3": (_stable_baselines, ()),
    "RLlib": (_rllib, ("--trust-code",)),
}


def _audited(name: str, folder: Path, minutes: float, episodes: int) -> Result:
    train, options = _TRAINERS[name]
    begin = time.monotonic()
    path = train(folder, 60 * minutes)
    trained = time.monotonic()
    output = folder / "audit"
    command = [sys.executable, "-m", "cagexplain", "audit", str(path), *options]
    process = subprocess.run(
        [*command, "--episodes", str(episodes), "-o", str(output)], check=False
    )
    ended = time.monotonic()
    report = output / "audit.json"
    mean = None
    if report.is_file():
        mean = float(json.loads(report.read_text(encoding="utf-8"))["mean_return"]["mean"])
    return Result(name, (trained - begin, ended - trained), process.returncode, mean)


@benchmark(__doc__)
@click.option("--minutes", type=float, default=1.0, show_default=True, help="Of each training.")
@click.option("--episodes", type=COUNT, default=20, show_default=True, help="Of each audit.")
@click.option("--json", "path", type=FILE, help="Write the results to this file, too.")
def command(minutes: float, episodes: int, path: Path | None) -> Sequence[str]:
    """Train, save, audit, and compare."""
    # Threads of Torch wait for each other, on a busy machine 30 times as long as they work.
    torch.set_num_threads(1)
    seeds = EVALUATION_SEED + np.arange(episodes)
    asleep = float(evaluate(load_policy("sleep"), seeds).returns.mean())
    results = []
    for name in _TRAINERS:
        with tempfile.TemporaryDirectory() as folder:
            results.append(_audited(name, Path(folder), minutes, episodes))
    table = Table("trainer", "training [s]", "audit [s]", "status", "return", "Sleep's")
    false = []
    for result in results:
        shown = "none" if result.mean is None else f"{result.mean:,.0f}"
        times = [f"{seconds:.0f}" for seconds in result.seconds]
        table.add_row(result.trainer, *times, str(result.status), shown, f"{asleep:,.0f}")
        if result.status not in (0, 3) or result.mean is None:
            false.append(f"the audit of {result.trainer} ends with a judgement")
        elif result.mean <= asleep:
            false.append(f"the policy of {result.trainer} does better than one that Sleeps")
    Console().print(table)
    if path is not None:
        write_json(path, {"sleep": asleep, "results": [vars(result) for result in results]})
    return false


if __name__ == "__main__":
    command()
