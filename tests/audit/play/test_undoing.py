"""What strong attackers undo: numbers known in advance, and those of real play."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cagexplain.audit.checks import check
from cagexplain.audit.play.robustness import Varied, vary
from cagexplain.audit.play.team import PlayCounts
from cagexplain.audit.play.undoing import NOTHING, Pair, undone
from cagexplain.audit.profiles import load_profile
from cagexplain.cc4.reds import PORTFOLIO, REDS
from cagexplain.envs import EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.stats.simultaneous import Largest
from tests.support.small import ENOUGH

SEEDS = np.arange(700, 700 + ENOUGH)
PARAMS = EnvParams(steps=60)


def plays(policy: float, sleep: float, spread: float = 0.0, n: int = 40) -> Pair:
    """The policy and Sleep with these mean returns, which vary together."""
    off = spread * np.linspace(-1, 1, n)
    none = np.zeros(n, np.int64)

    def counts(mean: float) -> PlayCounts:
        # Returns are lower than what counts: the rest is the contractor's.
        return PlayCounts(mean + off - 100, np.zeros((n, 5)), mean + off, {}, none, none)

    return counts(policy), counts(sleep)


@pytest.mark.parametrize(
    ("policy", "sleep", "share"),
    [
        (-100, -1000, 0.0),  # as good as usual
        (-200, -2000, 0.0),  # twice the stakes, the same share
        (-550, -1000, 0.5),
        (-1000, -1000, 1.0),  # no better than Sleep
        (-1450, -1000, 1.5),  # worse
        (-10, -1000, -0.1),  # better than usual
    ],
)
def test_the_share_is_of_what_is_usually_averted(policy: float, sleep: float, share: float) -> None:
    result = undone(plays(-100, -1000), {"red": plays(policy, sleep)})
    assert result.each["red"].value == pytest.approx(share)
    change = result.by("red")
    assert change is not None and change.mean == pytest.approx(share)
    assert result.by("another") is None


def test_the_number_is_the_largest_with_limits_that_hold_together() -> None:
    usual, most = plays(-100, -1000), plays(-700, -1000, 300)
    alone = undone(usual, {"most": most})
    both = undone(usual, {"less": plays(-300, -1000, 100), "most": most})
    assert not isinstance(alone.numbers, str) and not isinstance(both.numbers, str)
    (number,) = both.numbers
    assert number.value == alone.numbers[0].value == both.each["most"].value
    assert number.episodes == 40
    assert isinstance(number.spread, Largest)
    assert both.each["less"].value < number.value
    assert both.each["most"].low <= alone.numbers[0].low < alone.numbers[0].high


def test_where_nothing_is_averted_nothing_can_be_undone() -> None:
    result = undone(plays(-1000, -1000), {"red": plays(-500, -1000)})
    assert result.numbers == NOTHING
    assert result.by("red") is None


@pytest.fixture(scope="module")
def varied() -> Varied:
    red = replace(REDS["greedy"], name="fitted", summary="fitted to nobody")
    return vary(load_policy("expert"), SEEDS, PARAMS, fitted=red)


def test_all_strong_attackers_are_tried_and_the_fitted_one(varied: Varied) -> None:
    attackers = {v.key: v for v in varied.variations if v.group == "attacker"}
    assert set(attackers) == {f"red_{name}" for name in (*PORTFOLIO, "fitted")}
    assert all(v.undone is not None for v in attackers.values())
    assert not [v for v in varied.variations if v.undone is not None and v.group != "attacker"]
    # It plays as the one that it is a copy of, but is not held against the expert.
    fitted, greedy = attackers["red_fitted"], attackers["red_greedy"]
    assert (fitted.mean_return, fitted.undone) == (greedy.mean_return, greedy.undone)
    assert (fitted.check, fitted.multiple, fitted.verdict) == ("", None, "NOT_APPLICABLE")
    assert greedy.check == "ROB-02" and greedy.multiple is not None


def test_the_number_is_that_of_the_evaluation(varied: Varied) -> None:
    def averted(red: str) -> float:
        policy, sleep = (
            evaluate(load_policy(name), SEEDS, replace(PARAMS, red=red)).without_contractor.mean()
            for name in ("expert", "sleep")
        )
        return float(1 - policy / sleep)

    usual = averted("finite_state")
    shares = {name: 1 - averted(name) / usual for name in PORTFOLIO}
    numbers = varied.numbers["ROB-03"]
    assert not isinstance(numbers, str)
    assert numbers[0].value == pytest.approx(max(shares.values()))
    for v in varied.variations:
        if v.key in {f"red_{name}" for name in PORTFOLIO}:
            assert v.undone is not None
            assert v.undone.mean == pytest.approx(shares[v.key.removeprefix("red_")])


@pytest.mark.parametrize("profile", ["default", "strict", "mission"])
def test_profiles_ask_for_no_more_than_what_is_averted(profile: str) -> None:
    declared = check("ROB-03")
    (measure,) = declared.measures
    good, bad = load_profile(profile).thresholds(declared, measure)
    assert good is not None and bad is not None
    assert 0 < good < bad < 1
