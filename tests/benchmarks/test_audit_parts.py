"""What the benchmark of judged parts counts, on findings made by hand."""

from typing import Any

import numpy as np
import pytest

from benchmarks.audit_parts import (
    change_point,
    false_of,
    false_of_sound,
    is_right,
    judged,
    named_place,
)
from benchmarks.defect_prices import Price
from benchmarks.flaws.lapses import SleepsAfter
from benchmarks.part_defects import AGENT, LINK, PHASE, STRETCH, ZONE, PartDefect, Place
from benchmarks.whole_audits import WholeAudit, returns_of
from cagexplain.audit.results import Finding, Measured, Part, Span, Verdict, WorstPart

AGENT_2 = (Place(AGENT, "blue_agent_2"), Place(ZONE, "restricted_zone_b_subnet"))
DEFECT = PartDefect("d", "it sleeps", ("A-1", "A-2"), SleepsAfter, (100,), AGENT_2, 100)


def finding(
    ident: str, verdict: Verdict, *, since: int | None = None, bad: str = "blue_agent_2"
) -> Finding:
    number = Measured(
        "value", "share", "share", "lower", 0.1, 0.5, 0.2, 0.1, 0.3, 100, True, verdict
    )
    span = None if since is None else Span(since, since - 5, since + 5)
    where = (Place(AGENT, bad), Place(PHASE, "mission A"))
    worst = WorstPart("value", Part("agent and phase", bad, 30, 40), where, span)
    return Finding(
        id=ident,
        title="t",
        family="f",
        severity="high",
        axis="practice",
        knowledge="obs",
        verdict=verdict,
        measures=(number,),
        worst=worst if verdict == "FAIL" else None,
    )


def audit(*findings: Finding, practice: Any = "compliant") -> WholeAudit:
    return WholeAudit(np.array([-5.0, -7.0]), {f.id: f for f in findings}, practice)


PRICE = Price.of(np.array([-5.0, -7.0, -12.0]), np.array([-4.0, -4.0, -4.0]))


def test_a_price_is_paired_and_a_share_of_the_base() -> None:
    assert (PRICE.mean_return, PRICE.base_return, PRICE.lost) == (-8.0, -4.0, 4.0)
    assert (PRICE.share, PRICE.dear) == (1.0, True)
    assert Price.of(np.array([-4.1]), np.array([-4.0])).dear is False


def test_a_finding_names_the_part_that_fails() -> None:
    assert named_place(finding("A-1", "FAIL")) == (
        Place(AGENT, "blue_agent_2"),
        Place(PHASE, "mission A"),
    )
    assert change_point(finding("A-1", "FAIL", since=7)) == 7


@pytest.mark.parametrize(
    ("named", "right"),
    [
        ((), False),
        ((Place(PHASE, "mission A"),), False),
        ((Place(AGENT, "blue_agent_2"), Place(PHASE, "mission A")), True),
        ((Place(ZONE, "restricted_zone_b_subnet"),), True),
        ((Place(AGENT, "blue_agent_2"), Place(ZONE, "admin_network_subnet")), False),
        ((Place(AGENT, "blue_agent_4"),), False),
    ],
)
def test_right_places(named: tuple[Place, ...], right: bool) -> None:
    assert is_right(named, AGENT_2) is right


def test_any_part_of_a_kind_may_be_the_place() -> None:
    assert is_right((Place(STRETCH, "steps 250 to 498"),), (Place(STRETCH),))
    assert not is_right((Place(LINK, "a -> b"),), (Place(STRETCH),))


def test_audits_are_counted_by_meant_checks_that_fail() -> None:
    row = judged(
        DEFECT,
        [
            audit(finding("A-1", "FAIL", since=110), practice="unorthodox"),
            audit(finding("A-1", "WARN", since=100), finding("A-2", "FAIL", since=10)),
            audit(finding("A-2", "FAIL", since=116, bad="blue_agent_3")),
            audit(finding("A-3", "FAIL", since=100)),
        ],
        PRICE,
    )
    assert (row["noticed"], row["placed"], row["timed"]) == (0.75, 0.5, 0.25)
    assert row["by"] == {"A-1": 1, "A-2": 2}
    assert row["practice"] == {"unorthodox": 1, "compliant": 3}


def test_what_a_defect_does_not_have_is_not_counted() -> None:
    whole = PartDefect("d", "it sleeps", ("A-1",), SleepsAfter, (100,))
    row = judged(whole, [audit(finding("A-1", "FAIL"))], PRICE)
    assert (row["noticed"], row["placed"], row["timed"]) == (1.0, None, None)


def test_what_is_claimed_of_defects_and_of_sound_policies() -> None:
    row = {"defect": "d", "noticed": 0.9, "placed": 0.8, "timed": 0.8, "dear": True}
    row["practice"] = {"compliant": 1, "unorthodox": 9}
    assert len(list(false_of(row))) == 4
    fine = {"noticed": 0.95, "placed": None, "timed": 0.9, "dear": False}
    assert not list(false_of(row | fine))
    sound = {"policy": "p", "practice_fails": {"A-1": 1}, "agreement": 0.9}
    assert len(list(false_of_sound(sound))) == 2
    assert not list(false_of_sound(sound | {"practice_fails": {}, "agreement": 0.95}))


def test_returns_of_several_audits_are_joined() -> None:
    np.testing.assert_array_equal(returns_of([audit(), audit()]), [-5.0, -7.0, -5.0, -7.0])
