"""Failures are put together by what is to blame for them."""

import dataclasses
from typing import Any

import pytest

from cagexplain.audit.results import Finding, Place, Span, WorstPart
from cagexplain.audit.suspects import suspects
from tests.support import audits as made

AGENT = Place("agent", "blue_agent_1")
ZONE = Place("zone", "operational_zone_a_subnet")


def fails(ident: str, *places: Place, since: Span | None = None, **changes: Any) -> Finding:
    worst = WorstPart("value", made.WORST.part, places, since)
    return made.finding(id=ident, worst=worst if places or since else None, price=None, **changes)


def named(*findings: Finding, **changes: Any) -> list[tuple[list[str], list[str]]]:
    return [
        ([place.name for place in suspect.places], [f.id for f in suspect.findings])
        for suspect in suspects(made.audit(findings=findings, **changes))
    ]


def test_an_agent_has_all_that_fails_there_and_causes_come_first() -> None:
    found = named(
        fails("A", AGENT, ZONE),
        fails("B", AGENT, ZONE, axis="outcome"),
        fails("C", AGENT, axis="health", severity="high"),
        fails("D", severity="low"),
    )
    assert found == [([AGENT.name, ZONE.name], ["C", "A", "B"]), ([], ["D"])]


def test_what_only_one_of_many_says_is_not_said_of_all() -> None:
    (suspect,) = named(fails("A", AGENT), fails("B", AGENT), fails("C", AGENT, ZONE))
    assert suspect == ([AGENT.name], ["A", "B", "C"])


def test_what_fails_within_the_team_s_stretch_of_time_belongs_to_it() -> None:
    late = Span(250, 245, 255)
    steps = Place("steps", "step 250 to the end")
    findings = (
        fails("A", steps, since=late),
        fails("B", Place("phase", "mission B")),
        fails("C", AGENT, Place("phase", "mission B")),
        fails("D", Place("phase", "mission A")),
        fails("E", AGENT, ZONE),
    )
    (team, *others) = suspects(made.audit(findings=findings, play={"steps": 500}))
    assert [f.id for f in team.findings] == ["A", "B", "C"] and team.since == late
    assert team.places == ()
    assert sorted(f.id for suspect in others for f in suspect.findings) == ["D", "E"]
    assert len(others) == 2


@pytest.mark.parametrize("change", [{"survives": False}, {"verdict": "WARN"}, {"axis": "meta"}])
def test_nothing_is_blamed_for_what_does_not_count(change: dict[str, Any]) -> None:
    assert suspects(made.audit(findings=(dataclasses.replace(fails("A", AGENT), **change),))) == []


def test_the_weightiest_failures_come_first() -> None:
    light = fails("A", AGENT, severity="low")
    assert named(light, fails("B", ZONE))[0] == ([ZONE.name], ["B"])
    assert named(light, *[fails(i, AGENT, severity="high") for i in "CDE"], fails("B", ZONE))[0][
        1
    ] == ["C", "D", "E", "A"]
