"""All agents' networks of a group over stretches of steps, with or without memory."""

from __future__ import annotations

import torch
from torch import Tensor

from cagexplain.policies.learned.networks import Layers, Recurrent, Stack


def unroll(stack: Stack, layers: Layers, x: Tensor) -> Tensor:
    """Outputs (steps, members, rows, out) of a group's networks, from inputs (..., in).

    Recurrent ones begin with a zero state, so `x` must begin where episodes do.
    """
    steps, members, rows, _ = x.shape
    if isinstance(stack.network, Recurrent):
        own = ([(w[m : m + 1], b[m : m + 1]) for w, b in layers] for m in range(members))
        outputs = [stack.network(net, x[:, m]) for m, net in enumerate(own)]
        return torch.stack(outputs, 1)
    flat = stack.network(layers, x.transpose(0, 1).flatten(1, 2))
    return flat.view(members, steps, rows, -1).transpose(0, 1)
