"""What evaluators read: the autonomy table and the dimensions say what the audit holds, no more."""

import json
from pathlib import Path
from typing import Any

import pytest

from cagexplain.audit.autonomy import KINDS
from cagexplain.audit.catalogue import mis_01, pol_02
from cagexplain.audit.check import FRAMEWORKS, Check
from cagexplain.audit.document import read
from cagexplain.audit.passages import TITLES
from cagexplain.audit.results import (
    ActionAutonomy,
    Audit,
    Change,
    Finding,
    Part,
    ReferencePolicy,
    Variation,
)
from cagexplain.common.errors import CagexplainError
from cagexplain.stats.interval import Interval
from reports.audit import autonomy, evaluators
from reports.audit.evaluators_words import DIMENSIONS, MEASURE
from reports.kit.terms import VARIATIONS
from tests.support.fixtures_pages import Element, parse

MEAN = Change(-215.0, -253.0, -185.0)


def row(kind: str, **changes: Any) -> ActionAutonomy:
    values: dict[str, Any] = {
        **{"kind": kind, "advice": "propose", "rule": "loose", "n": 1234, "episodes": 40},
        **{"precision": Interval(0.667, 0.64, 0.7), "agents": (), "pairs": 60},
        "worth": Change(5667.0, 4988.0, 6426.0),
    }
    return ActionAutonomy(**values | changes)


def finding(check: Check, verdict: Any) -> Finding:
    head = {
        name: getattr(check, name)
        for name in ("id", "title", "family", "severity", "axis", "knowledge")
    }
    return Finding(verdict=verdict, **head)


def variation(group: str, change: Change | None) -> Variation:
    return Variation(group, group, f"condition {group}", 20, MEAN, change, None, ())


def audit(**changes: Any) -> Audit:
    values: dict[str, Any] = {
        **{"policy": {"name": "<expert>"}, "play": {"episodes": 40}, "profile": {}, "command": ""},
        **{"versions": {}, "created": "2026-01-01T00:00:00+00:00", "mean_return": MEAN},
        **{"practice": "compliant", "outcome": "effective", "fails_expected_by_chance": 0.5},
        "findings": (finding(mis_01.CHECK, "PASS"), finding(pol_02.CHECK, "FAIL")),
        "references": (
            ReferencePolicy("sleep", "scripted", -6600.0, 100),
            ReferencePolicy("best", "scripted", -200.0, 100),
        ),
    }
    return Audit(**values | changes)


def text(element: Element) -> str:
    return " ".join(element.text.replace("\u00a0", " ").split())


def lines(of: Audit) -> list[str]:
    table = parse(str(autonomy.section(of).html)).all("table")[0]
    return [text(line) for line in table.all("tr")[1:]]


def test_an_advice_stands_beside_its_numbers() -> None:
    short = Part("agent", "blue_agent_3", bad=60, n=120, low=0.4, high=0.6, fails=True)
    fine = Part("agent", "blue_agent_4", bad=10, n=120, low=0.8, high=1.0, fails=False)
    sound = row("BlockTrafficZone", advice="alone", rule="sound", precision=Interval(1, 0.95, 1))
    table = audit(autonomy=(row("Restore", agents=(short, fine)), sound))
    restore, block = lines(table)
    for part in ("propose to an operator", "67 %", "(64 to 70 %)", "+5,667", "(4,988 to 6,426)"):
        assert part in restore
    assert "Surely below the 75 % that acting alone takes: blue agent 3 (50 % of 120)." in restore
    assert "act alone" in block
    says = text(parse(str(autonomy.section(table).html)))
    assert "Act alone: BlockTrafficZone; propose to an operator: Restore." in says


def test_what_was_not_played_or_not_done_is_no_number() -> None:
    nothing = Interval(None, None, None)
    unused = row("Remove", advice="unused", rule="unused", n=0, precision=nothing, worth=None)
    (line,) = lines(audit(autonomy=(unused,)))
    assert "not used" in line
    assert not any(character.isdigit() for character in line.replace("0 judged", ""))


def test_a_saved_table_is_read_back_and_names_nobody_knows_are_refused(tmp_path: Path) -> None:
    file, saved = tmp_path / "audit.json", audit(autonomy=(row("Restore"),))
    file.write_text(json.dumps(saved.to_json()))
    assert read(file).autonomy == saved.autonomy
    for changed, field in ((row("Reboot"), "kind"), (row("Restore", rule="mood"), "rule")):
        file.write_text(json.dumps(audit(autonomy=(changed,)).to_json()))
        with pytest.raises(CagexplainError, match="is unknown") as error:
            read(file)
        assert error.value.field == f"autonomy[0].{field}"


def test_an_audit_without_the_table_has_a_marked_gap() -> None:
    assert "does not say" in text(parse(str(autonomy.section(audit()).html)))


def test_every_kind_and_its_thresholds_are_explained() -> None:
    shown = text(parse(str(autonomy.section(audit(autonomy=(row("Restore"),))).html)))
    for name, kind in KINDS.items():
        assert name in shown
        assert kind.why in shown


def section(of: Audit) -> str:
    return text(parse(str(evaluators.section(of).html)))


def test_dimensions_take_their_numbers_from_the_audit() -> None:
    shown = section(audit())
    assert "Return −215 per episode (−253 to −185)." in shown
    assert "from −6,600 (sleep) to −200 (best)" in shown
    assert "Of 2 checks: 1 fail, 1 pass." in shown
    assert f"Pass{mis_01.CHECK.id} {mis_01.CHECK.title}" in shown
    assert f"Failed checks of practices and health: {pol_02.CHECK.id}." in shown


def test_a_condition_speaks_for_one_dimension() -> None:
    worse = Change(-50.0, -80.0, -20.0)
    others = {"alerts": worse, "red": Change(1.0, -5.0, 8.0), "network": None}
    played = [variation("usual", None), *(variation(*each) for each in others.items())]
    table = audit(variations=tuple(played))
    shown = section(table)
    resilience, generalisability = (
        shown.index(name) for name in ("Resilience", "Generalisability")
    )
    assert resilience < shown.index("condition alerts") < generalisability
    assert shown.index("condition red") > generalisability
    assert "condition network−215not compared" in shown
    assert "condition usual" not in shown
    for count in ("1 of 1", "None of 1"):
        assert f"{count} conditions that can be compared with the usual ones surely cost" in shown


def test_what_was_not_measured_is_said() -> None:
    shown = section(audit())
    assert shown.count("Nothing of this was measured in this audit.") == 2
    for dimension in DIMENSIONS:
        assert all(sentence in shown for sentence in dimension.missing)


def test_every_group_of_conditions_has_a_dimension() -> None:
    named = [group for dimension in DIMENSIONS for group in dimension.groups or ()]
    assert len(named) == len(set(named))
    assert set(named) <= set(VARIATIONS)
    assert sum(dimension.groups is None for dimension in DIMENSIONS) == 1


@pytest.mark.parametrize("ident", sorted(TITLES["AI RMF"]))
def test_cited_subcategories_of_measure_are_in_the_table(ident: str) -> None:
    assert ident in {each.id for each in MEASURE}
    assert FRAMEWORKS["AI RMF"][1] == "1.0"


def test_names_stay_text() -> None:
    hostile = ReferencePolicy("<script>", "scripted", -1.0, 1)
    html = str(evaluators.section(audit(references=(hostile,))).html)
    assert "<script>" not in html
