"""What is most pressing comes first, and only what stands out is named."""

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
    """Subnets by bad cases and cases."""
    return tuple(Part("zone", f"zone {i}", bad, n) for i, (bad, n) in enumerate(cases))


def test_a_part_stands_out_if_it_is_clearly_worse_and_has_cases() -> None:
    (standout,) = ranking.standouts(finding(parts=parts((10, 100), (80, 100))))
    assert (standout.part.name, standout.share, standout.cases) == ("zone 1", 0.8, 100)
    assert standout.whole == pytest.approx(0.45)
    assert ranking.standouts(finding(parts=parts((50, 100), (51, 100)))) == []
    few = ranking.FEW - 1
    assert ranking.standouts(finding(parts=parts((10, 100), (few, few)))) == []
    assert ranking.standouts(finding(parts=parts((90, 100)))) == []  # nothing to compare it with


def test_the_part_with_the_most_cases_does_not_stand_out_by_that() -> None:
    assert ranking.standouts(finding(parts=parts((80, 800), (20, 200)))) == []
    (standout,) = ranking.standouts(finding(parts=parts((80, 800), (100, 200))))
    assert standout.part.name == "zone 1"


@pytest.mark.parametrize(
    ("bad", "n", "expected"),
    [(50, 100, "worse"), (10, 100, "better"), (20, 100, "alike"), (9, 9, "too few cases")],
)
def test_parts_are_compared_with_the_whole(bad: int, n: int, expected: str) -> None:
    one, rest = parts((bad, n), (2_000, 10_000))
    assert ranking.compared(one, [one, rest]) == expected
