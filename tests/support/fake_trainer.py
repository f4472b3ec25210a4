"""A trainer that is done at once, as workers call it: `tests.support.fake_trainer:train`.

The method's id in the folder decides what it does. It loads no Torch.
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cagexplain.common.errors import CagexplainError

ROUNDS = 4


def score(job: dict[str, Any]) -> float:
    """Best at gamma 0.9 and learning rate 0.01."""
    settings = job["settings"]
    return -1000 * abs(settings["gamma"] - 0.9) - 1000 * abs(settings["learning_rate"] - 0.01)


def begin(job: dict[str, Any]) -> Path:
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(job["run"] | job["settings"]))
    (folder / "resume.pt").touch()
    with open(folder / "attempts", "a") as file:
        file.write(f"{os.getpid()}\n")
    return folder


def save(job: dict[str, Any], rounds: int) -> None:
    count = range(1, rounds + 1)
    value = score(job)
    columns = {
        "round": pa.array([n - 1 for n in count], pa.int64()),
        "steps": pa.array([n * job["run"]["steps"] // ROUNDS for n in count], pa.int64()),
        "return": pa.array([value - 100.0 / n for n in count], pa.float64()),
        "steps_per_second": pa.array([1000.0 for _ in count], pa.float64()),
        "evaluation": pa.array([value - 10.0 / n for n in count], pa.float64()),
    }
    folder = Path(job["folder"])
    pq.write_table(pa.table(columns), folder / "new")
    os.replace(folder / "new", folder / "metrics.parquet")


def finish(job: dict[str, Any]) -> None:
    save(job, ROUNDS)
    run, value = job["run"], score(job)
    result = {
        "algorithm": run["algorithm"],
        "preset": run["preset"],
        "seed": run["seed"],
        "steps": run["steps"],
        "gradient_steps": 40.0,
        "seconds": 2.0,
        "steps_per_second": run["steps"] / 2,
        "best_steps": run["steps"],
        "evaluations": [[run["steps"], value]],
        "final_mean": value + run["seed"],
        "final_std": 1.0,
        "final_returns": [value + run["seed"] - 1, value + run["seed"] + 1],
        "random_mean": -5000.0,
        "versions": {},
    }
    (Path(job["folder"]) / "result.json").write_text(json.dumps(result))


def fail(job: dict[str, Any]) -> None:
    raise CagexplainError("learning diverged", remedy="Lower learning_rate")


def train(job: dict[str, Any]) -> None:
    folder = begin(job)
    attempts = len((folder / "attempts").read_text().splitlines())
    kind = folder.parent.name
    if kind.startswith("fails"):
        fail(job)
    if kind.startswith("killed") and (attempts == 1 or kind == "killed_always"):
        save(job, 1)
        os.kill(os.getpid(), signal.SIGKILL)
    if kind.startswith("slow"):
        wait_for_the_end(job)
    finish(job)


def wait_for_the_end(job: dict[str, Any]) -> None:
    """As a real run: asked to stop, it saves and ends."""

    def stop(number: int, frame: object) -> None:
        save(job, 2)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    save(job, 1)
    for _ in range(6_000):
        time.sleep(0.01)
    raise TimeoutError("nobody asked to stop")


def search_train(job: dict[str, Any]) -> None:
    """A run that makes its evaluations one by one; hopeless ones wait to be given up."""
    begin(job)
    if score(job) < -500:
        wait_for_the_end(job)
    finish(job)
