"""Fitting a tree that weighs actions to what a teacher would do.

A tree policy takes action a with probability w(a) / Z, where Z is the sum of the weights of all
valid actions of the decision: a conditional logit with one parameter per leaf (McFadden 1974). It
is grown best question first by the likelihood of the teacher's choices, to second order in the
parameters of the two new leaves; after every few questions the weights of all leaves are fitted
again, by iterative scaling (Darroch and Ratcliff 1972), so that the next question is asked about
what the tree still gets wrong in the choice among all actions.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.trees import kernels
from cagexplain.analysis.trees.samples import Samples
from cagexplain.cc4 import actions
from cagexplain.common.arrays import FloatArray, Int16Array, Int64Array
from cagexplain.policies.trees.named_features import FEATURES, Feature
from cagexplain.policies.trees.tree import Tree

_SCALINGS: Final = 60
_QUICK: Final = 10
"""Rounds of scaling: of the weights of a tree, and between questions."""
_AT_ONCE: Final = 1 / 8
"""Questions that are asked before the weights are fitted again, per leaf there is."""
_MIN_ROWS: Final = 5
"""Actions in a leaf, at least."""
_RIDGE: Final = 5.0
"""Added to curvatures: what a few decisions seem to gain counts less."""
_LISTED: Final = 0.25
_CONTEXT: Final = 0.5
_NUMBER: Final = 0.95
"""What a gain counts that comes from the clock or from places in lists; from what all actions of
the agent have in common; and from a number: yes or no about the target, which is read at a glance,
goes first."""
_SPARE: Final = 2
"""Leaves of the tree that is grown, per leaf of the largest that is wanted."""
_LEAST_WEIGHT: Final = 1e-12
_NO_GAIN: Final = 1e-9
_MOST_CODES: Final = 256
_FLOOR: Final = 1e-9
"""Share of a decision's weight that an action never taken keeps, so that no weight is 0."""
_NO_LOSS: Final = 2e-5
"""Fidelity that a question may lose and still count as one that makes no difference."""
_WIDEST: Final = 25.0
"""Bound of the logarithms of weights, downwards from the largest."""


@dataclass(frozen=True)
class _Stage:
    """A tree on its way from the grown one to a single leaf.

    Attributes:
        leaves: that it has.
        loss: overlap with the teacher, summed over weighted decisions, that its pruning has cost.
        tree: as it is then.
    """

    leaves: int
    loss: float
    tree: Tree


