"""A policy's networks as one graph for other runtimes: ONNX and TorchScript.

The graph is the networks alone. What else a policy does stays outside, and the description that
every file carries says so: the memory entries behind the official vectors, the mask, the draw of
an action, the messages.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

import cagexplain
from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.common.arrays import Array
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_bytes
from cagexplain.policies.base import Policy
from cagexplain.policies.learned import features
from cagexplain.policies.learned.features import GROUPS
from cagexplain.policies.learned.networks import Acting, Recurrent
from cagexplain.policies.learned.player import Player
from cagexplain.policies.wrappers.base import unwrapped

TOLERANCE: Final = 1e-5
"""Largest difference from our own network, in parts of the largest output (or of 1)."""
DESCRIPTION: Final = "cagexplain"
"""Where a file keeps its description: key of ONNX's metadata, extra file of TorchScript's archive
(with ``.json``)."""
STATE: Final = "state"
NEXT_STATE: Final = "next_state"
_ROWS: Final = 3
"""Rows of the inputs that a file is tried on."""


class Graph(nn.Module):
    """The networks of all agents, with flat inputs and outputs.

    Args:
        policy: whose networks.

    Attributes:
        inputs: names: the agents, then `STATE` if the networks are recurrent.
        outputs: names: each agent's logits (or values), then `NEXT_STATE`.
    """

    def __init__(self, policy: Player) -> None:
        super().__init__()
        self.stacks = policy.actors
        what = "values" if policy.values else "logits"
        network = self.stacks[0].network
        self.recurrent = isinstance(network, Recurrent)
        self.inputs = [*BLUE, *[STATE] * self.recurrent]
        self.outputs = [f"{name}_{what}" for name in BLUE] + [NEXT_STATE] * self.recurrent
        self.widths = features.sizes(policy.profile)
        self.state_shape: tuple[int, ...] = ()
        if isinstance(network, Recurrent):
            self.state_shape = (N_BLUE, network.states, network.size)

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Outputs (rows, actions) and the next state (rows, 5, states, units) from inputs
        (rows, width) and a state."""
        outputs: list[Tensor] = []
        states: list[Tensor] = []
        for group, stack in zip(GROUPS, self.stacks, strict=True):
            x = torch.stack([given[agent] for agent in group])
            if isinstance(stack.network, Recurrent):
                state = given[N_BLUE][:, group[0] : group[-1] + 1].permute(2, 1, 0, 3)
                y, after = stack.network.step(stack.layers, x, state)
                states.append(after.permute(2, 1, 0, 3))
            else:
                y = stack(x)
            outputs += y.unbind()
        return (*outputs, torch.cat(states, 1)) if states else tuple(outputs)

    def samples(self, seed: int) -> dict[str, Tensor]:
        """Random inputs by name: (3, width) numbers of which every other is 0 or 1."""
        generator = torch.Generator().manual_seed(seed)
        shapes = [(width,) for width in self.widths] + [self.state_shape] * self.recurrent
        inputs = {}
        for name, shape in zip(self.inputs, shapes, strict=True):
            numbers = torch.rand(_ROWS, *shape, generator=generator)
            whole = torch.rand(_ROWS, *shape, generator=generator) < 0.5
            inputs[name] = torch.where(whole, numbers.round(), numbers)
        return inputs


def graph(policy: Policy) -> Graph:
    """The networks of a policy as a graph.

    Raises:
        UsageError: it has none.
    """
    inside = unwrapped(policy)
    if not isinstance(inside, Player):
        raise UsageError(
            "only networks can be written as ONNX or TorchScript, and this policy has none",
            where=policy.name,
            remedy="Export it with --submission",
        )
    return Graph(inside)


def description(policy: Policy) -> dict[str, Any]:
    """What a file says about its graph."""
    inside = unwrapped(policy)
    assert isinstance(inside, Player)
    net = Graph(inside)
    memory = inside.profile == "memory"
    return {
        "project": "cagexplain",
        "version": cagexplain.__version__,
        "kind": "networks",
        "policy": inside.name,
        "observation": inside.profile,
        "inputs": {
            name: {
                "shape": ["rows", net.widths[agent]],
                "type": "float32",
                "meaning": "the official vector of the agent"
                + (", then what it remembers (see entries)" if memory else ""),
                "official_entries": observations.SIZES[agent],
                "entries": list(features.names(inside.profile, agent)),
            }
            for agent, name in enumerate(BLUE)
        },
        "outputs": {
            net.outputs[agent]: {
                "shape": ["rows", actions.SIZES[agent]],
                "type": "float32",
                "meaning": "one number for each action of the official layout, valid or not",
            }
            for agent in range(N_BLUE)
        },
        "state": {
            "shape": ["rows", *net.state_shape],
            "meaning": f"zeros at the beginning of an episode; feed {NEXT_STATE} back as {STATE}, "
            "in every step, busy or not",
        }
        if net.recurrent
        else None,
        "acting": {
            "outputs": "values" if inside.values else "logits",
            "choice": "the largest output" if inside.deterministic else "a draw from the softmax",
            "mask": "set the outputs of invalid actions to minus infinity first",
            "busy": "a busy agent submits Sleep",
        },
        "messages": inside.messages,
    }


