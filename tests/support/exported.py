"""Policies to export: networks of every form, checkpoints of every method, trees."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies.checkpoint import Checkpoint
from cagexplain.policies.learned import messages, networks
from cagexplain.policies.learned.trained import TrainedPolicy
from cagexplain.policies.trees.named_features import NAMES
from cagexplain.policies.trees.tree import Tree, TreePolicy
from trainers.registry import ALGORITHMS

FORMS = [
    (network, observation, core)
    for network in networks.KINDS
    for observation in ("flat", "memory", "raw")
    for core in networks.CORES
    if network not in ("hosts", "shared") or core == "none"
]
"""All that networks are built from: kind, observation, recurrent layer."""
TINY = {
    "hidden": (8,),
    "envs": 4,
    "critic_hidden": (4,),
    "mixer_embed": 2,
    "mixer_hyper": 2,
    "core_size": 4,
}


def network(
    kind: str = "mlp", observation: str = "flat", core: str = "none", **config: Any
) -> TrainedPolicy:
    """Random weights, large enough for clear preferences."""
    acting = {"acting": "sampled", "messages": "none", "core_size": 6, **config}
    full = {"network": kind, "observation": observation, "core": core, "hidden": [12], **acting}
    stacks = networks.build_actors(full)
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(1), 2.0)
    content = {"actors": networks.stored(stacks)}
    return TrainedPolicy(Checkpoint("ippo", "test", full, content, {}))


def networks_of_all_forms() -> Iterator[tuple[str, TrainedPolicy]]:
    """Every network with every observation and recurrent layer; kinds of messages in turn."""
    for i, (kind, observation, core) in enumerate(FORMS):
        message = messages.KINDS[i % len(messages.KINDS)]
        acting = ("sampled", "greedy")[i % 2]
        name = f"{kind}-{observation}-{core}-{message}-{acting}"
        yield name, network(kind, observation, core, messages=message, acting=acting)


def checkpoints_of_all_methods() -> Iterator[tuple[str, TrainedPolicy]]:
    """What each method of training writes before its first round."""
    for name, algorithm in ALGORITHMS.items():
        preset, settings = next(iter(algorithm.presets.items()))
        tiny = {key: value for key, value in TINY.items() if hasattr(settings, key)}
        settings = replace(settings, **tiny)
        learner = algorithm.make(settings, 0, 1, "cpu")
        checkpoint = Checkpoint(name, preset, asdict(settings), learner.weights(), {})
        yield name, TrainedPolicy(checkpoint)


def tree(evidence: str = "process alert now", **settings: Any) -> TreePolicy:
    """Restores on some evidence, more or less."""
    questions = ("action is Restore", "action is Sleep", evidence)
    feature = np.array([*map(NAMES.index, questions), -1, -1, -1, -1])
    left, right = np.array([1, 3, 5, *[-1] * 4]), np.array([2, 4, 6, *[-1] * 4])
    # Not a Restore: Sleep or another; a Restore: with an alert or without.
    left[:3], right[:3] = (1, 3, 5), (2, 4, 6)
    weight = np.array([0, 0, 0, 1e-3, 1.0, 1e-6, 50.0])
    return TreePolicy([Tree(feature, np.full(7, 0.5), left, right, weight)] * N_BLUE, **settings)
