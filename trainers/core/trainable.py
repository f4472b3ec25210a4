"""Networks that learn: parameters, optimiser, and passes over episodes or single decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cagexplain.policies.learned.networks import Layers, Network, Recurrent, Stack


class Views:
    """What a network sees at the moments of a round, each distinct view once if they repeat.

    The official vector shows an alert for one step and keeps no time, so most vectors that an agent
    sees of a quiet network are equal. What a network makes of them before it remembers anything
    need be computed only once; its gradients are the same sums, but for rounding.

    Args:
        grid: (steps, envs, width) inputs.
        repeat: whether to look for equal ones.
    """

    def __init__(self, grid: Tensor, *, repeat: bool) -> None:
        self.grid, self._kinds = grid, grid.flatten(0, 1)
        self._kind: Tensor | None = None  # of each row
        if repeat:
            known: dict[bytes, int] = {}
            kind = [
                known.setdefault(row.tobytes(), len(known)) for row in self._kinds.cpu().numpy()
            ]
            _, first = np.unique(kind, return_index=True)
            self._kind = torch.tensor(kind, device=grid.device)
            self._kinds = self._kinds.index_select(0, torch.from_numpy(first).to(grid.device))

    def distinct(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """The views (n, width) of some rows; and which of them is each row's, if they repeat."""
        if self._kind is None:
            return self._kinds.index_select(0, rows), None
        kinds, which = self._kind.index_select(0, rows).unique(return_inverse=True)
        return self._kinds.index_select(0, kinds), which


@dataclass
class Minibatch:
    """A minibatch: decisions of whole episodes, or picked ones.

    Attributes:
        rows: (rows,) of the decisions, counted through (steps, envs).
        envs: the episodes they fill, for recurrent networks; None for others.
        positions: (rows,) of the decisions, counted through (steps, these envs).
    """

    rows: Tensor
    envs: Tensor | None = None
    positions: Tensor | None = None

    def of(self, grid: Tensor) -> Tensor:
        """Its entries (..., rows) of a grid (..., steps, envs)."""
        return grid.flatten(-2).index_select(-1, self.rows)


def parts(
    decided: Tensor, count: int, rng: np.random.Generator | None, recurrent: bool
) -> list[Minibatch]:
    """Cut decisions into `count` minibatches at random, or in order without `rng`.

    Recurrent networks learn from whole episodes, so those are what is dealt out; steps are never
    reordered within an episode.

    Args:
        decided: (steps, envs), where there is a decision.
        count: minibatches.
        rng: for the order.
        recurrent: whether the network remembers.
    """
    if not recurrent:
        rows = decided.flatten().nonzero().squeeze(-1)
        if rng is not None:
            rows = rows.index_select(
                0, torch.from_numpy(rng.permutation(len(rows))).to(rows.device)
            )
        return [Minibatch(chunk) for chunk in rows.chunk(min(count, len(rows)))]
    n = decided.shape[1]
    order = np.arange(n) if rng is None else rng.permutation(n)
    minibatches = []
    for chosen in np.array_split(order, min(count, n)):
        envs = torch.from_numpy(chosen).to(decided.device)
        steps, column = decided.index_select(1, envs).nonzero(as_tuple=True)
        rows = steps * n + envs.index_select(0, column)
        minibatches.append(Minibatch(rows, envs, steps * len(envs) + column))
    return minibatches


@torch.no_grad()
def follow(targets: Sequence[Stack], live: Sequence[Layers], share: float) -> None:
    """Move target networks a share of the way to the learning ones (Polyak averaging); a share of
    1 moves them all the way."""
    for stack, layers in zip(targets, live, strict=True):
        for averages, tensors in zip(stack.layers, layers, strict=True):
            for average, tensor in zip(averages, tensors, strict=True):
                average.lerp_(tensor, share)


def adam(parameters: Sequence[Tensor], eps: float) -> torch.optim.Adam:
    """An optimiser whose state has its whole form at once, and not when it is first used.

    Its parameters may have any shape.
    """
    optimiser = torch.optim.Adam(parameters, eps=eps, fused=True)
    for parameter in parameters:
        optimiser.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimiser


def outputs(network: Network, layers: Layers, inputs: Tensor | Views, part: Minibatch) -> Tensor:
    """Outputs (rows, out) for the decisions of a part, from inputs (steps, envs, width).

    Args:
        network, layers: with one set of parameters.
        inputs: as a tensor; or as `Views`, which may know the equal ones.
        part: see above.
    """
    if isinstance(inputs, Tensor):
        inputs = Views(inputs, repeat=False)
    if not isinstance(network, Recurrent):
        x, which = inputs.distinct(part.rows)
        out = network(layers, x.unsqueeze(0)).squeeze(0)
        return out if which is None else out.index_select(0, which)
    assert part.envs is not None and part.positions is not None
    steps, n, width = inputs.grid.shape
    moments = torch.arange(0, steps * n, n, device=part.envs.device).unsqueeze(1) + part.envs
    x, which = inputs.distinct(moments.flatten())
    if which is None:
        x = x.view(*moments.shape, width)
    else:
        which = which.view(moments.shape)
    return network(layers, x, which).flatten(0, 1).index_select(0, part.positions)


class Trainable:
    """One network of a stack and its optimiser; the parameters are views into the stack.

    Members of a stack may learn side by side in threads: fused Adam writes to the views without
    telling autograd, which counts changes of the whole stack.

    Args:
        stack: the parameters are part of.
        member: which of its agents.
        adam_eps: Adam's epsilon.
    """

    def __init__(self, stack: Stack, member: int, adam_eps: float) -> None:
        self.network = stack.network
        self.recurrent = isinstance(stack.network, Recurrent)
        self.layers = [(nn.Parameter(w), nn.Parameter(b)) for w, b in stack.member(member)]
        self.parameters = [parameter for layer in self.layers for parameter in layer]
        self.optimiser = adam(self.parameters, adam_eps)

    def __call__(self, inputs: Tensor | Views, part: Minibatch) -> Tensor:
        """Outputs (rows, out) for the decisions of a part, from inputs (steps, envs, width)."""
        return outputs(self.network, self.layers, inputs, part)

    def forget(self) -> None:
        """Begin the optimiser's averages anew, for another loss."""
        for averages in self.optimiser.state.values():
            for tensor in averages.values():
                tensor.zero_()

    def descend(self, loss: Tensor, rate: float, max_norm: float) -> float:
        """One clipped step down a loss (a scalar); returns the gradient's norm before clipping."""
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, max_norm)
        self.optimiser.step()
        return float(norm)


def epochs(
    decided: Tensor, count: int, number: int, rng: np.random.Generator, recurrent: bool
) -> Iterator[Minibatch]:
    """The minibatches of `number` epochs, each epoch dealt out anew.

    Args:
        decided: (steps, envs), where there is a decision.
        count, rng, recurrent: as in `parts`.
        number: epochs.
    """
    for _ in range(number):
        yield from parts(decided, count, rng, recurrent)
