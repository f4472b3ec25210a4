"""ONNX files: what they compute, and every shape that is not CC4's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.base import Weighing
from cagexplain.policies.formats.files import WeighingFilePolicy
from cagexplain.policies.formats.loading import load
from cagexplain.policies.registry import load_policy
from tests.support.outside import padded, sights, supersuit, write_onnx

pytest.importorskip("onnxruntime", reason="onnxruntime (extra 'dev') is not installed")
pytest.importorskip("onnx", reason="onnx (extra 'dev') is not installed")


def _described(folder: Path, text: str, **network: Any) -> npt.NDArray[np.float32]:
    weights = write_onnx(folder / "team.onnx", **network)
    (folder / "agents.yaml").write_text(f"file: team.onnx\n{text}")
    return weights


def _best(outputs: npt.NDArray[Any], mask: npt.NDArray[np.bool_], agent: int) -> Any:
    """The index of the largest output, or Sleep if there is no such action."""
    best = outputs.argmax(1)
    return np.where(mask[np.arange(len(best)), best], best, SLEEP_INDEX[agent])


def test_a_shared_network(tmp_path: Path) -> None:
    weights = _described(tmp_path, "identity: supersuit\n", inputs=215, outputs=242)
    policy = load(tmp_path, deterministic=True)
    obs, mask, free = sights(300)
    chosen = policy.act(obs, mask, free).actions
    for agent in range(N_BLUE):
        outputs = supersuit(obs, agent) @ weights
        valid = padded(mask, actions, agent)
        assert (chosen[:, agent] == _best(outputs, valid, agent)).mean() > 0.99  # ties of rounding


def test_a_file_per_agent(tmp_path: Path) -> None:
    layers = [
        write_onnx(
            tmp_path / f"{agent}.onnx",
            inputs=210 if agent == 4 else 92,
            outputs=actions.SIZES[agent],
            seed=agent,
        )
        for agent in range(N_BLUE)
    ]
    policy = load(tmp_path, deterministic=True)
    obs, mask, free = sights(300)
    chosen = policy.act(obs, mask, free).actions
    start = 0
    for agent, weights in enumerate(layers):
        seen = obs[:, start : start + len(weights)].astype(np.float32)
        start += len(weights)
        valid = mask[:, actions.slice_of(agent)]
        assert (chosen[:, agent] == _best(seen @ weights, valid, agent)).mean() > 0.99


def test_one_row_at_a_time_is_the_same(tmp_path: Path) -> None:
    described = "identity: first\n"
    for folder, rows in (("many", "rows"), ("one", 1)):
        (tmp_path / folder).mkdir()
        _described(tmp_path / folder, described, inputs=215, outputs=242, rows=rows)
    obs, mask, free = sights(20)
    many, one = (load(tmp_path / folder) for folder in ("many", "one"))
    for policy in (many, one):
        policy.reset(np.arange(20))
    assert np.array_equal(many.act(obs, mask, free).actions, one.act(obs, mask, free).actions)


def test_a_mask_as_input(tmp_path: Path) -> None:
    _described(tmp_path, "", inputs=210, outputs=242, mask=True)
    policy = load(tmp_path)
    assert policy.describe()["forms"][BLUE[0]]["mask"] == "input"
    obs, mask, free = sights(300)
    mask[:, np.array(actions.OFFSETS) + np.array(SLEEP_INDEX)] = False
    policy.reset(np.arange(300))
    decision = policy.act(obs, mask, free)
    assert mask[np.arange(300)[:, None], decision.actions + np.array(actions.OFFSETS)].all()


def test_a_mask_on_its_logits(tmp_path: Path) -> None:
    weights = _described(tmp_path, "mask: logits\n", inputs=210, outputs=242)
    obs, mask, free = sights(300)
    chosen = load(tmp_path, deterministic=True).act(obs, mask, free).actions
    outputs = np.where(padded(mask, actions, 4), obs[:, 368:].astype(np.float32) @ weights, -np.inf)
    assert (chosen[:, 4] == outputs.argmax(1)).mean() > 0.99


def test_memories_go_on_and_are_branched(tmp_path: Path) -> None:
    """The memory of this network counts its steps: with 1000 a step on three outputs, their first
    is chosen from the second step on."""
    _described(tmp_path, "", inputs=210, outputs=242, memory=3)
    policy = load(tmp_path, deterministic=True)
    obs, _, free = sights(4)
    mask = np.ones((4, actions.TOTAL), np.bool_)
    policy.reset(np.arange(4))
    first = policy.act(obs, mask, free).actions
    assert (first > 2).any()
    fresh = policy.branch(np.array([3, 0]))
    second = policy.act(obs, mask, free).actions
    assert (second <= 2).all()
    assert np.array_equal(fresh.act(obs[[3, 0]], mask[:2], free[:2]).actions, second[[3, 0]])
    policy.reset(np.arange(4))
    assert np.array_equal(policy.act(obs, mask, free).actions, first)


def test_indices_of_actions(tmp_path: Path) -> None:
    weights = _described(tmp_path, "", inputs=210, outputs=242, indices=True)
    policy = load(tmp_path)
    assert not isinstance(policy, Weighing)
    obs, mask, free = sights(300)
    decision = policy.act(obs, mask, free)
    assert decision.probability is None
    assert decision.entropy is None
    seen = obs[:, 368:].astype(np.float32)
    assert (decision.actions[:, 4] == _best(seen @ weights, padded(mask, actions, 4), 4)).all()
    branch = policy.branch(np.array([0, 0]))
    assert branch.act(obs[:2], mask[:2], free[:2]).actions.shape == (2, 5)
    with pytest.raises(UsageError, match="no probabilities"):
        load(tmp_path, deterministic=False)


def test_sleep_can_be_masked(tmp_path: Path) -> None:
    """A network that is not told of masks chooses among what is left, as others do."""
    _described(tmp_path, "", inputs=210, outputs=242)
    obs, mask, free = sights(300)
    for deterministic in (True, False):
        policy = load_policy(str(tmp_path), mask_sleep=True, deterministic=deterministic)
        policy.reset(np.arange(300))
        decision = policy.act(obs, mask, free)
        assert (decision.actions != SLEEP_INDEX).all()
        assert mask[np.arange(300)[:, None], decision.actions + np.array(actions.OFFSETS)].all()


def test_values(tmp_path: Path) -> None:
    _described(tmp_path, "", inputs=210, outputs=242, output="q_values")
    policy = load(tmp_path)
    assert isinstance(policy, WeighingFilePolicy)
    assert policy.values
    obs, mask, free = sights(10)
    decision = policy.act(obs, mask, free)
    weights = policy.weights()
    assert np.isneginf(weights[~mask]).all()
    for agent in range(N_BLUE):
        best = weights[:, actions.slice_of(agent)].argmax(1)
        assert np.array_equal(decision.actions[:, agent], best)


@pytest.mark.parametrize("text", ["{", '{"busy": "naps"}', '{"profile": 3}', "[]"])
def test_metadata_under_our_name_that_is_not_ours(tmp_path: Path, text: str) -> None:
    import onnx

    file = tmp_path / "team.onnx"
    write_onnx(file, inputs=578, outputs=570)
    model = onnx.load(str(file))
    onnx.helper.set_model_props(model, {"cagexplain": text})
    onnx.save(model, str(file))
    with pytest.raises(CagexplainError, match="its metadata cannot be read"):
        load(file)


def test_busy_agents_act_or_sleep(tmp_path: Path) -> None:
    obs, _, free = sights(20)
    mask = np.ones((20, actions.TOTAL), np.bool_)
    free[:10] = False
    for busy in ("acts", "sleeps"):
        _described(tmp_path, f"busy: {busy}\n", inputs=210, outputs=242)
        chosen = load(tmp_path, deterministic=True).act(obs, mask, free).actions
        assert (chosen[:10] == SLEEP_INDEX).all() == (busy == "sleeps")
        assert (chosen[10:] != SLEEP_INDEX).any()


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "inputs": ({"inputs": 91, "outputs": 242}, "", "91 inputs fits none of the forms"),
    "outputs": ({"inputs": 210, "outputs": 81}, "", "81 outputs fits none of the forms"),
    "rows": ({"rows": 7}, "", r"its shape is \[7, 92\]"),
    "what its outputs are": ({"output": "y1"}, "", "outputs: the file does not say this"),
    "identity": (
        {"inputs": 215, "outputs": 242},
        "",
        "identity: supersuit | last | first",
    ),
    "identity that is another": (
        {"inputs": 215, "outputs": 242},
        "identity: none\n",
        "215 inputs fits none",
    ),
    "any width": ({"inputs": "width", "outputs": 242}, "", "observation: official | padded | team"),
    "actions that are none": (
        {"inputs": 210, "outputs": 242},
        "outputs: actions\n",
        "'actions' is contradicted by the file",
    ),
    "probabilities": (
        {"inputs": 210, "outputs": 242, "output": "probabilities"},
        "",
        "which is no probability",
    ),
    "operator of its own": ({"domain": "evil"}, "", "ONNX Runtime refuses the file"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_policy(wrong: str, tmp_path: Path) -> None:
    network, text, message = WRONG[wrong]
    _described(tmp_path, text, **network)
    with pytest.raises(CagexplainError, match=message.replace("|", r"\|")) as refusal:
        load(tmp_path)
    assert refusal.value.where == tmp_path / "team.onnx"


def test_files_that_are_no_onnx(tmp_path: Path) -> None:
    path = tmp_path / "team.onnx"
    write_onnx(path, inputs=210, outputs=242)
    whole = path.read_bytes()
    for content in (b"", b"no onnx", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(CagexplainError) as refusal:
            load(path)
        assert refusal.value.where == path


def test_outputs_that_are_not_finite(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    path = tmp_path / "team.onnx"
    write_onnx(path, inputs=210, outputs=242)
    model = onnx.load(str(path))
    weights = np.full((210, 242), np.nan, np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w"))
    onnx.save(model, str(path))
    with pytest.raises(CagexplainError, match="not finite"):
        load(path)


def test_files_that_compute_different_things(tmp_path: Path) -> None:
    entries = ""
    for number, agent in enumerate(BLUE):
        output = "q" if number == 3 else "logits"
        write_onnx(tmp_path / f"{agent}.onnx", inputs=210, outputs=242, output=output)
        entries += f"  {agent}: {agent}.onnx\n"
    (tmp_path / "agents.yaml").write_text(f"agents:\n{entries}observation: padded\n")
    with pytest.raises(CagexplainError, match=r"different things \(logits, values\)"):
        load(tmp_path)
