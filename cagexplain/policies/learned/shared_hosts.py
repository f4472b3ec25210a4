"""A small network that scores every host of every agent by the same weights.

For host h of an agent, with inputs x_h (what the observation tells about the host, the one-hot of
its subnet, whether it is a server) and the inputs g that are about no host:

    a_h = relu(x_h W + g G + b),    then further layers with ReLU,    scores_h = V a_h + c

The scores are the logits of the actions on the host. Allow and Block of a link are scored from what
the vector tells about that link and g, Monitor and Sleep from g: affine, by the same weights for
all links. So the parameters do not depend on the layout, and what is learned on one host of one
agent holds for all hosts of all agents.

Only hosts that exist are computed, all of them in one product per layer. With a gradient of the
inputs, or where nothing is compiled, all hosts are, which gives the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.cc4.layout import (
    ACTION_LINK,
    BLOCKED,
    HOST_ACTIONS,
    LINK_START,
    PROHIBITED,
    SLOT_IS_SERVER,
    SLOT_START,
)
from cagexplain.common.arrays import Float32Array, Int64Array
from cagexplain.policies.jit import COMPILED, STORE, njit
from cagexplain.policies.learned import features

if TYPE_CHECKING:
    from cagexplain.policies.learned.networks import Layers

_RELU_GAIN: Final = math.sqrt(2)
_HOST_KINDS: Final = len(HOST_ACTIONS)
_PRECEDENCE: Final = 1e-4
"""What an action's logit has ahead of the next one's in the layout, so that rounding does not
decide between hosts of which an agent knows the same."""
_RELUCTANCE: Final = 10.0
"""What Allow and Block have less than their scores. They are a third of all actions, and a Block
costs points in every step from then on: where any chance of one is left, play by drawn actions is
ruled by it. So a policy begins with next to none, and learns them where they pay."""


class SharedHosts:
    """The network; see above.

    Args:
        agent: whose layouts it is made for.
        profile: of the observation.
        hidden: widths of the layers.
        actor: whether it computes the logits of all actions, or one value: the sum of a score per
            host and an affine function of g.
    """

    def __init__(self, agent: int, profile: str, hidden: Sequence[int], *, actor: bool) -> None:
        columns = features.host_columns(profile, agent)
        self.actor, self.depth = actor, len(hidden)
        self.gate = features.exists_column(profile)
        self.columns = torch.tensor(np.hstack([columns, _zone_columns(agent)]))
        slots = slice(SLOT_START[agent], SLOT_START[agent + 1])
        self.server = torch.tensor(SLOT_IS_SERVER[slots, None], dtype=torch.float32)
        self.rest = torch.tensor(features.global_columns(profile, agent))
        self.links = torch.tensor(_link_columns(agent))
        self.order = torch.tensor(_action_order(agent))
        self.prior = torch.tensor(_prior(agent))
        inputs, rest = self.columns.shape[1] + 1, len(self.rest)
        widths = [(i, o) for i, o in pairwise((inputs, *hidden))]
        scores, elsewhere = (_HOST_KINDS, 2) if actor else (1, 1)
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((rest, hidden[0]), (0,)),
            *[((i, o), (o,)) for i, o in widths],
            ((hidden[-1], scores), (scores,)),
            ((rest, elsewhere), (elsewhere,)),
        ]
        self.gains: list[float | None] = [*[_RELU_GAIN] * (1 + self.depth), None, None]
        if actor:
            self.shapes.append(((rest + 2, 2), (2,)))
            self.gains.append(None)

    def __call__(self, layers: Layers, x: Tensor) -> Tensor:
        """(members, rows, in) -> (members, rows, out)."""
        members = range(len(x))
        return torch.stack([self._member([(w[m], b[m]) for w, b in layers], x[m]) for m in members])

    def _member(self, layers: Layers, x: Tensor) -> Tensor:
        """The same for the rows x (rows, in) of one agent."""
        of_rest, *of_hosts = layers[: 2 + self.depth]
        rest = x.index_select(1, self.rest)
        shift = rest @ of_rest[0]
        quick = COMPILED and x.device.type == "cpu" and not x.requires_grad
        if quick and x.dtype == torch.float32:
            at, inputs = self._existing(x)
            shifts = shift.index_select(0, at // len(self.columns))
            scores = _perceptron(of_hosts, inputs, shifts)
            hosts, out = len(self.columns), scores.shape[-1]
            every = scores.new_zeros(len(x) * hosts, out)
            scores = every.index_copy(0, at, scores).view(len(x), hosts, out)
        else:
            scores = self._dense(of_hosts, x, shift)
        elsewhere = _affine(layers[2 + self.depth], rest)
        if not self.actor:
            return scores.sum(1) + elsewhere
        links = x.index_select(1, self.links.flatten()).view(-1, len(self.links), 2)
        rest = rest.unsqueeze(1).expand(-1, len(self.links), -1)
        traffic = _affine(layers[3 + self.depth], torch.cat([links, rest], -1))
        parts = [scores.flatten(1), elsewhere, traffic.flatten(1)]
        return torch.cat(parts, -1).index_select(1, self.order) + self.prior

    def _existing(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Places (k,) among (rows, hosts) of the hosts that exist, and their inputs (k, inputs)."""
        arrays = (x.detach().contiguous(), self.columns, self.server)
        at, inputs = _gather(self.gate, *(array.numpy() for array in arrays))
        return torch.from_numpy(at), torch.from_numpy(inputs)

    def _dense(self, layers: Layers, x: Tensor, shift: Tensor) -> Tensor:
        """Scores (rows, hosts, scores) by products over all hosts."""
        told = x.index_select(1, self.columns.flatten()).view(-1, *self.columns.shape)
        rows = x.shape[0]  # not `len`, which a trace takes for a constant
        server = self.server.to(x.dtype).expand(rows, -1, -1)
        scores = _perceptron(layers, torch.cat([told, server], -1), shift.unsqueeze(1))
        return scores if self.gate < 0 else scores * (told[..., self.gate : self.gate + 1] != 0)