class Growth:
    """Trees of all sizes up to a largest.

    A tree of about twice as many leaves is grown, and pruned: of all pairs of leaves under one
    question, those are joined that cost least agreement with the teacher, again and again. So a
    question may stand that pays only through the ones after it.

    Args:
        samples: of one agent.
        leaves: of the largest tree, at most.
        stochastic: whether the tree is to draw its actions, as likely as the teacher does; else it
            is to take the teacher's likeliest.
        decision_weight: ``float64[d]``; what they stand for by default.
    """

    def __init__(
        self,
        samples: Samples,
        leaves: int,
        *,
        stochastic: bool,
        decision_weight: FloatArray | None = None,
    ) -> None:
        weight = samples.weight if decision_weight is None else decision_weight
        self._weight = np.asarray(weight / weight.mean(), np.float64)
        self._samples, self._stochastic = samples, stochastic
        self._target = samples.teacher if stochastic else best(samples.teacher, samples.decision)
        self._starts = np.searchsorted(samples.decision, np.arange(samples.decisions + 1))
        self._per_row = self._weight[samples.decision]
        self._feature, self._threshold, self._left, self._right = [-1], [0.0], [-1], [-1]
        self._leaf = np.zeros(len(samples.decision), np.int64)
        # Asking for the types takes a leaf each before anything else is asked.
        self._grow(_SPARE * (leaves + actions.N_KINDS))
        self._stages = list(self._pruned())

    def tree(self, leaves: int) -> Tree:
        """The tree of so many leaves at most, without questions that make no difference."""
        stages = [stage for stage in self._stages if stage.leaves <= leaves]
        free = _NO_LOSS * self._samples.decisions
        stage = next((s for s, after in pairwise(stages) if after.loss - s.loss > free), stages[-1])
        leaf = leaf_of(stage.tree, self._samples.features)
        weight = stage.tree.weight
        if self._stochastic:
            log_weights = np.log(np.maximum(weight, _LEAST_WEIGHT))
            self._fit(log_weights, leaf, _SCALINGS)
            weight = np.where(stage.tree.feature < 0, np.exp(log_weights), 0.0)
        # In per cent of an average decision's total.
        total = np.average(np.bincount(self._samples.decision, weight[leaf]), weights=self._weight)
        weight = np.where(weight > 0, np.maximum(100 * weight / total, _LEAST_WEIGHT), 0.0)
        return replace(stage.tree, weight=weight)

    def _grow(self, leaves: int) -> None:
        samples = self._samples
        columns, codes, values = _coded(samples.features)
        bins = np.array([len(each) for each in values], np.int64)
        factor = np.array([_worth(FEATURES[column]) for column in columns])
        slope, curvature = np.empty((2, len(self._leaf)))
        log_weights = self._ask_for_types()
        while len(log_weights) < leaves:
            nodes = np.array(sorted(log_weights))
            heights = np.array([log_weights[node] for node in nodes.tolist()])
            number = np.searchsorted(nodes, self._leaf)
            self._fit(heights, number, _QUICK)
            kernels.slopes(
                heights, number, self._starts, self._target, self._weight, slope, curvature
            )
            log_weights = dict(zip(nodes.tolist(), heights.tolist(), strict=True))
            gain = np.zeros(len(nodes))
            column, code = np.zeros((2, len(nodes)), np.int64)
            kernels.best_splits(
                codes, bins, number, slope, curvature, factor, _MIN_ROWS, _RIDGE, gain, column, code
            )
            at_once = min(1 + int(_AT_ONCE * len(nodes)), leaves - len(nodes))
            asked = [k for k in np.argsort(-gain, kind="stable")[:at_once] if gain[k] > _NO_GAIN]
            if not asked:
                return
            for k in asked:
                node, above = int(nodes[k]), codes[column[k]] > code[k]
                threshold = float(values[column[k]][code[k]]) + 0.5
                pair = self._ask(node, int(columns[column[k]]), threshold, above)
                log_weights |= dict.fromkeys(pair, log_weights.pop(node))

    def _ask_for_types(self) -> dict[int, float]:
        """Ask for the type of action, the most usual first; log-weights of the leaves, all 0."""
        samples = self._samples
        kind = samples.action_type
        usual = np.bincount(kind, self._target * self._per_row, minlength=actions.N_KINDS)
        there = np.flatnonzero(np.bincount(kind, minlength=actions.N_KINDS))
        node, leaves = 0, {0: 0.0}
        for each in there[np.argsort(-usual[there], kind="stable")][:-1]:
            pair = self._ask(node, int(each), 0.5, kind == each)
            leaves |= dict.fromkeys(pair, leaves.pop(node))
            node = pair[0]
        return leaves

    def _ask(
        self, node: int, feature: int, threshold: float, above: npt.NDArray[np.bool_]
    ) -> tuple[int, int]:
        """Put a question to a leaf; returns the new leaves.

        Args:
            node: the leaf.
            feature, threshold: to the left if the feature is at most this.
            above: ``bool[m]`` whether the rows' are above it.
        """
        left = len(self._feature)
        self._feature[node], self._threshold[node] = feature, threshold
        self._left[node], self._right[node] = left, left + 1
        for each in (self._feature, self._left, self._right):
            each += [-1, -1]
        self._threshold += [0.0, 0.0]
        there = self._leaf == node
        self._leaf[there] = np.where(above[there], left + 1, left)
        return left, left + 1

    def _fit(self, log_weights: FloatArray, leaf: Int64Array, rounds: int) -> None:
        """Fit log-weights ``float64[leaves]``, in place, to the teacher's choices."""
        wanted = np.bincount(leaf, self._target * self._per_row, minlength=len(log_weights))
        wanted += _FLOOR * wanted.sum()
        kernels.scaled(log_weights, leaf, self._starts, wanted, self._weight, _WIDEST, rounds)

    def _pruned(self) -> Iterator[_Stage]:
        """The grown tree, and what is left of it after each pair of leaves that is joined."""
        feature, left, right = map(np.array, (self._feature, self._left, self._right))
        log_weights = np.zeros(len(feature))
        self._fit(log_weights, self._leaf, _SCALINGS)
        weight, leaf = np.exp(log_weights), self._leaf.copy()
        parent = np.full(len(feature), -1)
        inner = np.flatnonzero(feature >= 0)
        parent[left[inner]] = parent[right[inner]] = inner

        def joined(node: int) -> tuple[float, float]:
            """What is lost if the leaves under a question are joined, and their best weight."""
            one, other = int(left[node]), int(right[node])
            weights = weight[one], weight[other], math.sqrt(weight[one] * weight[other])
            won = [
                kernels.overlap_won(
                    weight,
                    leaf,
                    self._starts,
                    self._target,
                    self._weight,
                    self._stochastic,
                    one,
                    other,
                    instead,
                )
                for instead in weights
            ]
            most = int(np.argmax(won))
            return -won[most], weights[most]

        def ends(node: int) -> bool:
            return bool(feature[node] >= 0 > max(feature[left[node]], feature[right[node]]))

        def tree() -> Tree:
            inner = feature >= 0
            threshold = np.where(inner, self._threshold, 0.0)
            return _without_orphans(Tree(feature, threshold, left, right, weight))

        leaves, lost, changes = len(inner) + 1, 0.0, 0
        waiting = [(joined(int(node))[0], changes, int(node)) for node in inner if ends(int(node))]
        heapq.heapify(waiting)
        yield _Stage(leaves, lost, tree())
        while waiting:
            _, known_at, node = heapq.heappop(waiting)
            loss, joint = joined(node)
            if known_at < changes and waiting and loss > waiting[0][0]:
                heapq.heappush(waiting, (loss, changes, node))
                continue
            leaf[(leaf == left[node]) | (leaf == right[node])] = node
            feature[node], weight[node] = -1, joint
            leaves, lost, changes = leaves - 1, lost + loss, changes + 1
            above = int(parent[node])
            if above >= 0 and ends(above):
                heapq.heappush(waiting, (joined(above)[0], changes, above))
            yield _Stage(leaves, lost, tree())


