"""Raw blue observations against 120 steps recorded from CybORG with random play and messages."""

import gzip
import json
from typing import Any

import numpy as np

from cagexplain.cc4.agents import BLUE
from cagexplain.envs import BatchedEnv
from tests.support.recorded import DATA


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def test_recorded_raw_observations() -> None:
    recorded = json.loads(gzip.decompress((DATA / "raw_observations.json.gz").read_bytes()))
    env = BatchedEnv(1)
    env.reset([recorded["seed"]], skip_worlds=1)
    seen_keys: set[str] = set()
    for t, step in enumerate(recorded["steps"]):
        if t > 0:
            env.step(np.array([step["actions"]]), np.array([step["messages"]]))
        expected = step["obs"] if t == 0 else step["after"]
        for number, agent in enumerate(BLUE):
            ours = _plain(env.raw_observation(0, number))
            assert ("action" in ours) == (t > 0 and ours["success"] != "IN_PROGRESS")
            ours.pop("action", None)
            for entry in ours.values():
                if t > 0 and isinstance(entry, dict):
                    entry.pop("System info", None)  # constant; left out of the record
            assert ours == expected[agent], f"{agent} after {t} steps"
            for entry in ours.values():
                if isinstance(entry, dict):
                    seen_keys |= set(entry)
    assert {"Files", "Processes", "Interface", "Sessions"} <= seen_keys
    assert len(recorded["steps"]) == 121