def _perceptron(layers: Layers, x: Tensor, shift: Tensor) -> Tensor:
    """Layers with ReLU, the first one shifted, and an affine one: (..., in) -> (..., out)."""
    first, *others, last = layers
    x = torch.relu(_affine(first, x) + shift)
    for layer in others:
        x = torch.relu(_affine(layer, x))
    return _affine(last, x)


def _affine(layer: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
    weight, bias = layer
    return torch.nn.functional.linear(x, weight.T, bias)


def _zone_columns(agent: int) -> Int64Array:
    """Inputs that tell of which subnet each host of an agent is: (hosts, zones)."""
    starts = [
        observations.block_start(agent, zone) + observations.ONE_HOT for zone in BLUE_ZONES[agent]
    ]
    blocks = np.array(starts)[:, None] + np.arange(network.N_ZONES)
    return np.repeat(blocks, observations.HOSTS_PER_BLOCK, axis=0)


def _link_columns(agent: int) -> Int64Array:
    """Inputs that tell about each of an agent's links: is it blocked, should it be: (links, 2)."""
    links = slice(LINK_START[agent], LINK_START[agent + 1])
    return np.stack([BLOCKED[links], PROHIBITED[links]], 1) - observations.OFFSETS[agent]


def _action_order(agent: int) -> Int64Array:
    """Where `SharedHosts` computes each action: host by host the kinds of `HOST_ACTIONS`, then
    Monitor and Sleep, then Allow and Block link by link."""
    position = {int(host): i for i, host in enumerate(observations.HOSTS[agent])}
    others = _HOST_KINDS * len(position)
    links = ACTION_LINK[actions.slice_of(agent)] - LINK_START[agent]
    rows = zip(actions.KIND[agent], actions.HOST[agent], links, strict=True)
    order = []
    for kind, host, link in rows:
        if host >= 0:
            order.append(position[int(host)] * _HOST_KINDS + HOST_ACTIONS.index(ActionKind(kind)))
        elif kind in actions.TRAFFIC_KINDS:
            order.append(others + 2 + 2 * link + (kind == ActionKind.BLOCK))
        else:
            order.append(others + (kind == ActionKind.SLEEP))
    return np.array(order, np.int64)


def _prior(agent: int) -> Float32Array:
    """What is added to the logits of an agent's actions: (actions,)."""
    traffic = np.isin(actions.KIND[agent], sorted(actions.TRAFFIC_KINDS))
    order = _PRECEDENCE * np.arange(len(traffic))
    return np.asarray(-order - _RELUCTANCE * traffic, np.float32)


@STORE.keep
@njit(nogil=True)
def _gather(
    gate: int, x: Float32Array, columns: npt.NDArray[np.int64], fixed: Float32Array
) -> tuple[Int64Array, Float32Array]:
    """Where in (rows, hosts) there are hosts ``int64[k]``, and their inputs ``float32[k, inputs]``:
    the columns of x (rows, width) and the fixed ones (hosts, f)."""
    rows, hosts, told = len(x), columns.shape[0], columns.shape[1]
    count = 0
    for r in range(rows):
        for h in range(hosts):
            count += gate < 0 or x[r, columns[h, gate]] != 0
    at = np.empty(count, np.int64)
    inputs = np.empty((count, told + fixed.shape[1]), np.float32)
    k = 0
    for r in range(rows):
        for h in range(hosts):
            if gate >= 0 and x[r, columns[h, gate]] == 0:
                continue
            at[k] = r * hosts + h
            for i in range(told):
                inputs[k, i] = x[r, columns[h, i]]
            for i in range(fixed.shape[1]):
                inputs[k, told + i] = fixed[h, i]
            k += 1
    return at, inputs
