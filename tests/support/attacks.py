"""Results of attacks, made up."""

from __future__ import annotations

from typing import Any

import numpy as np

from cagexplain.attack.results import (
    Ablation,
    AttackResult,
    Episodes,
    Generation,
    JudgedRed,
    Losses,
    Role,
    RootStays,
    Search,
)
from cagexplain.cc4 import agents, network, phases, reward
from cagexplain.cc4.red_fsm import N_STATES, RedAction, State
from cagexplain.cc4.reds import REDS, RedTable

SEEDS = tuple(range(990_000, 990_012))
PENALTIES = ((tuple([-1.0] * network.N_ZONES),) * len(reward.CAUSES),) * phases.N_PHASES
COSTS = (tuple([-0.5] * agents.N_BLUE),) * phases.N_PHASES


def episodes(level: int, n: int = len(SEEDS), phantom: int = 0) -> Episodes:
    """Episodes with returns about `level`, of which 10 points each are the contractor's."""
    returns = tuple(level - 7 * (k % 3) for k in range(n))
    return Episodes(returns, (-10,) * n, (-20,) * n, (-phantom,) * n)


def judged(key: str, role: Role, policy: int, sleep: int = -5000, n: int = len(SEEDS)) -> JudgedRed:
    known = REDS[key] if key in REDS else REDS["greedy"]
    table: dict[str, Any] = {**known.document(), "name": key}
    return JudgedRed(
        key,
        f"{key} does what it does",
        role,
        table,
        episodes(policy, n),
        episodes(sleep, n),
        Losses(PENALTIES, COSTS),
        RootStays(40, 30, 12, 60, 1.5),
    )


def attack() -> AttackResult:
    """An attack on a policy that loses ten times as much under FOUND."""
    return AttackResult(
        policy={"name": "expert", "kind": "scripted"},
        options={"steps": 500, "engine": {"name": "cagexplain.sim", "version": "0"}},
        created="2026-11-30T12:00:00+00:00",
        version="0",
        rules="fenced",
        aim="return",
        seeds=SEEDS,
        reds=(
            judged("finite_state", "standard", -200, -6700),
            judged("aggressive", "shipped", -220, -7000, 6),
            judged("greedy", "portfolio", -1500, -4000, 6),
            judged("found_1", "searched", -2000, -5000),
            judged("found_2", "searched", -1900, -5000),
        ),
        found="found_1",
        ablation=(Ablation("RD", episodes(-700, 6)), Ablation("state_weight", episodes(-900, 6))),
        search=Search(
            "greedy", 1, 120.0, 118.5, 16, 16, 32, 3, 64, 34,
            (Generation(-1700.0, -1500.0), Generation(-1900.0, -1700.0)),
        ),
    )  # fmt: skip


def phantom_red() -> RedTable:
    """A red that goes on with Impacts on hosts that it has lost, which CC4 charges."""
    table = REDS["greedy"].probability.copy()
    for state in (State.KD, State.SD):
        table[state] = 0
        table[state, RedAction.IMPACT] = 0.99
        table[state, RedAction.AGGRESSIVE_SCAN if state == State.KD else RedAction.EXPLOIT] = 0.01
    weight = np.zeros(N_STATES)
    weight[list(State)[State.K :]] = 1
    weight[[State.KD, State.SD]] = 100
    return RedTable("phantom", "lives on lost hosts", table, weight)
