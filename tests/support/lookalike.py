"""The look-alike and a real CybORG side by side."""

from pathlib import Path
from typing import Any

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