def write_torchscript(path: Path, policy: Policy) -> float:
    """Write a TorchScript file; returns the largest difference, see `TOLERANCE`.

    Raises:
        UsageError: the policy has no networks.
        CagexplainError: the file computes something else.
    """
    net = graph(policy)
    content = io.BytesIO()
    text = json.dumps(description(policy))
    torch.jit.save(_traced(net), content, _extra_files={f"{DESCRIPTION}.json": text})
    content.seek(0)
    again = torch.jit.load(content)

    def compute(inputs: dict[str, Tensor]) -> list[Array]:
        return [output.numpy() for output in again(*inputs.values())]

    difference = _verified(net, compute, path)
    write_bytes(path, content.getvalue())
    return difference


def write_onnx(path: Path, policy: Policy) -> float:
    """Write an ONNX file; returns the largest difference, see `TOLERANCE`.

    Raises:
        UsageError: the policy has no networks, or the packages of the extra "onnx" are missing.
        CagexplainError: the file computes something else.
    """
    net = graph(policy)
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"writing ONNX needs the package '{error.name}', which is not installed",
            where="--onnx",
            remedy="Install it: pip install 'cagexplain[onnx]'",
        ) from error
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's advice to its own developers
        torch.onnx.export(
            _traced(net),
            tuple(net.samples(0).values()),
            content,
            dynamo=False,
            input_names=net.inputs,
            output_names=net.outputs,
            dynamic_axes={name: {0: "rows"} for name in (*net.inputs, *net.outputs)},
        )
    model = onnx.load_from_string(content.getvalue())
    onnx.helper.set_model_props(model, {DESCRIPTION: json.dumps(description(policy))})
    onnx.checker.check_model(model)
    written = model.SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])

    def compute(inputs: dict[str, Tensor]) -> list[Array]:
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        return [np.asarray(output) for output in session.run(net.outputs, arrays)]

    difference = _verified(net, compute, path)
    write_bytes(path, written)
    return difference


def _traced(net: Graph) -> torch.jit.ScriptModule:
    # With a gradient the networks are computed by their definition, in products that can be traced.
    samples = tuple(tensor.requires_grad_() for tensor in net.samples(0).values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about lengths that are constant here, and Torch's plans
        traced: torch.jit.ScriptModule = torch.jit.trace(net, samples, check_trace=False)
    return traced


def _verified(
    net: Graph, compute: Callable[[dict[str, Tensor]], list[Array]], path: Path
) -> float:
    """The largest difference between a file and our networks as they play."""
    worst = 0.0
    for seed, rows in ((1, _ROWS), (2, 1)):
        inputs = {name: tensor[:rows] for name, tensor in net.samples(seed).items()}
        for ours, theirs in zip(_played(net, inputs), compute(inputs), strict=True):
            scale = max(1.0, float(np.abs(ours).max()))
            worst = max(worst, float(np.abs(ours - theirs).max()) / scale)
    if not worst <= TOLERANCE:
        raise CagexplainError(
            f"what the file computes differs from the networks by {worst:.1e}",
            where=path,
            remedy="Report it with the policy's file",
        )
    return worst


@torch.inference_mode()
def _played(net: Graph, inputs: dict[str, Tensor]) -> list[Array]:
    rows = len(inputs[BLUE[0]])
    acting = Acting(net.stacks, rows)
    if net.recurrent:
        acting.states = [
            inputs[STATE][:, group[0] : group[-1] + 1].permute(2, 1, 0, 3) for group in GROUPS
        ]
    x = [torch.stack([inputs[BLUE[agent]] for agent in group]) for group in GROUPS]
    outputs = [agent.numpy() for group in acting.outputs(x) for agent in group]
    states = [state.permute(2, 1, 0, 3) for state in acting.states if state is not None]
    return [*outputs, torch.cat(states, 1).numpy()] if states else outputs