def _worth(feature: Feature) -> float:
    """What a gain through a feature counts."""
    if not feature.causal:
        return _LISTED
    return (_CONTEXT if feature.scope == "agent" else 1.0) * (1.0 if feature.flag else _NUMBER)


def _coded(features: Int16Array) -> tuple[Int64Array, kernels.Codes, list[Int16Array]]:
    """Columns that are not constant, ranks of their values, and the values that the ranks end at.

    Args:
        features: ``int16[m, features]``.

    Returns:
        ``int64[columns]``, ``uint8[columns, m]``, and for each column its values, ascending; of
        very many of them some are left out, and belong to the next that is not.
    """
    columns = np.flatnonzero(np.ptp(features, axis=0) > 0)
    codes = np.empty((len(columns), len(features)), np.uint8)
    values = []
    for i, column in enumerate(columns):
        there = np.unique(features[:, column])
        if len(there) > _MOST_CODES:
            there = there[np.linspace(0, len(there) - 1, _MOST_CODES).astype(np.int64)]
        codes[i] = np.searchsorted(there, features[:, column])
        values.append(there)
    return columns, codes, values


def _without_orphans(tree: Tree) -> Tree:
    """The tree without nodes that cannot be reached; children of leaves are not."""
    kept = [0]
    for node in kept:  # grows while it is gone through
        if tree.feature[node] >= 0:
            kept += [int(tree.left[node]), int(tree.right[node])]
    number = {node: i for i, node in enumerate(kept)}
    inner = tree.feature[kept] >= 0
    left, right = (
        np.array([number.get(int(child), -1) for child in side[kept]])
        for side in (tree.left, tree.right)
    )
    return Tree(
        feature=tree.feature[kept],
        threshold=tree.threshold[kept],
        left=np.where(inner, left, -1),
        right=np.where(inner, right, -1),
        weight=np.where(inner, 0.0, tree.weight[kept]),
    )


def leaf_of(tree: Tree, features: Int16Array) -> Int64Array:
    """Leaf (number of the node) that each row of features ``[m, features]`` falls into."""
    node = np.zeros(len(features), np.int64)
    while True:
        asks = np.flatnonzero(tree.feature[node] >= 0)
        if not len(asks):
            return node
        at = node[asks]
        above = features[asks, tree.feature[at]] > tree.threshold[at]
        node[asks] = np.where(above, tree.right[at], tree.left[at])


def chances(weights: FloatArray, decision: Int64Array) -> FloatArray:
    """Weights of rows as probabilities within their decisions; weights and decision ``[row]``."""
    return np.asarray(weights / _totals(weights, decision))


def _totals(weights: FloatArray, decision: Int64Array) -> FloatArray:
    """Sum of the weights of each row's decision."""
    return np.asarray(np.bincount(decision, weights)[decision], np.float64)


def best(weights: FloatArray, decision: Int64Array) -> FloatArray:
    """1 for the row of the highest weight of each decision, the first among equals; else 0.

    Args:
        weights: ``float64[row]``.
        decision: ``int64[row]`` number of the decision that a row belongs to.
    """
    first = np.searchsorted(decision, np.arange(int(decision[-1]) + 1))
    highest = np.maximum.reduceat(weights, first)[decision] == weights
    rank = np.cumsum(highest)
    before = (rank - highest)[first][decision]
    return np.asarray(highest & (rank - before == 1), np.float64)


def choice(tree: Tree, samples: Samples, *, stochastic: bool) -> FloatArray:
    """Probabilities that the tree takes the rows' actions."""
    weights = tree.weight[leaf_of(tree, samples.features)]
    pick = chances if stochastic else best
    return pick(weights, samples.decision)
