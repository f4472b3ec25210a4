"""A policy's networks as one graph for other runtimes: ONNX and TorchScript.

The graph is the networks alone. What else a policy does stays outside, and the description that
every file carries says so: memory entries behind the official vectors, draws, messages.
"""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

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
from cagexplain.policies.formats.ours import DESCRIPTION
from cagexplain.policies.learned import features
from cagexplain.policies.learned.features import GROUPS
from cagexplain.policies.learned.networks import Acting, Recurrent, by_group
from cagexplain.policies.learned.player import Player
from cagexplain.policies.wrappers.base import unwrapped

TOLERANCE: Final = 1e-5
"""Largest difference from our own network, in parts of the largest output (or of 1)."""
_ROWS: Final = 3
"""Rows of the inputs that a file is tried on."""


_OBSERVATION: Final = {
    "flat": "the official vectors of the agents side by side",
    "memory": "of each agent the official vector, then what it remembers; agents side by side",
    "raw": "of each agent the official vector, then what it remembers of its raw observations; "
    "agents side by side",
}
"""What a file says that its graph takes, by profile."""


class Graph(nn.Module):
    """The networks of all agents as one function of a row: `forward`.

    Args:
        policy: whose networks.

    Attributes:
        inputs: names: "observation", "mask", then "state" if the networks are recurrent.
        outputs: names: "logits" (or "q_values"), then "next_state".
    """

    def __init__(self, policy: Player) -> None:
        super().__init__()
        self.stacks = policy.actors
        self.widths = features.sizes(policy.profile)
        network = self.stacks[0].network
        self.state: tuple[int, int] | None = None
        if isinstance(network, Recurrent):
            self.state = network.states, network.size
        recurrent = self.state is not None
        self.inputs = ["observation", "mask", *["state"] * recurrent]
        self.outputs = ["q_values" if policy.values else "logits", *["next_state"] * recurrent]

    def forward(
        self, observation: Tensor, mask: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """One number per action, minus infinity for invalid ones, and the next state.

        Args:
            observation: ``float32[rows, inputs]``, the agents' inputs side by side.
            mask: ``bool[rows, 570]``, their valid actions.
            state: ``float32[rows, units]``, of recurrent networks.
        """
        before = self.by_group(state)
        outputs: list[Tensor] = []
        after: list[Tensor] = []
        for g, (stack, x) in enumerate(
            zip(self.stacks, by_group(observation, self.widths), strict=True)
        ):
            if isinstance(stack.network, Recurrent):
                y, now = stack.network.step(stack.layers, x, before[g])
                after.append(now)
            else:
                y = stack(x)
            outputs.append(y)
        numbers = side_by_side(outputs).masked_fill(~mask, -math.inf)
        return (numbers, self.flat(after)) if after else (numbers,)

    def by_group(self, state: Tensor | None) -> list[Tensor]:
        """Rows of numbers as the groups' networks have a state: (states, members, rows, size)."""
        if state is None or self.state is None:
            return []
        parts = state.view(-1, N_BLUE, *self.state).permute(2, 1, 0, 3)
        return [parts[:, group[0] : group[-1] + 1] for group in GROUPS]

    def flat(self, states: Sequence[Tensor]) -> Tensor:
        """The inverse of `by_group`: ``float32[rows, units]``."""
        return torch.cat(list(states), 1).permute(2, 1, 0, 3).flatten(1)

    def samples(self, seed: int, rows: int = _ROWS) -> dict[str, Tensor]:
        """Random inputs by name; every other number is 0 or 1, every other action is valid."""
        generator = torch.Generator().manual_seed(seed)
        widths = [sum(self.widths), actions.TOTAL]
        if self.state is not None:
            widths.append(N_BLUE * math.prod(self.state))
        numbers = [torch.rand(rows, width, generator=generator) for width in widths]
        whole = torch.rand(rows, widths[0], generator=generator) < 0.5
        observation, mask, *state = numbers
        observation = torch.where(whole, observation.round(), observation)
        return dict(zip(self.inputs, [observation, mask < 0.5, *state], strict=True))


def side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """(members, rows, actions) of each group as (rows, actions of all agents)."""
    return torch.cat([part.transpose(0, 1).flatten(1) for part in parts], -1)


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
    net = graph(policy)
    inside = cast(Player, unwrapped(policy))
    state = None
    if net.state is not None:
        state = "zeros at the beginning of an episode; give next_state back in every step"
    return {
        "project": "cagexplain",
        "version": cagexplain.__version__,
        "kind": "networks",
        "policy": inside.name,
        "profile": inside.profile,
        "observation": _OBSERVATION[inside.profile],
        "mask": "the official action masks of the agents side by side",
        "state": state,
        "output": f"{net.outputs[0]} of the official actions of the agents side by side, minus "
        "infinity where the mask is false",
        "choice": "the largest"
        if inside.deterministic
        else "a draw from the softmax of each agent",
        "busy": "sleeps",
        "form": {
            "inputs": sum(net.widths),
            "mask": "input",
            "outputs": "values" if inside.values else "logits",
            "state": None if net.state is None else [N_BLUE * math.prod(net.state)],
        },
        "messages": inside.messages,
        "agents": {
            name: {
                "inputs": net.widths[agent],
                "official_entries": observations.SIZES[agent],
                "actions": actions.SIZES[agent],
                "entries": list(features.names(inside.profile, agent)),
            }
            for agent, name in enumerate(BLUE)
        },
    }


def write_torchscript(path: Path, policy: Policy) -> float:
    """Write a TorchScript file; returns the largest difference, see `TOLERANCE`.

    The first file of a process has the same bytes for the same policy; later ones have other names
    of classes in their programs.

    Raises:
        UsageError: the policy has no networks.
        CagexplainError: the file computes something else.
    """
    net = graph(policy)
    content = io.BytesIO()
    text = json.dumps(description(policy))
    torch.jit.save(_traced(net), content, _extra_files={f"{DESCRIPTION}.json": text})
    written = _without_traces(content.getvalue())
    program = torch.jit.load(io.BytesIO(written))

    def compute(inputs: dict[str, Tensor]) -> list[Array]:
        answer = program(*inputs.values())
        return [output.numpy() for output in answer]

    difference = _verified(net, compute, path)
    write_bytes(path, written)
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
            remedy="Run pip install -e '.[onnx]'",
        ) from error
    content: Any = io.BytesIO()  # a file will do as well as a path, in this exporter
    with warnings.catch_warnings():
        # That Torch has another exporter, which needs more packages.
        warnings.simplefilter("ignore")
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
    observation, *others = net.samples(0).values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about lengths that are constant here, and Torch's plans
        # With a gradient, hosts are scored by dense products, which can be traced.
        traced: torch.jit.ScriptModule = torch.jit.trace(
            net, (observation.requires_grad_(), *others), check_trace=False
        )
    return traced


