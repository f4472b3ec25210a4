"""Policies that are decision trees: one tree per agent, read from a JSON file.

A tree weighs every valid action of its agent by the action's named features (``named_features``):
following the questions from the root leads to a leaf, and the leaf's weight is the action's. The
agent takes an action with a probability in proportion to its weight, or the one of the highest
weight (the first of them in the layout) if the policy is deterministic. So one small tree holds
both what to do and to which host, and every weight has a sentence that says why.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import sha256_file, write_json
from cagexplain.policies import messages
from cagexplain.policies.base import BoolArray, Decision, Instead, IntArray, done
from cagexplain.policies.jit import STORE
from cagexplain.policies.named_features import (
    ABSENT,
    AGENT,
    KIND,
    LINK,
    NAMES,
    SEAT,
    STARTS,
    Facts,
    History,
)

PROJECT: Final = "cagexplain"
FILE_KIND: Final = "tree policy"
FORMAT_VERSION: Final = 1
LAYOUT: Final = {"observation": list(observations.SIZES), "action": list(actions.SIZES)}
MAX_NODES: Final = 100_000

_SLEEP: Final = np.array(actions.SLEEP_INDEX, dtype=np.int64)
_LEAF: Final = -1
_REMEDY: Final = "Use a file that `cagexplain surrogate` wrote, or fit the trees again"


@dataclass(frozen=True)
class Tree:
    """A binary tree in arrays; node 0 is the root.

    Attributes:
        feature: ``int64[nodes]`` column of ``named_features.FEATURES`` that a node asks about; -1
            for leaves.
        threshold: ``float64[nodes]``: to the left if the feature is at most this.
        left, right: ``int64[nodes]`` children; -1 for leaves.
        weight: ``float64[nodes]`` of leaves, positive.
    """

    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float64]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return int((self.feature == _LEAF).sum())

    @property
    def depth(self) -> int:
        """Number of questions on the longest way to a leaf."""
        depth = np.zeros(len(self.feature), np.int64)
        for node in range(len(self.feature)):  # children come after their parents
            if self.feature[node] != _LEAF:
                depth[[self.left[node], self.right[node]]] = depth[node] + 1
        return int(depth.max())

    def to_json(self) -> dict[str, Any]:
        """Features by name."""
        return {
            "feature": [NAMES[i] if i != _LEAF else None for i in self.feature],
            "threshold": self.threshold.tolist(),
            "left": self.left.tolist(),
            "right": self.right.tolist(),
            "weight": self.weight.tolist(),
        }


@dataclass(frozen=True)
class Question:
    """A step on the way to a leaf.

    Attributes:
        feature: name.
        value: that the action had; `named_features.ABSENT` if it has no such feature.
        threshold: of the question.
        above: whether the value was above it.
    """

    feature: str
    value: float
    threshold: float
    above: bool


class TreePolicy:
    """Plays decision trees.

    Args:
        trees: one per agent.
        name: of the policy.
        deterministic: take the highest weight instead of drawing.
        message_kind: what the agents tell each other, one of ``messages.KINDS``.
        teacher: facts about what the trees imitate, for manifests.
        source: path it was read from.
    """

    kind: Literal["tree"] = "tree"
    values = False

    def __init__(
        self,
        trees: Sequence[Tree],
        *,
        name: str = "tree",
        deterministic: bool = False,
        message_kind: str = "none",
        teacher: Mapping[str, Any] | None = None,
        source: Path | None = None,
    ) -> None:
        self.trees = tuple(trees)
        self.name = name
        self.deterministic = deterministic
        self.message_kind = message_kind
        self.teacher = dict(teacher or {})
        self.source = source
        self._stacked = _stacked(self.trees)
        self.reset(np.zeros(1, np.int64))

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, one per seed."""
        self._history = History(len(seeds))
        self._running = np.tile(_SLEEP, (len(seeds), 1))
        self._generators = [np.random.default_rng([int(seed), N_BLUE]) for seed in seeds]

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Choose for obs (n, 578), mask (n, 570) and free (n, 5); or do something `instead`."""
        self._facts = self._history.observe(obs, mask, free)
        self._weights = weigh(self._stacked, self._facts, mask)
        log_p = self.weights()
        chosen = done(np.where(free, self._choose(log_p), _SLEEP), instead)
        self._history.acted(chosen, free)
        self._running = np.where(free, chosen, self._running)
        probability = np.exp(np.take_along_axis(log_p, chosen + np.array(actions.OFFSETS), axis=1))
        with np.errstate(invalid="ignore"):
            surprise = np.where(np.isfinite(log_p), -np.exp(log_p) * log_p, 0.0)
        entropy = np.add.reduceat(surprise, actions.OFFSETS, axis=1)
        return Decision(
            actions=chosen,
            messages=messages.encode(self.message_kind, obs, self._running),
            probability=probability.astype(np.float32),
            entropy=entropy.astype(np.float32),
        )

    def weights(self) -> npt.NDArray[np.float32]:
        """Log-probabilities of all actions in the last `act`: ``float32[n, 570]``.

        Of the draw that a policy makes which is not deterministic.
        """
        with np.errstate(divide="ignore"):
            log_w = np.log(self._weights)
        total = np.log(np.add.reduceat(self._weights, actions.OFFSETS, axis=1))
        return (log_w - total[:, AGENT]).astype(np.float32)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> TreePolicy:
        """Go on with copies of some environments; see ``Policy.branch``."""
        at = np.asarray(rows, np.int64)
        twin = copy.copy(self)
        twin._history = self._history.branch(at)
        twin._running = self._running[at]
        if seeds is None:
            twin._generators = [copy.deepcopy(self._generators[i]) for i in at]
        else:
            twin._generators = [np.random.default_rng([int(seed), N_BLUE]) for seed in seeds]
        return twin

    def explain(self, env: int, agent: int, action: int) -> tuple[Question, ...]:
        """Why an action got its weight in the last `act`: the way from the root to its leaf.

        Args:
            env, agent: whose decision.
            action: index in the agent's layout.
        """
        tree, at = self.trees[agent], actions.OFFSETS[agent] + action
        values = self._facts.matrix(np.array([env]), np.array([at]))[0]
        node, path = 0, []
        while tree.feature[node] != _LEAF:
            column, threshold = int(tree.feature[node]), float(tree.threshold[node])
            above = bool(values[column] > threshold)
            path.append(Question(NAMES[column], float(values[column]), threshold, above))
            node = int(tree.right[node] if above else tree.left[node])
        return tuple(path)

    def describe(self) -> dict[str, Any]:
        """Facts for manifests, JSON-able."""
        facts: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "rule": f"decision trees of {', '.join(str(t.leaves) for t in self.trees)} leaves",
            "deterministic": self.deterministic,
            "teacher": self.teacher,
        }
        if self.source is not None:
            facts |= {"path": str(self.source), "sha256": sha256_file(self.source)}
        return facts

    def save(self, path: str | Path) -> None:
        """Write the policy file, whole or not at all."""
        write_json(
            Path(path),
            {
                "project": PROJECT,
                "kind": FILE_KIND,
                "format_version": FORMAT_VERSION,
                "name": self.name,
                "deterministic": self.deterministic,
                "messages": self.message_kind,
                "layout": LAYOUT,
                "teacher": self.teacher,
                "agents": {
                    agent: tree.to_json() for agent, tree in zip(BLUE, self.trees, strict=True)
                },
            },
        )

    def _choose(self, log_p: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Actions (n, 5): those of the highest weight, or drawn in proportion to the weights."""
        chosen = np.empty((len(log_p), N_BLUE), np.int64)
        if self.deterministic:
            for agent in range(N_BLUE):
                chosen[:, agent] = log_p[:, actions.slice_of(agent)].argmax(axis=1)
            return chosen
        uniform = np.stack([generator.random(N_BLUE) for generator in self._generators])
        for agent in range(N_BLUE):
            total = np.cumsum(self._weights[:, actions.slice_of(agent)], axis=1)
            point = uniform[:, agent, None] * total[:, -1:]
            chosen[:, agent] = (total > point).argmax(axis=1)
        return chosen


