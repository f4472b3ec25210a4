"""How alike a tree and its teacher choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from cagexplain.analysis.trees.fit import best, chances, choice
from cagexplain.analysis.trees.results import LEAST_DECISIONS, Agreement, Fidelity, Recall
from cagexplain.analysis.trees.samples import Samples
from cagexplain.cc4 import actions
from cagexplain.common.arrays import BoolArray, FloatArray, Int64Array
from cagexplain.policies.trees.named_features import NAMES
from cagexplain.policies.trees.tree import Tree
from cagexplain.stats.shares import Ratio, ratios

_TINY: Final = 1e-12


def features(tree: Tree) -> tuple[str, ...]:
    """Features by the number of questions about them."""
    columns, times = np.unique(tree.feature[tree.feature >= 0], return_counts=True)
    return tuple(NAMES[columns[i]] for i in np.argsort(-times, kind="stable"))


def balanced(tree: Tree, samples: Samples, least: int = LEAST_DECISIONS) -> float | None:
    """The headline of `Fidelity`, of a tree on decisions that the teacher has labelled.

    Args:
        tree: of an agent.
        samples: the decisions.
        least: of a type of action, so that it counts.
    """
    return _Judged(samples).balanced(choice(tree, samples, stochastic=False), least).value


def overlap(tree: Tree, samples: Samples) -> float:
    """Overlap of the probabilities of a tree that draws with its teacher's."""
    taken = choice(tree, samples, stochastic=True)
    shared = np.minimum(taken, samples.teacher) * samples.weight[samples.decision]
    return float(shared.sum() / samples.weight.sum())


def fidelity(
    tree: Tree, training: Samples, unseen: Samples, *, stochastic: bool, recorded: bool = False
) -> Fidelity:
    """How far a tree chooses like its teacher.

    Args:
        tree: of an agent.
        training: decisions that it was fitted to; the tree that looks at nothing is fitted to them.
        unseen: decisions to judge it on.
        stochastic: whether it draws its actions.
        recorded: whether nothing is known of the teacher but the actions that it took.
    """
    judged = _Judged(unseen)
    taken = choice(tree, unseen, stochastic=stochastic)
    constant = _constant(training, unseen, stochastic=stochastic)
    of_tree, of_policy, of_blind = (
        best(p, unseen.decision) for p in (taken, unseen.teacher, constant)
    )
    every = np.ones(unseen.decisions, np.bool_)

    def agreement(hits: Callable[[FloatArray], FloatArray], *policies: FloatArray) -> Agreement:
        return agreed(lambda p: judged.share(hits(p), every), *policies)

    def agreed(share: Callable[[FloatArray], Ratio], *policies: FloatArray) -> Agreement:
        trees, policy, blind = policies
        return Agreement(share(trees), None if recorded else share(policy), share(blind))

    likeliest = of_tree, of_policy, of_blind
    played = taken, unseen.teacher, constant
    return Fidelity(
        balanced=agreed(judged.balanced, *likeliest),
        recalls=judged.recalls(of_tree),
        likeliest=agreement(lambda p: judged.same(p, of_policy, judged.exact), *likeliest),
        likeliest_alike=agreement(lambda p: judged.same(p, of_policy, judged.alike), *likeliest),
        taken=agreement(lambda p: judged.same(p, unseen.teacher, judged.exact), *played),
        taken_alike=agreement(lambda p: judged.same(p, unseen.teacher, judged.alike), *played),
        overlap=agreement(lambda p: judged.total(np.minimum(p, unseen.teacher)), *played),
        alerted=agreed(
            lambda p: judged.share(judged.same(p, of_policy, judged.alike), unseen.alerted),
            *likeliest,
        ),
    )


class _Judged:
    """Shares of held-out decisions, with the episode as the unit of sampling.

    Attributes:
        exact, alike: ``int64[m]`` classes of the rows within their decisions: each action by
            itself, and those that differ by hosts that cannot be told apart as one.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.exact, self.alike = samples.action, samples.alike
        self._type = samples.action_type
        self._teacher = best(samples.teacher, samples.decision)
        self._wanted = self._type[self._teacher > 0]
        episodes, self._episode = np.unique(samples.episode, return_inverse=True)
        self._episodes = len(episodes)

    def total(self, rows: FloatArray) -> FloatArray:
        """Sums over the rows of each decision: ``float64[d]``."""
        return np.asarray(np.bincount(self._samples.decision, rows), np.float64)

    def same(self, p: FloatArray, q: FloatArray, of: Int64Array) -> FloatArray:
        """Probability that two that draw by themselves agree on the class: ``float64[d]``.

        Args:
            p, q: ``float64[m]`` their probabilities within each decision.
            of: ``int64[m]`` classes.
        """
        cells, cell = np.unique(self._samples.decision * (of.max() + 1) + of, return_inverse=True)
        both = np.bincount(cell, p) * np.bincount(cell, q)
        return np.asarray(np.bincount(cells // (of.max() + 1), both), np.float64)

    def share(self, hits: FloatArray, among: BoolArray, weight: FloatArray | None = None) -> Ratio:
        """Share of the decisions ``bool[d]`` that are hits ``float64[d]``, each standing for
        what it was drawn for, or weighted otherwise."""
        each = (self._samples.weight if weight is None else weight) * among
        above, below = (
            np.bincount(self._episode, values, minlength=self._episodes)[:, None]
            for values in (hits * each, each)
        )
        (ratio,) = ratios(above, below, bounds=(0.0, 1.0))
        return ratio

    def balanced(self, chosen: FloatArray, least: int = LEAST_DECISIONS) -> Ratio:
        """Mean over the policy's types of the share of decisions in which a policy has the same
        likeliest action, up to hosts that cannot be told apart.

        Every type weighs the same; its weight is taken as known, which makes the interval rather
        too wide than too narrow.

        Args:
            chosen: ``float64[m]`` 1 for the likeliest action of each decision.
            least: decisions of a type, so that it counts.
        """
        counts = np.bincount(self._wanted, minlength=actions.N_KINDS)
        judged = (counts >= least)[self._wanted]
        weight = 1 / np.maximum(counts, 1)[self._wanted]
        return self.share(self.same(chosen, self._teacher, self.alike), judged, weight)

    def recalls(self, chosen: FloatArray) -> tuple[Recall, ...]:
        """How often each type of action is met, in the order of the types."""
        exact, alike, of_type = (
            self.same(chosen, self._teacher, of) for of in (self.exact, self.alike, self._type)
        )
        return tuple(
            Recall(
                actions.KIND_NAMES[kind],
                int(there.sum()),
                *(self.share(hits, there) for hits in (exact, alike, of_type)),
            )
            for kind in np.unique(self._wanted)
            for there in [self._wanted == kind]
        )


def _constant(training: Samples, unseen: Samples, *, stochastic: bool) -> FloatArray:
    """Choices of a policy that looks at nothing: each action as likely as it is on average."""
    n = int(max(training.action.max(), unseen.action.max())) + 1
    wanted = training.teacher if stochastic else best(training.teacher, training.decision)
    weight = training.weight[training.decision]
    taken = np.bincount(training.action, wanted * weight, minlength=n)
    valid = np.bincount(training.action, weight, minlength=n)
    pick = chances if stochastic else best
    return pick((taken / np.maximum(valid, 1))[unseen.action] + _TINY, unseen.decision)
