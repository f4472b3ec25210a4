"""Fitting a tree that weighs actions to what a teacher would do.

A tree policy takes action a with probability w(a) / Z, where Z is the sum of the weights of all
valid actions of the decision. Its splits come from scikit-learn's regression tree, grown best leaf
first, on sqrt(p Z): squared errors of square roots are Hellinger's distance, which treats likely
and unlikely actions fairly, and Z, which depends on the tree itself, is taken from the tree before
(three rounds settle it; a teacher that never draws needs none). The weights of the leaves then
maximise the likelihood of the teacher's choices by iterative scaling: the model is a conditional
logit with one parameter per leaf (McFadden 1974; Darroch and Ratcliff 1972).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeRegressor

from cagexplain.analysis.trees.samples import Samples
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.policies.trees.tree import Tree

_ROUNDS: Final = 3
_SCALINGS: Final = 60
_MIN_ROWS: Final = 5
"""Actions in a leaf, at least."""
_FLOOR: Final = 1e-9
"""Share of a decision's weight that an action never taken keeps, so that no weight is 0."""
_TINY: Final = 1e-300
_NO_LOSS: Final = 2e-5
"""Fidelity that a question may lose and still count as one that makes no difference."""
_WIDEST: Final = 25.0
"""Bound of the logarithms of weights, downwards from the largest."""


class Growth:
    """Trees of all sizes up to a largest, each the one before it with one more question.

    Args:
        samples: of one agent.
        leaves: of the largest tree, at most.
        stochastic: whether the tree is to draw its actions.
        decision_weight: ``float64[d]``; all the same by default.
    """

    def __init__(
        self,
        samples: Samples,
        leaves: int,
        *,
        stochastic: bool,
        decision_weight: FloatArray | None = None,
    ) -> None:
        weight = np.ones(samples.decisions) if decision_weight is None else decision_weight
        self._samples = samples
        self._per_row = (weight / weight.mean())[samples.decision]
        # Constants only cost time.
        self._columns = np.flatnonzero(np.ptp(samples.features, axis=0) > 0)
        features = samples.features[:, self._columns]
        first = np.searchsorted(samples.decision, np.arange(samples.decisions))
        # To begin with, the likeliest action of every decision has the weight 1.
        total = 1 / np.maximum.reduceat(samples.teacher, first)[samples.decision]
        for _ in range(_ROUNDS if stochastic else 1):
            grown = DecisionTreeRegressor(
                max_leaf_nodes=max(leaves, 2), min_samples_leaf=_MIN_ROWS, random_state=0
            ).fit(features, np.sqrt(samples.teacher * total), sample_weight=self._per_row / total)
            leaf = grown.apply(features)
            weights = _leaf_weights(leaf, grown.tree_.node_count, samples, self._per_row)
            total = _totals(weights[leaf], samples.decision)
        self._grown: Any = grown.tree_
        self._stochastic = stochastic
        self._leaf = leaf

    def tree(self, leaves: int) -> Tree:
        """The tree with so many leaves (or all there are), weights fitted to it."""
        left, right = self._grown.children_left, self._grown.children_right
        # Best first: every question adds two nodes, so the first 2 k - 1 make the tree of k leaves.
        n = min(2 * leaves - 1, self._grown.node_count)
        is_leaf = (left[:n] < 0) | (left[:n] >= n)
        parent = np.arange(self._grown.node_count)
        inner = np.flatnonzero(left >= 0)
        parent[left[inner]] = parent[right[inner]] = inner
        leaf = self._leaf
        while (leaf >= n).any():
            leaf = np.where(leaf >= n, parent[leaf], leaf)
        weights = _leaf_weights(leaf, n, self._samples, self._per_row)
        total = float(np.bincount(self._samples.decision, weights[leaf]).mean())
        column = self._columns[np.maximum(self._grown.feature[:n], 0)]
        whole = Tree(
            feature=np.where(is_leaf, -1, column).astype(np.int64),
            threshold=np.where(is_leaf, 0.0, self._grown.threshold[:n]),
            left=np.where(is_leaf, -1, left[:n]).astype(np.int64),
            right=np.where(is_leaf, -1, right[:n]).astype(np.int64),
            # In per cent of an average decision's total.
            weight=np.where(is_leaf, 100 * np.maximum(weights / total, 1e-12), 0.0),
        )
        return self._simplified(whole, leaf)

    def _simplified(self, tree: Tree, leaf: Int64Array) -> Tree:
        """Without questions whose answer makes no difference to what is chosen."""
        feature, weight, leaf = tree.feature.copy(), tree.weight.copy(), leaf.copy()
        for node in reversed(range(len(feature))):
            left, right = int(tree.left[node]), int(tree.right[node])
            if feature[node] < 0 or feature[left] >= 0 or feature[right] >= 0:
                continue
            below = (leaf == left) | (leaf == right)
            merged = math.sqrt(weight[left] * weight[right])
            if self._loss(weight[leaf], below, merged) <= _NO_LOSS * self._samples.decisions:
                feature[node], weight[node] = -1, merged
                leaf[below] = node
        return _without_orphans(tree, feature, weight)

    def _loss(self, weights: FloatArray, rows: npt.NDArray[np.bool_], merged: float) -> float:
        """Overlap with the teacher, summed over decisions, lost if `rows` got another weight."""
        samples = self._samples
        affected = np.zeros(samples.decisions, np.bool_)
        affected[samples.decision[rows]] = True
        kept = affected[samples.decision]
        number = (np.cumsum(affected) - 1)[samples.decision[kept]]
        if not len(number):
            return 0.0
        pick = chances if self._stochastic else best
        before, after = (
            np.minimum(pick(w[kept], number), samples.teacher[kept]).sum()
            for w in (weights, np.where(rows, merged, weights))
        )
        return float(before - after)


def _leaf_weights(
    leaf: Int64Array, nodes: int, samples: Samples, per_row: FloatArray
) -> FloatArray:
    """Weights by node (1 where nothing fell), most likely under the teacher's choices."""
    wanted = np.bincount(leaf, samples.teacher * per_row, minlength=nodes)
    wanted += _FLOOR * wanted.sum()
    filled = np.bincount(leaf, minlength=nodes) > 0
    log_weights = np.zeros(nodes)
    for _ in range(_SCALINGS):
        given = chances(np.exp(log_weights)[leaf], samples.decision)
        log_weights += np.log(
            wanted / (np.bincount(leaf, given * per_row, minlength=nodes) + _TINY)
        )
        # A teacher without doubt has no likeliest weights: they would grow for ever.
        log_weights = np.maximum(log_weights - log_weights[filled].max(), -_WIDEST)
        log_weights[~filled] = 0.0
    return np.asarray(np.exp(log_weights))


def _without_orphans(tree: Tree, feature: Int64Array, weight: FloatArray) -> Tree:
    """The tree with some questions turned into leaves, and without what was below them."""
    kept = [0]
    for node in kept:  # grows while it is gone through
        if feature[node] >= 0:
            kept += [int(tree.left[node]), int(tree.right[node])]
    number = {node: i for i, node in enumerate(kept)}
    inner = feature[kept] >= 0
    left, right = (
        np.array([number.get(int(child), -1) for child in side[kept]])
        for side in (tree.left, tree.right)
    )
    return Tree(
        feature=feature[kept],
        threshold=np.where(inner, tree.threshold[kept], 0.0),
        left=np.where(inner, left, -1),
        right=np.where(inner, right, -1),
        weight=np.where(inner, 0.0, weight[kept]),
    )


def leaf_of(tree: Tree, features: npt.NDArray[np.float32]) -> Int64Array:
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
