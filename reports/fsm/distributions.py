"""How blue's decisions are split over its actions."""

from __future__ import annotations

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports.kit import palette
from reports.kit.sections import Section, render
from reports.shared import answers


def targeted(analysis: FsmAnalysis) -> Section:
    """Make the section about what is done to hosts of each state."""
    mix = analysis.mix.targeted
    html = render(
        "fsm/distributions.html.j2",
        asks="What does blue do to a host in each state of the attacker?",
        says=answers.leaders(mix, "the host is in"),
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
        says=answers.leaders(mix, "the worst host is in"),
        what="Every decision of a free agent, by the most advanced state among the hosts that it "
        "defends. Here Sleep, Monitor and traffic control count too.",
        mix=mix,
        caption="Shares of blue’s actions by worst state in the agent’s subnets",
        summary="Situational view in numbers",
        colours=palette.ACTIONS,
    )
    return Section("situational", "Situational view", html)
