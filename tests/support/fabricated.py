"""Folders as `cagexplain study run` leaves them, with made-up runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cagexplain.analysis.reactions.results import Answer
from cagexplain.analysis.studies.explained_run import (
    ALLOWED,
    MASKED,
    Conduct,
    ExplainedRun,
    TableStrength,
    write_explained,
)

Shares = Mapping[str, Mapping[str, float]]
"""FSM state -> action -> share of 100 decisions per episode."""

ROUNDS, PER_ROUND = 40, 4990


def run(
    folder: Path,
    seed: int,
    returns: Sequence[float],
    final: float,
    config: Mapping[str, Any] | None = None,
    **result_more: Any,
) -> None:
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
    } | result_more
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (folder / "config.json").write_text(
        json.dumps({**(config or {}), "seed": seed}), encoding="utf-8"
    )


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
    configs: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """A study of one figure: each method has a run per final return, and perhaps settings."""
    rng = np.random.default_rng(0)
    titles, configs = titles or {}, configs or {}
    folder.mkdir(parents=True, exist_ok=True)
    for method, values in finals.items():
        for seed, final in enumerate(values):
            returns = learning(rng, -4000, final, rounds)
            place = folder / "runs" / method / f"seed-{seed}"
            run(place, seed, returns, final, configs.get(method))
    content = {
        "name": titles.get("", "A made-up study"),
        "seeds": list(range(wanted)),
        "margin": 100.0,
        "methods": {
            method: {
                "title": titles.get(method, method),
                "runs": method,
                "config": {**configs.get(method, {}), "seed": 0},
            }
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


EARLY, LATE = ("K", "KD", "S", "SD"), ("U", "UD", "R", "RD")
MILD_THEN_HARD: Shares = {
    **{state: {"Analyse": 0.7, "DeployDecoy": 0.2, "Remove": 0.1} for state in EARLY},
    **{state: {"Analyse": 0.3, "Remove": 0.1, "Restore": 0.6} for state in LATE},
}
"""Choices as the paper describes them."""


def conduct(
    shares: Shares,
    *,
    strength: float | None = 0.02,
    consistency: float | None = 0.05,
    episodes: int = 10,
) -> Conduct:
    """What a policy does whose choices are these in every episode, all of one agent."""
    each = {
        state: {kind: round(100 * share) for kind, share in kinds.items()}
        for state, kinds in shares.items()
    }
    answer = Answer(
        verdict="no",
        consistency=consistency,
        low=None,
        high=None,
        event="process alert",
        response="Remove",
        scope="host",
        lag=0,
        rate=0.1,
        base=0.05,
        n=500,
        significant=0,
        pairs=20,
        tests=100,
        about="visible events",
    )
    return Conduct(
        returns=[-600.0 - i for i in range(episodes)],
        by_episode={
            "targeted": {
                state: {kind: [count] * episodes for kind, count in kinds.items()}
                for state, kinds in each.items()
            }
        },
        by_agent={
            "blue_agent_0": {
                "pre-planning": {
                    "targeted": {
                        state: {kind: count * episodes for kind, count in kinds.items()}
                        for state, kinds in each.items()
                    }
                }
            }
        },
        tables=[TableStrength("after red", 900, strength, 0.5)],
        reactions=answer,
    )


def explained(masked: Conduct, allowed: Conduct | None = None) -> ExplainedRun:
    """An explained run; without a second conduct both conditions are alike."""
    return ExplainedRun(
        schema_version=1,
        checkpoint="0" * 64,
        first_seed=1_000_000,
        episodes=len(masked.returns),
        conditions={MASKED: masked, ALLOWED: allowed or masked},
    )


def policies(
    folder: Path,
    runs: Mapping[str, Sequence[ExplainedRun]],
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Path:
    """A study whose finished runs are explained."""
    finals = {method: [-600.0 - 10 * n for n in range(len(own))] for method, own in runs.items()}
    study(folder, finals, titles=titles, configs=configs, wanted=3)
    for method, own in runs.items():
        for seed, found in enumerate(own):
            write_explained(folder / "runs" / method / f"seed-{seed}", found)
    return folder


def nudged(shares: Shares, much: float) -> Shares:
    """The same choices with a share moved from the most chosen action of each state to another."""
    moved = {}
    for state, kinds in shares.items():
        top, *others = sorted(kinds, key=lambda kind: -kinds[kind])
        moved[state] = {
            **kinds,
            top: kinds[top] - much,
            others[-1]: kinds[others[-1]] + much,
        }
    return moved
