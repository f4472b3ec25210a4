"""The networks that act and judge, and the masked distribution over actions.

Agents of equal layouts form a group (agents 0 to 3 and agent 4). The parameters of a group are
stored stacked, agent by agent, so that all of its agents act in one batched product; each agent's
are views into the stack, so that it can be trained by itself. Every agent has weights of its own,
but for the network "shared": there the stacks of both groups hold the same single set.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import HOST_KINDS
from cagexplain.common.errors import UsageError
from cagexplain.policies.learned import features
from cagexplain.policies.learned.features import GROUPS
from cagexplain.policies.learned.host_scores import host_scores
from cagexplain.policies.learned.shared_hosts import SharedHosts

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weight (members, in, out) and bias (members, ..., out) of each layer."""


class Network(Protocol):
    """What a network computes with given parameters.

    Attributes:
        shapes: of each layer's weight and bias, for one agent.
        gains: of each layer's orthogonal initialisation; None for layers that make the output.
    """

    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]]
    gains: list[float | None]

    def __call__(self, layers: Layers, x: Tensor) -> Tensor:
        """(members, rows, in) -> (members, rows, out)."""


_RELU_GAIN: Final = math.sqrt(2)


class Head(Protocol):
    """The last layers of a network: from the view that the layers before made of an input."""

    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]]
    gains: list[float | None]

    def __call__(self, layers: Layers, view: Tensor, x: Tensor) -> Tensor:
        """View (members, rows, width) and x (members, rows, in) -> (members, rows, out)."""


class LinearHead:
    """An affine layer."""

    def __init__(self, width: int, out: int) -> None:
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((width, out), (out,))]
        self.gains: list[float | None] = [None]

    def __call__(self, layers: Layers, view: Tensor, x: Tensor) -> Tensor:
        """See `Head`."""
        return _affine(layers[0], view)


class HostHead:
    """Scores all hosts by the same weights; what else there is by an affine layer.

    A layer scores every host from the host's own inputs, the host's position and the view of the
    whole (see `host_scores`). What is learned about one host then holds for all of them. It has one
    layer per host, and skips hosts that do not exist, so it is several times as fast as `HostNet`.

    Args:
        agent: whose layouts it is made for.
        profile: of the observation.
        width: of the view.
        units: of the layer.
        actor: whether it computes the logits of all actions, or one value.
    """

    def __init__(self, agent: int, profile: str, width: int, units: int, *, actor: bool) -> None:
        columns = features.host_columns(profile, agent)
        self.gate = features.exists_column(profile)
        self.columns, self.actor = torch.tensor(columns), actor
        self.order = torch.tensor(_action_order(agent))
        hosts, inputs = columns.shape
        kinds = len(HOST_KINDS)
        scores, others = (kinds, actions.SIZES[agent] - kinds * hosts) if actor else (1, 1)
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((width, units), (units,)),
            ((inputs, units), (hosts, units)),
            ((scores, units), (0,)),
            ((width, others), (others,)),
        ]
        self.gains: list[float | None] = [_RELU_GAIN, _RELU_GAIN, None, None]

    def __call__(self, layers: Layers, view: Tensor, x: Tensor) -> Tensor:
        """See `Head`."""
        shift, (weight, position), (out, _), other = layers
        shifts = _affine(shift, view)
        per_member = zip(x, shifts, weight, position, out, strict=True)
        scores = torch.stack(
            [
                host_scores(rows, self.columns, self.gate, *parameters)
                for rows, *parameters in per_member
            ]
        )
        elsewhere = _affine(other, view)
        if not self.actor:
            return scores.sum(2) + elsewhere
        return torch.cat([scores.flatten(2), elsewhere], -1).index_select(-1, self.order)


