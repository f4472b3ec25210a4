"""How blue's decisions are split over its actions."""

from __future__ import annotations

from collections.abc import Sequence

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.stats.distribution import Distribution
from reports.kit import palette
from reports.kit.estimates import either
from reports.kit.numbers import number
from reports.kit.sections import Section, render


def targeted(analysis: FsmAnalysis) -> Section:
    """Make the section about what is done to hosts of each state."""
    mix = analysis.mix.targeted
    html = render(
        "fsm/distributions.html.j2",
        asks="What does blue do to a host in each state of the attacker?",
        says=leaders(mix, "the host is in"),
        what="Of the decisions whose target is a host in the state, the share of each action.",
        mix=mix,
        caption="Shares of blue’s actions by state of the targeted host",
        summary="Targeted view in numbers",
        colours=palette.ACTIONS,
    )
    return Section("targeted", "Targeted view", html)


def situational(analysis: FsmAnalysis) -> Section:
    """Make the section about what is done while the worst host is in each state."""
    mix = analysis.mix.situational
    html = render(
        "fsm/distributions.html.j2",
        asks="What does an agent do while the worst of its hosts is in each state?",
        says=leaders(mix, "the worst host is in"),
        what="Every decision of a free agent, by the most advanced state among the hosts that it "
        "defends. Here Sleep, Monitor and traffic control count too.",
        mix=mix,
        caption="Shares of blue’s actions by worst state in the agent’s subnets",
        summary="Situational view in numbers",
        colours=palette.ACTIONS,
    )
    return Section("situational", "Situational view", html)


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
        return _nobody(mixes)
    parts = [f"{name} when {where} {either(states)}" for name, states in states_of.items()]
    visited = sum(mix.total > 0 for mix in mixes)
    open_states = visited - sum(map(len, states_of.values()))
    rest = f"; no clear leader in {open_states} of {visited} states" if open_states else ""
    return f"Blue’s first choice is {'; '.join(parts)}{rest}."


def _nobody(mixes: Sequence[Distribution]) -> str:
    """No action clearly leads: perhaps only because there are so few episodes."""
    chosen = {share.name for mix in mixes for share in mix.shares if share.count}
    if len(chosen) == 1:
        most = max(mix.episodes for mix in mixes)
        return (
            f"Blue chose {chosen.pop()} each time; {number(most)} episode{'s' * (most != 1)} are "
            "too few to exclude that other actions are as frequent."
        )
    return "No action clearly leads in any state."
