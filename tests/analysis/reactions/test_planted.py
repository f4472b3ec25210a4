"""The planted policies do what they say, as their traces show."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.tracing.trace import Trace
from tests.support.planted import PLANTED, Chances, RestoresLater, record

OWN_FIRST_SERVERS = {
    "blue_agent_1": "operational_zone_a_subnet_server_host_0",
    "blue_agent_2": "restricted_zone_b_subnet_server_host_0",
    "blue_agent_3": "operational_zone_b_subnet_server_host_0",
}


def decisions(trace: Trace) -> pd.DataFrame:
    blue = trace.table("blue")
    return blue[blue["started"]]


def of_kind(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    return rows[rows["action_type"] == kind]


@pytest.mark.parametrize("name", PLANTED)
def test_every_policy_can_be_recorded_and_says_its_truth(name: str, tmp_path: Path) -> None:
    trace = record(tmp_path / "t", name, 2, steps=60)
    assert trace.n_episodes == 2
    assert len(str(trace.manifest.policy["rule"])) > 30


def test_restores_on_process(tmp_path: Path) -> None:
    rows = decisions(record(tmp_path / "t", "restores_on_process", 3))
    restores = of_kind(rows, "Restore")
    assert set(rows["action_type"]) == {"Restore", "Sleep"}
    assert len(restores) > 50
    assert (restores["process_alert"] == 1).all()


def test_ignores_subnet(tmp_path: Path) -> None:
    restores = of_kind(decisions(record(tmp_path / "t", "ignores_subnet", 4)), "Restore")
    zones = set(restores["target_zone"])
    assert network.ZONES[network.OFF] not in zones
    assert {network.ZONES[network.ADM], network.ZONES[network.PAZ]} <= zones


def test_restores_later(tmp_path: Path) -> None:
    restores = of_kind(decisions(record(tmp_path / "t", RestoresLater(4), 3)), "Restore")
    assert len(restores) > 30
    assert restores["step"].min() >= 4
    assert (restores["process_alert"] == 1).mean() < 0.3


def test_by_phase(tmp_path: Path) -> None:
    trace = record(tmp_path / "t", "by_phase", 3)
    seen = trace.table("observations", ["episode", "step", "agent", "phase"])
    rows = decisions(trace).merge(seen, on=["episode", "step", "agent"])
    kinds = {phase: set(part["action_type"]) for phase, part in rows.groupby("phase")}
    assert kinds == {0: {"Sleep"}, 1: {"Sleep", "Restore"}, 2: {"Sleep", "Analyse"}}


def test_removes_and_restores(tmp_path: Path) -> None:
    rows = decisions(record(tmp_path / "t", "removes_and_restores", 3))
    assert (of_kind(rows, "Restore")["process_alert"] == 1).all()
    removes = of_kind(rows, "Remove")
    assert len(removes) > 20
    assert ((removes["connection_alert"] == 1) & (removes["process_alert"] == 0)).all()


def test_analyses_then_restores(tmp_path: Path) -> None:
    rows = decisions(record(tmp_path / "t", "analyses_then_restores", 2))
    rows = rows.sort_values(["episode", "agent", "step"])
    before = rows.groupby(["episode", "agent"], observed=True).shift(1)
    restores = rows["action_type"] == "Restore"
    assert restores.sum() > 20
    assert (before["action_type"][restores] == "Analyse").all()
    assert (before["process_alert"][restores] == 1).all()
    assert (before["target_host"][restores] == rows["target_host"][restores]).all()


def test_blocks_on_alert(tmp_path: Path) -> None:
    rows = decisions(record(tmp_path / "t", "blocks_on_alert", 2))
    assert set(rows["action_type"]) == {"BlockTrafficZone", "Sleep"}
    assert set(of_kind(rows, "BlockTrafficZone")["source_zone"]) == {"internet_subnet"}


def test_chances(tmp_path: Path) -> None:
    policy = Chances({ActionKind.ANALYSE: 0.4, ActionKind.DECOY: 0.1})
    rows = decisions(record(tmp_path / "t", policy, 6, steps=300))
    found = rows["action_type"].value_counts(normalize=True)
    spread = 4 * np.sqrt(0.25 / len(rows))
    assert abs(found["Analyse"] - 0.4) < spread
    assert abs(found["DeployDecoy"] - 0.1) < spread
    assert abs(found["Sleep"] - 0.5) < spread


def test_every_tenth(tmp_path: Path) -> None:
    restores = of_kind(decisions(record(tmp_path / "t", "every_tenth", 2)), "Restore")
    assert set(restores["step"] % 10) == {0}
    assert len(restores) == 2 * 5 * 50


def test_answers_messages(tmp_path: Path) -> None:
    trace = record(tmp_path / "t", "answers_messages", 3)
    blue = trace.table("blue")
    sent = blue[(blue["agent"] == "blue_agent_0") & (blue["message"] == 128)]
    told = set(zip(sent["episode"], sent["step"] + 1, strict=True))
    restores = of_kind(blue[blue["started"]], "Restore")
    assert len(restores) > 10
    assert set(zip(restores["episode"], restores["step"], strict=True)) <= told
    for agent, part in restores.groupby("agent", observed=True):
        assert set(part["target_host"]) == {OWN_FIRST_SERVERS[str(agent)]}


def test_restores_root(tmp_path: Path) -> None:
    rows = decisions(record(tmp_path / "t", "restores_root", 3))
    restores = of_kind(rows, "Restore")
    assert len(restores) > 10
    assert (restores["target_level"] == 2).all()


def test_restores_first_servers(tmp_path: Path) -> None:
    rows = decisions(record(tmp_path / "t", "restores_first_servers", 3))
    restores = of_kind(rows, "Restore")
    assert all(str(host).endswith("server_host_0") for host in set(restores["target_host"]))
    assert abs(len(restores) / len(rows) - 0.3) < 4 * np.sqrt(0.25 / len(rows))
