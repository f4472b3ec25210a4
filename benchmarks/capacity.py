"""How far play stays below the engine's fixed capacities.

    python -m benchmarks.capacity [--episodes N] [--steps N] [--policy NAME]

Plays policies that fill the arrays, in standard and in longer episodes, and prints the largest use
of each capacity. The claim is that none is used up.
"""

from collections.abc import Sequence
from typing import Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.command import COUNT, benchmark
from cagexplain.envs import BatchedEnv, Env, EnvParams
from cagexplain.policies.base import Decision
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import Observer, play
from cagexplain.sim import state

EPISODES: Final = 32
POLICIES: Final = ("sleep", "random", "decoy_cycle", "reactive_remove")
LENGTHS: Final = (500, 2000)

CAPACITIES: Final = {
    "sessions": ("ses_top", state.SESSIONS),
    "sessions per agent": ("map_n", state.SESSIONS_PER_AGENT),
    "known session ids": ("known_n", state.SESSION_IDS),
    "processes": ("proc_top", state.PROCESSES),
    "suspicious pids": ("sus_n", state.SUSPICIOUS),
    "events per step": ("event_n", state.EVENTS),
    "transitions per step": ("trans_n", state.TRANSITIONS),
}


class _Peaks(Observer):
    def __init__(self, env: BatchedEnv) -> None:
        self.peak = dict.fromkeys(CAPACITIES, 0)
        self.env = env

    def after_step(self, env: Env, decision: Decision) -> None:
        """Notes the largest use so far."""
        for name, (field, _) in CAPACITIES.items():
            self.peak[name] = max(self.peak[name], int(self.env.state[field].max()))


@benchmark(__doc__)
@click.option("--episodes", type=COUNT, default=EPISODES, show_default=True)
@click.option("--steps", "lengths", type=COUNT, multiple=True, default=LENGTHS, show_default=True)
@click.option("--policy", "names", multiple=True, default=POLICIES, show_default=True)
def command(episodes: int, lengths: Sequence[int], names: Sequence[str]) -> Sequence[str]:
    """Prints the table."""
    false = []
    table = Table("policy", "steps", *CAPACITIES, title=f"largest use, {episodes} episodes each")
    table.add_row("capacity", "", *(str(size) for _, size in CAPACITIES.values()))
    for steps in lengths:
        for policy in names:
            env = BatchedEnv(episodes, params=EnvParams(steps=steps))
            peaks = _Peaks(env)
            play(load_policy(policy), env, np.arange(episodes), [peaks])
            table.add_row(policy, str(steps), *(str(value) for value in peaks.peak.values()))
            false += [
                f"{policy}, {steps} steps: fewer than {size} {name} are used"
                for name, (_, size) in CAPACITIES.items()
                if peaks.peak[name] >= size
            ]
    Console(width=140).print(table)
    return false


if __name__ == "__main__":
    command()
