"""A layer that scores every host of an observation with the same small network.

For host h of a row with inputs x_h (the entries of the observation that tell about it):

    hidden_h = relu(shift + position_h + x_h W),    scores_h = V hidden_h

`shift` (rows, units) carries what the rest of the network makes of the whole observation. Most
hosts do not exist and most entries are zero, so the compiled loops, which skip both, take about a
tenth of the time of dense products. On other devices than the CPU the dense products are used.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.common.arrays import Float32Array
from cagexplain.policies.jit import COMPILED, STORE, njit

_COMPILE: Final[dict[str, Any]] = {
    "nogil": True,
    "fastmath": True,
    "boundscheck": False,
    "error_model": "numpy",
}


class HostScores(torch.autograd.Function):
    """The layer on the CPU: `apply(x, columns, gate, shift, weight, position, out)`.

    Args:
        x: (rows, width) observations; no gradient.
        columns: int64 (hosts, inputs) where each host's inputs stand in an observation.
        gate: which of a host's inputs tells that it exists; -1 if none does. Hosts that do not
            exist score 0.
        shift: (rows, units).
        weight: (inputs, units) W.
        position: (hosts, units).
        out: (scores, units) V.

    Returns:
        (rows, hosts, scores).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        columns: Tensor,
        gate: int,
        shift: Tensor,
        weight: Tensor,
        position: Tensor,
        out: Tensor,
    ) -> Tensor:
        """Scores of all hosts; the arguments are those of `HostScores`."""
        ctx.save_for_backward(x, columns, shift, weight, position, out)
        ctx.gate = gate
        scores = torch.zeros(len(x), len(columns), len(out))
        tensors = (x, columns, shift, weight, position, out, scores)
        arrays = [t.detach().contiguous().numpy() for t in tensors]
        _forward(gate, *arrays)
        return scores

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of shift, weight, position and out from grad (rows, hosts, scores)."""
        saved = ctx.saved_tensors
        grads = [torch.zeros_like(t, memory_format=torch.contiguous_format) for t in saved[2:]]
        arrays = [t.detach().contiguous().numpy() for t in (*saved, grad)]
        _backward(ctx.gate, *arrays, *(g.numpy() for g in grads))
        return None, None, None, *grads


def host_scores(
    x: Tensor,
    columns: Tensor,
    gate: int,
    shift: Tensor,
    weight: Tensor,
    position: Tensor,
    out: Tensor,
) -> Tensor:
    """The layer with the arguments of `HostScores`, on any device, with a gradient of any."""
    if COMPILED and x.device.type == "cpu" and not x.requires_grad:
        scores: Tensor = HostScores.apply(  # type: ignore[no-untyped-call]
            x, columns, gate, shift, weight, position, out
        )
        return scores
    return dense_host_scores(x, columns, gate, shift, weight, position, out)


def dense_host_scores(
    x: Tensor,
    columns: Tensor,
    gate: int,
    shift: Tensor,
    weight: Tensor,
    position: Tensor,
    out: Tensor,
) -> Tensor:
    """The same by dense products: the definition, with the arguments of `HostScores`."""
    hosts = x[:, columns]
    scores = torch.relu(hosts @ weight + position + shift.unsqueeze(1)) @ out.T
    return scores if gate < 0 else scores * (hosts[..., gate : gate + 1] != 0)


@STORE.keep
@njit(**_COMPILE)
def _forward(
    gate: int,
    x: Float32Array,
    columns: npt.NDArray[np.int64],
    shift: Float32Array,
    weight: Float32Array,
    position: Float32Array,
    out: Float32Array,
    scores: Float32Array,
) -> None:
    units, zero = shift.shape[1], np.float32(0)
    hidden = np.empty(units, np.float32)
    for r in range(len(x)):
        for h in range(len(columns)):
            if gate >= 0 and x[r, columns[h, gate]] == 0:
                continue
            for u in range(units):
                hidden[u] = shift[r, u] + position[h, u]
            for i in range(columns.shape[1]):
                value = x[r, columns[h, i]]
                if value != 0:
                    for u in range(units):
                        hidden[u] += value * weight[i, u]
            for u in range(units):
                hidden[u] = hidden[u] if hidden[u] > zero else zero
            for k in range(len(out)):
                total = zero
                for u in range(units):
                    total += hidden[u] * out[k, u]
                scores[r, h, k] = total


@STORE.keep
@njit(**_COMPILE)
def _backward(
    gate: int,
    x: Float32Array,
    columns: npt.NDArray[np.int64],
    shift: Float32Array,
    weight: Float32Array,
    position: Float32Array,
    out: Float32Array,
    grad: Float32Array,
    grad_shift: Float32Array,
    grad_weight: Float32Array,
    grad_position: Float32Array,
    grad_out: Float32Array,
) -> None:
    units, zero = shift.shape[1], np.float32(0)
    hidden, slope = np.empty(units, np.float32), np.empty(units, np.float32)
    for r in range(len(x)):
        for h in range(len(columns)):
            if gate >= 0 and x[r, columns[h, gate]] == 0:
                continue
            for u in range(units):
                hidden[u] = shift[r, u] + position[h, u]
                slope[u] = zero
            for i in range(columns.shape[1]):
                value = x[r, columns[h, i]]
                if value != 0:
                    for u in range(units):
                        hidden[u] += value * weight[i, u]
            for u in range(units):
                hidden[u] = hidden[u] if hidden[u] > zero else zero
            for k in range(len(out)):
                g = grad[r, h, k]
                for u in range(units):
                    slope[u] += g * out[k, u]
                    grad_out[k, u] += g * hidden[u]
            for u in range(units):
                slope[u] = slope[u] if hidden[u] > zero else zero
                grad_shift[r, u] += slope[u]
                grad_position[h, u] += slope[u]
            for i in range(columns.shape[1]):
                value = x[r, columns[h, i]]
                if value != 0:
                    for u in range(units):
                        grad_weight[i, u] += value * slope[u]
