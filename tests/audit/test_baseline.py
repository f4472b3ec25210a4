"""What is new, fixed and unchanged since an earlier audit."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cagexplain.audit.baseline import compare
from cagexplain.audit.results import VERDICTS, Audit, Verdict
from tests.support import audits as made


def audit(verdicts: dict[str, Verdict], **changes: Any) -> Audit:
    found = tuple(made.finding(id=check, verdict=verdict) for check, verdict in verdicts.items())
    return made.audit(findings=found, baseline=None, **changes)


def test_each_check_goes_where_it_belongs() -> None:
    then: dict[str, Verdict] = {
        **{"A": "PASS", "B": "FAIL", "C": "FAIL", "D": "WARN", "E": "FAIL", "F": "INCONCLUSIVE"},
        **{"G": "FAIL", "H": "PASS", "I": "WARN"},
    }
    now: dict[str, Verdict] = {
        **{"A": "FAIL", "B": "PASS", "C": "FAIL", "D": "FAIL", "E": "WARN", "F": "WARN"},
        **{"G": "INCONCLUSIVE", "H": "PASS", "I": "PASS"},
    }
    found = compare(audit(now), audit(then))
    assert found.new == ("A", "D", "F")
    assert found.fixed == ("B", "I")
    assert found.unchanged == ("C", "E")
    assert found.verdicts["G"] == ("FAIL", "INCONCLUSIVE")
    assert set(found.verdicts) == set("ABDEFGI")
    assert found.notes == ("Found wanting then, and not judged now: G.",)


def test_an_audit_does_not_differ_from_itself() -> None:
    found = compare(made.audit(), made.audit())
    assert (found.new, found.fixed, found.verdicts, found.notes) == ((), (), {}, ())
    assert set(found.unchanged) == {
        f.id for f in made.audit().findings if f.verdict in ("FAIL", "WARN")
    }


def test_checks_of_one_audit_only_are_told() -> None:
    found = compare(audit({"A": "FAIL", "B": "PASS"}), audit({"C": "FAIL"}))
    assert found.new == ("A",)
    assert found.fixed == ()
    assert found.verdicts == {"A": ("", "FAIL"), "B": ("", "PASS"), "C": ("FAIL", "")}
    assert found.notes == (
        "Not part of the earlier audit: A, B.",
        "Part of the earlier audit only: C.",
    )


def test_other_borders_attackers_and_lengths_are_noted() -> None:
    old = audit(
        {"A": "PASS"},
        profile={"name": "default", "sha256": "00"},
        play={"red": "discovery", "steps": 200},
        versions={"catalogue": "0"},
    )
    thresholds, catalogue, red, steps = compare(audit({"A": "PASS"}), old).notes
    assert "different profiles" in thresholds
    assert "catalogue" in catalogue
    assert "attackers" in red
    assert "lengths" in steps


def test_names_what_the_earlier_audit_was_of() -> None:
    assert compare(made.audit(), made.audit()).baseline == "ippo_made of 2025-01-31T12:00:00Z"


_VERDICTS = st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(VERDICTS))


@given(now=_VERDICTS, then=_VERDICTS)
def test_every_finding_is_in_exactly_one_group(
    now: dict[str, Verdict], then: dict[str, Verdict]
) -> None:
    found = compare(audit(now), audit(then))
    adverse = {check for check, verdict in now.items() if verdict in ("FAIL", "WARN")}
    assert sorted(found.new + found.unchanged) == sorted(adverse)
    assert all(now[check] == "PASS" for check in found.fixed)
    back = compare(audit(then), audit(now))
    assert {c: (b, a) for c, (a, b) in found.verdicts.items()} == back.verdicts
