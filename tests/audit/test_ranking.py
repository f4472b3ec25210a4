"""What is most pressing comes first, and only what stands out is named."""

import dataclasses

import pytest

from cagexplain.audit import ranking
from cagexplain.audit.results import Part
from tests.support import audits as made
from tests.support.audits import finding


def test_severity_counts_first_then_what_a_remedy_wins_back() -> None:
    bare = finding(id="A", severity="high", price=None)
    winning = finding(id="B", severity="high")
    warned = finding(id="C", verdict="WARN", severity="critical", price=None)
    grave = finding(id="D", price=None)
    passed = finding(id="E", verdict="PASS")
    meta = finding(id="F", axis="meta")
    found = made.audit(findings=(passed, meta, bare, warned, winning, grave))
    assert [f.id for f in ranking.wrong(found)] == ["D", "B", "A", "C"]


def test_harm_does_not_make_a_finding_more_pressing() -> None:
    harmful = finding(id="A", severity="high", price=made.LOSS)
    plain = finding(id="B", severity="high", price=None)
    found = made.audit(findings=(plain, harmful))
    assert [f.id for f in ranking.wrong(found)] == ["B", "A"]


def test_the_order_is_the_same_for_any_choice_of_findings() -> None:
    audit = made.audit()
    order = [f.id for f in ranking.in_order(audit.findings, audit)]
    failures = [f for f in audit.findings if f.verdict == "FAIL"]
    assert len(failures) > 1
    assert [f.id for f in ranking.in_order(failures, audit)] == [
        ident for ident in order if ident in {f.id for f in failures}
    ]


def parts(*cases: tuple[int, int]) -> tuple[Part, ...]:
    """Subnets by hits and cases."""
    return tuple(Part("zone", f"zone {i}", hits, n) for i, (hits, n) in enumerate(cases))


def test_a_part_stands_out_if_it_is_clearly_worse_and_has_cases() -> None:
    (standout,) = ranking.standouts(finding(parts=parts((90, 100), (20, 100))))
    assert (standout.part.name, standout.share, standout.cases) == ("zone 1", 0.8, 100)
    assert standout.whole == pytest.approx(0.45)
    assert ranking.standouts(finding(parts=parts((50, 100), (49, 100)))) == []
    assert ranking.standouts(finding(parts=parts((90, 100), (0, ranking.FEW - 1)))) == []
    assert ranking.standouts(finding(parts=parts((10, 100)))) == []  # nothing to compare it with


def test_where_cases_are_neither_good_nor_bad_the_largest_part_stands_out() -> None:
    steps = made.measured(unit="steps")
    (standout,) = ranking.standouts(finding(measures=(steps,), parts=parts((0, 80), (0, 20))))
    assert (standout.share, standout.cases, standout.whole) == (0.8, 100, None)
    assert ranking.standouts(finding(measures=(steps,), parts=parts((0, 52), (0, 48)))) == []
    assert ranking.standouts(finding(measures=(steps,), parts=parts((0, 0), (0, 0)))) == []


@pytest.mark.parametrize(
    ("hits", "n", "expected"),
    [(50, 100, "worse"), (90, 100, "better"), (80, 100, "alike"), (0, 9, "too few cases")],
)
def test_parts_are_compared_with_the_whole(hits: int, n: int, expected: str) -> None:
    one, rest = parts((hits, n), (8_000, 10_000))
    measured = made.measured()
    assert ranking.compared(one, [one, rest], measured) == expected
    assert ranking.compared(one, [one, rest], dataclasses.replace(measured, unit="steps")) is None
