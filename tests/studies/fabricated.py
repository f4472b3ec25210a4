"""Folders as `cagexplain study run` leaves them, with made-up runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROUNDS, PER_ROUND = 40, 4990


def run(folder: Path, seed: int, returns: Sequence[float], final: float) -> None:
    """A finished run."""
    folder.mkdir(parents=True)
    n = len(returns)
    columns = {
        "round": pa.array(range(n), pa.int64()),
        "steps": pa.array([PER_ROUND * (i + 1) for i in range(n)], pa.int64()),
        "return": pa.array(returns, pa.float64()),
        "steps_per_second": pa.array([1000.0] * n, pa.float64()),
    }
    pq.write_table(pa.table(columns), folder / "metrics.parquet")
    result = {
        "algorithm": "ippo",
        "preset": "paper",
        "seed": seed,
        "steps": PER_ROUND * n,
        "gradient_steps": 10.0 * n,
        "seconds": 100.0 + seed,
        "steps_per_second": 50.0 * n,
        "best_steps": PER_ROUND * n,
        "evaluations": [[PER_ROUND * n, final]],
        "final_mean": final,
        "final_std": 3.0,
        "final_returns": [final - 3, final, final + 3],
        "random_mean": -5000.0,
        "versions": {"cagexplain": "0.1.0"},
    }
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"seed": seed}), encoding="utf-8")


def learning(rng: np.random.Generator, start: float, end: float, rounds: int) -> list[float]:
    """Returns that rise from `start` to `end`, as training does."""
    part = 1 - np.exp(-5 * np.arange(rounds) / rounds)
    noise = rng.normal(0, 0.03 * abs(end - start) + 20, rounds)
    return (start + (end - start) * part + noise).tolist()


def claim(method: str, relation: str, other: str, **more: Any) -> dict[str, Any]:
    plain = {"measure": "final", "low": None, "high": None, "window": None}
    return {"method": method, "relation": relation, "other": other} | plain | more


def study(
    folder: Path,
    finals: Mapping[str, Sequence[float]],
    findings: Sequence[Mapping[str, Any]] = (),
    titles: Mapping[str, str] | None = None,
    wanted: int = 5,
    rounds: int = ROUNDS,
) -> Path:
    """A study of one figure: each method has a run per final return."""
    rng = np.random.default_rng(0)
    titles = titles or {}
    folder.mkdir(parents=True, exist_ok=True)
    for method, values in finals.items():
        for seed, final in enumerate(values):
            returns = learning(rng, -4000, final, rounds)
            run(folder / "runs" / method / f"seed-{seed}", seed, returns, final)
    content = {
        "name": titles.get("", "A made-up study"),
        "seeds": list(range(wanted)),
        "margin": 100.0,
        "methods": {
            method: {"title": titles.get(method, method), "runs": method, "config": {"seed": 0}}
            for method in finals
        },
        "figures": [
            {
                "id": "figure-1",
                "title": titles.get("figure-1", "Figure 1"),
                "methods": list(finals),
                "findings": list(findings),
            }
        ],
    }
    (folder / "study.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
