"""Joint actions: what all agents would do, and what a critic of that sees.

A critic sees the inputs of all agents, who of them is free to decide, and one-hot vectors of what
all are doing. It is told who is free because an action that has just been started is worth
something else than the same action about to end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies import features, networks
from cagexplain.policies.networks import Stack
from trainers.replay import Segments


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


def width(profile: str) -> int:
    """Number of a critic's inputs under an observation profile."""
    return sum(features.sizes(profile)) + N_BLUE + actions.TOTAL


def seen(steps: Segments, t: int, action: Tensor) -> Tensor:
    """A critic's inputs (B, width) at moment `t` with actions (B, agents)."""
    one_hot = steps.state.new_zeros(len(action), actions.TOTAL)
    one_hot.scatter_(1, action + torch.tensor(actions.OFFSETS, device=action.device), 1.0)
    return torch.cat([steps.state[t], steps.free[t].float(), one_hot], 1)


def replaced(joint: Tensor, agent: int, one_hot: Tensor) -> Tensor:
    """A critic's inputs (B, width) with another action of one agent, (B, its actions)."""
    start = joint.shape[1] - actions.TOTAL + actions.OFFSETS[agent]
    return torch.cat([joint[:, :start], one_hot, joint[:, start + one_hot.shape[1] :]], 1)
