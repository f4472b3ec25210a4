"""Surrogate trees in words: what they are worth, before what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cagexplain.analysis.fsm.analyse import MeanReturn
from cagexplain.analysis.trees.results import (
    BELIEVABLE_FIDELITY,
    BELIEVABLE_LOSS,
    Agreement,
    Rule,
    Surrogate,
    Worth,
)
from cagexplain.stats.shares import Ratio
from reports.kit.estimates import too_few
from reports.kit.numbers import NBSP, fixed, number, percent

_ALL: Final = 0.995
"""Share from which on the main conditions of a rule are as good as all."""


def ratio(share: Ratio | None) -> str:
    """A share with its interval: 93 % (91–95 %); or why there is none."""
    if share is None:
        return "not measured"
    if share.value is None:
        return too_few(int(share.total))
    return f"{percent(share.value)}{_limits(share.low, share.high)}"


def _limits(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return " (no interval)"
    dash = "–" if low >= 0 else " to "
    return f" ({fixed(100 * low)}{dash}{fixed(100 * high)}{NBSP}%)"


def points(lost: MeanReturn) -> str:
    """Points lost, with their interval."""
    text = number(lost.mean)
    if lost.low is None or lost.high is None:
        return f"{text} (no interval)"
    return f"{text} ({number(lost.low)} to {number(lost.high)})"


def beside(agreement: Agreement) -> list[str]:
    """What an agreement is to be held against, line by line."""
    policy = agreement.policy
    lines = [f"blind {percent(agreement.blind.value)}"]
    if policy is None or policy.value is None or policy.value >= _ALL:
        return lines
    return [f"itself {percent(policy.value)}", *lines]


def overall(result: Surrogate) -> str:
    """What the trees are worth, in two sentences."""
    leaves = [tree.leaves for tree in result.agents]
    span = f"{min(leaves)}" if min(leaves) == max(leaves) else f"{min(leaves)} to {max(leaves)}"
    fidelity = result.least.fidelity.balanced.trees
    worth, policy = result.team, result.teacher_return.mean
    return (
        f"Trees of {span} leaves agree with the policy on the likeliest action in at least "
        f"{ratio(fidelity)} of decisions, every type of action counting the same. Playing alone "
        f"they return {number(worth.returns.mean)} where the policy returns {number(policy)}: "
        f"they lose {points(worth.lost)} points per episode{_relative(worth)}. "
        f"A blind cycle of Restores returns {number(result.cycle_return.mean)}."
    )


def _relative(worth: Worth) -> str:
    if worth.relative is None or worth.relative.value is None:
        return ""
    return f", {percent(worth.relative.value)} of what the policy itself loses"


def doubts(result: Surrogate) -> list[str]:
    """Why the rules do not stand for the policy's; empty if they do."""
    return [] if result.believable else list(_doubts(result))


def _doubts(result: Surrogate) -> Iterator[str]:
    for tree in result.agents:
        fidelity = tree.fidelity.balanced.trees
        if fidelity.value is None or fidelity.value < BELIEVABLE_FIDELITY:
            yield (
                f"The tree of {tree.agent} agrees with the policy in {ratio(fidelity)} of "
                "decisions, every type of action counting the same."
            )
    relative = result.team.relative
    if relative is not None and (relative.value or 0.0) > BELIEVABLE_LOSS:
        yield (
            f"Trees for all agents lose {points(result.team.lost)} points more than the policy, "
            f"which is {ratio(relative)} of its own loss."
        )


def caveats(result: Surrogate) -> Iterator[str]:
    """What limits what the figures say."""
    if result.source == "trace":
        yield (
            "The policy itself was not available: the trees were fitted to recorded decisions "
            "only, and not to the situations that they themselves lead to."
        )
    itself = [
        tree.fidelity.taken.policy.value
        for tree in result.agents
        if tree.fidelity.taken.policy is not None and tree.fidelity.taken.policy.value is not None
    ]
    if result.draws and itself:
        yield (
            "The policy draws its actions: asked twice in one situation, it takes the same action "
            f"in {percent(min(itself))} to {percent(max(itself))} of decisions, depending on the "
            f"agent. {_IMITATED[result.stochastic]}"
        )


_IMITATED: Final = {
    False: "The trees take its likeliest action, which may be hardly likelier than the next.",
    True: "The trees draw, too.",
}


def rest(rule: Rule) -> str:
    """What the sentence of a rule leaves out."""
    more = len(rule.conditions) - len(rule.main)
    if not more or rule.covered is None or rule.covered >= _ALL:
        return ""
    return (
        f"and {more} more {'condition' if more == 1 else 'conditions'}, met by "
        f"{percent(rule.covered)} of such actions"
    )


def options(result: Surrogate) -> Iterator[tuple[str, str]]:
    """How the trees were made."""
    yield "Teacher", str(result.teacher.get("name", "unnamed"))
    yield "Imitated", "its probabilities" if result.stochastic else "its likeliest actions"
    yield "Fitted to", "recorded decisions" if result.source == "trace" else "roll-outs"
    yield "Importance of decisions", result.importance
    for name, value in result.options.items():
        yield name.replace("_", " ").capitalize(), _option(value)
    yield "Time", f"{number(result.seconds)} s to extract, {result.decision_time:.1f} µs a decision"


def _option(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