def load_tree(path: str | Path, *, deterministic: bool | None = None) -> TreePolicy:
    """Read a policy file.

    Args:
        path: of the JSON file.
        deterministic: how it plays; None as the file says.

    Raises:
        CagexplainError: the file is missing, damaged, not ours or made for another layout.
    """
    file = Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CagexplainError("no such file", where=file, remedy=_REMEDY) from error
    except ValueError as error:
        raise CagexplainError(f"not JSON ({error})", where=file, remedy=_REMEDY) from error
    check = _Check(file)
    check.that(isinstance(content, dict), None)
    check.that((content.get("project"), content.get("kind")) == (PROJECT, FILE_KIND), "kind")
    check.that(content.get("format_version") == FORMAT_VERSION, "format_version")
    check.that(content.get("layout") == LAYOUT, "layout")
    check.that(content.get("messages") in messages.KINDS, "messages")
    check.that(isinstance(content.get("deterministic"), bool), "deterministic")
    check.that(isinstance(content.get("teacher"), dict), "teacher")
    check.that(isinstance(content.get("name"), str), "name")
    agents = content.get("agents")
    check.that(isinstance(agents, dict) and set(agents) == set(BLUE), "agents")
    return TreePolicy(
        [check.tree(agents[agent], f"agents.{agent}") for agent in BLUE],
        name=content["name"],
        deterministic=content["deterministic"] if deterministic is None else deterministic,
        message_kind=content["messages"],
        teacher=content["teacher"],
        source=file,
    )


