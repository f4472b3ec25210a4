"""How far play stays below the engine's fixed capacities.

    python -m benchmarks.capacity

Plays policies that fill the arrays, in standard and in longer episodes, and prints the largest use
of each capacity.
"""

from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

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


def main() -> None:
    """Prints the table."""
    table = Table("policy", "steps", *CAPACITIES, title=f"largest use, {EPISODES} episodes each")
    table.add_row("capacity", "", *(str(size) for _, size in CAPACITIES.values()))
    for steps in LENGTHS:
        for policy in POLICIES:
            env = BatchedEnv(EPISODES, params=EnvParams(steps=steps))
            peaks = _Peaks(env)
            play(load_policy(policy), env, np.arange(EPISODES), [peaks])
            table.add_row(policy, str(steps), *(str(value) for value in peaks.peak.values()))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
