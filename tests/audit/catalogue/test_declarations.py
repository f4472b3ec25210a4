"""The catalogue as a whole; a declaration by itself is validated when it is made."""

import re
from pathlib import Path

import pytest

from cagexplain.audit import catalogue
from cagexplain.audit.check import (
    FAMILIES,
    FRAMEWORKS,
    SEVERITIES,
    UNITS,
    Check,
    Measure,
    Reference,
)
from cagexplain.audit.checks import check as find
from cagexplain.audit.checks import checks
from cagexplain.audit.passages import TITLES
from cagexplain.audit.profiles import RANGES
from cagexplain.common.errors import UsageError
from cagexplain.stats.estimates import HitShare, Incidence, Quantile

EVERY = [pytest.param(check, id=check.id) for check in checks()]
FORMS = {
    "CSF": r"(GV|ID|PR|DE|RS|RC)\.[A-Z]{2}-\d\d",
    "SP 800-53": r"[A-Z]{2}-\d+(\(\d+\))?",
    "SP 800-61": r"(GV|ID|PR|DE|RS|RC)\.[A-Z]{2}-\d\d",
    "CISA playbook": r"Detection & Analysis|Containment|Eradication & Recovery",
    "CIS": r"\d+\.\d+",
    "AI RMF": r"(MEASURE|MANAGE|MAP|GOVERN) \d\.\d+",
    "COUN7ER": r"CM\d{4}",
    "ATT&CK": r"(T\d{4}(\.\d{3})?|TA\d{4}|M\d{4})",
    "D3FEND": r"D3-[A-Z]+",
    "Engage": r"E[AG][PCO]\d{4}",
    "RE&CT": r"R[AS]\d{4}",
}
"""How the frameworks number their passages."""
NAMES = {"Analyse", "Remove", "Restore", "DeployDecoy", "Block", "Impact"}
"""Actions of CC4, which are written with a capital letter wherever they stand."""
ONLY_IN_CSF_1 = {"RS.AN-01", "RS.AN-02", "RS.AN-04", "RS.AN-05", "RS.MI-03"}


def test_checks_are_numbered_through_within_their_families() -> None:
    numbers: dict[str, list[int]] = {}
    for check in checks():
        numbers.setdefault(check.id[:3], []).append(int(check.id[4:]))
    assert list(numbers) == [family for family in FAMILIES if family in numbers]
    for family, given in numbers.items():
        assert given == [*range(1, len(given) + 1)], family


def test_every_check_is_named_as_its_file() -> None:
    files = {file.stem for file in Path(catalogue.__path__[0]).glob("*_*.py")} - {"__init__"}
    assert {check.id.lower().replace("-", "_") for check in checks()} == files


def test_a_check_is_found_by_its_id() -> None:
    assert find("era-01").id == "ERA-01"
    with pytest.raises(UsageError, match="there is no check 'ERA-99'"):
        find("ERA-99")


@pytest.mark.parametrize("check", EVERY)
def test_references_are_written_as_their_frameworks_do(check: Check) -> None:
    for reference in check.references:
        assert re.fullmatch(FORMS[reference.framework], reference.id), reference
        assert reference.id not in ONLY_IN_CSF_1
    assert len(set(check.references)) == len(check.references)
    assert set(FORMS) == set(FRAMEWORKS)


def test_no_withdrawn_edition_is_cited() -> None:
    withdrawn = {("CSF", "1.1"), ("SP 800-53", "r4"), ("SP 800-61", "r2"), ("CIS", "7.1")}
    assert not withdrawn & {(key, version) for key, (_, version, _) in FRAMEWORKS.items()}


def test_sp_800_61_is_cited_by_subcategories_of_the_csf() -> None:
    assert TITLES["SP 800-61"].items() <= TITLES["CSF"].items()


@pytest.mark.parametrize("check", EVERY)
def test_related_checks_exist_and_are_others(check: Check) -> None:
    known = {each.id for each in checks()}
    assert set(check.related) <= known - {check.id}
    assert len(set(check.related)) == len(check.related)


