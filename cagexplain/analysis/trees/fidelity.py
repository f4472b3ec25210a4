"""How alike a tree and its teacher choose."""

from __future__ import annotations

import numpy as np

from cagexplain.analysis.trees.fit import best, chances, choice
from cagexplain.analysis.trees.results import Fidelity
from cagexplain.analysis.trees.samples import Samples
from cagexplain.cc4 import actions
from cagexplain.common.arrays import FloatArray
from cagexplain.policies.trees.named_features import NAMES
from cagexplain.policies.trees.tree import Tree
from cagexplain.stats.shares import ratios


def overlap(tree: Tree, samples: Samples, *, stochastic: bool) -> float:
    """How far a tree chooses like its teacher, on average over decisions."""
    taken = choice(tree, samples, stochastic=stochastic)
    return float(np.minimum(taken, samples.teacher).sum() / samples.decisions)


def features(tree: Tree) -> tuple[str, ...]:
    """Features by the number of questions about them."""
    columns, times = np.unique(tree.feature[tree.feature >= 0], return_counts=True)
    return tuple(NAMES[columns[i]] for i in np.argsort(-times, kind="stable"))


def fidelity(tree: Tree, training: Samples, unseen: Samples, *, stochastic: bool) -> Fidelity:
    """How far a tree chooses like its teacher.

    Args:
        tree: of an agent.
        training: decisions that it was fitted to; the baseline is fitted to them too.
        unseen: decisions to judge it on.
        stochastic: whether it draws its actions.
    """
    taken = choice(tree, unseen, stochastic=stochastic)
    constant = _constant(training, unseen, stochastic=stochastic)
    d = unseen.decisions
    alike, base = (
        np.asarray(np.bincount(unseen.decision, np.minimum(p, unseen.teacher)), np.float64)
        for p in (taken, constant)
    )
    alerted = unseen.alerted.astype(np.float64)
    episodes, of = np.unique(unseen.episode, return_inverse=True)

    def by_episode(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(of, values, minlength=len(episodes)))

    pairs = (
        (alike, np.ones(d)),
        (alike * unseen.importance, unseen.importance),
        (_by_type(taken, unseen), np.ones(d)),
        (alike * alerted, alerted),
        (base, np.ones(d)),
    )
    plain, weighted, types, when_alerted, baseline = ratios(
        *(np.column_stack([by_episode(pair[i]) for pair in pairs]) for i in range(2)),
        bounds=(0.0, 1.0),
    )
    skill = None
    if plain.value is not None and baseline.value is not None and baseline.value < 1:
        skill = (plain.value - baseline.value) / (1 - baseline.value)
    return Fidelity(plain, weighted, types, when_alerted, baseline, skill)


def _constant(training: Samples, unseen: Samples, *, stochastic: bool) -> FloatArray:
    """Choices of a policy that looks at nothing: each action as likely as it is on average."""
    n = int(max(training.action.max(), unseen.action.max())) + 1
    taken = np.bincount(training.action, training.teacher, minlength=n)
    chance = np.asarray(
        taken / np.maximum(np.bincount(training.action, minlength=n), 1), np.float64
    )
    pick = chances if stochastic else best
    return pick(chance[unseen.action] + 1e-12, unseen.decision)


def _by_type(taken: FloatArray, samples: Samples) -> FloatArray:
    """Overlap per decision of the distributions over action types."""
    kind = samples.features[:, : actions.N_KINDS].argmax(axis=1)
    cell = samples.decision * actions.N_KINDS + kind
    size = samples.decisions * actions.N_KINDS
    tables = [np.bincount(cell, x, minlength=size) for x in (taken, samples.teacher)]
    return np.asarray(np.minimum(*tables).reshape(samples.decisions, -1).sum(axis=1))
