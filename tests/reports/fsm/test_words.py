import dataclasses

import pytest

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.stats.distribution import CategoryShare, Distribution
from reports.fsm.circumstances import agreement
from reports.fsm.distributions import leaders
from reports.fsm.overview_words import findings, losses
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


def headlines(analysis: FsmAnalysis, *mixes: Distribution) -> list[str]:
    by_state = {m.group: m for m in mixes}
    targeted = tuple(by_state.get(m.group, m) for m in analysis.mix.targeted)
    changed = dataclasses.replace(
        analysis, mix=dataclasses.replace(analysis.mix, targeted=targeted)
    )
    return [finding.headline for finding in findings(changed)]


def big(shares: dict[str, tuple[int, float, float]]) -> dict[str, tuple[int, float, float]]:
    """The same shares of so many decisions that the state speaks for its stage."""
    return {name: (n * 100_000, low, high) for name, (n, low, high) in shares.items()}


def test_a_clear_leader_is_named_and_a_tie_is_not(analysis: FsmAnalysis) -> None:
    found = headlines(analysis, mix("RD", **big(CLEAR)), mix("UD", **big(TIED)))
    assert "Where red believes it is root, blue most often chooses Restore" in found
    assert "Where red believes it has a user session, blue has no clear favourite" in found


def test_whether_the_first_choice_depends_on_the_state(analysis: FsmAnalysis) -> None:
    other = {"Analyse": (60, 0.5, 0.7), "Restore": (40, 0.3, 0.45)}
    changing = headlines(analysis, mix("RD", **big(CLEAR)), mix("UD", **big(other)))
    assert "The first choice changes with the attacker’s state" in changing
    constant = headlines(analysis, mix("RD", **big(CLEAR)), mix("UD", **big(CLEAR)))
    assert "Wherever one action clearly leads, it is Restore" in constant


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