@pytest.mark.parametrize("check", EVERY)
def test_texts_are_sentences(check: Check) -> None:
    assert not check.title.endswith(".")
    assert check.title[0].isupper()
    for text in (check.why, check.remediation, check.formula):
        assert text[0].isupper(), text
        assert text.endswith("."), text
        assert "  " not in text
    if check.absent:
        assert check.absent.endswith(".")
    # It goes on after a number: "312 first responses to root access".
    assert not check.trigger.endswith(".")
    assert check.trigger[0].islower() or check.trigger.split()[0].removesuffix("s") in NAMES, (
        check.trigger
    )
    for measure in check.measures:
        # It goes on after "the".
        assert not measure.name.lower().startswith(("the ", "a ")), measure.name
        assert not measure.name.endswith("."), measure.name


@pytest.mark.parametrize("check", EVERY)
def test_borders_lie_within_the_range_of_their_unit(check: Check) -> None:
    for measure in check.measures:
        low, high = RANGES.get(measure.unit, (0, float("inf")))
        for threshold in (measure.good, measure.bad):
            assert threshold is None or low <= threshold <= high, f"{check.id}.{measure.key}"


@pytest.mark.parametrize("check", EVERY)
def test_units_fit_the_statistics(check: Check) -> None:
    if check.source != "play":
        return
    for measure in check.measures:
        if type(measure.statistic) in (HitShare, Incidence):
            assert measure.unit == "share", f"{check.id}.{measure.key}"
        assert (measure.unit == "steps") == isinstance(measure.statistic, Quantile)


def test_every_unit_and_severity_is_used() -> None:
    assert {measure.unit for check in checks() for measure in check.measures} <= set(UNITS)
    assert {check.severity for check in checks()} >= set(SEVERITIES[:4])


# --- what a declaration refuses ----------------------------------------------------------------


def measure(**changes: object) -> Measure:
    given: dict[str, object] = {
        "key": "value",
        "name": "share",
        "unit": "share",
        "better": "higher",
        "good": 0.8,
        "bad": 0.4,
        "statistic": HitShare(),
        "sums": lambda view: view,
    }
    return Measure(**given | changes)  # type: ignore[arg-type]


def make(**changes: object) -> Check:
    words = dict.fromkeys(("title", "problem", "why", "remediation", "formula", "trigger"), "Words")
    given: dict[str, object] = {
        "id": "ERA-01",
        "severity": "high",
        "axis": "practice",
        "knowledge": "obs",
        "n_min": 20,
        "references": (Reference("CSF", "RS.MI-02"),),
        "measures": (measure(),),
    }
    return Check(**words | given | changes)  # type: ignore[arg-type]


def test_a_whole_declaration_is_accepted() -> None:
    check = make()
    assert (check.family, check.cites("CSF"), check.cites("D3FEND")) == (
        "Eradication",
        ("RS.MI-02",),
        (),
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "era-1"}, "id is not like"),
        ({"id": "ABC-01"}, "belongs to no family"),
        ({"title": ""}, "title has not"),
        ({"title": "x" * 121}, "title has not"),
        ({"title": "It holds."}, "title ends with a full stop"),
        ({"problem": ""}, "problem has not"),
        ({"severity": "urgent"}, "severity is unknown"),
        ({"axis": "style"}, "axis is unknown"),
        ({"why": ""}, "why has not"),
        ({"why": "x" * 401}, "why has not"),
        ({"n_min": 0}, "n_min"),
        ({"references": ()}, "references are missing"),
        ({"measures": ()}, "measures are missing"),
        ({"measures": (measure(), measure())}, "key twice"),
        ({"measures": (measure(good=None, bad=None),)}, "none with thresholds"),
        ({"measures": (measure(sums=None),)}, "either cases or sums"),
        ({"measures": (measure(cases=lambda view: view),)}, "either cases or sums"),
        ({"source": "seeds"}, "either cases or sums"),
        ({"applies": lambda facts: None}, "applies_when"),
        ({"applies_when": "sometimes"}, "applies_when"),
    ],
)
def test_a_wrong_declaration_is_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "percent"},
        {"name": ""},
        {"good": None},
        {"good": 0.3},
        {"better": "lower"},
    ],
)
def test_a_wrong_measure_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="check value"):
        measure(**changes)


def test_a_reference_to_an_unknown_framework_is_refused() -> None:
    with pytest.raises(ValueError, match="framework"):
        Reference("ISO", "27001")
