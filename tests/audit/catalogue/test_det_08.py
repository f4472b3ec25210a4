"""The response hits the host that alerts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import det_08
from cagexplain.audit.results import Finding
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import OFFSETS, SLEEP_INDEX
from cagexplain.cc4.network import RZA, RZB, server
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.chance import APART, N_OTHERS, other_steps
from tests.support.planted import ON_HOST, PROCESS, Planted, alert_bits
from tests.support.small import ENOUGH, blue, by_hand, judged, number, steps

A, B, C = (server(RZA, i) for i in range(3))
ELSEWHERE = server(RZB)
RESTORE = ON_HOST[ActionKind.RESTORE]
OWN = np.arange(N_BLUE)


class RestoresNeighbour(Planted):
    """Restores the second server of the agent's first subnet when the first one shows a process
    alert, and the first one when any other host does; else sleeps."""

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        alerts = alert_bits(obs, PROCESS)
        wrong = np.where(alerts[..., 0], RESTORE[OWN, 1], RESTORE[OWN, 0])
        exists = np.take_along_axis(mask, wrong + OFFSETS, axis=1)
        return np.where(free & alerts.any(axis=-1) & exists, wrong, SLEEP_INDEX)


def found(folder: Path, policy: Any) -> Finding:
    return judged(folder, policy, ENOUGH, [det_08.CHECK], usual=5.0)["DET-08"]


def test_who_restores_the_neighbour_fails(tmp_path: Path) -> None:
    finding = found(tmp_path, RestoresNeighbour())
    assert finding.verdict == "FAIL"
    assert (number(finding).value or 0) > 0.4


@pytest.mark.parametrize("policy", ["restore_cycle", "reactive"])
def test_sweeps_and_answers_do_not(tmp_path: Path, policy: str) -> None:
    finding = found(tmp_path, policy)
    assert finding.verdict == "PASS", finding
    assert finding.n > 1000


def test_who_answers_alerts_alone_has_nothing_to_miss(tmp_path: Path) -> None:
    assert found(tmp_path, "sleep").verdict == "NOT_APPLICABLE"


def test_a_written_episode(tmp_path: Path) -> None:
    rows = [
        *blue(0, 150, ActionKind.RESTORE, B),  # A waits since step 145: beside it
        *blue(0, 160, ActionKind.ANALYSE, A),  # showed an alert itself
        *blue(0, 171, ActionKind.REMOVE, B),  # A's alert was answered in step 160
        *blue(0, 180, ActionKind.DECOY, C),  # is no response
        *blue(0, 152, ActionKind.RESTORE, ELSEWHERE),  # A is no neighbour
    ]
    view = by_hand(tmp_path, {"steps": steps(200), "blue": rows}, process=[(0, 145, A)])
    vars(view.batch)["started"] = np.ones((1, 200, N_BLUE), dtype=np.bool_)  # no moment is left out
    cases = det_08.beside(view)
    responses = cases.where(cases.group == 1)
    assert sorted(zip(responses.step, responses.host, responses.hit, strict=True)) == [
        (150, B, True),
        (152, ELSEWHERE, False),
        (171, B, False),
    ]
    others = cases.where(cases.group == 0)
    assert len(others) == 3 * N_OTHERS
    # Only one of the moments before step 171 lies in the ten steps of A's alert.
    assert others.step[others.hit].tolist() == [171 - 2 * APART]


def test_other_moments_lie_before_and_only_at_the_beginning_after() -> None:
    late, early = other_steps(np.array([300, 30]), 500)
    assert late.tolist() == [288, 276, 264, 252, 240, 228, 216, 204]
    assert early.tolist() == [18, 6, 6, 18, 30, 42, 54, 66]
    assert other_steps(np.array([0]), 50).max() == 49
