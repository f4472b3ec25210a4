"""ONNX and TorchScript files compute what our networks compute, and say what they are."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions, observations
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.export import graphs
from cagexplain.policies.formats.loading import load
from cagexplain.policies.registry import load_policy
from tests.support import exported

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("form", exported.FORMS, ids="-".join)
def test_files_compute_what_the_networks_compute(
    form: tuple[str, str, str], tmp_path: Path
) -> None:
    policy = exported.network(*form)
    assert graphs.write_onnx(tmp_path / "x.onnx", policy) <= graphs.TOLERANCE
    assert graphs.write_torchscript(tmp_path / "x.pt", policy) <= graphs.TOLERANCE


def test_another_network_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = graphs._played

    def wrong(*arguments: Any) -> Any:
        return [output * 1.001 for output in right(*arguments)]

    monkeypatch.setattr(graphs, "_played", wrong)
    for write in (graphs.write_onnx, graphs.write_torchscript):
        with pytest.raises(CagexplainError, match="differs from the networks"):
            write(tmp_path / "x", exported.network())
    assert list(tmp_path.iterdir()) == []


def test_a_graph_plays_an_episode(tmp_path: Path) -> None:
    """With official vectors and masks only, as a user would: the best valid action of all."""
    policy = exported.network("hosts", acting="greedy")
    graphs.write_onnx(tmp_path / "x.onnx", policy)
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"))
    env = BatchedEnv(2, params=EnvParams(steps=40))
    env.reset([1, 2])
    policy.reset(np.array([1, 2]))
    ends = np.array(actions.OFFSETS[1:])
    while not env.done.any():
        ours = policy.act(env.obs, env.mask, env.free).actions
        inputs = {"observation": env.obs.astype(np.float32), "mask": env.mask}
        logits = session.run(["logits"], inputs)[0]
        best = np.stack([part.argmax(1) for part in np.split(logits, ends, axis=1)], axis=1)
        assert (best == ours)[env.free].all()
        env.step(ours)


def test_a_memory_is_given_back(tmp_path: Path) -> None:
    policy = exported.network(core="lstm", acting="greedy")
    graphs.write_torchscript(tmp_path / "x.pt", policy)
    program = torch.jit.load(str(tmp_path / "x.pt"))
    env = BatchedEnv(1, params=EnvParams(steps=30))
    env.reset([1])
    policy.reset(np.array([1]))
    state = torch.zeros(1, 5 * 2 * 6)
    while not env.done.any():
        ours = policy.act(env.obs, env.mask, env.free).actions
        logits, state = program(
            torch.from_numpy(env.obs).float(), torch.from_numpy(env.mask), state
        )
        parts = logits.split(list(actions.SIZES), 1)
        best = np.array([[int(part.argmax()) for part in parts]])
        assert (best == ours)[env.free].all()
        env.step(ours)


@pytest.mark.parametrize("core", ["none", "lstm"])
def test_a_file_alone_is_played(core: str, tmp_path: Path) -> None:
    """It says itself what a descriptor would."""
    policy = exported.network(core=core, acting="greedy")
    graphs.write_torchscript(tmp_path / "x.pt", policy)
    read = load(tmp_path / "x.pt", deterministic=True, trusted=True)
    env = BatchedEnv(3, params=EnvParams(steps=40))
    env.reset([1, 2, 3])
    for each in (policy, read):
        each.reset(np.arange(3))
    while not env.done.any():
        ours = policy.act(env.obs, env.mask, env.free).actions
        assert (read.act(env.obs, env.mask, env.free).actions == ours).all()
        env.step(ours)


def test_a_file_that_takes_memories_is_refused(tmp_path: Path) -> None:
    graphs.write_torchscript(tmp_path / "x.pt", exported.network("scores", "memory"))
    with pytest.raises(CagexplainError, match="what the agents remember"):
        load(tmp_path / "x.pt", trusted=True)


def test_the_description(tmp_path: Path) -> None:
    policy = exported.network("scores", "memory", "gru")
    graphs.write_onnx(tmp_path / "x.onnx", policy)
    graphs.write_torchscript(tmp_path / "x.pt", policy)
    (entry,) = onnx.load(str(tmp_path / "x.onnx")).metadata_props
    files = {"cagexplain.json": ""}
    torch.jit.load(str(tmp_path / "x.pt"), _extra_files=files)
    described = json.loads(entry.value)
    assert entry.key == "cagexplain"
    assert json.loads(files["cagexplain.json"]) == described
    for agent, facts in enumerate(described["agents"].values()):
        assert len(facts["entries"]) == facts["inputs"] > observations.SIZES[agent]
        assert facts["actions"] == actions.SIZES[agent]
    assert described["state"] is not None


def test_the_description_says_what_the_inputs_come_from() -> None:
    told = {p: graphs.description(exported.network("mlp", p)) for p in ("flat", "memory", "raw")}
    assert told["flat"]["observation"].startswith("the official vectors")
    assert told["memory"]["observation"].endswith("what it remembers; agents side by side")
    assert "what it remembers of its raw observations" in told["raw"]["observation"]
    entries = told["raw"]["agents"]["blue_agent_0"]["entries"]
    assert "root or an unseen exploit listed on server_host_0 (RZA)" in entries


def test_no_place_of_this_machine_is_in_the_files(tmp_path: Path) -> None:
    policy = exported.network()
    graphs.write_torchscript(tmp_path / "x.pt", policy)
    graphs.write_onnx(tmp_path / "x.onnx", policy)
    folder = str(Path(graphs.__file__).parents[2]).encode()
    reader = torch._C.PyTorchFileReader(io.BytesIO((tmp_path / "x.pt").read_bytes()))
    for name in reader.get_all_records():
        assert folder not in reader.get_record(name), name
    assert folder not in (tmp_path / "x.onnx").read_bytes()


def test_the_same_policy_gives_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; from cagexplain.cli.main import main; "
        "sys.exit(main(['export', 'ippo_tuned', '--torchscript', sys.argv[1] + '.pt', "
        "'--onnx', sys.argv[1] + '.onnx']))"
    )
    for name in "ab":
        subprocess.run([sys.executable, "-c", program, str(tmp_path / name)], check=True)
    for suffix in (".pt", ".onnx"):
        first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
        assert first == second


def test_rules_have_no_networks(tmp_path: Path) -> None:
    for write in (graphs.write_onnx, graphs.write_torchscript):
        with pytest.raises(UsageError, match="only networks"):
            write(tmp_path / "x", load_policy("expert"))
