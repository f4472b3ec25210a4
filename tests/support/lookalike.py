"""The look-alike and a real CybORG side by side, and what "the same" means for their objects."""

import enum
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.envs.lookalike import InProcess, Lookalike, Parts, load_parts


def parts(path: Path | None) -> Parts:
    return load_parts(path)


def lookalike(api: Parts, seed: int, steps: int) -> Lookalike:
    env = BatchedEnv(1, params=EnvParams(steps=steps), threads=1)
    return Lookalike(api, InProcess(env, seed), steps)


def real(api: Parts, seed: int, steps: int) -> Any:
    """A CybORG whose next reset, and whose state before it, are the world of the seed."""
    scenario = api.EnterpriseScenarioGenerator(
        blue_agent_class=api.SleepAgent,
        green_agent_class=api.EnterpriseGreenAgent,
        red_agent_class=api.FiniteStateRedAgent,
        steps=steps,
    )
    cyborg = api.CybORG(scenario, seed=0)
    cyborg.set_seed(seed)
    cyborg.reset()
    cyborg.set_seed(seed)
    return cyborg


def difference(ours: Any, theirs: Any, where: str = "") -> str | None:
    """Where two values differ first, or None; dictionaries and lists in order, objects by class
    and attributes."""
    return next(_differences(ours, theirs, where), None)


def _differences(ours: Any, theirs: Any, where: str) -> Iterator[str]:
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or list(ours) != list(theirs):
            here = list(ours) if isinstance(ours, dict) else ours
            yield f"{where}: keys {here} and {list(theirs)}"
            return
        for key in theirs:
            yield from _differences(ours[key], theirs[key], f"{where}[{key!r}]")
    elif isinstance(theirs, (list, tuple)):
        if type(ours) is not type(theirs) or len(ours) != len(theirs):
            yield f"{where}: {ours} and {theirs}"
            return
        for k, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(one, other, f"{where}[{k}]")
    elif isinstance(theirs, np.ndarray):
        if not isinstance(ours, np.ndarray) or ours.dtype != theirs.dtype:
            yield f"{where}: {ours!r} and {theirs!r}"
        elif not np.array_equal(ours, theirs):
            yield f"{where}: {ours} and {theirs}"
    elif isinstance(theirs, (enum.Enum, ipaddress.IPv4Address, ipaddress.IPv4Network)):
        if type(ours) is not type(theirs) or ours != theirs:
            yield f"{where}: {ours!r} and {theirs!r}"
    elif theirs is None or isinstance(theirs, (str, bool, int, float, np.generic)):
        if (ours is None) != (theirs is None) or ours != theirs:
            yield f"{where}: {ours!r} and {theirs!r}"
    elif type(ours).__name__ != type(theirs).__name__:
        yield f"{where}: {ours!r} and {theirs!r}"
    elif hasattr(theirs, "__dict__"):
        skipped = {"route", "logs", "np_random"}
        mine, its = (
            {k: v for k, v in vars(value).items() if k not in skipped} for value in (ours, theirs)
        )
        yield from _differences(mine, its, f"{where}.{type(theirs).__name__}")
    else:
        yield f"{where}: do not know how to compare {theirs!r}"
