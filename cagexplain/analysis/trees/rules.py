"""The leaves of a tree as rules in words, with what they decide and how often they are right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from cagexplain.analysis.trees.fit import best, choice, leaf_of
from cagexplain.analysis.trees.results import MAIN_CONDITIONS, Rule, RuleCondition, TreeNode
from cagexplain.analysis.trees.samples import Samples
from cagexplain.cc4 import actions
from cagexplain.common.arrays import BoolArray, FloatArray, Int16Array
from cagexplain.policies.trees.named_features import ABSENT, FEATURES, NAMES, STARTS
from cagexplain.policies.trees.tree import Tree

Limits = dict[int, tuple[float, float]]
"""By column: the values that reach a leaf lie above the first and are at most the second."""

_ANY: Final = (-math.inf, math.inf)
_TARGETS: Final = {"host": "targets a host", "link": "targets a link"}
_HOST_KINDS: Final = {int(kind) for kind in actions.HOST_KINDS}
_LINK_KINDS: Final = {int(kind) for kind in actions.TRAFFIC_KINDS}
_PHRASE: Final[Mapping[str, str]] = {
    "Analyse": "Analyse a host",
    "Remove": "Remove on a host",
    "Restore": "Restore a host",
    "DeployDecoy": "Deploy a decoy on a host",
    "AllowTrafficZone": "Allow a link",
    "BlockTrafficZone": "Block a link",
    "Sleep": "Sleep",
    "Monitor": "Monitor",
}


def limits(tree: Tree) -> dict[int, Limits]:
    """What the values of features must be to reach each leaf, by the leaf's node."""
    reach: dict[int, Limits] = {0: {}}
    leaves: dict[int, Limits] = {}
    for node in range(len(tree.feature)):  # children come after their parents
        so_far = reach.pop(node)
        column, threshold = int(tree.feature[node]), float(tree.threshold[node])
        if column < 0:
            leaves[node] = so_far
            continue
        low, high = so_far.get(column, _ANY)
        reach[int(tree.left[node])] = so_far | {column: (low, min(high, threshold))}
        reach[int(tree.right[node])] = so_far | {column: (max(low, threshold), high)}
    return leaves