def _without_traces(archive: bytes) -> bytes:
    """A TorchScript archive without places in our source, which name the user's folders, and
    without the inputs that it was traced with."""
    reader, content = torch._C.PyTorchFileReader(io.BytesIO(archive)), io.BytesIO()
    writer = torch._C.PyTorchFileWriter(content)
    for name in reader.get_all_records():
        if name.startswith(("code/", "constants", "data", "extra/")) and "debug" not in name:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    return content.getvalue()


def _verified(net: Graph, compute: Callable[[dict[str, Tensor]], list[Array]], path: Path) -> float:
    """The largest difference between a file and our networks as they play."""
    worst = 0.0
    for seed, rows in ((1, _ROWS), (2, 1)):
        inputs = net.samples(seed, rows)
        for ours, theirs in zip(_played(net, inputs), compute(inputs), strict=True):
            valid = np.isfinite(ours)
            if ours.shape != theirs.shape or (valid != np.isfinite(theirs)).any():
                worst = math.inf
                continue
            scale = max(1.0, float(np.abs(ours[valid]).max()))
            worst = max(worst, float(np.abs(ours[valid] - theirs[valid]).max()) / scale)
    if worst > TOLERANCE:
        raise CagexplainError(
            f"what the file computes differs from the networks by {worst:.1e}",
            where=path,
            remedy="Report it with the policy's file",
        )
    return worst


@torch.inference_mode()
def _played(net: Graph, inputs: dict[str, Tensor]) -> list[Array]:
    """What the networks compute when they play."""
    observation, mask, *state = inputs.values()
    acting = Acting(net.stacks, len(observation))
    if state:
        acting.states = list(net.by_group(state[0]))
    outputs = side_by_side(acting.outputs(by_group(observation, net.widths)))
    after = [part for part in acting.states if part is not None]
    numbers = outputs.masked_fill(~mask, -math.inf).numpy()
    return [numbers, net.flat(after).numpy()] if after else [numbers]
