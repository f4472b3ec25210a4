"""Networks from arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from cagexplain.common.arrays import Array
from cagexplain.policies.base import Policy
from cagexplain.policies.learned import networks
from cagexplain.policies.learned.player import Player


def key(group: int, layer: int, part: int) -> str:
    """Name of the weight (part 0) or bias (1) of a layer of a group of agents."""
    return f"group{group}.layer{layer}.{('weight', 'bias')[part]}"


def unpack(settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Policy:
    """The policy.

    Args:
        settings: "actors", what the networks are built from; "layers", how many each group has;
            "player", further arguments of `Player`.
        arrays: (agents of the group, ...) of each layer.
    """
    # Sums of products depend on how they are shared out between threads.
    torch.set_num_threads(1)
    saved = [
        [
            [torch.from_numpy(arrays[key(group, layer, part)]) for part in range(2)]
            for layer in range(layers)
        ]
        for group, layers in enumerate(settings["layers"])
    ]
    return Player(actors=networks.stored_actors(settings["actors"], saved), **settings["player"])
