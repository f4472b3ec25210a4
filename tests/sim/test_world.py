"""World generation against 200 networks recorded from CybORG."""

import json
from typing import Any

import numpy as np
import pandas as pd

from cagexplain.cc4 import network, services
from cagexplain.cc4.agents import BLUE_OF_ZONE, RED_OF_ZONE
from cagexplain.envs import BatchedEnv
from tests.support.recorded import DATA


def _hosts(s: Any, zone: int) -> list[list[Any]]:
    rows = []
    for host in np.flatnonzero(s["exists"]).tolist():
        if network.HOST_ZONE[host] != zone:
            continue
        codes = s["svc_order"][host, : s["svc_n"][host]]
        name = network.HOST_NAMES[host].removeprefix(network.ZONES[zone] + "_")
        rows.append(
            [
                name,
                services.OS_NAMES[s["os"][host]],
                int(s["ip"][host]),
                [services.REAL[c] for c in codes],
            ]
        )
    return rows


def test_recorded_topologies() -> None:
    recorded = pd.read_parquet(DATA / "topologies.parquet")
    seeds = sorted(recorded["seed"].unique().tolist())
    assert len(seeds) == 200
    env = BatchedEnv(len(seeds), threads=1)
    env.reset(seeds)
    for row in recorded.to_dict("records"):
        s = env.state[seeds.index(row["seed"])]
        name = str(row["subnet"])
        zone = network.ZONES.index(name if name in network.ZONES else name + "_subnet")
        assert f"10.0.{s['cidr'][zone]}.0/24" == row["cidr"]
        assert _hosts(s, zone) == json.loads(row["hosts_json"])
        red, blue = int(RED_OF_ZONE[zone]), int(BLUE_OF_ZONE[zone])
        if red >= 0:
            start = int(s["red_start"][red])
            in_zone = network.HOST_NAMES[start] if network.HOST_ZONE[start] == zone else ""
            column = "red_start_host" if red == 0 else "red_osint_host"
            assert (row[column] or "") == in_zone
        if blue >= 0:
            parent = int(s["blue_parent"][blue])
            in_zone = network.HOST_NAMES[parent] if network.HOST_ZONE[parent] == zone else ""
            assert (row["blue_parent_host"] or "") == in_zone


def test_a_reset_without_seed_continues_the_generator() -> None:
    env, other = BatchedEnv(1), BatchedEnv(1)
    env.reset([7])
    first = env.mask.copy()
    env.reset()
    other.reset([7], skip_worlds=1)
    assert not (env.mask == first).all()
    assert (env.state == other.state).all()
