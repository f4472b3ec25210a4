"""Exports hold what their standards demand, and say what the audit says."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from lxml import etree
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from sarif_kit.validate import validation_errors

from cagexplain.audit import document
from cagexplain.audit.check import FRAMEWORKS
from cagexplain.audit.results import Audit, Compared, Verdict
from cagexplain.cli.main import main
from reports.exports import FORMATS
from reports.exports.junit import junit
from reports.exports.navigator import TECHNIQUES
from reports.exports.ocsf import VERSION, ocsf
from reports.exports.sarif import sarif
from reports.shared.findings import declared
from tests.support import audits as made
from tests.support.audits import bare, full
from tests.support.fixtures_audits import ALONE
from tests.support.paths import DATA, ROOT

SCHEMAS = DATA / "schemas"


def text(name: str, audit: Audit) -> str:
    return FORMATS[name].text(audit)


def _json_errors(schema: dict[str, Any]) -> Callable[[str], list[str]]:
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    return lambda told: [error.message for error in validator.iter_errors(json.loads(told))]


def _each(errors: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """For arrays of documents."""
    return lambda told: [e for one in json.loads(told) for e in errors(json.dumps(one))]


def _xml_errors(told: str) -> list[str]:
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "junit.xsd"))
    schema.validate(etree.fromstring(told.encode()))
    return [str(error) for error in schema.error_log]


def _own(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return found


def _ocsf() -> dict[str, Any]:
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(VERSION))
    found: dict[str, Any] = schemas.get_class_schema("compliance_finding")
    return found


ERRORS: dict[str, Callable[[str], list[str]]] = {
    "json": _json_errors(document.schema()),
    "sarif": lambda told: validation_errors(json.loads(told)),
    "junit": _xml_errors,
    "ocsf": _each(_json_errors(_ocsf())),
    "navigator": _json_errors(_own("navigator-4.5.json")),
    "cacao": _json_errors(_own("cacao-2.0.json")),
}

SPOILT: dict[str, Callable[[str], str]] = {
    "json": lambda told: told.replace('"verdict": "FAIL"', '"verdict": "BAD"'),
    "sarif": lambda told: told.replace('"kind": "fail"', '"kind": "failure"'),
    "junit": lambda told: told.replace("<testcase ", "<test ").replace("</testcase>", "</test>"),
    "ocsf": lambda told: told.replace('"class_uid"', '"class"'),
    "navigator": lambda told: told.replace('"T1210"', '"1210"'),
    "cacao": lambda told: told.replace('"commands"', '"command"'),
}


@pytest.mark.parametrize("audit", [full, made.audit, bare, made.hostile], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ERRORS)
def test_follows_its_schema(name: str, audit: Callable[[], Audit]) -> None:
    assert ERRORS[name](text(name, audit())) == []


@pytest.mark.parametrize("name", ERRORS)
def test_a_real_audit_follows_its_schema(name: str, real: Audit, audited: Path) -> None:
    assert text(name, real) == (audited / FORMATS[name].file).read_bytes().decode("utf-8")
    assert ERRORS[name](text(name, real)) == []


@pytest.mark.parametrize("name", SPOILT)
def test_the_schema_would_notice(name: str) -> None:
    good = text(name, full())
    spoilt = SPOILT[name](good)
    assert spoilt != good
    assert ERRORS[name](spoilt) != []


@pytest.mark.parametrize("name", FORMATS)
def test_is_deterministic(name: str) -> None:
    assert text(name, full()) == text(name, full())


def test_every_format_has_a_file_of_its_own() -> None:
    files = [form.file for form in FORMATS.values()]
    assert len(set(files)) == len(files)
    assert set(FORMATS) == {*ERRORS, "csv"}


def _results(audit: Audit) -> dict[str, dict[str, Any]]:
    (run,) = json.loads(text("sarif", audit))["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return {result["ruleId"]: result for result in run["results"]}


def _notifications(audit: Audit) -> dict[str, dict[str, Any]]:
    (run,) = json.loads(text("sarif", audit))["runs"]
    (invocation,) = run["invocations"]
    rules = run["tool"]["driver"]["rules"]
    for told in invocation["toolExecutionNotifications"]:
        assert rules[told["associatedRule"]["index"]]["id"] == told["associatedRule"]["id"]
    return {told["associatedRule"]["id"]: told for told in invocation["toolExecutionNotifications"]}


@pytest.mark.parametrize("made_up", [True, False], ids=["fabricated", "real"])
def test_sarif_makes_a_result_of_every_failure_and_of_nothing_else(
    made_up: bool, real: Audit
) -> None:
    """Code scanning makes an alert of every result, whatever else stands in it."""
    audit = full() if made_up else real
    fails = {finding.id for finding in audit.findings if finding.verdict == "FAIL"}
    assert fails
    assert set(_results(audit)) == fails
    assert set(_notifications(audit)) == {f.id for f in audit.findings} - fails
    assert not any("suppressions" in result for result in _results(audit).values())


def test_sarif_lists_warnings_if_asked_for() -> None:
    (run,) = json.loads(sarif(full(), warnings=True))["runs"]
    kinds = {result["ruleId"]: (result["kind"], result["level"]) for result in run["results"]}
    assert kinds["ERA-01"] == ("fail", "error")
    assert kinds["NET-02"] == ("fail", "warning")
    assert kinds["DET-04"] == ("review", "none")  # no level but of failures
    assert set(kinds) == {f.id for f in full().findings if f.verdict in ("FAIL", "WARN")}
    assert validation_errors(json.loads(sarif(full(), warnings=True))) == []


def test_the_command_lists_warnings_if_asked_for(audited: Path, tmp_path: Path) -> None:
    profile = str(audited.parent / "own.yaml")
    command = ["audit", str(audited), *ALONE, "--profile", profile, "-o", str(tmp_path / "a")]
    assert main([*command, "--sarif-warnings"]) == 0
    (run,) = json.loads((tmp_path / "a" / "audit.sarif").read_bytes())["runs"]
    assert {"DET-03": "fail", "REC-03": "review"}.items() <= {
        result["ruleId"]: result["kind"] for result in run["results"]
    }.items()


def test_sarif_tells_the_rest_by_notifications() -> None:
    told = _notifications(full())
    levels = {"ROB-02": "error", "DET-04": "note", "DET-07": "note", "NET-01": "none"}
    assert {check: told[check]["level"] for check in levels} == levels
    assert told["NET-01"]["properties"]["verdict"] == "PASS"
    assert told["NET-01"]["properties"]["measures"][0]["value"] == 0.0


def test_sarif_says_whether_the_checks_could_be_carried_out() -> None:
    for audit, fine in ((full(), False), (bare(), True)):
        (invocation,) = json.loads(text("sarif", audit))["runs"][0]["invocations"]
        assert invocation["executionSuccessful"] is fine


def _locations(value: Any) -> list[dict[str, Any]]:
    """All SARIF locations in a document: those of results, and related ones."""
    if isinstance(value, list):
        return [found for item in value for found in _locations(item)]
    if not isinstance(value, dict):
        return []
    own = [*value.get("locations", []), *value.get("relatedLocations", [])]
    return own + [found for item in value.values() for found in _locations(item)]


@pytest.mark.parametrize("made_up", [True, False], ids=["fabricated", "real"])
def test_sarif_gives_every_location_a_file(made_up: bool, real: Audit) -> None:
    """Code scanning rejects a location without one."""
    audit = full() if made_up else real
    (run,) = json.loads(text("sarif", audit))["runs"]
    (artifact,) = run["artifacts"]
    locations = _locations(run)
    assert len(locations) > len(run["results"])  # evidence too
    for location in locations:
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == artifact["location"]["uri"]
        assert place["region"]["startLine"] == 1
    assert any("logicalLocations" in location for location in locations)


def test_sarif_of_a_real_audit_names_a_file_that_is_there(real: Audit) -> None:
    (result, *_) = _results(real).values()
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert (ROOT / uri).is_file()


def test_sarif_has_what_code_scanning_wants_of_tool_and_rules(real: Audit) -> None:
    for audit in (full(), real):
        (run,) = json.loads(text("sarif", audit))["runs"]
        driver = run["tool"]["driver"]
        assert driver["informationUri"].startswith("https://")
        assert [rule["id"] for rule in driver["rules"]] == [f.id for f in audit.findings]
        for rule in driver["rules"]:
            assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"]
            assert rule["help"]["text"]
            assert len(rule["properties"]["tags"]) <= 20


def test_sarif_rules_come_from_the_declarations() -> None:
    (run,) = json.loads(text("sarif", full()))["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["ERA-01"]["properties"]["security-severity"] == "9.5"
    assert "CISA COUN7ER 1.0.0 CM0027" in rules["ERA-01"]["properties"]["tags"]
    assert rules["ERA-01"]["helpUri"] == FRAMEWORKS["CSF"][2]
    assert "only a rebuild evicts it" in rules["ERA-01"]["fullDescription"]["text"]
    assert "helpUri" not in rules[made.UNKNOWN]


def test_sarif_fingerprints_match_runs_whatever_the_numbers_are() -> None:
    def prints(**changes: Any) -> dict[str, str]:
        return _results(made.audit(findings=(made.finding(**changes),)))["ERA-01"][
            "partialFingerprints"
        ]

    assert prints() == prints(n=3, measures=())
    other = made.audit(policy={"name": "another"})
    assert _results(other)["ERA-01"]["partialFingerprints"] != prints()


def test_sarif_tells_what_is_new_since_the_baseline() -> None:
    def state(**changes: Any) -> str:
        compared = dataclasses.replace(Compared("", (), (), (), {}), **changes)
        audit = made.audit(findings=(made.finding(),), baseline=compared)
        return str(_results(audit)["ERA-01"]["baselineState"])

    assert state(new=("ERA-01",), verdicts={"ERA-01": ("PASS", "FAIL")}) == "new"
    assert state(verdicts={"ERA-01": ("ERROR", "FAIL")}) == "updated"
    assert state(unchanged=("ERA-01",)) == "unchanged"
    assert not any("baselineState" in r for r in _results(made.audit(baseline=None)).values())


@pytest.mark.parametrize(
    ("policy", "uri"),
    [
        ({"name": "p", "path": "runs/a b/ckpt.pt"}, "runs/a%20b/ckpt.pt"),
        ({"name": "p", "path": "/data/ckpt.pt"}, "file:///data/ckpt.pt"),
        ({"name": "own"}, "policies/own"),
        ({"path": "ippo_long", "source": "cagexplain/data/x.pt"}, "cagexplain/data/x.pt"),
        ({"name": "../#?", "path": "half \udcff"}, "half%20%3F"),
    ],
)
def test_sarif_points_to_the_policy(policy: dict[str, Any], uri: str) -> None:
    result = _results(made.audit(policy=policy))["ERA-01"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == uri


def _cases(audit: Audit) -> dict[str, etree._Element]:
    root = etree.fromstring(text("junit", audit).encode())
    return {case.get("name").split()[0]: case for case in root.iter("testcase")}


def test_junit_has_a_suite_per_family_and_counts_what_it_holds() -> None:
    audit = full()
    root = etree.fromstring(text("junit", audit).encode())
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == list(dict.fromkeys(finding.family for finding in audit.findings))
    for suite in suites.values():
        counted = {
            "tests": len(suite.findall("testcase")),
            "failures": len(suite.findall("testcase/failure")),
            "errors": len(suite.findall("testcase/error")),
            "skipped": len(suite.findall("testcase/skipped")),
        }
        assert {name: int(suite.get(name)) for name in counted} == counted
    assert int(root.get("tests")) == len(audit.findings)
    assert int(root.get("failures")) == sum(f.verdict == "FAIL" for f in audit.findings)


@pytest.mark.parametrize(
    ("verdict", "tag"),
    [
        ("FAIL", "failure"),
        ("ERROR", "error"),
        ("INCONCLUSIVE", "skipped"),
        ("NOT_APPLICABLE", "skipped"),
        ("WARN", "system-out"),
        ("PASS", None),
    ],
)
def test_junit_outcomes(verdict: Verdict, tag: str | None) -> None:
    finding = made.finding(verdict=verdict, reason="Because of this.")
    (case,) = _cases(made.audit(findings=(finding,))).values()
    assert [child.tag for child in case] == ([tag] if tag else [])
    if tag in ("failure", "error", "skipped"):
        assert "Because of this." in case[0].get("message")


def _events(audit: Audit) -> dict[str, dict[str, Any]]:
    return {e["compliance"]["control"]: e for e in json.loads(text("ocsf", audit))}


def test_ocsf_identifies_class_status_and_severity() -> None:
    events = _events(full())
    event = events["ERA-01"]
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["time"] == 1738324800000
    assert event["severity_id"] == 5
    status = {"ERA-01": 3, "DET-04": 2, "NET-01": 1, "DET-07": 0, "DET-05": 99, "ROB-02": 0}
    assert {check: events[check]["compliance"]["status_id"] for check in status} == status


def test_ocsf_names_attacks_of_the_references_with_their_version() -> None:
    finding = made.finding(id="REC-06", title="Damaged services are repaired")
    attacks = _events(made.audit(findings=(finding,)))["REC-06"]["finding_info"]["attacks"]
    assert {"uid": "T1489", "name": "Service Stop"} in [a["technique"] for a in attacks]
    assert {a["version"] for a in attacks} == {FRAMEWORKS["ATT&CK"][1]}
    assert "attacks" not in _events(full())["ERA-01"]["finding_info"]


def test_ocsf_follows_a_finding_from_one_audit_to_the_next() -> None:
    events = _events(full())
    fresh = _events(made.audit(baseline=None))
    assert (events["ERA-01"]["activity_id"], events["ERA-01"]["status_id"]) == (2, 2)
    assert (events["NET-01"]["activity_id"], events["NET-01"]["status_id"]) == (3, 4)
    assert (fresh["ERA-01"]["activity_id"], fresh["ERA-01"]["status_id"]) == (1, 1)
    assert events["ERA-01"]["finding_info"]["uid"] == fresh["ERA-01"]["finding_info"]["uid"]


def _layer(audit: Audit) -> dict[str, dict[str, Any]]:
    layer = json.loads(text("navigator", audit))
    return {technique["techniqueID"]: technique for technique in layer["techniques"]}


def test_navigator_scores_techniques_by_their_worst_verdict() -> None:
    def scores(**verdicts: Verdict) -> dict[str, int | None]:
        found = [
            made.finding(id=check.replace("_", "-"), verdict=verdict)
            for check, verdict in verdicts.items()
        ]
        layer = _layer(made.audit(findings=tuple(found)))
        return {ident: technique.get("score") for ident, technique in layer.items()}

    assert scores(REC_06="FAIL")["T1489"] == 0
    assert scores(REC_06="PASS", MIS_01="WARN")["T1489"] == 50
    assert scores(REC_06="PASS")["T1499"] == 100
    assert scores(REC_06="INCONCLUSIVE")["T1499"] is None
    assert scores(ERA_06="FAIL")["T1068"] == 0  # which cites the tactic
    assert set(scores().values()) == {None}


def test_navigator_opens_with_the_annotated_subtechniques_shown() -> None:
    layer = json.loads(text("navigator", full()))
    assert layer["layout"]["expandedSubtechniques"] == "annotated"
    assert any("." in technique["techniqueID"] for technique in layer["techniques"])


def test_navigator_has_each_technique_once() -> None:
    assert len({technique.id for technique in TECHNIQUES}) == len(TECHNIQUES)
    assert list(_layer(full())) == [technique.id for technique in TECHNIQUES]


def test_csv_has_a_row_for_each_number() -> None:
    audit = full()
    rows = list(csv.DictReader(io.StringIO(text("csv", audit), newline="")))
    assert [(row["id"], row["key"]) for row in rows] == [
        (finding.id, measured.key if measured else "")
        for finding in audit.findings
        for measured in finding.measures or (None,)
    ]
    first = next(row for row in rows if row["id"] == "ERA-01")
    assert (float(first["value"]), float(first["price"])) == (0.21, 312.4)
    assert first["patch"] == "restore_not_look"  # which tells that others have the same price
    loss = next(row for row in rows if row["id"] == "NET-02")
    assert loss["price"] == "-145.0"  # a number, which no apostrophe may spoil


def test_no_file_advises_what_was_measured_to_lose_points() -> None:
    harm = dataclasses.replace(made.LOSS, checks=("ERA-01",))
    audit = made.audit(findings=(made.finding(price=harm),), prices=(harm,))
    advised = declared("ERA-01")
    assert advised is not None
    for write in (ocsf, junit):
        assert advised.remediation not in write(audit)
        assert "Retrain rather than patch." in write(audit)
        assert advised.remediation in write(dataclasses.replace(audit, prices=()))
