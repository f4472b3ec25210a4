"""No agent falls silent."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import pol_05
from cagexplain.cc4 import agents
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.cc4.network import OZA, RZA, server, user
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.effects import own_alert
from cagexplain.policies.registry import load_policy
from tests.support.planted import RestoresOnProcess
from tests.support.small import ENOUGH, Recorded, blue, by_hand, judged, number, steps

A, B = server(RZA), user(OZA)


class OneFallsSilent(RestoresOnProcess):
    """Restores on process alerts; agent 3 does nothing from step 200 on."""

    state = ("_clock",)

    def begin(self, mask: BoolArray) -> None:
        self._clock = -1

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        self._clock += 1
        chosen = super().choose(obs, mask, free).copy()
        if self._clock >= 200:
            chosen[:, 3] = SLEEP_INDEX[3]
        return chosen


def test_the_silent_agent_is_named_and_since_when(tmp_path: Path) -> None:
    policy = OneFallsSilent()
    finding = judged(tmp_path, policy, ENOUGH, [pol_05.CHECK], usual=2.0)["POL-05"]
    assert finding.verdict == "FAIL"
    assert finding.worst is not None
    assert finding.worst.place[0].name == agents.BLUE[3]
    assert finding.worst.since is not None
    assert abs(finding.worst.since.start - 200) <= 15


def test_who_acts_at_random_is_not_silent_and_who_sleeps_is(tmp_path: Path) -> None:
    def found(policy: str, episodes: int) -> Any:
        finding = judged(tmp_path / policy, policy, episodes, [pol_05.CHECK], usual=5.0)["POL-05"]
        return finding.verdict, pytest.approx(number(finding).value, abs=0.001)

    assert found("random", 12) == ("PASS", 0)
    assert found("sleep", ENOUGH) == ("FAIL", 1)


def test_silences_are_long_and_ended_by_any_work(tmp_path: Path) -> None:
    rows = [
        *blue(0, 20, ActionKind.ANALYSE, B),
        *blue(0, 60, ActionKind.RESTORE, A),
        *blue(0, 90, ActionKind.MONITOR, A),
    ]
    alerts = [
        *((0, t, A) for t in (2, 5, 30, 40, 50, 58, 59, 60, 62)),
        *((0, t, A) for t in (80, 85, 91, 95, 97)),
        *((0, t, B) for t in range(22, 27)),
    ]
    view = by_hand(tmp_path, {"steps": steps(100), "blue": rows}, process=alerts)
    cases = pol_05.in_silence(view)
    assert len(cases) == len(alerts)
    silent = cases.where(cases.hit)
    # Agent 0: seven until its Restore, whose steps are none, and five after it; agent 1: five.
    assert set(silent.agent) == {0}
    assert silent.step.tolist() == [2, 5, 30, 40, 50, 58, 59]


def test_silences_as_a_plain_recount_has_them() -> None:
    play = Recorded(load_policy("comms_block"), 2, 150)
    work = pol_05.working(play.view)
    shown = own_alert(play.view)
    expected = set()
    for episode, agent in np.ndindex(2, agents.N_BLUE):
        silence: list[int] = []
        for step in range(play.length + 1):
            if step == play.length or work[episode, step, agent]:
                expected |= {(episode, t, agent) for t in silence if len(silence) >= 6}
                silence = []
            elif shown[episode, step, agent]:
                silence.append(step)
    cases = pol_05.in_silence(play.view)
    silent = cases.where(cases.hit)
    assert set(zip(silent.row, silent.step, silent.agent, strict=True)) == expected
    assert 20 < len(expected) < len(cases)


def test_work_as_a_plain_recount_has_it() -> None:
    play = Recorded(load_policy("random"), 2, 80)
    expected = np.zeros((2, play.length, agents.N_BLUE), dtype=bool)
    for agent, name in enumerate(agents.BLUE):
        for episode in range(2):
            idle = True
            rows = [r for r in play.rows("blue") if (r.episode, r.agent) == (episode, name)]
            ends = {row.step: row for row in rows if row.completed is not None}
            for row in rows:
                if row.started:
                    end = next((ends[t] for t in range(row.step, 80) if t in ends), None)
                    failed = end is not None and end.outcome == "FAILURE"
                    link = row.action_type in ("BlockTrafficZone", "AllowTrafficZone")
                    idle = row.action_type in ("Sleep", "Monitor") or (link and failed)
                expected[episode, row.step, agent] = not idle
    assert np.array_equal(pol_05.working(play.view), expected)
