"""One sentence per section: what this policy's answer is."""

from __future__ import annotations

from collections.abc import Sequence

from cagexplain.analysis.distributions import Distribution
from cagexplain.analysis.fsm import Belief, FsmAnalysis, RedAction
from reports.words import number, percent


def leaders(mixes: Sequence[Distribution], where: str) -> str:
    """Which action leads in which states, clear leads only.

    Args:
        mixes: by state.
        where: completes "when ...", as in "the host is".
    """
    states_of: dict[str, list[str]] = {}
    for mix in mixes:
        if mix.clear and mix.top is not None:
            states_of.setdefault(mix.top.name, []).append(mix.group)
    if not any(mix.total for mix in mixes):
        return "Blue made no such decision."
    if not states_of:
        return "No action clearly leads in any state."
    parts = [f"{name} when {where} {_listed(states)}" for name, states in states_of.items()]
    seen = sum(mix.total > 0 for mix in mixes)
    open_states = seen - sum(map(len, states_of.values()))
    rest = f"; no clear leader in {open_states} of {seen} states" if open_states else ""
    return f"Blue’s first choice is {'; '.join(parts)}{rest}."


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def machine(analysis: FsmAnalysis) -> str:
    """Where hosts spend their time and how often red loses what it has."""
    longest = max(analysis.graph.states, key=lambda node: node.host_steps)
    lost = sum(edge.count for edge in analysis.graph.transitions if edge.kind == "blue")
    episodes = len(analysis.facts.seeds)
    return (
        f"Hosts spend most of their time ({percent(longest.time)}) in {longest.state}; red loses "
        f"its last session on a host {number(lost)} times, {lost / episodes:.1f} times per episode."
    )


def truth(beliefs: Sequence[Belief]) -> str:
    """How much of the time red's state is not what is true."""
    judged = [belief for belief in beliefs if belief.wrong is not None]
    total = sum(belief.levels.total for belief in judged)
    if not total:
        return "No host spent any time in a state that stands for something."
    wrong = sum((belief.wrong or 0.0) * belief.levels.total for belief in judged) / total
    worst = max(judged, key=lambda belief: (belief.wrong or 0.0) * belief.levels.total)
    if not wrong:
        return "Red’s state is always what is true."
    return (
        f"In {percent(wrong)} of host-time red’s state is not what is true; most of that in "
        f"{worst.levels.group}, where red is wrong {percent(worst.wrong)} of the time."
    )


def red(actions: Sequence[RedAction]) -> str:
    """What red tried most and what became of its break-ins."""
    most = max(actions, key=lambda action: action.started)
    if not most.started:
        return "Red did nothing."
    exploit = next(action for action in actions if action.name == "ExploitRemoteService")
    success = exploit.results.shares[0].share
    tail = "" if success is None else f" {percent(success)} of its break-ins succeeded."
    return f"Red’s most frequent action is {most.name}, {number(most.started)} times.{tail}"
