import dataclasses

import pytest

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.stats.distribution import CategoryShare, Distribution
from reports.fsm.circumstances import agreement
from reports.fsm.distributions import leaders
from reports.fsm.overview_words import answer, effort_of, findings, losses
from reports.kit import numbers, palette


def mix(state: str, **shares: tuple[int, float, float]) -> Distribution:
    total = sum(n for n, _, _ in shares.values())
    return Distribution(
        state,
        total,
        9,
        tuple(
            CategoryShare(name, n, n / total, low, high) for name, (n, low, high) in shares.items()
        ),
    )


CLEAR = {"Restore": (60, 0.5, 0.7), "Analyse": (40, 0.3, 0.45)}
TIED = {"Restore": (55, 0.4, 0.7), "Analyse": (45, 0.3, 0.6)}


def said(analysis: FsmAnalysis, **of_agents: Distribution) -> dict[str, str]:
    """Findings by headline if these are all that agents do to hosts: a mix by number of the agent,
    such as ``agent_0``."""
    nothing = tuple(
        dataclasses.replace(
            m, total=0, shares=tuple(dataclasses.replace(s, count=0) for s in m.shares)
        )
        for m in analysis.mix.targeted
    )

    def instead(*mixes: Distribution) -> tuple[Distribution, ...]:
        by_state = {m.group: m for m in mixes}
        return tuple(by_state.get(m.group, m) for m in nothing)

    by_agent = {
        name: dataclasses.replace(
            old, targeted=instead(*[m for key, m in of_agents.items() if name.endswith(key)])
        )
        for name, old in analysis.mix_by_agent.items()
    }
    team = dataclasses.replace(analysis.mix, targeted=instead(*of_agents.values()))
    changed = dataclasses.replace(analysis, mix=team, mix_by_agent=by_agent)
    return {finding.headline: finding.detail for finding in findings(changed)}


def test_agents_are_told_apart_before_they_are_pooled(analysis: FsmAnalysis) -> None:
    """The team may most often do what only one agent does."""
    other = {"Analyse": (90, 0.85, 0.95), "Restore": (10, 0.05, 0.15)}
    told = said(analysis, agent_0=mix("RD", **CLEAR), agent_3=mix("RD", **other))
    detail = told["Where red believes it is root, the agents differ"].replace("\u00a0", " ")
    assert detail == (
        "Blue agent 0: Restore (60 %); blue agent 3: Analyse (90 %); "
        "blue agents 1, 2 and 4: never acts on one."
    )


def test_a_clear_leader_is_named_and_a_tie_is_not(analysis: FsmAnalysis) -> None:
    told = said(analysis, agent_0=mix("RD", **CLEAR), agent_1=mix("RD", **CLEAR))
    headline = "Where red believes it is root, every agent that acts there most often chooses"
    assert f"{headline} Restore" in told
    tied = said(analysis, agent_0=mix("UD", **TIED))
    assert "Where red believes it has a user session, no agent has a clear favourite" in tied


def test_what_most_agents_do_is_not_said_of_all(analysis: FsmAnalysis) -> None:
    text = answer(analysis)
    tops = {effort_of(mix.situational) for mix in analysis.mix_by_agent.values()}
    assert ("the agents differ" in text) == (len(tops) > 1)


def test_findings_quote_the_analysis(analysis: FsmAnalysis) -> None:
    text = " ".join(f"{f.headline} {f.detail}" for f in [*losses(analysis), *findings(analysis)])
    restores = next(t for t in analysis.target_truth if t.group == "Restore")
    assert numbers.number(analysis.returns.total.mean) in text
    assert f"{numbers.number(restores.shares[0].count)} of {numbers.number(restores.total)}" in text
    clean = analysis.soc.metric("clean_hosts").value
    assert clean is not None and 0 < clean < 1
    assert f"free of red {numbers.percent(clean)} of the time" in text


@pytest.mark.parametrize(("colour", "text"), [("#FFFFFF", "#000000"), ("#0072B2", "#FFFFFF")])
def test_contrast(colour: str, text: str) -> None:
    assert palette.contrast(colour) == text


ALWAYS = {"Sleep": (90, 0.48, 1.0), "Restore": (0, 0.0, 0.52)}


def test_a_policy_that_always_does_the_same_is_not_called_undecided() -> None:
    said = leaders([mix("K", **ALWAYS), mix("U", **ALWAYS)], "the host is in")
    assert said.startswith("Blue chose Sleep each time; 9 episodes are too few")
    mixed = leaders([mix("K", **TIED)], "the host is in")
    assert mixed == "No action clearly leads in any state."


def test_leaders_are_named_with_their_states() -> None:
    said = leaders([mix("K", **CLEAR), mix("U", **CLEAR), mix("R", **TIED)], "it is in")
    assert said == (
        "Blue’s first choice is Restore when it is in K or U; no clear leader in 1 of 3 states."
    )


def test_agreement_of_parts() -> None:
    other = {"Analyse": (60, 0.5, 0.7), "Restore": (40, 0.3, 0.45)}
    same, different = [[mix("K", **CLEAR)]] * 2, [[mix("K", **CLEAR)], [mix("K", **other)]]
    open_ = [[mix("K", **CLEAR)], [mix("K", **TIED)]]
    said = agreement({"agents": same, "phases": different, "hosts": open_})
    assert "the agents agree in 1; the phases differ in 1 of 1" in said
    assert said.endswith("No state has a clear first choice in two or more hosts.")
