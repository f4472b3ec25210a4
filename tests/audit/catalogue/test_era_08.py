"""The source of an attack is cleaned with its target."""

from pathlib import Path
from typing import Any

import pytest

from cagexplain.audit.catalogue import era_08
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.network import HOST_NAMES, OZA, RZA, server, user
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.policies.registry import load_policy
from tests.support.planted import RestoresOnProcess
from tests.support.small import ENOUGH, Row, as_set, blue, by_hand, done, judged, number, steps

TARGET, SOURCE, OTHER = server(RZA), user(RZA), user(RZA, 1)
ELSEWHERE = user(OZA)


def level(step: int, host: int) -> Row:
    """Red takes a host in a step, so that it holds it from the next one on."""
    return {"episode": 0, "step": step, "host": HOST_NAMES[host], "to_level": 1}


def exploit(step: int, source: int, outcome: str = "SUCCESS") -> Row:
    return done(0, step, RedAction.EXPLOIT, TARGET, outcome, detected=True, source=source)


def test_attacks_that_show_their_source(tmp_path: Path) -> None:
    red = [
        exploit(10, SOURCE),  # target and source are restored
        exploit(50, SOURCE),  # the target alone is
        exploit(90, SOURCE, "FAILURE"),
        exploit(110, ELSEWHERE),  # another agent's host
        exploit(150, OTHER),  # it shows nothing
        exploit(190, SOURCE),  # the target is not cleaned
        exploit(240, SOURCE),  # too late to tell
    ]
    rows = [
        *blue(0, 12, ActionKind.RESTORE, TARGET),
        *blue(0, 30, ActionKind.REMOVE, SOURCE),
        *blue(0, 53, ActionKind.RESTORE, TARGET),
        *blue(0, 91, ActionKind.RESTORE, TARGET),
        *blue(0, 112, ActionKind.RESTORE, TARGET),
        *blue(0, 151, ActionKind.RESTORE, TARGET),
        *blue(0, 192, ActionKind.ANALYSE, TARGET),
        *blue(0, 241, ActionKind.RESTORE, TARGET),
    ]
    held = [level(1, host) for host in (SOURCE, OTHER, ELSEWHERE)]
    when = [11, 51, 91, 111, 151, 191, 241]
    view = by_hand(
        tmp_path,
        {"steps": steps(260), "red": red, "blue": rows, "levels": held},
        process=[(0, step, TARGET) for step in when],
        connection=[
            *((0, step, SOURCE) for step in (11, 51, 91, 191, 241)),
            (0, 111, ELSEWHERE),
        ],
    )
    assert as_set(era_08.own_sources(view)) == {(0, 11, SOURCE, True), (0, 51, SOURCE, False)}
    assert as_set(era_08.other_sources(view)) == {(0, 111, ELSEWHERE, False)}


def test_a_restore_that_is_under_way_counts(tmp_path: Path) -> None:
    rows = [
        *blue(0, 9, ActionKind.RESTORE, SOURCE),  # takes effect in step 13
        *blue(0, 15, ActionKind.RESTORE, TARGET),
    ]
    view = by_hand(
        tmp_path,
        {
            "steps": steps(60),
            "red": [exploit(10, SOURCE)],
            "blue": rows,
            "levels": [level(1, SOURCE)],
        },
        process=[(0, 11, TARGET)],
        connection=[(0, 11, SOURCE)],
    )
    assert as_set(era_08.own_sources(view)) == {(0, 11, SOURCE, True)}


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [(load_policy("expert"), "PASS"), (RestoresOnProcess(), "FAIL"), ("sleep", "NOT_APPLICABLE")],
)
def test_verdicts(tmp_path: Path, policy: Any, verdict: str) -> None:
    finding = judged(tmp_path, policy, 12, [era_08.CHECK], usual=2.0)["ERA-08"]
    assert finding.verdict == verdict, number(finding)
    assert finding.episodes >= ENOUGH or verdict == "NOT_APPLICABLE"
