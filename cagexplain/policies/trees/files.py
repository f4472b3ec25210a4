"""Decision trees as JSON files: one file holds a policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE
from cagexplain.common.documents import read_json, require_plain
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import json_name, sha256_file, write_json
from cagexplain.policies.learned import messages
from cagexplain.policies.trees.named_features import NAMES
from cagexplain.policies.trees.tree import LEAF, Tree, TreePolicy

PROJECT: Final = "cagexplain"
FILE_KIND: Final = "tree policy"
FORMAT_VERSION: Final = 1
LAYOUT: Final = {"observation": list(observations.SIZES), "action": list(actions.SIZES)}
MAX_NODES: Final = 100_000
SIZE_LIMIT: Final = 128 * 2**20
"""Bytes of the largest file: five trees of `MAX_NODES` fit into it."""
MAX_WEIGHT: Final = 1e300
"""Of a leaf: sums over all actions of an agent stay finite."""

_REMEDY: Final = "Use a file that `cagexplain surrogate` wrote, or fit the trees again"

_Weight = Annotated[float, Meta(ge=0, le=MAX_WEIGHT)]
_Node = Annotated[int, Meta(ge=-1, lt=MAX_NODES)]
_Feature = Annotated[str, Meta(max_length=200)] | None
_Nodes = Meta(min_length=1, max_length=MAX_NODES)


@dataclass(frozen=True)
class _TreeForm:
    """A tree in a file: `Tree` with its features by name."""

    feature: Annotated[list[_Feature], _Nodes]
    threshold: Annotated[list[float], _Nodes]
    left: Annotated[list[_Node], _Nodes]
    right: Annotated[list[_Node], _Nodes]
    weight: Annotated[list[_Weight], _Nodes]


@dataclass(frozen=True)
class _AgentsForm:
    """A tree for each agent."""

    blue_agent_0: _TreeForm
    blue_agent_1: _TreeForm
    blue_agent_2: _TreeForm
    blue_agent_3: _TreeForm
    blue_agent_4: _TreeForm


@dataclass(frozen=True)
class _Form:
    """A policy file."""

    project: Literal["cagexplain"]
    kind: Literal["tree policy"]
    format_version: Literal[1]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    deterministic: bool
    messages: messages.Kind
    layout: dict[str, list[int]]
    teacher: dict[str, Any]
    agents: _AgentsForm


def save_tree(path: str | Path, policy: TreePolicy) -> None:
    """Write the policy file, whole or not at all."""
    write_json(
        path,
        {
            "project": PROJECT,
            "kind": FILE_KIND,
            "format_version": FORMAT_VERSION,
            "name": policy.name,
            "deterministic": policy.deterministic,
            "messages": policy.message_kind,
            "layout": LAYOUT,
            "teacher": policy.teacher,
            "agents": {
                agent: tree.to_json() for agent, tree in zip(BLUE, policy.trees, strict=True)
            },
        },
    )


def load_tree(
    path: str | Path, *, known_as: str | None = None, deterministic: bool | None = None
) -> TreePolicy:
    """Read a policy file.

    Args:
        path: of the JSON file.
        known_as: name of a policy that comes with the package; None takes the file's.
        deterministic: how it plays; None as the file says.

    Raises:
        CagexplainError: the file is missing, damaged, not ours or made for another layout.
    """
    file = Path(path)
    content = read_json(file, _Form, "tree policy", remedy=_REMEDY, limit=SIZE_LIMIT)
    require_plain(content.teacher, file, "teacher", remedy=_REMEDY)
    _require(content.layout == LAYOUT, file, "layout")
    return TreePolicy(
        [_tree(getattr(content.agents, agent), file, f"agents.{agent}") for agent in BLUE],
        name=known_as or content.name,
        deterministic=content.deterministic if deterministic is None else deterministic,
        message_kind=content.messages,
        teacher=content.teacher,
        origin={"path": known_as or json_name(file), "sha256": sha256_file(file)},
    )


def _require(condition: bool, path: Path, field: str) -> None:
    if not condition:
        raise CagexplainError(
            "this is not a tree policy as cagexplain writes them",
            where=path,
            field=field,
            remedy=_REMEDY,
        )


def _tree(form: _TreeForm, path: Path, field: str) -> Tree:
    """The tree of a file, or a refusal of what is none."""
    known = {name: i for i, name in enumerate(NAMES)} | {None: LEAF}
    n = len(form.feature)
    _require(all(name in known for name in form.feature), path, f"{field}.feature")
    for name in ("threshold", "left", "right", "weight"):
        _require(len(getattr(form, name)) == n, path, f"{field}.{name}")
    tree = Tree(
        feature=np.array([known[name] for name in form.feature], np.int64),
        threshold=np.array(form.threshold, np.float64),
        left=np.array(form.left, np.int64),
        right=np.array(form.right, np.int64),
        weight=np.array(form.weight, np.float64),
    )
    leaf = tree.feature == LEAF
    inner = np.flatnonzero(~leaf)
    for name, child in (("left", tree.left[inner]), ("right", tree.right[inner])):
        # Children come after their parents, so that there is no way round.
        _require(bool(((child > inner) & (child < n)).all()), path, f"{field}.{name}")
    children = np.concatenate([tree.left[inner], tree.right[inner]])
    _require(len(np.unique(children)) == len(children) == n - 1, path, f"{field}.left")
    _require(bool((tree.weight[leaf] > 0).all()), path, f"{field}.weight")
    return tree