class _Check:
    """Builds trees from JSON, or names the field that is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def that(self, condition: bool, field: str | None) -> None:
        if not condition:
            raise CagexplainError(
                "this is not a tree policy as cagexplain writes them",
                where=self._path,
                field=field,
                remedy=_REMEDY,
            )

    def tree(self, value: Any, field: str) -> Tree:
        self.that(isinstance(value, dict), field)
        names = self._list(value, "feature", field)
        known = {name: i for i, name in enumerate(NAMES)} | {None: _LEAF}
        n = len(names)
        self.that(
            0 < n <= MAX_NODES and all(isinstance(x, str | None) and x in known for x in names),
            f"{field}.feature",
        )
        feature = np.array([known[name] for name in names], np.int64)
        leaf = feature == _LEAF
        threshold, weight = (
            self._numbers(value, name, field, n) for name in ("threshold", "weight")
        )
        left, right = (self._numbers(value, name, field, n) for name in ("left", "right"))
        for name, child in (("left", left), ("right", right)):
            inner = child[~leaf]
            # Children come after their parents, so that there is no way round.
            fits = (inner > np.flatnonzero(~leaf)) & (inner < n) & (inner == np.floor(inner))
            self.that(bool(fits.all()), f"{field}.{name}")
        children = np.concatenate([left[~leaf], right[~leaf]])
        self.that(len(np.unique(children)) == len(children) == n - 1, f"{field}.left")
        self.that(bool((weight[leaf] > 0).all()), f"{field}.weight")
        return Tree(feature, threshold, left.astype(np.int64), right.astype(np.int64), weight)

    def _list(self, value: dict[str, Any], name: str, field: str) -> list[Any]:
        found = value.get(name)
        self.that(isinstance(found, list), f"{field}.{name}")
        return list(found)  # type: ignore[arg-type]

    def _numbers(
        self, value: dict[str, Any], name: str, field: str, n: int
    ) -> npt.NDArray[np.float64]:
        found = self._list(value, name, field)
        fits = len(found) == n and all(
            isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
            for x in found
        )
        self.that(fits, f"{field}.{name}")
        return np.array(found, np.float64)


Stacked = tuple[
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.float64],
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.float64],
]
"""Roots of the agents' trees in the arrays of all nodes, then those arrays."""


def _stacked(trees: Sequence[Tree]) -> Stacked:
    starts = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    feature, threshold, weight = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("feature", "threshold", "weight")
    )
    left, right = (
        np.concatenate(
            [getattr(t, name) + start for t, start in zip(trees, starts[:-1], strict=True)]
        )
        for name in ("left", "right")
    )
    return starts[:-1], feature, threshold, left, right, weight


def weigh(stacked: Stacked, facts: Facts, mask: BoolArray) -> npt.NDArray[np.float64]:
    """Weights ``float64[n, 570]`` of all actions, 0 where the mask excludes them."""
    weights = np.zeros(mask.shape, np.float64)
    _weigh(*stacked, facts.host, facts.link, facts.agent, mask, weights)
    return weights


@STORE.keep
@njit(nogil=True)
def _weigh(
    root: npt.NDArray[np.int64],
    feature: npt.NDArray[np.int64],
    threshold: npt.NDArray[np.float64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    weight: npt.NDArray[np.float64],
    host: npt.NDArray[np.float32],
    link: npt.NDArray[np.float32],
    agent: npt.NDArray[np.float32],
    mask: BoolArray,
    out: npt.NDArray[np.float64],
) -> None:
    for e in range(len(mask)):
        for c in range(mask.shape[1]):
            if not mask[e, c]:
                continue
            node = root[AGENT[c]]
            while feature[node] >= 0:
                column = feature[node]
                if column < STARTS[1]:
                    value = 1.0 if KIND[c] == column else 0.0
                elif column < STARTS[2]:
                    value = host[e, SEAT[c], column - STARTS[1]] if SEAT[c] >= 0 else ABSENT
                elif column < STARTS[3]:
                    value = link[e, LINK[c], column - STARTS[2]] if LINK[c] >= 0 else ABSENT
                else:
                    value = agent[e, AGENT[c], column - STARTS[3]]
                node = left[node] if value <= threshold[node] else right[node]
            out[e, c] = weight[node]
