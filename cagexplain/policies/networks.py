"""The networks that act and judge, and the masked distribution over actions.

Agents of equal layouts form a group (agents 0 to 3 and agent 4). The parameters of a group are
stored stacked, agent by agent, so that all of its agents act in one batched product; each agent's
are views into the stack, so that it can be trained by itself. Every agent has weights of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import HOST_KINDS
from cagexplain.policies import features
from cagexplain.policies.features import GROUPS
from cagexplain.policies.host_scores import host_scores

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


class MLP:
    """A multilayer perceptron with ReLU between the layers.

    Args:
        sizes: width of the input, of each hidden layer, and of the output.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((i, o), (o,)) for i, o in pairwise(sizes)
        ]
        self.gains: list[float | None] = [*[_RELU_GAIN] * (len(sizes) - 2), None]

    def __call__(self, layers: Layers, x: Tensor) -> Tensor:
        """(members, rows, in) -> (members, rows, out)."""
        for layer in layers[:-1]:
            x = torch.relu(_affine(layer, x))
        return _affine(layers[-1], x)


class Recurrent:
    """A perceptron whose last hidden layer is followed by an LSTM or GRU, then the output.

    The recurrent layer's parameters are kept as PyTorch's own (weights (gates * size, in), gates in
    its order), so that whole sequences run in its compiled loop.

    Args:
        sizes: width of the input, of each hidden layer, and of the output.
        core: "lstm" (Hochreiter and Schmidhuber 1997) or "gru" (Cho et al. 2014).
        size: units of the recurrent layer.
    """

    def __init__(self, sizes: Sequence[int], core: str, size: int) -> None:
        self.core, self.size = core, size
        self.states = 2 if core == "lstm" else 1
        rows = size * (4 if core == "lstm" else 3)
        *trunk, out = sizes
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            *(((i, o), (o,)) for i, o in pairwise(trunk)),
            ((rows, trunk[-1]), (rows,)),
            ((rows, size), (rows,)),
            ((size, out), (out,)),
        ]
        self.gains: list[float | None] = [*[_RELU_GAIN] * (len(trunk) - 1), 1.0, 1.0, None]

    def __call__(self, layers: Layers, x: Tensor) -> Tensor:
        """Whole episodes of one agent, from a zero state: (steps, rows, in) -> (..., out)."""
        *trunk, (w_in, b_in), (w_state, b_state), head = layers
        steps, rows, _ = x.shape
        x = x.reshape(1, steps * rows, -1)
        for layer in trunk:
            x = torch.relu(_affine(layer, x))
        x = x.view(steps, rows, -1)
        weights = [w_in[0], w_state[0], b_in[0], b_state[0]]
        zero = x.new_zeros(1, rows, self.size)
        if self.core == "lstm":
            x = torch.lstm(x, (zero, zero), weights, True, 1, 0.0, True, False, False)[0]
        else:
            x = torch.gru(x, zero, weights, True, 1, 0.0, True, False, False)[0]
        return _affine(head, x.reshape(1, steps * rows, -1)).view(steps, rows, -1)

    def step(self, layers: Layers, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step of all agents: (members, rows, in) and a state -> (members, rows, out), state.

        The state is (states, members, rows, size), zero at the start of an episode.
        """
        *trunk, into, recurrent, head = layers
        for layer in trunk:
            x = torch.relu(_affine(layer, x))
        a, b = _affine_transposed(into, x), _affine_transposed(recurrent, state[0])
        if self.core == "lstm":
            i, f, g, o = (a + b).chunk(4, -1)
            c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            return _affine(head, h), torch.stack([h, c])
        (ar, az, an), (br, bz, bn) = a.chunk(3, -1), b.chunk(3, -1)
        z = torch.sigmoid(az + bz)
        new = torch.tanh(an + torch.sigmoid(ar + br) * bn)
        h = new + z * (state[0] - new)
        return _affine(head, h), h.unsqueeze(0)


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


class HostScores:
    """A perceptron whose last layer judges all hosts by the same weights.

    The perceptron sees the whole input; a layer on top of it scores every host from the host's own
    inputs, the host's position and the perceptron's view (see `host_scores`). What is learned about
    one host then holds for all of them. It does with one layer per host, and skips hosts that do
    not exist, so it is several times as fast as `HostNet`.

    Args:
        agent: whose layouts it is made for.
        profile: of the observation.
        hidden: widths of the perceptron; the last one is that of the hosts' layer as well.
        actor: whether it computes the logits of all actions, or one value.
    """

    def __init__(self, agent: int, profile: str, hidden: Sequence[int], *, actor: bool) -> None:
        columns = features.host_columns(profile, agent)
        self.gate = features.exists_column(profile)
        self.columns, self.actor = torch.tensor(columns), actor
        hosts, inputs = columns.shape
        kinds, width = len(HOST_KINDS), hidden[-1]
        scores, others = (kinds, actions.SIZES[agent] - kinds * hosts) if actor else (1, 1)
        self.order = torch.tensor(_action_order(agent))
        widths = [features.sizes(profile)[agent], *hidden]
        self.shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            *(((i, o), (o,)) for i, o in pairwise(widths)),
            ((width, width), (width,)),
            ((inputs, width), (hosts, width)),
            ((scores, width), (0,)),
            ((width, others), (others,)),
        ]
        inner: list[float | None] = [_RELU_GAIN] * (len(hidden) + 2)
        self.gains = [*inner, None, None]

    def __call__(self, layers: Layers, x: Tensor) -> Tensor:
        """(members, rows, in) -> (members, rows, out)."""
        *trunk, shift, host, out, other = layers
        view = x
        for layer in trunk:
            view = torch.relu(_affine(layer, view))
        shifts = _affine(shift, view)
        scores = torch.stack(
            [
                host_scores(
                    x[m], self.columns, self.gate, shifts[m], host[0][m], host[1][m], out[0][m]
                )
                for m in range(len(x))
            ]
        )
        elsewhere = _affine(other, view)
        if not self.actor:
            return scores.sum(2) + elsewhere
        return torch.cat([scores.flatten(2), elsewhere], -1).index_select(-1, self.order)


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


class Stack:
    """A network with the parameters of all agents of a group."""

    def __init__(self, network: Network, members: int) -> None:
        self.network = network
        self.members = members
        self.layers: Layers = [
            (torch.zeros(members, *weight), torch.zeros(members, *bias))
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
        return self.network(self.layers, x)

    def member(self, i: int) -> Layers:
        """One agent's parameters as a stack of one: views, so training them trains the stack."""
        return [(weight[i : i + 1], bias[i : i + 1]) for weight, bias in self.layers]


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

    def outputs(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Inputs of a step, per group (members, n, width) -> outputs (members, n, actions)."""
        outputs = []
        for g, (stack, x) in enumerate(zip(self.stacks, inputs, strict=True)):
            state, network = self.states[g], stack.network
            if isinstance(network, Recurrent) and state is not None:
                y, self.states[g] = network.step(stack.layers, x.to(self.device), state)
            else:
                y = stack(x.to(self.device))
            outputs.append(y.cpu())
        return outputs


KINDS: Final = ("mlp", "hosts", "scores")
CORES: Final = ("none", "lstm", "gru")


def build_actors(config: Mapping[str, Any]) -> list[Stack]:
    """The agents' networks with one output per action: a stack per group.

    Args:
        config: "network", "hidden", "observation", and, for recurrent ones, "core", "core_size".
    """
    return [
        Stack(_network(config, group[0], actions.SIZES[group[0]], actor=True), len(group))
        for group in GROUPS
    ]


def build_critics(config: Mapping[str, Any]) -> list[Stack]:
    """The critics on the agents' own observations: a stack per group, one value per row."""
    return [Stack(_network(config, group[0], 1, actor=False), len(group)) for group in GROUPS]


def _network(config: Mapping[str, Any], agent: int, out: int, *, actor: bool) -> Network:
    profile, hidden = config["observation"], config["hidden"]
    if config["network"] == "hosts":
        return HostNet(agent, profile, hidden[0], actor=actor)
    if config["network"] == "scores":
        return HostScores(agent, profile, hidden, actor=actor)
    return perceptron((features.sizes(profile)[agent], *hidden, out), config)


def perceptron(sizes: Sequence[int], config: Mapping[str, Any]) -> Network:
    """A perceptron, with the recurrent layer that the configuration asks for ("core")."""
    core = config.get("core", "none")
    return MLP(sizes) if core == "none" else Recurrent(sizes, core, config["core_size"])


def stored(stacks: Sequence[Stack]) -> list[list[list[Tensor]]]:
    """Parameters as plain containers: per group, per layer [weight, bias]."""
    return [[[weight, bias] for weight, bias in stack.layers] for stack in stacks]


@torch.no_grad()
def restore(stacks: Sequence[Stack], saved: Any) -> None:
    """Copy what `stored` gave into stacks of the same shapes; ValueError if they differ."""
    for stack, layers in zip(stacks, saved, strict=True):
        for ours, theirs in zip(stack.layers, layers, strict=True):
            for tensor, value in zip(ours, theirs, strict=True):
                if tensor.shape != value.shape:
                    raise ValueError(f"shape {tuple(value.shape)}, not {tuple(tensor.shape)}")
                tensor.copy_(value)


def by_group(array: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Split (rows, sum of sizes), agents side by side, into (members, rows, size) per group."""
    rows, parts, start = len(array), [], 0
    for group in GROUPS:
        size = sizes[group[0]]
        stop = start + size * len(group)
        parts.append(array[:, start:stop].reshape(rows, len(group), size).transpose(0, 1))
        start = stop
    return parts


def additive(mask: Tensor) -> Tensor:
    """A Boolean mask as what is added to logits: 0 where legal, minus infinity where not."""
    return torch.log(mask.to(torch.float32))


def sample(logits: Tensor, u: Tensor) -> Tensor:
    """Draw actions from softmax(logits) by inversion: `draw` without the log-probabilities."""
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
    action = torch.searchsorted(cumulative, point.unsqueeze(-1), right=True)
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
