"""What each set of rules lets a red do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cagexplain.attack import rules
from cagexplain.cc4.red_fsm import SUCCESS, RedAction, State
from cagexplain.cc4.reds import PORTFOLIO, REDS
from cagexplain.common.errors import UsageError


def test_each_allows_more_than_the_one_before() -> None:
    official, fenced, free = (rules.support(each) for each in rules.RULES)
    assert not (official & ~fenced).any()
    assert not (fenced & ~free).any()
    assert 0 < official.sum() < fenced.sum() < free.sum()


def test_fenced_is_what_success_has_and_free_adds_impacts_on_hosts_that_red_lost() -> None:
    fenced, free = rules.support(rules.FENCED), rules.support(rules.FREE)
    entries = SUCCESS >= 0
    entries[:, RedAction.WITHDRAW] = False  # no table may have it
    assert (fenced[State.K :] == entries[State.K :]).all()
    assert free[State.KD, RedAction.IMPACT] and not fenced[State.KD, RedAction.IMPACT]


@pytest.mark.parametrize("name", PORTFOLIO)
def test_the_portfolio_is_fenced(name: str) -> None:
    assert rules.offence(REDS[name], rules.FENCED) is None


@pytest.mark.parametrize(
    ("name", "field"),
    [("silent_own", "own_sessions"), ("silent", "probability"), ("greedy", None)],
)
def test_official_is_without_habits_and_within_cc4s_table(name: str, field: str | None) -> None:
    offence = rules.offence(REDS[name], rules.OFFICIAL)
    assert (offence and offence[0]) == field


def test_cc4s_own_red_is_fenced_in() -> None:
    fitted = rules.fit(REDS["finite_state"], rules.FENCED)
    assert (fitted.impacts, fitted.name) == ("held", "finite_state-held")
    assert np.array_equal(fitted.probability, REDS["finite_state"].probability)
    assert rules.fit(REDS["finite_state"], rules.OFFICIAL) is REDS["finite_state"]


def test_a_red_that_breaks_the_rules_is_refused_with_the_field() -> None:
    with pytest.raises(UsageError, match="'silent_live' breaks the rules 'official': own_sessions"):
        rules.fit(REDS["silent_live"], rules.OFFICIAL)
    table = REDS["finite_state"].probability.copy()
    table[State.KD] = 0
    table[State.KD, [RedAction.IMPACT, RedAction.AGGRESSIVE_SCAN]] = 0.5
    loose = replace(REDS["finite_state"], name="loose", probability=table)
    with pytest.raises(UsageError, match="'loose' breaks the rules 'fenced': impacts"):
        rules.fit(loose, rules.FENCED)
    assert rules.fit(loose, rules.FREE) is loose
