"""False alarms, and fatigue by many alarms."""

from pathlib import Path
from typing import Any

import numpy as np

from cagexplain.audit.catalogue import det_09
from cagexplain.cc4 import observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.cc4.network import HOST_NAMES, RZA, server, user
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.policies.registry import load_policy
from tests.support.planted import CONNECTION, ON_HOST, PROCESS, Planted, alert_bits
from tests.support.small import ENOUGH, Recorded, Row, as_set, blue, by_hand, judged, number, steps

A, B = server(RZA), user(RZA)


class RestoresOnAnything(Planted):
    """Restores the first host that shows an alert of either kind; else sleeps."""

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        shown = alert_bits(obs, PROCESS) | alert_bits(obs, CONNECTION)
        restore = ON_HOST[ActionKind.RESTORE][np.arange(N_BLUE), shown.argmax(axis=-1)]
        return np.where(free & shown.any(axis=-1), restore, SLEEP_INDEX)


def level(episode: int, step: int, host: int) -> Row:
    """Red takes a host in a step, so that it holds it from the next one on."""
    return {"episode": episode, "step": step, "host": HOST_NAMES[host], "to_level": 1}


def test_who_restores_at_every_alarm_fails_and_who_sleeps_does_not(tmp_path: Path) -> None:
    all_day = judged(tmp_path / "all", RestoresOnAnything(), ENOUGH, [det_09.CHECK], usual=5.0)
    assert number(all_day["DET-09"]).verdict == "FAIL"
    asleep = judged(tmp_path / "none", "sleep", ENOUGH, [det_09.CHECK], usual=5.0)["DET-09"]
    assert number(asleep).verdict == "PASS"
    assert number(asleep).value == 0


def test_false_alarms_are_alerts_of_clean_hosts(tmp_path: Path) -> None:
    rows = [*blue(0, 9, ActionKind.RESTORE, A), *blue(0, 20, ActionKind.ANALYSE, B)]
    tables = {"steps": steps(60), "blue": rows, "levels": [level(0, 30, A)]}
    process = [(0, 5, A), (0, 19, B), (0, 40, A), (0, 55, B)]
    view = by_hand(tmp_path, tables, process=process, connection=[(0, 3, A), (0, 5, A)])
    expected = {
        (0, 3, A, True),  # six steps before the Restore
        (0, 5, A, True),
        (0, 19, B, False),  # an Analyse disrupts nothing
        # in step 40 red is there, and what follows on step 55 is not known
    }
    assert as_set(det_09.false_alarms(view)) == expected


def test_true_alerts_by_the_number_of_alerts_before(tmp_path: Path) -> None:
    noise = [(0, step, B) for step in range(90, 96)]
    rows = blue(0, 55, ActionKind.RESTORE, A)
    tables = {"steps": steps(200), "blue": rows, "levels": [level(0, 1, A)]}
    process = [(0, 40, A), (0, 100, A), (0, 118, A), (0, 180, A)]
    view = by_hand(tmp_path, tables, process=process, connection=noise)
    cases = det_09.answered(view)
    assert list(zip(cases.step, cases.group, cases.hit, strict=True)) == [
        (40, 0, True),
        (100, 1, False),
        # before step 118 there are two of the noise and that of step 100: neither few nor many
    ]


def test_alerts_before_as_a_plain_recount_has_them() -> None:
    play = Recorded(load_policy("random"), 2, 120)
    shown = play.alerts(observations.process_bit) | play.alerts(observations.connection_bit)
    expected = np.zeros((2, play.length, N_BLUE), dtype=int)
    for episode, step, host in shown:
        agent = BLUE_OF_HOST[HOST_NAMES.index(host)]
        expected[episode, step + 1 : step + 1 + det_09.RECENT, agent] += 1
    assert np.array_equal(det_09.alerts_before(play.view), expected)
    assert expected.max() >= det_09.MANY
