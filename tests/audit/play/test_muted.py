"""What a profile mutes is measured and shown, and counts for nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from lxml import etree

from cagexplain.audit import document
from cagexplain.audit.results import Audit, Finding
from cagexplain.cli.main import main
from reports.audit import rules
from tests.support import audits as made
from tests.support.fixtures_audits import ALONE, MUTED


def load(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def test_a_muted_check_keeps_what_was_measured(real: Audit) -> None:
    assert {f.id: f.reason for f in real.findings if f.muted} == MUTED
    finding = real.finding("REC-01")
    assert finding.verdict == "NOT_APPLICABLE"
    main_number = finding.decisive
    assert main_number is not None
    assert main_number.value is not None and main_number.value > 0.5
    assert main_number.verdict == "FAIL"
    assert finding.n > 0 and finding.evidence and finding.parts
    assert finding.p is finding.survives is finding.price is None
    assert not real.finding("REC-03").muted


def test_of_a_muted_check_the_gravest_number_is_shown() -> None:
    measures = (made.measured(key="a", verdict="PASS"), made.measured(key="b", verdict="FAIL"))
    finding = made.finding(verdict="NOT_APPLICABLE", muted=True, measures=measures)
    assert finding.decisive is measures[1]


def test_muted_checks_are_counted_and_told(real: Audit) -> None:
    (note,) = [note for note in real.notes if "muted" in note]
    assert note.startswith("2 checks are muted by the profile")
    assert "REC-01 (We restore at night)" in note


def test_the_page_shows_number_and_reason(audited: Path) -> None:
    page = (audited / "audit.html").read_text(encoding="utf-8")
    root = etree.fromstring(page.encode(), etree.HTMLParser())
    (row,) = root.xpath("//tbody[@id='checks-REC-01']")
    shown = " ".join("".join(row.itertext()).split())
    assert "(muted)" in shown
    assert "Muted by the profile" in shown and MUTED["REC-01"] in shown
    assert "Fail" in shown and "95 % interval" in shown
    assert "2 checks are muted by the profile" in page


def test_files_for_other_programs_tell_it(audited: Path) -> None:
    (event,) = [
        event
        for event in load(audited / "audit.ocsf.json")
        if event["compliance"]["control"] == "REC-01"
    ]
    assert (event["status"], event["compliance"]["status"]) == ("Suppressed", "Not applicable")
    assert event["compliance"]["status_details"] == [MUTED["REC-01"]]
    (run,) = load(audited / "audit.sarif")["runs"]
    assert "REC-01" not in {result["ruleId"] for result in run["results"]}
    (notification,) = [
        told
        for told in run["invocations"][0]["toolExecutionNotifications"]
        if told["associatedRule"]["id"] == "REC-01"
    ]
    assert notification["level"] == "none"
    assert notification["properties"]["muted"] is True
    assert notification["properties"]["measures"][0]["verdict"] == "FAIL"
    root = etree.parse(audited / "audit.junit.xml")
    (case,) = [case for case in root.iter("testcase") if case.get("name").startswith("REC-01")]
    (skipped,) = case
    assert skipped.tag == "skipped"
    with open(audited / "findings.csv", encoding="utf-8", newline="") as file:
        (row, *_) = [row for row in csv.DictReader(file) if row["id"] == "REC-01"]
    assert (row["muted"], row["reason"]) == ("True", MUTED["REC-01"])
    assert float(row["value"]) > 0.5
    for told in (event["message"], notification["message"]["text"], skipped.get("message")):
        assert told.startswith("Muted by the profile: ")
        assert MUTED["REC-01"] in told
        assert "95" in told  # the number with its interval


def test_what_is_muted_closes_no_gate(audited: Path, tmp_path: Path) -> None:
    command = ["audit", str(audited), *ALONE, "--fail-on", "high", "--strict"]
    assert main([*command, "-o", str(tmp_path / "loud")]) == 3
    loud = document.read(tmp_path / "loud" / "audit.json")
    wrong = [f.id for f in loud.findings if f.verdict in ("FAIL", "INCONCLUSIVE")]
    profile = tmp_path / "all.yaml"
    lines = [f"  {check}: {{muted: Not ours.}}" for check in wrong]
    profile.write_text("\n".join(["checks:", *lines]))
    assert main([*command, "-o", str(tmp_path / "mute"), "--profile", str(profile)]) == 0
    mute = document.read(tmp_path / "mute" / "audit.json")
    assert [f.id for f in mute.findings if f.muted] == wrong
    assert mute.fails_expected_by_chance < loud.fails_expected_by_chance


def test_the_banner_of_the_rules_does_not_say_that_nothing_was_checked() -> None:
    def banner(**changes: Any) -> str:
        finding: Finding = made.finding(id="SUR-01", verdict="NOT_APPLICABLE", **changes)
        return str(rules.banner(made.audit(findings=(finding,))))

    assert "mutes the check" in banner(muted=True, reason="We do not use trees.")
    assert "was not checked" in banner(reason="No trees.")