class Perceptron:
    """Layers with ReLU, then a head.

    Args:
        inputs: width of the input.
        hidden: widths of the layers.
        head: made for the width of the last one.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], head: Head) -> None:
        self.head, self.depth = head, len(hidden)
        trunk = [((i, o), (o,)) for i, o in pairwise((inputs, *hidden))]
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [*trunk, *head.shapes]
        self.gains: list[float | None] = [*[_RELU_GAIN] * self.depth, *head.gains]

    def __call__(self, layers: Layers, x: Tensor) -> Tensor:
        """(members, rows, in) -> (members, rows, out)."""
        return self.head(layers[self.depth :], self._view(layers, x), x)

    def _view(self, layers: Layers, x: Tensor) -> Tensor:
        for layer in layers[: self.depth]:
            x = torch.relu(_affine(layer, x))
        return x


class Recurrent(Perceptron):
    """Layers with ReLU, an LSTM or GRU, then a head.

    The recurrent layer's parameters are kept as PyTorch's own (weights (gates * size, in), gates in
    its order), so that whole sequences run in its compiled loop.

    Args:
        inputs: width of the input.
        hidden: widths of the layers, at least one.
        head: made for the width `size`.
        core: "lstm" (Hochreiter and Schmidhuber 1997) or "gru" (Cho et al. 2014).
        size: units of the recurrent layer.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], head: Head, core: str, size: int
    ) -> None:
        super().__init__(inputs, hidden, head)
        self.core, self.size, self.states = core, size, 2 if core == "lstm" else 1
        rows, at = size * (4 if core == "lstm" else 3), self.depth
        self.shapes[at:at] = [((rows, hidden[-1]), (rows,)), ((rows, size), (rows,))]
        self.gains[at:at] = [1.0, 1.0]

    def __call__(self, layers: Layers, x: Tensor, which: Tensor | None = None) -> Tensor:
        """Whole episodes of one agent, from a zero state: (steps, rows, in) -> (..., out).

        Args:
            layers: with one set of parameters.
            x: the inputs or, where they repeat, distinct ones (n, in).
            which: (steps, rows), which of the distinct ones each is.
        """
        (w_in, b_in), (w_state, b_state), *head = layers[self.depth :]
        steps, rows = x.shape[:2] if which is None else which.shape
        flat = x.reshape(1, -1, x.shape[-1])
        view = self._view(layers, flat)
        if which is not None:
            flat, view = (each.index_select(1, which.flatten()) for each in (flat, view))
        view = view.view(steps, rows, -1)
        weights = [w_in[0], w_state[0], b_in[0], b_state[0]]
        zero = x.new_zeros(1, rows, self.size)
        if self.core == "lstm":
            view = torch.lstm(view, (zero, zero), weights, True, 1, 0.0, True, False, False)[0]
        else:
            view = torch.gru(view, zero, weights, True, 1, 0.0, True, False, False)[0]
        return self.head(head, view.reshape(1, steps * rows, -1), flat).view(steps, rows, -1)

    def step(self, layers: Layers, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step of all agents: x (members, rows, in) and a state -> (members, rows, out), state.

        The state is (states, members, rows, size), zero at the start of an episode.
        """
        into, recurrent, *head = layers[self.depth :]
        a = _affine_transposed(into, self._view(layers, x))
        b = _affine_transposed(recurrent, state[0])
        if self.core == "lstm":
            i, f, g, o = (a + b).chunk(4, -1)
            c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            return self.head(head, h, x), torch.stack([h, c])
        (ar, az, an), (br, bz, bn) = a.chunk(3, -1), b.chunk(3, -1)
        z = torch.sigmoid(az + bz)
        new = torch.tanh(an + torch.sigmoid(ar + br) * bn)
        h = new + z * (state[0] - new)
        return self.head(head, h, x), h.unsqueeze(0)


class HostNet:
    """A network that treats an agent's hosts alike, but for a bias of each host's position.

    One small network is applied to the inputs of every host, beside the rest of the input and a
    summary over all hosts (deep sets, Zaheer et al. 2017). What is learned about one host then
    holds for all of them, which a plain perceptron would have to learn 16 or 48 times.

    Args:
        agent: whose layouts it is made for.
        profile: of the observation.
        width: of the hidden layers.
        actor: whether it computes the logits of all actions, or one value.
    """

    def __init__(self, agent: int, profile: str, width: int, *, actor: bool) -> None:
        columns = features.host_columns(profile, agent)
        self.hosts, inputs = columns.shape
        self.width, self.actor = width, actor
        rest = np.setdiff1d(np.arange(features.sizes(profile)[agent]), columns)
        self.host_columns = torch.tensor(columns.ravel())
        self.rest_columns = torch.tensor(rest)
        kinds = sorted(HOST_KINDS)
        others = actions.SIZES[agent] - len(kinds) * self.hosts
        self.order = torch.tensor(_action_order(agent))
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((int(inputs), width), (self.hosts, width)),
            ((len(rest), width), (width,)),
            ((2 * width + len(rest), width), (width,)),
            ((width, width), (width,)),
            ((width, width), (width,)),
        ]
        if actor:
            self.shapes += [((width, len(kinds)), (len(kinds),)), ((width, others), (others,))]
        else:
            self.shapes += [((3 * width, 1), (1,))]
        hidden: list[float | None] = [_RELU_GAIN] * 5
        self.gains = [*hidden, None, None] if actor else [*hidden, None]

    def __call__(self, layers: Layers, x: Tensor) -> Tensor:
        """(members, rows, in) -> (members, rows, out)."""
        from_host, from_rest, summarise, refine, from_summary, *output = layers
        members, rows, _ = x.shape
        per_host = (members, rows, self.hosts, self.width)
        flat = (members, rows * self.hosts, self.width)

        weight, position = from_host
        of_hosts = x.index_select(-1, self.host_columns).view(*flat[:2], -1)
        rest = x.index_select(-1, self.rest_columns)
        host = torch.bmm(of_hosts, weight).view(per_host) + position.unsqueeze(1)
        host = torch.relu(host + _affine(from_rest, rest).unsqueeze(2))
        summary = torch.cat([host.mean(2), host.amax(2), rest], -1)
        summary = torch.relu(_affine(summarise, summary))
        host = _affine(refine, host.view(flat)).view(per_host)
        host = torch.relu(host + _affine(from_summary, summary).unsqueeze(2))
        if not self.actor:
            return _affine(output[0], torch.cat([host.mean(2), host.amax(2), summary], -1))
        at_hosts = _affine(output[0], host.view(flat)).view(members, rows, -1)
        elsewhere = _affine(output[1], summary)
        return torch.cat([at_hosts, elsewhere], -1).index_select(-1, self.order)


def _affine(layer: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
    weight, bias = layer
    return torch.baddbmm(bias.unsqueeze(1), x, weight)


def _affine_transposed(layer: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
    weight, bias = layer
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))


def _action_order(agent: int) -> npt.NDArray[np.int64]:
    """Where `HostNet` computes each action: host by host its four kinds, then all others."""
    position = {int(host): i for i, host in enumerate(observations.HOSTS[agent])}
    kinds = sorted(HOST_KINDS)
    others = len(kinds) * len(position)
    order = []
    for kind, host in zip(actions.KIND[agent], actions.HOST[agent], strict=True):
        if host >= 0:
            order.append(position[int(host)] * len(kinds) + kinds.index(kind))
        else:
            order.append(others)
            others += 1
    return np.array(order)


MAX_PARAMETERS: Final = 100_000_000
"""Of all agents of a group; a hundred times what is trained here takes a few hundred MB."""


class Stack:
    """A network with the parameters of all agents of a group.

    Args:
        network: of each agent.
        members: agents.
        sets: of parameters: one per agent, or a single one for all.

    Attributes:
        layers: weights (sets, in, out) and biases (sets, ..., out).

    Raises:
        UsageError: there would be more than `MAX_PARAMETERS`.
    """

    def __init__(self, network: Network, members: int, sets: int | None = None) -> None:
        self.sets = members if sets is None else sets
        size = _size(network, self.sets)
        if size > MAX_PARAMETERS:
            raise UsageError(
                f"networks of {size:,} parameters are too large (at most {MAX_PARAMETERS:,} for "
                f"{members} agents)",
                field="hidden",
                remedy="Give fewer or narrower layers",
            )
        self.network = network
        self.members = members
        self.layers: Layers = [
            (torch.zeros(self.sets, *weight), torch.zeros(self.sets, *bias))
            for weight, bias in network.shapes
        ]

    def initialise(self, generator: torch.Generator, output_gain: float) -> None:
        """Orthogonal weights (gain sqrt 2 before a ReLU), biases zero, as PPO is usually started.

        An `output_gain` of 0.01 makes a first policy nearly uniform (Andrychowicz et al. 2021).
        """
        for (weights, biases), gain in zip(self.layers, self.network.gains, strict=True):
            for weight in weights:
                drawn = torch.empty(weight.shape, device="cpu")
                nn.init.orthogonal_(
                    drawn, output_gain if gain is None else gain, generator=generator
                )
                weight.copy_(drawn)
            biases.zero_()

    def __call__(self, x: Tensor) -> Tensor:
        """(members, rows, in) -> (members, rows, out), of networks without a recurrent layer."""
        if self.sets == self.members:
            return self.network(self.layers, x)
        return self.network(self.layers, x.flatten(0, 1).unsqueeze(0)).view(*x.shape[:2], -1)

    def some(self, x: Tensor, wanted: npt.NDArray[np.bool_]) -> Tensor:
        """The same, x (members, rows, in), for the rows that are `wanted` (members, rows); zero
        for the others."""
        if self.sets < self.members:
            at = torch.from_numpy(np.flatnonzero(wanted))
            output = self.network(self.layers, x.flatten(0, 1).index_select(0, at)[None])[0]
            every = output.new_zeros(wanted.size, output.shape[-1])
            return every.index_copy_(0, at, output).view(*wanted.shape, -1)
        parts = []
        for i, rows in enumerate(map(np.flatnonzero, wanted)):
            at = torch.from_numpy(rows if len(rows) else np.zeros(1, np.int64))
            output = self.network(self.member(i), x[i : i + 1].index_select(1, at))
            parts.append(
                output.new_zeros(1, len(wanted[i]), output.shape[-1]).index_copy_(1, at, output)
            )
        return torch.cat(parts)

    def member(self, i: int) -> Layers:
        """One agent's parameters as a stack of one: views, so training them trains the stack."""
        at = i if self.sets == self.members else 0
        return [(weight[at : at + 1], bias[at : at + 1]) for weight, bias in self.layers]


class Acting:
    """Networks at play: one step at a time, with what recurrent layers remember of the episode.

    Args:
        stacks: of all groups.
        n: environments, at the start of their episodes.
    """

    def __init__(self, stacks: Sequence[Stack], n: int) -> None:
        self.stacks = stacks
        self.device = stacks[0].layers[0][0].device
        self.states: list[Tensor | None] = [
            torch.zeros(s.network.states, s.members, n, s.network.size, device=self.device)
            if isinstance(s.network, Recurrent)
            else None
            for s in stacks
        ]

    def outputs(
        self, inputs: Sequence[Tensor], wanted: npt.NDArray[np.bool_] | None = None
    ) -> list[Tensor]:
        """The inputs of a step, per group (members, n, width) -> outputs (members, n, actions).

        Only those of agents that are `wanted` (n, 5), if given; those of the others may be zero.
        """
        outputs = []
        for g, (stack, x) in enumerate(zip(self.stacks, inputs, strict=True)):
            state, network = self.states[g], stack.network
            if isinstance(network, Recurrent) and state is not None:
                y, self.states[g] = network.step(stack.layers, x.to(self.device), state)
            elif wanted is not None:
                y = stack.some(x.to(self.device), wanted[:, GROUPS[g]].T)
            else:
                y = stack(x.to(self.device))
            outputs.append(y.cpu())
        return outputs

    def branch(self, rows: npt.NDArray[np.int64]) -> Acting:
        """The same networks at play in copies of some environments (m)."""
        twin = copy.copy(self)
        twin.states = [None if s is None else s[:, :, rows] for s in self.states]
        return twin


Kind = Literal["mlp", "hosts", "scores", "shared"]
Core = Literal["none", "lstm", "gru"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
CORES: Final[tuple[str, ...]] = get_args(Core)


def build_actors(config: Mapping[str, Any], extra: int = 0) -> list[Stack]:
    """The agents' networks with one output per action: a stack per group.

    Args:
        config: "network", "hidden", "observation", and, for recurrent ones, "core", "core_size".
        extra: inputs behind those of the observation; none for the networks "hosts" and "shared".
    """
    if config["network"] != "shared":
        return [Stack(network, members) for network, members in _actors(config, extra)]
    first, *others = [Stack(network, members, 1) for network, members in _actors(config, extra)]
    for stack in others:
        stack.layers = first.layers
    return [first, *others]


def distinct(stacks: Sequence[Stack]) -> list[Stack]:
    """The first of the stacks that hold the same parameters."""
    return list({id(stack.layers): stack for stack in reversed(stacks)}.values())[::-1]


def without_extra(wide: Sequence[Stack], config: Mapping[str, Any]) -> list[Stack]:
    """The networks that `build_actors` made with extra inputs, as they act while these are zero.

    The parameters are views: who trains the wide ones trains these.
    """
    stacks = build_actors(config)
    for stack, wide_stack in zip(stacks, wide, strict=True):
        (weight, bias), *rest = wide_stack.layers
        stack.layers = [(weight[:, : stack.network.shapes[0][0][0]], bias), *rest]
    return stacks


def stored_actors(config: Mapping[str, Any], saved: Any) -> list[Stack]:
    """The agents' networks with the parameters that `stored` gave.

    Nothing is reserved for the sizes of a configuration before parameters of these sizes are seen.

    Raises:
        ValueError: the parameters are not those of such networks.
    """
    require_fit(_sets(config), saved)
    stacks = build_actors(config)
    restore(stacks, saved)
    return stacks


def actor_bytes(config: Mapping[str, Any]) -> int:
    """Memory that the parameters of the agents' networks take."""
    return 4 * sum(_size(network, sets) for network, sets in _sets(config))


def _size(network: Network, sets: int) -> int:
    """Number of parameters of all sets."""
    return sets * sum(math.prod(shape) for layer in network.shapes for shape in layer)


def _actors(config: Mapping[str, Any], extra: int = 0) -> list[tuple[Network, int]]:
    """Network and number of agents of each group."""
    return [
        (_network(config, group[0], actions.SIZES[group[0]], extra, actor=True), len(group))
        for group in GROUPS
    ]


def _sets(config: Mapping[str, Any]) -> list[tuple[Network, int]]:
    """Networks with parameters of their own, and the number of sets of each."""
    actors = _actors(config)
    return [(actors[0][0], 1)] if config["network"] == "shared" else actors


def build_critics(config: Mapping[str, Any]) -> list[Stack]:
    """The critics on the agents' own observations: a stack per group, one value per row."""
    return [Stack(_network(config, group[0], 1, 0, actor=False), len(group)) for group in GROUPS]


def _network(
    config: Mapping[str, Any], agent: int, out: int, extra: int, *, actor: bool
) -> Network:
    profile, hidden = config["observation"], config["hidden"]
    if config["network"] == "hosts":
        return HostNet(agent, profile, hidden[0], actor=actor)
    if config["network"] == "shared":
        return SharedHosts(agent, profile, hidden, actor=actor)
    width = _width(config, hidden)
    if config["network"] == "scores":
        head: Head = HostHead(agent, profile, width, hidden[-1], actor=actor)
    else:
        head = LinearHead(width, out)
    return _layers(config, features.sizes(profile)[agent] + extra, hidden, head)


def mlp(sizes: Sequence[int]) -> Network:
    """A plain network: widths of the input, of each hidden layer, and of the output."""
    return Perceptron(sizes[0], sizes[1:-1], LinearHead(sizes[-2], sizes[-1]))


def perceptron(config: Mapping[str, Any], inputs: int, hidden: Sequence[int], out: int) -> Network:
    """A plain network of other widths, with the recurrent layer of a configuration ("core")."""
    return _layers(config, inputs, hidden, LinearHead(_width(config, hidden), out))


def _layers(
    config: Mapping[str, Any], inputs: int, hidden: Sequence[int], head: Head
) -> Perceptron:
    core = config.get("core", "none")
    if core == "none":
        return Perceptron(inputs, hidden, head)
    return Recurrent(inputs, hidden, head, core, config["core_size"])


def _width(config: Mapping[str, Any], hidden: Sequence[int]) -> int:
    """Of the view that a head gets."""
    return int(hidden[-1] if config.get("core", "none") == "none" else config["core_size"])


def stored(stacks: Sequence[Stack]) -> list[list[list[Tensor]]]:
    """Parameters as plain containers: per group, per layer [weight, bias]; of groups that share
    them, once."""
    return [
        [[tensor.contiguous() for tensor in layer] for layer in stack.layers]
        for stack in distinct(stacks)
    ]


def require_fit(
    networks: Sequence[tuple[Network, int]], saved: Any, kind: torch.dtype = torch.float32
) -> None:
    """Refuse what is not the stored parameters of networks, each with its number of sets.

    Raises:
        ValueError: says where.
    """
    for g, (network, sets), layers in _paired("", networks, saved):
        for k, shapes, tensors in _paired(f"[{g}]", network.shapes, layers):
            for i, shape, tensor in _paired(f"[{g}][{k}]", shapes, tensors):
                problem = _misfit((sets, *shape), kind, tensor)
                if problem is not None:
                    raise ValueError(f"[{g}][{k}][{i}] {problem}")


def _paired(place: str, ours: Sequence[Any], theirs: Any) -> list[tuple[int, Any, Any]]:
    if not isinstance(theirs, list | tuple):
        raise ValueError(f"{place} is a {type(theirs).__name__}, not a list".lstrip())
    if len(theirs) != len(ours):
        raise ValueError(f"{place} has {len(theirs)} parts, not {len(ours)}".lstrip())
    return [(i, *pair) for i, pair in enumerate(zip(ours, theirs, strict=True))]


def _misfit(shape: tuple[int, ...], kind: torch.dtype, tensor: Any) -> str | None:
    """Why a value is not the parameters of a shape, in words."""
    if not isinstance(tensor, Tensor):
        return f"is a {type(tensor).__name__}, not a tensor"
    if tensor.shape != shape:
        return f"has shape {tuple(tensor.shape)}, not {shape}"
    # Strides can make one stored number a tensor of any size.
    if tensor.dtype != kind or not tensor.is_contiguous():
        return f"is of type {tensor.dtype} or out of order, not {kind} in order"
    return None if tensor.isfinite().all() else "is not finite"


@torch.no_grad()
def restore(stacks: Sequence[Stack], saved: Any) -> None:
    """Copy what `stored` gave into stacks of the same shapes; ValueError, before, if it differs."""
    kind, own = stacks[0].layers[0][0].dtype, distinct(stacks)
    require_fit([(stack.network, stack.sets) for stack in own], saved, kind)
    for stack, layers in zip(own, saved, strict=True):
        for ours, theirs in zip(stack.layers, layers, strict=True):
            for tensor, value in zip(ours, theirs, strict=True):
                tensor.copy_(value)


def by_group(array: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Split (rows, sum of sizes), agents side by side, into (members, rows, size) per group."""
    rows, parts, start = array.shape[0], [], 0  # not `len`, which a trace takes for a constant
    for group in GROUPS:
        size = sizes[group[0]]
        stop = start + size * len(group)
        parts.append(array[:, start:stop].reshape(rows, len(group), size).transpose(0, 1))
        start = stop
    return parts


def additive(mask: Tensor) -> Tensor:
    """A mask of any shape as what is added to logits: 0 if legal, minus infinity if not."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -math.inf)


def sample(logits: Tensor, u: Tensor) -> Tensor:
    """Draw actions (...) from softmax(logits) by inversion: `draw` without the log-probabilities.

    Logits (..., actions) and u (...) are as in `draw`.
    """
    return draw(logits, u)[0]


def draw(logits: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Draw actions from softmax(logits) by inversion, with their log-probabilities.

    Args:
        logits: (..., actions), minus infinity where illegal.
        u: (...), uniform in [0, 1).

    An illegal action is never drawn, whatever the rounding: the point searched for lies below
    the total, so the first partial sum above it belongs to an action of positive probability.
    """
    probability = torch.softmax(logits, -1)
    cumulative = probability.cumsum(-1)
    total = cumulative[..., -1]
    point = torch.minimum(u * total, torch.nextafter(total, torch.zeros_like(total)))
    action = torch.searchsorted(cumulative, point.unsqueeze(-1).contiguous(), right=True)
    return action.squeeze(-1), probability.gather(-1, action).squeeze(-1).log()


def log_prob_and_entropy(raw: Tensor, legal: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of `action` and the entropy (nats) of softmax(raw + legal).

    Entropy is lse - sum p * raw with the *unmasked* logits: illegal actions have p = 0 and a
    finite logit, so no 0 * infinity arises, forwards or backwards.
    """
    logits = raw + legal
    lse = torch.logsumexp(logits, -1)
    probability = torch.softmax(logits, -1)
    chosen = raw.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return chosen - lse, lse - (probability * raw).sum(-1)
