"""Policies that are decision trees: one tree per agent, read from a JSON file.

A tree weighs every valid action of its agent by the action's named features (``named_features``):
following the questions from the root leads to a leaf, and the leaf's weight is the action's. The
agent takes an action with a probability in proportion to its weight, or the one of the highest
weight (the first of them in the layout) if the policy is deterministic. So one small tree holds
both what to do and to which host, and every weight has a sentence that says why.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import (
    ACTION_AGENT,
    ACTION_LINK,
    ACTION_SLOT,
    ACTION_TYPE,
    OFFSETS,
    SLEEP_INDEX,
)
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.policies.base import Decision, Instead, done
from cagexplain.policies.jit import STORE, njit
from cagexplain.policies.knowledge import Knowledge
from cagexplain.policies.learned import messages
from cagexplain.policies.trees.named_features import (
    ABSENT,
    NAMES,
    RAW,
    STARTS,
    ActionFacts,
    facts_of,
)

LEAF: Final = -1
"""In place of the feature that a node asks about."""


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
        return int((self.feature == LEAF).sum())

    @property
    def depth(self) -> int:
        """Number of questions on the longest way to a leaf."""
        depth = np.zeros(len(self.feature), np.int64)
        for node in range(len(self.feature)):  # children come after their parents
            if self.feature[node] != LEAF:
                depth[[self.left[node], self.right[node]]] = depth[node] + 1
        return int(depth.max())

    def to_json(self) -> dict[str, Any]:
        """Features by name."""
        return {
            "feature": [NAMES[i] if i != LEAF else None for i in self.feature],
            "threshold": self.threshold.tolist(),
            "left": self.left.tolist(),
            "right": self.right.tolist(),
            "weight": self.weight.tolist(),
        }


@dataclass(frozen=True)
class Split:
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
        origin: path and SHA-256 of the file that it was read from, for manifests.

    Attributes:
        reads: whether one of the trees asks for what only raw observations tell.
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
        origin: Mapping[str, str] | None = None,
    ) -> None:
        self.trees = tuple(trees)
        self.name = name
        self.deterministic = deterministic
        self.message_kind = message_kind
        self.teacher = dict(teacher or {})
        self.origin = dict(origin or {})
        self._stacked = _stacked(self.trees)
        asked = self._stacked[1]
        self.reads = bool(RAW[asked[asked != LEAF]].any())
        self.reset(np.zeros(1, np.int64))

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, one per seed."""
        self._now = Knowledge.fresh(len(seeds))
        self._generators = [np.random.default_rng([int(seed), N_BLUE]) for seed in seeds]
        self._sightings: Sightings | None = None

    def read(self, sightings: Sightings) -> None:
        """Take note of what the raw observations tell."""
        self._sightings = sightings

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Choose for obs (n, 578), mask (n, 570) and free (n, 5); or do something `instead`."""
        self._now.observe(obs, mask, free, self._sightings)
        self._sightings = None
        self._facts = facts_of(self._now, raw=self.reads)
        self._weights = weigh(self._stacked, self._facts, mask)
        log_p = self.weights()
        chosen = done(np.where(free, self._choose(log_p), SLEEP_INDEX), instead)
        self._now.acted(chosen, free)
        probability = np.exp(np.take_along_axis(log_p, chosen + OFFSETS, axis=1))
        with np.errstate(invalid="ignore"):
            surprise = np.where(np.isfinite(log_p), -np.exp(log_p) * log_p, 0.0)
        entropy = np.add.reduceat(surprise, actions.OFFSETS, axis=1)
        return Decision(
            actions=chosen,
            messages=messages.encode(self.message_kind, obs, self._now.running),
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
        return (log_w - total[:, ACTION_AGENT]).astype(np.float32)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> TreePolicy:
        """Go on with copies of some environments; see ``Policy.branch``."""
        at = np.asarray(rows, np.int64)
        twin = copy.copy(self)
        twin._now = self._now.branch(at)
        if seeds is None:
            twin._generators = [copy.deepcopy(self._generators[i]) for i in at]
        else:
            twin._generators = [np.random.default_rng([int(seed), N_BLUE]) for seed in seeds]
        return twin

    def explain(self, env: int, agent: int, action: int) -> tuple[Split, ...]:
        """Why an action got its weight in the last `act`: the way from the root to its leaf.

        Args:
            env, agent: whose decision.
            action: index in the agent's layout.
        """
        tree, at = self.trees[agent], actions.OFFSETS[agent] + action
        values = self._facts.matrix(np.array([env]), np.array([at]))[0]
        node, path = 0, []
        while tree.feature[node] != LEAF:
            column, threshold = int(tree.feature[node]), float(tree.threshold[node])
            above = bool(values[column] > threshold)
            path.append(Split(NAMES[column], float(values[column]), threshold, above))
            node = int(tree.right[node] if above else tree.left[node])
        return tuple(path)

    def describe(self) -> dict[str, Any]:
        """Facts for manifests, JSON-able."""
        return {
            "name": self.name,
            "kind": self.kind,
            "rule": f"decision trees of {', '.join(str(t.leaves) for t in self.trees)} leaves",
            "deterministic": self.deterministic,
            "teacher": self.teacher,
            **self.origin,
        }

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


def weigh(stacked: Stacked, facts: ActionFacts, mask: BoolArray) -> npt.NDArray[np.float64]:
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
            node = root[ACTION_AGENT[c]]
            while feature[node] >= 0:
                column = feature[node]
                if column < STARTS[1]:
                    value = 1.0 if ACTION_TYPE[c] == column else 0.0
                elif column < STARTS[2]:
                    slot = ACTION_SLOT[c]
                    value = host[e, slot, column - STARTS[1]] if slot >= 0 else ABSENT
                elif column < STARTS[3]:
                    target = ACTION_LINK[c]
                    value = link[e, target, column - STARTS[2]] if target >= 0 else ABSENT
                else:
                    value = agent[e, ACTION_AGENT[c], column - STARTS[3]]
                node = left[node] if value <= threshold[node] else right[node]
            out[e, c] = weight[node]
