"""What the trace tells of recorded episodes equals what was recorded from the real CC4 simulator.

`policy_returns` counts events over the steps 0 to 497 of an episode; `step_raw` holds metrics after
each step, so its row of step t belongs to the situation at the decisions of step t + 1.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cagexplain.cc4 import actions, red_fsm
from cagexplain.envs import BatchedEnv
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import play
from cagexplain.tracing.recorder import Recorder
from tests.support.paths import DATA

SEEDS = np.arange(4)
COUNTED = 498


@pytest.fixture(
    scope="module",
    params=["sleep", "random", "remove_cycle", "decoy_cycle", "reactive", "block_allow_cycle"],
)
def episodes(request: pytest.FixtureRequest) -> tuple[str, dict[str, pd.DataFrame]]:
    recorder = Recorder()
    play(load_policy(request.param), BatchedEnv(len(SEEDS)), SEEDS, [recorder], skip_worlds=1)
    return request.param, {name: t.to_pandas() for name, t in recorder.tables().items()}


@pytest.fixture(scope="module")
def events(episodes: tuple[str, dict[str, Any]]) -> list[tuple[pd.Series, dict[str, Any]]]:
    """Per episode: the recorded counts, and our tables without the last step."""
    name, tables = episodes
    recorded = pd.read_parquet(DATA / "policy_returns.parquet", filters=[("policy", "==", name)])
    return [
        (
            recorded.set_index("seed").loc[seed],
            {
                name: table[(table["episode"] == seed) & (table["step"] < COUNTED)]
                for name, table in tables.items()
                if "step" in table
            },
        )
        for seed in SEEDS
    ]


def test_blue_actions(events: list[tuple[pd.Series, dict[str, Any]]]) -> None:
    for recorded, tables in events:
        blue = tables["blue"]
        for kind in actions.KIND_NAMES:
            assert (blue["action_type"] == kind).sum() == recorded[f"blue_{kind}_submitted"]
            if kind != "Sleep":
                done = blue[blue["completed"] == kind]
                assert len(done) == recorded[f"blue_{kind}_exec"]
                assert (done["outcome"] == "SUCCESS").sum() == recorded[f"blue_{kind}_succ"]


def test_red_actions(events: list[tuple[pd.Series, dict[str, Any]]]) -> None:
    for recorded, tables in events:
        red = tables["red"]
        for name in red_fsm.RED_ACTION_NAMES:
            rows = red[red["action_name"] == name]
            done = rows[(rows["event"] == "done") & (rows["outcome"] != "DROPPED")]
            assert (rows["event"] == "started").sum() == recorded[f"red_{name}_chosen"]
            assert len(done) == recorded[f"red_{name}_exec"]
            assert (done["outcome"] == "SUCCESS").sum() == recorded[f"red_{name}_succ"]


def test_green_failures(events: list[tuple[pd.Series, dict[str, Any]]]) -> None:
    for recorded, tables in events:
        for kind, cause in (("GreenLocalWork", "LWF"), ("GreenAccessService", "ASF")):
            rows = tables["green"][tables["green"]["kind"] == kind]
            assert len(rows) == recorded[f"n_{cause}"]
            assert rows["penalty"].sum() == recorded[f"ret_{cause}"]


def test_returns(events: list[tuple[pd.Series, dict[str, Any]]]) -> None:
    for recorded, tables in events:
        steps = tables["steps"]
        assert steps["counted"].all()
        assert steps["reward"].sum() == recorded["ret"]
        for phase, total in steps.groupby("phase")["reward"].sum().items():
            assert total == recorded[f"ret_phase{phase}"]
        for cause, column in (("RIA", "reward_ria"), ("action_cost", "reward_cost")):
            assert steps[column].sum() == recorded[f"ret_{cause}"]


def test_situations(episodes: tuple[str, dict[str, Any]]) -> None:
    name, tables = episodes
    recorded = pd.read_parquet(DATA / "step_raw.parquet", filters=[("policy", "==", name)])
    recorded = recorded.set_index(["seed", "step"])
    steps = tables["steps"]
    found = steps[steps["step"] > 0]
    at = pd.MultiIndex.from_arrays([found["episode"], found["step"] - 1])
    expected = recorded.loc[at]
    ours = {
        "hosts_red": found["hosts_user"] + found["hosts_root"],
        "hosts_root": found["hosts_root"],
        "red_active": found["red_active"],
        "proc_bits": found["process_alerts"],
        "conn_bits": found["connection_alerts"],
    }
    for name, values in ours.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    by_state = found[[f"hosts_{state}" for state in red_fsm.STATE_NAMES]].sum(axis=1)
    hosts = tables["hosts"]
    real = hosts[hosts["kind"].isin(["user", "server"])].groupby("episode").size()
    np.testing.assert_array_equal(by_state, real[found["episode"]])
    for level in ("user", "root"):
        parts = found[[f"{level}_{state}" for state in red_fsm.STATE_NAMES]].sum(axis=1)
        np.testing.assert_array_equal(parts, found[f"hosts_{level}"])


def test_changes_of_level_have_a_cause(episodes: tuple[str, dict[str, Any]]) -> None:
    levels = episodes[1]["levels"]
    cause, moves = levels["cause"], levels["from_level"] * 10 + levels["to_level"]
    assert not (cause == "other").any()
    assert (moves[cause == "phishing"] == 1).all()
    assert levels["host"][cause == "phishing"].str.contains("user_host").all()
    assert (moves[cause == "Remove"] == 10).all()
    # 21: restored, and taken again later in the step.
    assert moves[cause == "Restore"].isin([10, 20, 21]).all()
    assert moves[cause == "red_action"].isin([1, 12]).all()
    # Red's exploits leave a process event nearly always, phishing none of its own.
    seen = levels["process_event"]
    assert seen[(cause == "red_action") & (moves == 1)].mean() > 0.9
    assert seen[cause == "phishing"].mean() < 0.1


def test_green_work_has_the_failures(episodes: tuple[str, dict[str, Any]]) -> None:
    tables = episodes[1]
    work, failures = tables["green_work"], tables["green"]
    for kind, cause in (
        ("GreenLocalWork", "service_degraded"),
        ("GreenAccessService", "traffic_blocked"),
    ):
        of_kind = work[work["kind"] == kind].groupby("episode")
        found = failures[failures["kind"] == kind].groupby("episode").size()
        total = of_kind[cause].sum()
        assert total.to_dict() == {e: found.get(e, 0) for e in total.index}
        assert (of_kind[cause].sum() <= of_kind["attempts"].sum()).all()
