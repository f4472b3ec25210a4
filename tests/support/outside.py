"""Files of other trainers, made small and by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import N_BLUE

SHARED = spaces.Box(0.0, 2.0, (215,), np.float32)
"""What SuperSuit's agent_indicator makes of the padded observations."""
PADDED = spaces.Discrete(242)


class Spaces(gymnasium.Env[Any, Any]):
    """An environment that has spaces, and nothing else that a model needs to be made."""

    def __init__(self, observed: spaces.Space[Any], chosen: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = observed, chosen

    def action_masks(self) -> npt.NDArray[np.bool_]:
        return np.ones(self.action_space.n, np.bool_)  # type: ignore[attr-defined]


def scattered(policy: torch.nn.Module, seed: int = 0) -> None:
    """Give a network weights by which its choices differ from observation to observation."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in policy.parameters():
            size = 4 / weights.shape[-1] ** 0.5
            weights.copy_(torch.randn(weights.shape, generator=generator) * size)


def sights(
    n: int, seed: int = 0
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Observations, masks that always allow Sleep, and agents that are free."""
    generator = np.random.default_rng(seed)
    obs = generator.integers(0, 2, (n, observations.TOTAL)).astype(np.int8)
    mask = generator.random((n, actions.TOTAL)) < 0.7
    mask[:, np.array(actions.OFFSETS) + np.array(actions.SLEEP_INDEX)] = True
    return obs, mask, np.ones((n, N_BLUE), np.bool_)


def padded(rows: npt.NDArray[Any], layout: Any, agent: int) -> npt.NDArray[Any]:
    """An agent's part of rows, with zeros up to the largest agent's."""
    part = rows[:, layout.OFFSETS[agent] : layout.OFFSETS[agent] + layout.SIZES[agent]]
    return np.pad(part, ((0, 0), (0, max(layout.SIZES) - part.shape[1])))


def supersuit(obs: npt.NDArray[np.int8], agent: int) -> npt.NDArray[np.float32]:
    """What a network behind SuperSuit is shown of an agent."""
    who = np.zeros((len(obs), N_BLUE))
    who[:, agent] = 2
    return np.concatenate([padded(obs, observations, agent), who], 1).astype(np.float32)


def write_onnx(
    path: Path,
    *,
    inputs: int | str = 92,
    outputs: int = 82,
    output: str = "logits",
    rows: int | str = "rows",
    mask: bool = False,
    memory: int = 0,
    indices: bool = False,
    domain: str = "",
    seed: int = 0,
) -> npt.NDArray[np.float32]:
    """Write one linear layer as ONNX, and return its weights ``[inputs, outputs]``.

    Args:
        path: of the file.
        inputs, outputs, rows: its shape.
        output: name of what it computes.
        mask: whether it takes a mask, which lowers the outputs of forbidden actions by 100.
        memory: size of a memory that is added to the outputs' first entries, and grows by one.
        indices: whether it answers with the index of the largest output.
        domain: of the operator.
        seed: of the weights.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save_model

    width = inputs if isinstance(inputs, int) else 92
    weights = np.random.default_rng(seed).normal(size=(width, outputs)).astype(np.float32)
    constants = {"w": weights}
    value = helper.make_tensor_value_info
    observed = [value("obs", TensorProto.FLOAT, [rows, inputs])]
    computed, last = [], "y"
    nodes = [helper.make_node("MatMul", ["obs", "w"], ["y"], domain=domain)]
    if mask:
        observed.append(value("action_mask", TensorProto.BOOL, [rows, outputs]))
        constants["far"] = np.full((1,), -100, np.float32)
        constants["none"] = np.zeros((1,), np.float32)
        nodes += [
            helper.make_node("Where", ["action_mask", "none", "far"], ["lowered"]),
            helper.make_node("Add", [last, "lowered"], ["masked"]),
        ]
        last = "masked"
    if memory:
        observed.append(value("h", TensorProto.FLOAT, [1, rows, memory]))
        constants |= {"one": np.ones((1,), np.float32), "axes": np.zeros((1,), np.int64)}
        constants["spread"] = np.eye(memory, outputs, dtype=np.float32) * 1000
        nodes += [
            helper.make_node("Squeeze", ["h", "axes"], ["flat"]),
            helper.make_node("MatMul", ["flat", "spread"], ["remembered"]),
            helper.make_node("Add", [last, "remembered"], ["sum"]),
            helper.make_node("Add", ["h", "one"], ["h_out"]),
        ]
        computed = [value("h_out", TensorProto.FLOAT, [1, rows, memory])]
        last = "sum"
    if indices:
        nodes.append(helper.make_node("ArgMax", [last], [output], axis=1, keepdims=0))
        first = value(output, TensorProto.INT64, [rows])
    else:
        nodes.append(helper.make_node("Identity", [last], [output]))
        first = value(output, TensorProto.FLOAT, [rows, outputs])
    graph = helper.make_graph(
        nodes,
        "policy",
        observed,
        [first, *computed],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    operators = [helper.make_opsetid("", 17)]
    if domain:
        operators.append(helper.make_opsetid(domain, 1))
    model = helper.make_model(graph, opset_imports=operators, ir_version=9)
    if not domain:
        checker.check_model(model)
    save_model(model, str(path))
    return weights
