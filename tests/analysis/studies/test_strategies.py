"""What the sentences about policies become, on runs with planted behaviour."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cagexplain.analysis.studies.explained_run import ALLOWED, MASKED, ExplainedRun
from cagexplain.analysis.studies.learning import Verdict
from cagexplain.analysis.studies.strategies import Sentence, StrategiesResult, analyse_strategies
from tests.support.fabricated import (
    EARLY,
    LATE,
    MILD_THEN_HARD,
    Shares,
    conduct,
    explained,
    nudged,
    policies,
    study,
)

SUPPORTED, CONTRADICTED, INCONCLUSIVE = (
    *(Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE),
)
HARD_THEN_MILD: Shares = {
    **dict.fromkeys(EARLY, MILD_THEN_HARD["RD"]),
    **dict.fromkeys(LATE, MILD_THEN_HARD["K"]),
}
OTHER: Shares = {state: {"Analyse": 0.1, "DeployDecoy": 0.9} for state in (*EARLY, *LATE)}
IPPO = {
    **{"algorithm": "ippo", "critic": "own", "messages": "none"},
    **{"reward": "global", "intrinsic": "none", "clip": 0.1},
}
MAPPO = IPPO | {"algorithm": "mappo", "critic": "central"}


def some(shares: Shares, n: int = 3, spread: float = 0.02, **more: Any) -> list[ExplainedRun]:
    """Runs that differ a little."""
    return [explained(conduct(nudged(shares, spread * seed), **more)) for seed in range(n)]


def analysed(
    folder: Path,
    runs: Mapping[str, Sequence[ExplainedRun]],
    configs: Mapping[str, Mapping[str, Any]] | None = None,
) -> StrategiesResult:
    found = analyse_strategies(policies(folder, runs, configs))
    assert found is not None
    return found


def sentence(result: StrategiesResult, begins: str, condition: int = 0) -> Sentence:
    (found,) = (s for s in result.conditions[condition].sentences if s.text.startswith(begins))
    return found


def verdict(result: StrategiesResult, begins: str, condition: int = 0) -> Verdict:
    return sentence(result, begins, condition).verdict


@pytest.mark.parametrize(
    ("shares", "n", "spread", "expected"),
    [
        (MILD_THEN_HARD, 3, 0.02, SUPPORTED),
        (HARD_THEN_MILD, 3, 0.02, CONTRADICTED),
        (MILD_THEN_HARD, 1, 0.0, INCONCLUSIVE),
        (MILD_THEN_HARD, 2, 0.2, INCONCLUSIVE),
        (MILD_THEN_HARD, 3, 0.27, INCONCLUSIVE),
    ],
    ids=["as the paper says", "the reverse", "one run", "two runs", "large spread"],
)
def test_harder_actions_where_red_has_a_shell(
    tmp_path: Path, shares: Shares, n: int, spread: float, expected: Verdict
) -> None:
    result = analysed(tmp_path, {"a": some(shares, n, spread)})
    assert verdict(result, "Blue takes harder actions") is expected


def test_numbers_by_hand(tmp_path: Path) -> None:
    """Shares of Remove and Restore: 0.7 late and 0.1 early, less and more what is moved."""
    result = analysed(tmp_path, {"a": some(MILD_THEN_HARD, 3, 0.1)})
    (claim,) = sentence(result, "Blue takes harder actions").claims
    # The most chosen action of each state loses 0, 0.1, 0.2 to the least chosen one: Restore to
    # Remove late, which both are hard; Analyse to Remove early.
    assert claim.value == pytest.approx(0.5)
    assert claim.low is not None and claim.high is not None
    half = 4.3026527 * 0.1 / 3**0.5  # t of a table, two degrees of freedom
    assert (claim.low, claim.high) == pytest.approx((0.5 - half, 0.5 + half))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.3, SUPPORTED), (0.0, CONTRADICTED), (0.1, INCONCLUSIVE)]
)
def test_analyse_in_rd(tmp_path: Path, share: float, expected: Verdict) -> None:
    runs = [
        explained(conduct({"RD": {"Analyse": share + much, "Restore": 1 - share - much}}))
        for much in (0.0, 0.01, 0.02)
    ]
    assert verdict(analysed(tmp_path, {"a": runs}), "Analyse is still") is expected


def test_runs_with_too_few_decisions_have_no_say_and_are_told(tmp_path: Path) -> None:
    few: Shares = {"K": MILD_THEN_HARD["K"], "RD": {"Analyse": 0.04}}  # 40 decisions in RD
    runs = [*some(MILD_THEN_HARD, 2), explained(conduct(few))]
    (claim,) = sentence(analysed(tmp_path, {"a": runs}), "Analyse is still").claims
    assert claim.about == "a: Analyse in RD (2 of 3 runs have enough decisions)"
    assert claim.value == pytest.approx(0.3)


def test_one_method_against_it_is_enough(tmp_path: Path) -> None:
    result = analysed(
        tmp_path, {"a": some(MILD_THEN_HARD), "b": some(MILD_THEN_HARD), "c": some(HARD_THEN_MILD)}
    )
    found = sentence(result, "Blue takes harder actions")
    assert found.verdict is CONTRADICTED
    assert [c.verdict for c in found.claims] == [SUPPORTED, SUPPORTED, CONTRADICTED]


def test_contradictions_are_corrected_for_the_number_of_claims(tmp_path: Path) -> None:
    """A difference that would contradict the sentence about one method is not enough among ten."""
    shares: Shares = {**HARD_THEN_MILD, **dict.fromkeys(EARLY, MILD_THEN_HARD["K"])}
    odd = [
        explained(conduct({**shares, "K": {"Analyse": 0.9 - m, "Remove": 0.1 + m}}))
        for m in (0.2, 0.4, 0.6)
    ]
    alone = analysed(tmp_path / "alone", {"odd": odd})
    (claim,) = sentence(alone, "Blue takes harder actions").claims
    assert claim.high is not None and claim.high < 0.05
    assert claim.verdict is CONTRADICTED
    many = {f"m{n}": some(MILD_THEN_HARD) for n in range(9)}
    among = sentence(analysed(tmp_path / "among", {**many, "odd": odd}), "Blue takes harder")
    assert among.claims[-1].high == claim.high
    assert (among.claims[-1].verdict, among.verdict) == (INCONCLUSIVE, INCONCLUSIVE)


@pytest.mark.parametrize(("strength", "expected"), [(0.02, SUPPORTED), (0.4, CONTRADICTED)])
def test_tables_of_reactions(tmp_path: Path, strength: float, expected: Verdict) -> None:
    runs = [explained(conduct(MILD_THEN_HARD, strength=strength + d)) for d in (0, 0.01, 0.02)]
    result = analysed(tmp_path, {"a": runs})
    assert verdict(result, "Blue’s actions show no meaningful") is expected
    assert result.conditions[0].methods[0].strengths == {
        "after red": pytest.approx([strength, strength + 0.01, strength + 0.02])
    }


@pytest.mark.parametrize(
    ("consistency", "expected"), [(0.05, SUPPORTED), (0.6, CONTRADICTED), (None, INCONCLUSIVE)]
)
def test_own_tests_of_reactions(
    tmp_path: Path, consistency: float | None, expected: Verdict
) -> None:
    result = analysed(tmp_path, {"a": some(MILD_THEN_HARD, consistency=consistency)})
    assert verdict(result, "Blue has no consistent reactions") is expected
    assert result.conditions[0].methods[0].verdicts == {"no": 3}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"messages": "2bit"}, "kinds of messages"),
        ({"reward": "hybrid"}, "rewards"),
        ({"intrinsic": "ngu"}, "rewards"),
    ],
)
def test_a_change_of_patterns_is_found(
    tmp_path: Path, setting: Mapping[str, str], words: str
) -> None:
    configs = {"ippo": IPPO, "b": IPPO | setting}
    text = f"Policy patterns remain unchanged across {words}"
    alike = {"ippo": some(MILD_THEN_HARD), "b": some(MILD_THEN_HARD, spread=0.03)}
    assert verdict(analysed(tmp_path / "alike", alike, configs), text) is SUPPORTED
    unlike = {"ippo": some(MILD_THEN_HARD), "b": some(OTHER)}
    assert verdict(analysed(tmp_path / "unlike", unlike, configs), text) is CONTRADICTED
    two = {"ippo": some(MILD_THEN_HARD), "b": some(OTHER, 2)}
    found = sentence(analysed(tmp_path / "two", two, configs), text)
    assert found.verdict is INCONCLUSIVE
    assert found.claims[0].value is not None and found.claims[0].low is None
    one = {"ippo": some(MILD_THEN_HARD), "b": some(OTHER, 1)}
    (claim,) = sentence(analysed(tmp_path / "one", one, configs), text).claims
    assert (claim.value, claim.verdict) == (None, INCONCLUSIVE)


def test_patterns_without_a_common_state_cannot_be_compared(tmp_path: Path) -> None:
    early, late = ({state: MILD_THEN_HARD[state]} for state in ("K", "RD"))
    runs = {"ippo": some(early), "b": some(late)}
    result = analysed(tmp_path, runs, {"ippo": IPPO, "b": IPPO | {"messages": "2bit"}})
    (claim,) = sentence(result, "Policy patterns remain unchanged across kinds").claims
    assert (claim.value, claim.verdict) == (None, INCONCLUSIVE)


def test_what_is_compared_differs_in_nothing_else(tmp_path: Path) -> None:
    configs = {
        "ippo": IPPO,
        "talk": IPPO | {"messages": "2bit"},
        "talk_hybrid": IPPO | {"messages": "2bit", "reward": "hybrid"},
        "talk_8bit": IPPO | {"messages": "8bit"},
        "longer": IPPO | {"messages": "2bit", "extra": 1},
        "mappo": MAPPO,
        "c_mappo": MAPPO | {"algorithm": "c_mappo", "critic": "compact"},
        "qmix": {"algorithm": "qmix", "messages": "none", "reward": "global", "intrinsic": "none"},
    }
    runs = {name: some(MILD_THEN_HARD, 2) for name in configs}
    result = analysed(tmp_path, runs, configs)

    def pairs(begins: str) -> list[str]:
        return [claim.about for claim in sentence(result, begins).claims]

    across = "Policy patterns remain unchanged across"
    assert pairs(f"{across} kinds of messages") == ["ippo against talk", "ippo against talk_8bit"]
    assert pairs(f"{across} rewards") == ["talk against talk_hybrid"]
    assert pairs(f"{across} forms of the global state") == ["mappo against c_mappo"]
    assert pairs("Agents trained independently") == ["ippo − mappo"]


@pytest.mark.parametrize(
    ("own", "central", "expected"),
    [(0.9, 0.5, SUPPORTED), (0.5, 0.9, CONTRADICTED), (0.7, 0.7, INCONCLUSIVE)],
)
def test_concentration(tmp_path: Path, own: float, central: float, expected: Verdict) -> None:
    def runs(top: float) -> list[ExplainedRun]:
        return [
            explained(conduct({s: {"Analyse": top + m, "Remove": 1 - top - m} for s in LATE}))
            for m in (0.0, 0.02, 0.04)
        ]

    configs = {"ippo": IPPO, "mappo": MAPPO}
    result = analysed(tmp_path, {"ippo": runs(own), "mappo": runs(central)}, configs)
    found = sentence(result, "Agents trained independently")
    assert found.verdict is expected
    assert found.claims[0].value == pytest.approx(own - central)


def test_no_pairs_no_verdict(tmp_path: Path) -> None:
    result = analysed(tmp_path, {"a": some(MILD_THEN_HARD)})
    found = sentence(result, "Policy patterns remain unchanged across rewards")
    assert (found.verdict, found.claims) == (INCONCLUSIVE, [])


def test_favourites(tmp_path: Path) -> None:
    clear = some(MILD_THEN_HARD, 3, 0.02)
    shaky = [
        explained(conduct({**MILD_THEN_HARD, "RD": {"Analyse": a, "Restore": 1 - a}}))
        for a in (0.3, 0.4, 0.9)
    ]
    result = analysed(tmp_path, {"ippo": clear, "b": shaky}, {"ippo": IPPO, "b": MAPPO})
    assert result.base == "ippo"
    base, other = result.conditions[0].methods
    by_state = {state.favourite.state: state for state in base.states}
    rd = by_state["RD"]
    assert (rd.favourite.action, rd.favourite.clear) == ("Restore", True)
    assert (rd.agreeing, rd.runs) == (3, 3)
    assert (rd.base, rd.distance) == (None, None)
    assert rd.favourite.total == 3 * 10 * 100
    unknown = by_state["unknown"]
    assert (unknown.favourite.action, unknown.runs) == (None, 0)

    tie = {state.favourite.state: state for state in other.states}["RD"]
    assert tie.favourite.action == "Analyse" and "Restore" in tie.favourite.tied
    assert (tie.agreeing, tie.runs, tie.base) == (1, 3, "Restore")
    # Analyse 0.533 for 0.3, Restore 0.467 for 0.58, Remove none for 0.12
    assert tie.distance == pytest.approx(0.2333, abs=1e-3)


def test_exact_ties_go_to_the_first_and_are_told(tmp_path: Path) -> None:
    runs = some({"RD": {"Analyse": 0.5, "Restore": 0.5}}, spread=0.0)
    (method,) = analysed(tmp_path, {"a": runs}).conditions[0].methods
    rd = method.states[-1]
    assert rd.favourite.action == "Analyse" and "Restore" in rd.favourite.tied
    assert (rd.agreeing, rd.runs) == (3, 3)


def test_a_single_run_has_limits_over_its_episodes(tmp_path: Path) -> None:
    (method,) = analysed(tmp_path, {"a": some(MILD_THEN_HARD, 1)}).conditions[0].methods
    rd = method.states[-1]
    assert (rd.favourite.action, rd.favourite.clear, rd.runs) == ("Restore", True, 1)
    assert (rd.favourite.total, rd.favourite.episodes) == (1000, 10)


def test_conditions_are_judged_apart(tmp_path: Path) -> None:
    runs = [
        explained(conduct(nudged(MILD_THEN_HARD, m)), conduct(nudged(HARD_THEN_MILD, m)))
        for m in (0.0, 0.02, 0.04)
    ]
    result = analysed(tmp_path, {"a": runs})
    assert [c.condition for c in result.conditions] == [MASKED, ALLOWED]
    assert [verdict(result, "Blue takes harder actions", c) for c in (0, 1)] == [
        *(SUPPORTED, CONTRADICTED),
    ]


def test_runs_that_do_not_count_are_left_out(tmp_path: Path) -> None:
    runs = {"a": some(MILD_THEN_HARD), "b": some(MILD_THEN_HARD), "c": []}
    folder = policies(tmp_path, runs)
    place = folder / "runs"
    (place / "a" / "seed-0" / "config.json").write_text('{"seed": 0, "gamma": 0.5}')
    (place / "b" / "seed-1" / "result.json").unlink()
    (place / "b" / "seed-2" / "explain.json").unlink()
    result = analyse_strategies(folder)
    assert result is not None
    assert {m.id: m.seeds for m in result.conditions[0].methods} == {"a": [1, 2], "b": [0]}
    assert (result.explained, result.wanted) == (3, 9)


def test_nothing_explained(tmp_path: Path) -> None:
    assert analyse_strategies(study(tmp_path, {"a": [-600.0]})) is None