def rules(tree: Tree, samples: Samples, *, stochastic: bool) -> tuple[Rule, ...]:
    """The leaves, those that decide most often first.

    Args:
        tree: of an agent.
        samples: held-out decisions of that agent.
        stochastic: whether the tree draws its actions.
    """
    leaf = leaf_of(tree, samples.features)
    taken = choice(tree, samples, stochastic=stochastic)
    wanted = samples.teacher if stochastic else best(samples.teacher, samples.decision)
    per_row = samples.weight[samples.decision]
    n = len(tree.feature)
    by_leaf, agreed_by_leaf = (
        np.bincount(leaf, per_row * rows, minlength=n)
        for rows in (taken, np.minimum(taken, wanted))
    )
    pairs = np.unique(leaf * np.int64(samples.decisions) + samples.decision)
    available = np.bincount(pairs // samples.decisions, minlength=n)
    heights = np.unique(tree.weight[tree.feature < 0])[::-1]
    entries = []
    for node, bounds in limits(tree).items():
        kinds = _kinds(bounds)
        conditions = {
            column: condition
            for column, bound in sorted(bounds.items())
            if FEATURES[column].scope != "action"
            and (condition := _condition(column, bound, kinds)) is not None
        }
        rivals = np.isin(samples.action_type, kinds)
        main, covered = _main(
            {column: bounds[column] for column in conditions},
            samples.features[rivals],
            leaf[rivals] == node,
        )
        main_conditions = tuple(conditions[column] for column in main)
        names = tuple(actions.KIND_NAMES[kind] for kind in kinds)
        entries.append(
            Rule(
                actions=names,
                conditions=tuple(conditions.values()),
                main=main_conditions,
                covered=covered,
                weight=float(tree.weight[node]),
                priority=int(np.searchsorted(-heights, -tree.weight[node])) + 1,
                support=float(by_leaf[node] / samples.weight.sum()),
                precision=float(agreed_by_leaf[node] / by_leaf[node]) if by_leaf[node] else None,
                decisions=int(available[node]),
                sentence=_sentence(names, main_conditions),
            )
        )
    return tuple(sorted(entries, key=lambda rule: (-rule.support, -rule.weight)))


def _main(
    bounds: Limits, features: Int16Array, inside: BoolArray
) -> tuple[list[int], float | None]:
    """The conditions that tell a leaf's actions from others best, in the order of their columns.

    One after the other, the condition is taken that leaves fewest others in; what comes from the
    clock or from places in lists goes last. Then those are given up again without which none of
    the others gets in.

    Args:
        bounds: of the leaf, by column.
        features: ``int16[m, features]`` of actions of the types that the leaf is about.
        inside: ``bool[m]`` whether they meet all conditions.

    Returns:
        Columns, and the share of the actions meeting these conditions that meet all; None if no
        action does.
    """
    meets = {
        column: (features[:, column] > low) & (features[:, column] <= high)
        for column, (low, high) in bounds.items()
    }
    outside = ~inside

    def intruders(columns: Iterable[int]) -> int:
        return int(np.logical_and.reduce([outside, *(meets[column] for column in columns)]).sum())

    main: list[int] = []
    for _ in range(min(MAIN_CONDITIONS, len(bounds))):
        rest = [column for column in bounds if column not in main]
        most = min(
            rest, key=lambda c: (intruders([*main, c]) * (1 if FEATURES[c].causal else 2), c)
        )
        if intruders([*main, most]) < intruders(main):
            main.append(most)
    for column in list(main):
        without = [each for each in main if each != column]
        if intruders(without) == intruders(main):
            main = without
    n = int(inside.sum())
    return sorted(main), n / (n + intruders(main)) if n else None


def _kinds(bounds: Limits) -> tuple[int, ...]:
    """Action types that can reach a leaf."""

    def can(kind: int) -> bool:
        for column, (low, high) in bounds.items():
            scope = FEATURES[column].scope
            if scope == "action" and not low < float(column == kind) <= high:
                return False
            has = {"host": kind in _HOST_KINDS, "link": kind in _LINK_KINDS}.get(scope, True)
            if not has and not low < ABSENT <= high:
                return False
            if scope in _TARGETS and has and high < 0:
                return False
        return True

    return tuple(kind for kind in range(actions.N_KINDS) if can(kind))


def _condition(
    column: int, bound: tuple[float, float], kinds: tuple[int, ...]
) -> RuleCondition | None:
    """The limits of one feature in words; None where they say nothing about these actions."""
    feature, (low, high) = FEATURES[column], bound
    owners = {"host": _HOST_KINDS, "link": _LINK_KINDS}.get(feature.scope)
    if owners is not None and not owners & set(kinds):
        return None
    floor = max(low, -0.5)
    at_least = math.floor(floor) + 1 if floor > -0.5 or low >= 0 else None
    at_most = None if math.isinf(high) else math.floor(high)
    if at_least is None and at_most is None:
        return None
    if at_least is not None and at_least <= 0 and at_most is None:
        return None
    return RuleCondition(
        feature.name,
        None if math.isinf(low) else low,
        None if math.isinf(high) else high,
        _words(column, at_least, at_most),
    )


def _words(column: int, at_least: int | None, at_most: int | None) -> str:
    feature = FEATURES[column]
    name = feature.name
    if feature.flag:
        yes = at_least is not None and at_least >= 1
        if name.startswith(("is ", "was ")):
            verb, rest = name.split(" ", 1)
            return f"it {verb} {rest}" if yes else f"it {verb} not {rest}"
        if " is " in name:
            return name if yes else name.replace(" is ", " is not ")
        if " was " in name:
            return name if yes else name.replace(" was ", " was not ")
        if name.startswith("bit "):
            return f"{name} is {int(yes)}"
        if " has " in name:
            return name if yes else name.replace(" has ", " has no ")
        article = "an" if name[0] in "aeiou" else "a"
        return f"{article if yes else 'no'} {name}"
    if name == "mission phase":
        names = {0: "pre-planning", 1: "mission A", 2: "mission B"}
        span = range(at_least or 0, (2 if at_most is None else min(at_most, 2)) + 1)
        return f"in {' or '.join(names[i] for i in span)}"
    if at_least is None or at_least <= 0:
        return f"no {name}" if at_most == 0 and not _counts_steps(name) else f"{name} ≤ {at_most}"
    if at_most is None:
        return f"{name} ≥ {at_least}"
    if at_least == at_most:
        return f"{name} = {at_least}"
    return f"{name} {at_least}–{at_most}"


def _counts_steps(name: str) -> bool:
    return name.startswith(("step", "position"))


def _sentence(kinds: tuple[str, ...], conditions: tuple[RuleCondition, ...]) -> str:
    if not kinds:
        return "No action meets these conditions."
    action = _join([_PHRASE[kind] for kind in kinds])
    when = "; ".join(condition.text for condition in conditions)
    return f"{action}, if {when}." if when else f"{action}."


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def nodes(tree: Tree, samples: Samples, *, stochastic: bool) -> tuple[TreeNode, ...]:
    """The tree for drawing, with the share of decisions taken below every node."""
    taken = choice(tree, samples, stochastic=stochastic)
    n = len(tree.feature)
    per_row = samples.weight[samples.decision]
    support: FloatArray = np.bincount(
        leaf_of(tree, samples.features), taken * per_row, minlength=n
    ).astype(np.float64)
    for node in reversed(range(n)):
        if tree.feature[node] >= 0:
            support[node] = support[tree.left[node]] + support[tree.right[node]]
    drawn = []
    for node in range(n):
        column, share = int(tree.feature[node]), float(support[node] / samples.weight.sum())
        if column < 0:
            weight = float(tree.weight[node])
            drawn.append(TreeNode(None, None, f"weight {weight:.3g}", None, None, weight, share))
            continue
        threshold = float(tree.threshold[node])
        drawn.append(
            TreeNode(
                NAMES[column],
                threshold,
                _question(column, threshold),
                int(tree.left[node]),
                int(tree.right[node]),
                None,
                share,
            )
        )
    return tuple(drawn)


def _question(column: int, threshold: float) -> str:
    """What holds on the way to the right."""
    feature = FEATURES[column]
    if column < STARTS[1]:
        return feature.name
    if threshold < 0:
        return _TARGETS.get(feature.scope, feature.name)
    return _words(column, math.floor(threshold) + 1, None)
