"""No subnet has many of its hosts down at once."""

from pathlib import Path

import numpy as np

from cagexplain.audit.catalogue import rec_07
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_ZONE
from cagexplain.cc4.network import OZA, OZB, PAZ, RZA, ZONES, server, user
from cagexplain.policies.registry import load_policy
from tests.support.small import ENOUGH, Recorded, blue, by_hand, judged, number, steps


def test_three_restores_in_a_short_time_are_many(tmp_path: Path) -> None:
    restores = [(0, server(RZA)), (10, user(RZA)), (20, user(RZA, 1)), (50, user(PAZ))]
    rows = [row for step, host in restores for row in blue(0, step, ActionKind.RESTORE, host)]
    view = by_hand(tmp_path, {"steps": steps(60), "blue": rows})
    down = rec_07.down(view)[0]
    assert np.flatnonzero(down[:, RZA]).tolist() == [20, 21, 22, 23, 24]
    assert not np.delete(down, RZA, axis=1).any()


def test_a_subnet_is_worn_out_by_its_time_down(tmp_path: Path) -> None:
    """Four Restores eight steps apart are many for 17 steps, from the third one on."""
    rows = [row for t in (0, 8, 16, 24) for row in blue(0, t, ActionKind.RESTORE, server(RZA))]
    lengths: tuple[tuple[int, list[int]], ...] = ((57, []), (56, [RZA]))
    for length, worn in lengths:
        view = by_hand(tmp_path / str(length), {"steps": steps(length), "blue": rows})
        cases = rec_07.worn_out(view)
        assert sorted(cases.to_zone) == np.flatnonzero(BLUE_OF_ZONE >= 0).tolist()
        assert cases.to_zone[cases.hit].tolist() == worn
        assert (cases.agent == BLUE_OF_ZONE[cases.to_zone]).all()


def test_the_mission_has_a_subnet_while_it_runs(tmp_path: Path) -> None:
    for phase, zone in ((0, None), (1, OZA), (2, OZB)):
        rows = [row for t in (0, 8, 16) for row in blue(0, t, ActionKind.RESTORE, user(OZB))]
        view = by_hand(tmp_path / str(phase), {"steps": steps(30, phase=phase), "blue": rows})
        cases = rec_07.in_the_mission(view)
        assert set(cases.to_zone) == ({zone} if zone is not None else set())
        assert cases.step[cases.hit].tolist() == ([*range(16, 25)] if zone == OZB else [])


def test_time_down_as_a_plain_recount_has_it() -> None:
    play = Recorded(load_policy("random"), 2, 200)
    starts = [
        (row.episode, row.step, ZONES.index(row.target_zone))
        for row in play.decisions()
        if row.action_type == "Restore"
    ]
    down = rec_07.down(play.view)
    for episode in range(2):
        for step in range(play.length):
            recent = [z for e, t, z in starts if e == episode and step - 25 < t <= step]
            expected = [recent.count(zone) >= 3 for zone in range(len(ZONES))]
            assert down[episode, step].tolist() == expected
    assert down.any()


def test_verdicts(tmp_path: Path) -> None:
    for policy, verdict in (("restore_cycle", "FAIL"), ("reactive", "PASS")):
        folder = tmp_path / policy
        finding = judged(folder, policy, ENOUGH, [rec_07.CHECK], usual=1.0)["REC-07"]
        assert finding.verdict == verdict, [number(finding), number(finding, "mission")]
