"""Makes the compact copy of the recorded reference data that the tests replay.

    python tests/data/compact.py REFERENCE_FOLDER tests/data

Input: data recorded from CybORG 4.0 (``golden_traces.json.gz``, ``policy_returns.csv``,
``policy_return_breakdown.csv.gz``, ``step_raw.parquet``, ``topologies.parquet``). Output: the same
episodes without the log of random draws and without what follows from the rest.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

STATE_FAMILIES = {
    "active",
    "block",
    "ev",
    "files",
    "fsm",
    "inprog",
    "known_sess",
    "known_subnet",
    "ports",
    "proc",
    "sess",
    "sus",
    "svc",
}
"""Left out: ``fsmdecoy`` (findings of DiscoverDeception, never used), ``n_known_ip`` and
``known_hostname`` (they follow from the sightings), ``bsess`` (constant)."""


def _state(changes: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in changes.items():
        family = key.split("|")[0]
        if family not in STATE_FAMILIES:
            continue
        if family == "proc" and value is not None:
            value = [value[0], value[2], value[5]]  # name, user, listening ports
        elif family == "sess" and value is not None:
            value = [value[0], value[1], value[2], value[7]]  # host, user, pid, abstract
        kept[key] = value
    return kept


def _step(step: dict[str, Any]) -> dict[str, Any]:
    acts = [e[:4] for e in step["exec"] if not (e[0].startswith("green") and e[3] == "TRUE")]
    return {
        "blue": step["blue"],
        "chosen": step["chosen"],
        "exec": acts,
        "dropped": [entry[0] for entry in step.get("not_executed", [])],
        "reward": [step["rew"]["BlueRewardMachine"], step["rew"]["action_cost"]],
        "parts": [part[:4] for part in step["rew_parts"]],
        "obs": step["obs"],
        "state": _state(step["state"]),
    }


def _trace(trace: dict[str, Any]) -> dict[str, Any]:
    topology = trace["topology"]
    return {
        "policy": trace["meta"]["policy"],
        "seed": trace["meta"]["seed"],
        "subnets": [[s["name"], s["cidr"]] for s in topology["subnets"]],
        "hosts": [[h["hostname"], h["ip"], h["os"], h["services"]] for h in topology["hosts"]],
        "obs": {agent: blue["obs"] for agent, blue in trace["blue"].items()},
        "mask": {agent: blue["mask"] for agent, blue in trace["blue"].items()},
        "state": _state(trace["state0"]),
        "steps": [_step(step) for step in trace["steps"]],
        "generator": trace["final_rng_state"],
    }


def main(source: Path, target: Path) -> None:
    """Writes the compact files into ``target``."""
    with gzip.open(source / "golden_traces.json.gz", "rt") as file:
        traces = [_trace(trace) for trace in json.load(file)["traces"]]
    text = json.dumps(traces, separators=(",", ":"))
    (target / "golden_traces.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))

    pd.read_csv(source / "policy_returns.csv").to_parquet(
        target / "policy_returns.parquet", compression="zstd", index=False
    )
    pd.read_csv(source / "policy_return_breakdown.csv.gz").to_parquet(
        target / "policy_return_breakdown.parquet", compression="zstd", index=False
    )
    pd.read_parquet(source / "step_raw.parquet").to_parquet(
        target / "step_raw.parquet", compression="zstd", index=False
    )
    topologies = pd.read_parquet(source / "topologies.parquet")
    topologies[topologies["seed"] < 200].to_parquet(
        target / "topologies.parquet", compression="zstd", index=False
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
