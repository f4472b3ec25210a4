"""Surrogate trees in words: what they are worth, before what they say."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.analysis.trees.results import (
    BELIEVABLE_FIDELITY,
    BELIEVABLE_GAIN,
    AgentTree,
    Gain,
    Surrogate,
)
from cagexplain.stats.shares import Ratio
from reports.kit.estimates import too_few
from reports.kit.numbers import NBSP, fixed, number, percent


def ratio(ratio: Ratio) -> str:
    """A share with its interval: 93 % (91–95 %); or why there is none."""
    if ratio.value is None:
        return too_few(int(ratio.total))
    return f"{percent(ratio.value)}{_limits(ratio.low, ratio.high)}"


def kept(gain: Gain) -> str:
    """Share of the gain with its interval."""
    if gain.gain is None:
        return "not measured"
    return f"{percent(gain.gain)}{_limits(gain.low, gain.high)}"


def _limits(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return " (no interval)"
    return f" ({fixed(100 * low)}–{fixed(100 * high)}{NBSP}%)"


def overall(result: Surrogate) -> str:
    """What the trees are worth, in a sentence or two."""
    leaves = [tree.leaves for tree in result.agents]
    span = f"{min(leaves)}" if min(leaves) == max(leaves) else f"{min(leaves)} to {max(leaves)}"
    least = _least(result)
    text = (
        f"Trees of {span} leaves choose like the policy in at least "
        f"{percent(least.fidelity.plain.value)} of decisions"
    )
    if result.team.gain is not None:
        text += f", and playing alone keep {kept(result.team)} of its gain over Sleep"
    return f"{text}."


def doubts(result: Surrogate) -> list[str]:
    """Why the rules do not stand for the policy's; empty if they do."""
    return [] if result.believable else list(_doubts(result))


def _doubts(result: Surrogate) -> Iterator[str]:
    for tree in result.agents:
        value = tree.fidelity.plain.value
        if value is None or value < BELIEVABLE_FIDELITY:
            alike = ratio(tree.fidelity.plain)
            yield f"The tree of {tree.agent} chooses like the policy in {alike} of decisions."
    gain = result.team.gain
    if gain is not None and gain < BELIEVABLE_GAIN:
        yield f"Trees for all agents keep {kept(result.team)} of its gain."


def caveats(result: Surrogate) -> Iterator[str]:
    """What limits what the figures say."""
    if result.source == "trace":
        yield (
            "The policy itself was not available: the trees were fitted to recorded decisions "
            "only, and not to the situations that they themselves lead to."
        )
    if result.teacher_return is None or result.sleep_return is None:
        yield (
            "The policy was not played again, so the share of its return that the trees keep is "
            "unknown."
        )
    elif result.team.gain is None:
        yield "The policy gains nothing over Sleep, so the trees have no gain to keep."


def _least(result: Surrogate) -> AgentTree:
    return min(result.agents, key=lambda tree: tree.fidelity.plain.value or 0.0)


def options(result: Surrogate) -> Iterator[tuple[str, str]]:
    """How the trees were made."""
    yield "Teacher", str(result.teacher.get("name", "unnamed"))
    yield "Imitated", "its probabilities" if result.stochastic else "its choices"
    yield "Fitted to", "recorded decisions" if result.source == "trace" else "roll-outs"
    yield "Decisions weighted by", result.importance
    for name, value in result.options.items():
        yield name.replace("_", " ").capitalize(), _option(value)
    yield "Time", f"{number(result.seconds)} s to extract, {result.decision_time:.1f} µs a decision"


def _option(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
