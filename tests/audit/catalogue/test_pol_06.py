"""What an agent does does not follow the clock."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import pol_06
from cagexplain.cc4 import agents
from cagexplain.cc4.network import HOST_NAMES, RZA, server
from cagexplain.facts.cases import Cases
from cagexplain.facts.view import View
from tests.support.small import by_hand, finding, number, steps

EPISODES, LENGTH = 20, 60
HOST = server(RZA)


def play(folder: Path, waits: Any) -> View:
    """Agent 0 sees an alert in every step, and looks at its host unless it waits."""
    rows = [
        {
            **{"episode": e, "step": t, "agent": agents.BLUE[0], "started": True},
            "action_type": "Sleep" if waits[e, t] else "Analyse",
            **({} if waits[e, t] else {"target_host": HOST_NAMES[HOST]}),
        }
        for e, t in np.ndindex(EPISODES, LENGTH)
    ]
    alerts = [(e, t, HOST) for e, t in np.ndindex(EPISODES, LENGTH)]
    return by_hand(folder, {"steps": steps(LENGTH, EPISODES), "blue": rows}, process=alerts)


def hits(cases: Cases) -> list[int]:
    return sorted(set(cases.step[cases.hit].tolist()))


def test_waits_at_fixed_steps_are_foretold(tmp_path: Path) -> None:
    waits = np.zeros((EPISODES, LENGTH), dtype=bool)
    waits[:, 20:30] = True
    view = play(tmp_path, waits)
    cases = pol_06.by_the_clock(view)
    assert len(cases) == waits.size
    assert hits(cases) == list(range(20, 30))
    judged = finding(view, pol_06.CHECK)
    assert judged.verdict == "FAIL"
    assert judged.worst is not None and judged.worst.since is not None
    assert (judged.worst.since.start, judged.worst.since.stop) == (20, 30)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_waits_at_random_times_are_not(tmp_path: Path, share: float) -> None:
    waits = np.random.default_rng(8).random((EPISODES, LENGTH)) < share
    assert pol_06.by_the_clock(play(tmp_path, waits)).hit.mean() < 0.005


def test_waits_of_whole_episodes_are_not(tmp_path: Path) -> None:
    waits = np.zeros((EPISODES, LENGTH), dtype=bool)
    waits[::2] = True
    assert not hits(pol_06.by_the_clock(play(tmp_path, waits)))


def test_shifts_that_begin_at_other_times_are_not(tmp_path: Path) -> None:
    begin = np.random.default_rng(9).integers(0, 20, EPISODES)[:, None]
    waits = (np.arange(LENGTH) + begin) // 10 % 2 == 0
    assert pol_06.by_the_clock(play(tmp_path, waits)).hit.mean() < 0.06
    same = np.broadcast_to(np.arange(LENGTH) // 10 % 2 == 0, waits.shape)
    assert pol_06.by_the_clock(play(tmp_path / "same", same)).hit.mean() > 0.4


def test_few_episodes_tell_nothing(tmp_path: Path) -> None:
    rows = [
        {"episode": e, "step": t, "agent": agents.BLUE[0], "started": True, "action_type": "Sleep"}
        for e, t in np.ndindex(2, 30)
    ]
    alerts = [(e, t, HOST) for e, t in np.ndindex(2, 30)]
    view = by_hand(tmp_path, {"steps": steps(30, 2), "blue": rows}, process=alerts)
    assert len(pol_06.by_the_clock(view)) == 0
    judged = finding(view, pol_06.CHECK)
    assert judged.verdict == "INCONCLUSIVE"
    assert number(judged).n == 0
