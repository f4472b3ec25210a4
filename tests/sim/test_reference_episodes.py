"""All 204 recorded episodes of the scripted policies, replayed from their seeds.

Here the actions come from our own implementation of the policies, so this tests them as well. Every
one of 40 metrics must be equal after every one of the 499 steps, and the returns by phase, cause
and subnet with them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from cagexplain.cc4 import network, observations, outcome, red_fsm
from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.envs import BatchedEnv
from cagexplain.policies.base import Decision
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import Observer, play
from cagexplain.sim.state import RED_SESSION
from tests.support.recorded import DATA

pytestmark = pytest.mark.slow

STEPS = pd.read_parquet(DATA / "step_raw.parquet")
RETURNS = pd.read_parquet(DATA / "policy_returns.parquet")
BREAKDOWN = pd.read_parquet(DATA / "policy_return_breakdown.parquet")
FSM = [state for state in State if state != State.UNKNOWN]
LEFT_OUT = {"policy", "seed", "step", "phish_mails"}
"""``phish_mails`` counts mails opened on hosts that red holds already, which have no effect."""


class _Metrics(Observer):
    """The recorder's metrics, after every step."""

    def __init__(self) -> None:
        self.rows: list[pd.DataFrame] = []
        self.counts: list[npt.NDArray[np.int64]] = []

    def after_step(self, env: BatchedEnv, decision: Decision) -> None:
        s, truth = env.state, env.truth()
        impact = truth.red_done == RedAction.IMPACT
        charged = impact & truth.red_active
        lost = truth.red_outcome == outcome.Outcome.DROPPED
        failed = truth.red_outcome == outcome.Outcome.FAILURE
        level, fsm = truth.host_level, truth.fsm_state
        parts = env.reward_parts.sum(axis=2)
        present = np.arange(s["svc_order"].shape[2]) < s["svc_n"][:, :, None]
        order = s["svc_order"].astype(np.int64)
        reliability = np.take_along_axis(s["svc_reliability"], order, axis=2).astype(int)
        deficit = np.where(present, 100 - reliability, 0)
        bits = {name: env.obs[:, index].sum(axis=1) for name, index in _BITS.items()}
        row: dict[str, Any] = {
            "phase": env.phase,
            "reward": env.reward,
            "r_cost": env.action_cost.sum(axis=1),
            "r_lwf": parts[:, 0],
            "r_asf": parts[:, 1],
            "r_ria": parts[:, 2],
            "n_lwf": (truth.green_failure == 1).sum(axis=1),
            "n_asf": (truth.green_failure == 2).sum(axis=1),
            "n_ria": charged.sum(axis=1),
            "n_ria_failed": (charged & failed).sum(axis=1),
            "n_ria_notexec": (charged & lost).sum(axis=1),
            "red_sessions": s["map_n"].sum(axis=1),
            "red_root_sessions": s["host_roots"].sum(axis=1),
            "red_user_sessions": (s["map_n"].sum(axis=1) - s["host_roots"].sum(axis=1)),
            "hosts_red": (level > 0).sum(axis=1),
            "hosts_root": (level == 2).sum(axis=1),
            "red_active": truth.red_active.sum(axis=1),
            "svc_degraded": (deficit > 0).sum(axis=(1, 2)),
            "svc_deficit": deficit.sum(axis=(1, 2)),
            "svc_stopped": s["ot_stopped"].sum(axis=1),
            "decoys": [_decoys(record) for record in s],
            "files": s["file_count"].sum(axis=(1, 2)),
            "blocks": s["blocks"].sum(axis=(1, 2)),
            "phish_sessions": s["phished"].sum(axis=1),
            **bits,
        }
        for state in FSM:
            name = red_fsm.STATE_NAMES[state]
            row[f"fsm_{name}"] = (fsm == state).sum(axis=(1, 2))
            row[f"fsmact_{name}"] = ((fsm == state) & truth.red_active[:, :, None]).sum(axis=(1, 2))
        self.rows.append(pd.DataFrame(row).astype(np.int64))
        self.counts.append(env.reward_parts.astype(np.int64))


def _bit_entries() -> dict[str, list[int]]:
    entries: dict[str, list[int]] = {"proc_bits": [], "conn_bits": []}
    for agent, hosts in enumerate(observations.HOSTS):
        start = observations.OFFSETS[agent]
        for host in hosts.tolist():
            entries["proc_bits"].append(start + observations.process_bit(agent, host))
            entries["conn_bits"].append(start + observations.connection_bit(agent, host))
    return entries


_BITS = _bit_entries()


def _decoys(s: Any) -> int:
    count = 0
    for head in s["proc_head"][s["proc_head"] >= 0].tolist():
        node = head
        while node >= 0:
            count += int(s["proc_kind"][node] != RED_SESSION)
            node = int(s["proc_next"][node])
    return count


@pytest.mark.parametrize("policy", RETURNS["policy"].unique().tolist())
def test_recorded_episodes(policy: str) -> None:
    expected = STEPS[STEPS["policy"] == policy]
    seeds = sorted(expected["seed"].unique().tolist())
    env, metrics = BatchedEnv(len(seeds), threads=1), _Metrics()
    play(load_policy(policy), env, np.array(seeds), [metrics], skip_worlds=1)

    columns = [name for name in expected.columns if name not in LEFT_OUT]
    for i, seed in enumerate(seeds):
        theirs = expected[expected["seed"] == seed].sort_values("step")[columns]
        ours = pd.DataFrame([frame.iloc[i] for frame in metrics.rows])[columns]
        differing = np.argwhere(theirs.to_numpy() != ours.to_numpy())
        assert differing.size == 0, (
            f"seed {seed}, step {differing[0][0]}, {columns[differing[0][1]]}"
        )
        _check_returns(policy, seed, ours, np.stack([parts[i] for parts in metrics.counts]))


def _check_returns(
    policy: str, seed: int, steps: pd.DataFrame, parts: npt.NDArray[np.int64]
) -> None:
    """Official returns (the last reward is not counted) by phase, cause and subnet."""
    recorded = RETURNS[(RETURNS["policy"] == policy) & (RETURNS["seed"] == seed)].iloc[0]
    counted = steps.iloc[:-1]
    assert counted["reward"].sum() == recorded["ret"]
    for phase in range(3):
        of_phase = counted[counted["phase"] == phase]
        assert of_phase["reward"].sum() == recorded[f"ret_phase{phase}"]
    rows = BREAKDOWN[(BREAKDOWN["policy"] == policy) & (BREAKDOWN["seed"] == seed)]
    expected = np.zeros((3, 3, 9), dtype=np.int64)
    for row in rows[rows["cause"].isin(["LWF", "ASF", "RIA"])].itertuples():
        zone = network.ZONES.index(f"{row.subnet}_subnet")
        expected[row.phase, ["LWF", "ASF", "RIA"].index(row.cause), zone] = row.reward
    ours = np.stack([parts[:-1][counted["phase"].to_numpy() == p].sum(axis=0) for p in range(3)])
    assert (ours == expected).all()
