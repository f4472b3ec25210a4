"""Which kinds of action a policy may take by itself: counts by hand, and each rule by itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.autonomy import KINDS, N_MIN, RULES, Warrants, advised
from cagexplain.audit.checks import check
from cagexplain.audit.results import ActionAutonomy, Change
from cagexplain.cc4 import agents, network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.network import ADM, OFF, OZB, RZA, ZONES
from cagexplain.cc4.phases import COMMS_POLICY
from cagexplain.common.arrays import Int64Array
from cagexplain.facts.view import Facts, View
from tests.support.small import Row, blue, by_hand, steps

EPISODES = 40
A, B = (int(h) for h in np.flatnonzero(agents.BLUE_OF_HOST == 0)[1:3])
"""Two hosts of agent 0."""


def counted(view: View, kind: str) -> tuple[int, int]:
    """Warranted actions of a kind, and all of them."""
    cases = KINDS[kind].cases(view)
    return int(cases.hit.sum()), len(cases)


def control(step: int, kind: ActionKind, to_zone: int, from_zone: int, level: str) -> Row:
    name = {ActionKind.BLOCK: "BlockTrafficZone", ActionKind.ALLOW: "AllowTrafficZone"}[kind]
    return {
        **{"episode": 0, "step": step, "agent": agents.BLUE[agents.BLUE_OF_ZONE[to_zone]]},
        **{"target_zone": ZONES[to_zone], "source_zone": ZONES[from_zone]},
        **{"action_type": name, "completed": name, "started": True, "outcome": level},
        "completed_level": -1,
    }


def table(rate: float, *, n: int = 10, waits: bool = False, **more: Any) -> ActionAutonomy:
    """The advice on a kind of which agent 0 takes `n` in each episode, a share of them warranted.

    `rate` varies from episode to episode, so that there is something to resample."""
    rates = np.clip(rate + np.where(np.arange(EPISODES) % 2, 0.1, -0.1), 0, 1)
    counts = np.zeros((EPISODES, agents.N_BLUE, 2), np.int64)
    counts[:, 0] = np.stack([np.round(n * rates), np.full(EPISODES, n)], axis=1)
    return advised("Sleep and Monitor" if waits else "Restore", counts, **more)


GAIN, LOSS, OPEN = Change(50, 20, 80), Change(-50, -80, -20), Change(5, -20, 30)


def test_every_action_type_is_of_one_kind() -> None:
    types = [action for kind in KINDS.values() for action in kind.actions]
    assert sorted(types) == sorted(ActionKind)
    assert all(kind.good > kind.bad for kind in KINDS.values())


@pytest.mark.parametrize(
    ("kind", "ident", "inverse"),
    [
        ("Restore", "REC-01", True),
        ("Remove", "ERA-02", False),
        ("DeployDecoy", "DEC-02", True),
        ("Sleep and Monitor", "POL-02", True),
    ],
)
def test_thresholds_are_those_of_the_checks_that_they_name(
    kind: str, ident: str, inverse: bool
) -> None:
    measure = check(ident).measures[0]
    assert ident in KINDS[kind].why
    limits = (measure.good, measure.bad)
    expected = [1 - limit if inverse else limit for limit in limits if limit is not None]
    assert [KINDS[kind].good, KINDS[kind].bad] == pytest.approx(expected)


def test_a_restore_is_warranted_if_it_meets_red(tmp_path: Path) -> None:
    rows = [*blue(0, 1, ActionKind.RESTORE, A, level=1), *blue(0, 10, ActionKind.RESTORE, B)]
    view = by_hand(tmp_path, {"steps": steps(20), "blue": rows})
    assert counted(view, "Restore") == (1, 2)


def test_a_look_is_warranted_by_an_alert_or_by_red(tmp_path: Path) -> None:
    rows = [
        *blue(0, 1, ActionKind.ANALYSE, A, level=1),
        *blue(0, 10, ActionKind.ANALYSE, B),
        *blue(0, 30, ActionKind.ANALYSE, A),
    ]
    view = by_hand(tmp_path, {"steps": steps(40), "blue": rows}, connection=[(0, 8, B)])
    assert counted(view, "Analyse") == (2, 3)


def test_waits_are_judged_where_an_alert_is_in_view(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"episode": 0, "step": t, "agent": agents.BLUE[0], "action_type": "Sleep", "started": True}
        for t in range(4)
    ]
    rows += blue(0, 5, ActionKind.ANALYSE, A)
    alerts = [(0, 2, A), (0, 5, B)]
    view = by_hand(tmp_path, {"steps": steps(8), "blue": rows}, process=alerts)
    assert counted(view, "Sleep and Monitor") == (1, 2)


def test_a_block_is_warranted_by_the_policy_or_by_red_behind_it(tmp_path: Path) -> None:
    closed, kept_open = (RZA, OZB), (ADM, OFF)
    assert COMMS_POLICY[0][closed] == 1
    assert COMMS_POLICY[0][kept_open] == 0
    office = int(np.flatnonzero((network.HOST_ZONE == OFF) & (agents.BLUE_OF_HOST >= 0))[1])
    levels = [
        {
            **{"episode": 0, "step": 10, "host": network.HOST_NAMES[office]},
            **{"from_level": 0, "to_level": 1},
        }
    ]
    rows = [
        control(2, ActionKind.BLOCK, *kept_open, "SUCCESS"),  # nobody behind it
        control(4, ActionKind.ALLOW, *kept_open, "SUCCESS"),  # as asked
        control(6, ActionKind.ALLOW, *kept_open, "FAILURE"),  # a wait
        control(20, ActionKind.BLOCK, *kept_open, "SUCCESS"),  # red is behind it
        control(22, ActionKind.BLOCK, *closed, "SUCCESS"),  # as asked
    ]
    view = by_hand(tmp_path, {"steps": steps(30), "blue": rows, "levels": levels})
    assert counted(view, "BlockTrafficZone") == (2, 3)
    assert counted(view, "AllowTrafficZone") == (1, 1)


def test_without_observations_it_says_that_it_does_not_know(tmp_path: Path) -> None:
    rows = [*blue(0, 1, ActionKind.ANALYSE, A, level=1), *blue(0, 10, ActionKind.RESTORE, B)]
    view = by_hand(tmp_path, {"steps": steps(20), "blue": rows})
    warrants = Warrants(Facts(observations=False))
    warrants.add(view.batch)
    rows_of = {row.kind: row for row in warrants.table({}, 0)}
    assert warrants.used == ("Analyse", "Restore")
    assert (rows_of["Analyse"].n, rows_of["Analyse"].precision.value) == (1, None)
    assert rows_of["Analyse"].advice == "undetermined"
    assert rows_of["Restore"].precision.value == 0
    assert rows_of["Remove"].advice == "unused"


@pytest.mark.parametrize(
    ("row", "rule", "advice"),
    [
        (table(0.9, n=0, worth=None, pairs=0), "unused", "unused"),
        (table(0.9, n=10, worth=LOSS, pairs=60), "harms", "never"),
        (table(0.2, n=10, worth=OPEN, pairs=60), "blind", "never"),
        (table(0.2, n=10, worth=GAIN, pairs=60), "loose", "propose"),
        (table(0.9, n=10, worth=None, pairs=0), "unplayed", "undetermined"),
        (table(0.9, n=10, worth=GAIN, pairs=60), "sound", "alone"),
        (table(0.9, n=10, worth=OPEN, pairs=60), "harmless", "propose"),
        (table(0.6, n=10, worth=GAIN, pairs=60), "loose", "propose"),
        (table(0.6, n=10, worth=OPEN, pairs=60), "open", "undetermined"),
        (table(0.9, n=10, worth=None, pairs=0, waits=True), "quiet", "alone"),
        (table(0.65, n=10, worth=None, pairs=0, waits=True), "restless", "propose"),
        (table(0.3, n=10, worth=None, pairs=0, waits=True), "open", "undetermined"),
        (table(0.1, n=10, worth=None, pairs=0, waits=True), "blind", "never"),
        (table(0.9, n=10, worth=GAIN, pairs=60, judged=False), "few", "undetermined"),
    ],
)
def test_each_rule_has_its_case(row: ActionAutonomy, rule: str, advice: str) -> None:
    assert (row.rule, row.advice) == (rule, advice)
    assert RULES[rule].advice == advice


def test_few_actions_are_no_evidence() -> None:
    counts: Int64Array = np.zeros((EPISODES, agents.N_BLUE, 2), np.int64)
    counts[: N_MIN - 1, 0] = 1
    assert advised("Restore", counts, GAIN, 60).rule == "few"
    counts[: N_MIN + 1, 0] = 1
    assert advised("Restore", counts, GAIN, 60).rule != "few"


def test_one_agent_that_falls_short_keeps_the_team_from_acting_alone() -> None:
    counts: Int64Array = np.zeros((EPISODES, agents.N_BLUE, 2), np.int64)
    counts[:, :4, :] = 30
    counts[::2, :4, 0] = 29
    counts[:, 4, 1] = 3
    row = advised("Restore", counts, GAIN, 60)
    assert row.precision.low is not None and row.precision.low > KINDS["Restore"].good
    assert (row.rule, row.advice) == ("agent", "propose")
    assert [part.name for part in row.agents if part.fails] == ["blue_agent_4"]


def test_the_last_rule_always_holds() -> None:
    *_, last = RULES.values()
    assert last.holds(KINDS["Restore"], table(0.6, worth=OPEN, pairs=60))
    assert last.advice == "undetermined"
