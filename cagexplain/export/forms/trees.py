"""Decision trees from arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cagexplain.cc4.agents import BLUE
from cagexplain.common.arrays import Array
from cagexplain.policies.base import Policy
from cagexplain.policies.trees.tree import Tree, TreePolicy

PARTS: Final = ("feature", "threshold", "left", "right", "weight")
"""The arrays of a tree."""


def key(agent: str, part: str) -> str:
    """Name of an array of an agent's tree."""
    return f"{agent}.{part}"


def unpack(settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Policy:
    """The policy; settings are the arguments of `TreePolicy`, arrays those of each agent's tree."""
    trees = [Tree(**{part: arrays[key(agent, part)] for part in PARTS}) for agent in BLUE]
    return TreePolicy(trees, **settings)
