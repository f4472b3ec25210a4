"""A budget becomes numbers of episodes once."""

from __future__ import annotations

import pytest

from cagexplain.attack.plan import Plan, within
from cagexplain.cli.attack import DURATION
from cagexplain.common.errors import UsageError

REDS, CANDIDATES = 16, 10
FAST, SLOW = (300.0, 600.0), (1.0, 600.0)
"""Episodes per second of a policy and of Sleep: of rules on two cores, and of code of others."""


def seconds(plan: Plan, speeds: tuple[float, float]) -> float:
    policy, sleep = plan.fixed(REDS, CANDIDATES)
    return (policy + plan.searched()) / speeds[0] + sleep / speeds[1]


@pytest.mark.parametrize("budget", [60.0, 120.0, 600.0])
def test_a_budget_is_used_and_kept(budget: float) -> None:
    plan = within(budget, FAST, REDS, CANDIDATES)
    assert 0.9 * budget <= seconds(plan, FAST) <= budget
    assert plan.searched() / FAST[0] >= 0.5 * budget - plan.population * plan.episodes / FAST[0]
    assert plan.budget == budget


def test_two_minutes_on_two_cores_judge_in_300_episodes() -> None:
    plan = within(120, FAST, REDS, CANDIDATES)
    assert (plan.held_out, plan.side) == (Plan.held_out, Plan.side)


def test_much_time_makes_larger_generations_not_ever_more() -> None:
    plan = within(3600, FAST, REDS, CANDIDATES)
    assert plan.generations < 120
    assert plan.episodes > Plan.episodes


def test_a_slow_policy_is_played_in_few_episodes() -> None:
    plan = within(900, SLOW, REDS, CANDIDATES)
    assert plan.generations >= 1
    assert plan.held_out < Plan.held_out
    assert seconds(plan, SLOW) <= 900


@pytest.mark.parametrize("speeds", [FAST, SLOW], ids=["rules", "code of others"])
def test_a_budget_too_short_for_one_generation_is_refused_with_the_shortest_that_is_not(
    speeds: tuple[float, float],
) -> None:
    with pytest.raises(UsageError, match="one generation and what is judged") as refused:
        within(1, speeds, REDS, CANDIDATES)
    shortest = DURATION.convert(refused.value.remedy.split()[-1], None, None)  # as it is given
    assert within(shortest, speeds, REDS, CANDIDATES).generations == 1
