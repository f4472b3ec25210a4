"""Joint actions: what all agents would do, and what a critic makes of that.

A critic sees the inputs of all agents, who of them is free to decide, and one-hot vectors of what
all are doing. It is told who is free because an action that has just been started is worth
something else than the same action about to end. The one-hot vectors are never made: what the
first layer computes from them are rows of its weights, picked by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies.learned import features, networks
from cagexplain.policies.learned.networks import Layers, Stack, mlp
from trainers.core.replay import Segments


def best(actors: Sequence[Stack], steps: Segments, t: int) -> Tensor:
    """The available actions (B, agents) of the largest outputs at moment `t`."""
    return torch.cat([x.argmax(-1) for x in _outputs(actors, steps, t)]).T


def drawn(actors: Sequence[Stack], steps: Segments, t: int, rng: np.random.Generator) -> Tensor:
    """Available actions (B, agents) drawn from softmax(outputs) at moment `t`."""
    groups = _outputs(actors, steps, t)
    uniform = [torch.from_numpy(rng.random(x.shape[:2], dtype=np.float32)) for x in groups]
    pairs = zip(groups, uniform, strict=True)
    return torch.cat([networks.sample(x, u.to(x.device)) for x, u in pairs]).T


def _outputs(actors: Sequence[Stack], steps: Segments, t: int) -> list[Tensor]:
    """Per group (members, B, actions), minus infinity where not available."""
    triples = zip(actors, steps.inputs, steps.available, strict=True)
    return [actor(x[t]) + mask[t] for actor, x, mask in triples]


@dataclass(frozen=True)
class JointSteps:
    """What critics see of B steps.

    Attributes:
        dense: (B, width) inputs of all agents, and who is free.
        action: (B, agents) what all are doing.
    """

    dense: Tensor
    action: Tensor

    def rows(self, rows: Tensor) -> JointSteps:
        """Some of the steps: rows (k,)."""
        return JointSteps(self.dense.index_select(0, rows), self.action.index_select(0, rows))


def joint_steps(steps: Segments, t: int, action: Tensor) -> JointSteps:
    """What critics see at moment `t` with the action (B, agents) of each agent."""
    return JointSteps(torch.cat([steps.state[t], steps.free[t].float()], 1), action)


class Judge:
    """The critics' network: a perceptron with one output.

    Args:
        profile: of the observation.
        hidden: widths of its hidden layers, at least one.
    """

    def __init__(self, profile: str, hidden: Sequence[int]) -> None:
        self.dense = sum(features.sizes(profile)) + N_BLUE
        self.network = mlp((self.dense + actions.TOTAL, *hidden, 1))
        self._onward = mlp((*hidden, 1))  # all of it but the first layer

    def value(
        self, layers: Layers, steps: JointSteps, replacement: tuple[int, Tensor] | None = None
    ) -> Tensor:
        """What one critic makes of joint inputs and actions: (B,).

        Args:
            layers: of the critic.
            steps: B of them.
            replacement: an agent, and a vector (B, its actions) in place of the one-hot vector of
                its action.
        """
        (weight, bias), *onward = layers
        of_inputs, of_actions = weight[0].tensor_split([self.dense])
        offsets = torch.tensor(actions.OFFSETS, device=steps.action.device)
        picked = (steps.action + offsets).tensor_split(N_BLUE, 1)
        if replacement is not None:
            agent, vector = replacement
            picked = (*picked[:agent], *picked[agent + 1 :])
            start = actions.OFFSETS[agent]
            bias = bias + vector @ of_actions[start : start + vector.shape[1]]
        first = torch.addmm(bias, steps.dense, of_inputs)
        first = first + F.embedding_bag(torch.cat(picked, 1), of_actions, mode="sum")
        return self._onward(onward, torch.relu(first).unsqueeze(0)).flatten()
