"""The page of an audit: what it says follows from the audit, and names stay text."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cagexplain.analysis.episodes.frames import frame
from cagexplain.analysis.episodes.timeline import timelines
from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.audit.check import SEVERITIES
from cagexplain.audit.results import Audit, Finding, Part
from cagexplain.cli import audit as command
from reports.audit.page import audit_page
from reports.kit.numbers import NBSP
from tests.support import audits as made
from tests.support import page_checks as checks
from tests.support.explained import BARE, FULL, report
from tests.support.fixtures_pages import Element, parse
from tests.support.surrogates import surrogate
from tests.support.traces import record

_LIMIT = 1_000_000
"""Bytes of a page."""


def shown(audit: Audit, **parts: Any) -> Element:
    return parse(audit_page(audit, **parts))


def words(element: Element) -> str:
    return " ".join(element.text.replace("\u00a0", " ").split())


def rows_of(document: Element) -> dict[str, Element]:
    """The rows of the table of all checks, by id."""
    table = next(table for table in document.all("table") if "checks" in table.classes)
    bodies = [body for body in table.all("tbody") if "data-id" in body.attributes]
    return {body.attributes["data-id"]: body for body in bodies}


@pytest.fixture(scope="module")
def audit() -> Audit:
    return made.audit()


@pytest.fixture(scope="module")
def document(audit: Audit) -> Element:
    return shown(audit, explanations=report(FULL, BARE), surrogate=surrogate())


def test_what_holds_of_every_page(audit: Audit, document: Element) -> None:
    html = audit_page(audit, explanations=report(FULL, BARE), surrogate=surrogate())
    checks.loads_nothing(html, document)
    for check in checks.EVERY_PAGE:
        check(document)
    assert len(html.encode()) < _LIMIT


def test_sections_come_in_the_order_of_questions(document: Element) -> None:
    assert [section.attributes["id"] for section in document.all("section")] == [
        *("verdict", "top", "spread", "prices", "baseline", "machine", "decisions", "agents"),
        *("surrogate", "robustness", "autonomy", "evaluators", "checks", "standing"),
        *("methods", "glossary", "provenance"),
    ]


def test_the_first_screen_says_which_since_when_how_sure_and_what_to_do(document: Element) -> None:
    first = document.all("section")[0]
    (sign,) = [e for e in first if "sign" in e.classes]
    assert words(sign).startswith("Do not sign until blue agent 1, which guards operational zone A")
    (answers,) = [e for e in first if "answers" in e.classes]
    assert [words(term) for term in answers.all("dt")] == [
        *("Which part", "Since when", "How sure", "What to do")
    ]


def test_the_first_screen_names_three_findings_and_what_decides(document: Element) -> None:
    first = document.all("section")[0]
    (gravest,) = [e for e in first if "gravest" in e.classes]
    entries = [words(entry) for entry in gravest.all("li")]
    assert len(entries) == 3
    assert entries[0].startswith("✗ Fail")
    assert "(critical, ERA-01): blue agent 1, operational zone A, 150 of 150" in entries[0]
    (strip,) = [e for e in first if "axes" in e.classes]
    assert "150 of 150 first responses to root access" in words(strip)


def test_hosts_held_are_drawn_between_a_good_defender_and_none(document: Element) -> None:
    first = document.all("section")[0]
    (chart,) = [
        svg for svg in first.all("svg") if svg.attributes.get("role") and "chart" in svg.classes
    ]
    titles = [words(title) for title in chart.all("title")]
    assert titles == ["Sleep: nobody defends", "expert, a good defender", "this policy"]
    assert len([path for path in chart.all("path") if "band" in path.classes]) == 3
    spoken = chart.attributes["aria-label"]
    assert "This policy: 0 at step 0, 4 at step 100" in spoken
    assert "16 at step 400. Expert" in spoken
    (said,) = [e for e in first if "held" in e.classes]
    assert "At step 495 red holds 19.8 of the 70 defended hosts on average" in words(said)
    assert "9.90 with expert, 59.4 if nobody defends" in words(said)


def test_hosts_held_need_no_reference() -> None:
    """Episodes of another kind have none; an audit of before has no curve at all."""
    alone = shown(made.audit(references=())).all("section")[0]
    (said,) = [e for e in alone if "held" in e.classes]
    assert "on average (95 % interval 19.3 to 20.3)." in words(said)
    assert "References" not in words(said)
    without = shown(made.audit(held=None)).all("section")[0]
    assert not [e for e in without if "held" in e.classes]


def test_both_verdicts_stand_by_themselves_and_nothing_adds_up(document: Element) -> None:
    (strip,) = [e for e in document if "axes" in e.classes]
    assert "✗ Unorthodox" in words(strip) and "✗ Ineffective" in words(strip)
    (tally,) = [table for table in document.all("table") if "tally" in table.classes]
    counts = {row[0]: [int(n) for n in row[1:]] for row in checks.rows(tally)}
    assert counts["what it does"] == [2, 0, 2, 0, 1, 2, 7]
    assert counts["health of the policy"] == [0, 0, 0, 0, 2, 0, 2]
    assert all(sum(row[:-1]) == row[-1] for row in counts.values())
    assert "score" not in words(strip).lower()


def test_every_verdict_has_a_word_and_a_sign(document: Element) -> None:
    chips = [e for e in document if e.tag == "span" and "verdict" in e.classes]
    assert len(chips) > 20
    assert all(len(words(chip).split()) >= 2 for chip in chips)


def test_top_findings_are_sentences(document: Element) -> None:
    first, *others = [e for e in document.all("article") if "finding" in e.classes]
    text = words(first)
    assert "the share of first responses to root access that are Restore is 21 %" in text
    assert "(95 % interval 17 to 26 %; good ≥ 80 %, bad ≤ 40 %)" in text
    assert "412 first responses to root access in 97 of 100 episodes" in text
    assert "Blue agent 1, operational zone A: 150 of 150 first responses to root access" in text
    assert "same 200 episodes: pays" in text
    assert "It answers ERA-04 as well, and is worth it once." in text
    assert "The number itself goes from 21 % to 98 % with it." in text
    assert "steps 0 to 24: 90 % (9 of 10)" in text
    harmful = next(e for e in others if "NET-02" in words(e))
    assert "makes things worse" in words(harmful)
    assert "Retrain rather than patch" in words(harmful)


def test_what_fails_in_one_part_stands_together() -> None:
    findings = [made.finding(id=name, price=None) for name in ("AAA-01", "BBB-01", "CCC-01")]
    document = shown(made.audit(findings=tuple(findings)))
    (article,) = [e for e in document.all("article") if "finding" in e.classes]
    assert "AAA-01" in words(article)
    (also,) = [e for e in document.all("ul") if "also" in e.classes]
    assert "BBB-01" in words(also) and "CCC-01" in words(also)
    assert "150 of 150 first responses" in words(also)


def test_parts_that_fail_are_marked_and_small_ones_are_listed(document: Element) -> None:
    tables = [t for t in rows_of(document)["ERA-01"].all("table") if "Agent" in words(t)[:8]]
    rows = checks.rows(tables[0])
    by_name = {row[0]: " ".join(row[1:]).replace("\u00a0", " ") for row in rows}
    assert "✗ Fail" in by_name["blue agent 1"] and "0 to 2.0 %" in by_name["blue agent 1"]
    assert "Fail" not in by_name["blue agent 0"]
    assert "too few cases to judge" in by_name["blue agent 4"]


def test_an_agent_s_table_has_only_what_concerns_it(analysis: FsmAnalysis) -> None:
    fair = (Part("agent", "blue_agent_0", 10, 100), Part("agent", "blue_agent_1", 90, 100))
    audit = made.audit(findings=(made.finding(), made.finding(id="DET-04", parts=fair)))
    cards = shown(audit, analysis=analysis).all("article", within="agents")
    told = [[words(row)[:200] for row in card.all("tbody")[0].all("tr")] for card in cards[1:2]]
    assert any("fails here" in row for row in told[0]) and any("worse" in row for row in told[0])
    assert "Nothing that fails or gives a warning is worse here" in words(cards[0])


def test_returns_are_shown_episode_by_episode(analysis: FsmAnalysis) -> None:
    section = next(s for s in shown(made.audit(), analysis=analysis).all("section")
                   if s.attributes["id"] == "spread")  # fmt: skip
    assert "Half of the episodes return between" in words(section)
    assert len(section.all("svg")) == 1


def test_a_terminal_lists_failures_in_the_order_of_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    severe = made.finding(id="AAA-01", severity="high", price=None)
    priced = made.finding(id="BBB-01", severity="high")  # a remedy wins much back
    grave = made.finding(id="CCC-01", price=None)
    warned = made.finding(id="DDD-01", verdict="WARN")
    audit = made.audit(findings=(severe, warned, priced, grave))
    command.show(tmp_path, audit)
    in_terminal = re.findall(r"FAIL (\S+)", capsys.readouterr().out)
    page = next(s for s in shown(audit).all("section") if s.attributes["id"] == "top")
    on_page = re.findall(r"\b[A-C]{3}-01\b", words(page))
    assert in_terminal == on_page == ["CCC-01", "BBB-01", "AAA-01"]


def test_prices_tell_gains_and_harm_alike(document: Element) -> None:
    table = checks.table_with(document, "prices", "Patch")
    assert [(row[1], row[4]) for row in table] == [
        ("+312", "pays"),
        ("+1.2", "no clear effect"),
        ("−145", "makes things worse"),
    ]
    (bundle,) = [e for e in document if "bundle" in e.classes]
    assert "+331 (298 to 364)" in words(bundle)
    first, second = (words(item) for item in bundle.all("li"))
    assert "+319 (287 to 350) by itself" in first
    assert "+2.4 (−11 to 16) by itself" in second


def test_the_value_of_a_patch_stands_once(document: Element) -> None:
    """Several findings share a remedy: its value in each of them would be added up."""
    for section in ("top", "checks"):
        assert "+312" not in words(next(e for e in document if e.attributes.get("id") == section))
    assert "+312" in words(next(e for e in document if e.attributes.get("id") == "prices"))


def test_every_condition_has_a_verdict_or_says_why_not(document: Element) -> None:
    table = checks.table_with(document, "robustness", "Condition")
    assert [(row[4], row[7]) for row in table] == [
        ("−193", "what the others are held against"),
        ("−415", "✓ Pass ROB-02"),
        ("−193", "✓ Pass ROB-02"),
        ("−440", "? Inconclusive ROB-02"),
    ]
    assert [row[5].replace(NBSP, " ") for row in table] == [
        *("–", "0.95 times(0.82 to 1.08)", "1.02 times(0.93 to 1.12)", "1.81 times")
    ]


def test_the_table_has_every_check_with_its_details(audit: Audit, document: Element) -> None:
    rows = rows_of(document)
    assert list(rows) == [f.id for f in sorted(audit.findings, key=_pressing)]
    root = words(rows["ERA-01"])
    for text in (
        *("How it is computed", "good ≥ 80 %, bad ≤ 40 %", "RS.MI-02", "CM0027", "D3-RDI"),
        *("NIST Cybersecurity Framework 2.0", "MITRE D3FEND", "p = 0.0005", "survives"),
        *("Episode 0, step 40, blue agent 0: restricted zone A, server host 0", "Read with"),
    ):
        assert text in root, text
    assert "does not survive" in words(rows["ERA-05"])
    assert "not reached within an episode (beyond 300 steps)" in words(rows["ERA-05"])
    assert "About 140 more episodes" in words(rows["DET-07"])
    muted = words(rows["DEC-02"])
    assert "Muted by the profile" in muted and "The contract does not ask for decoys." in muted
    assert "21 %" in muted  # what was measured stays visible
    assert "The policy crashed in episode 3" in words(rows["ROB-02"])


def _pressing(finding: Finding) -> tuple[int, int]:
    order = ("FAIL", "ERROR", "WARN", "INCONCLUSIVE", "PASS", "NOT_APPLICABLE")
    return order.index(finding.verdict), SEVERITIES.index(finding.severity)


def test_a_check_that_the_catalogue_lacks_is_told_from_its_finding(document: Element) -> None:
    row = words(rows_of(document)[made.UNKNOWN])
    assert "A check that a later catalogue may bring" in row
    assert "only its result is known" in row


def test_evidence_is_capped() -> None:
    many = made.finding(evidence=made.finding().evidence * 200, parts=made.finding().parts)
    html = audit_page(made.audit(findings=(many,) * 1))
    assert html.count("<li>Episode") == 8


def test_the_rules_carry_a_banner_unless_they_passed(audit: Audit, document: Element) -> None:
    banner = [e for e in document.all("p", within="surrogate") if e.attributes.get("role")]
    assert "Do not trust these rules." in words(banner[0])
    fine = dataclasses.replace(audit.finding("SUR-01"), verdict="PASS")
    passed = shown(made.audit(findings=(fine,)), surrogate=surrogate())
    assert not [e for e in passed.all("p", within="surrogate") if e.attributes.get("role")]
    unchecked = shown(made.audit(findings=()), surrogate=surrogate())
    (banner,) = [e for e in unchecked.all("p", within="surrogate") if e.attributes.get("role")]
    assert "was not checked" in words(banner)


def test_moments_lead_to_their_explanations(document: Element) -> None:
    (table,) = [t for t in document.all("table", within="decisions") if "moments" in t.classes]
    links = [link.attributes["href"] for link in table.all("a")]
    assert links == ["#decisions-0"], "the other one made no difference for certain"
    assert "a mistake" in words(table)
    assert "Analyse user host 2 (operational zone A)" in words(table)


def test_a_moment_has_its_map_and_the_command_of_its_replay(tmp_path: Path) -> None:
    trace = record(tmp_path / "trace", "random", 1, steps=60)
    (timeline,) = timelines(trace, {0: "explained"})
    moment = dataclasses.replace(FULL, episode=0, step=40)
    html = audit_page(made.audit(), explanations=report(moment), timelines=[timeline])
    document = parse(html)
    checks.loads_nothing(html, document)
    checks.every_picture_has_words(document)
    (still,) = [e for e in document.all("svg", within="decisions") if "still" in e.classes]
    assert still.attributes["aria-label"].startswith("Step 40, ")
    now = frame(timeline, 40)
    acts = [g for g in still.all("g") if {"blue-act", "red-act", "green-act"} & set(g.classes)]
    assert len(acts) == len(now.blue) + len(now.red) + len(now.failures) > 0
    assert "Operational zone A" in words(still)
    (caption,) = document.all("figcaption", within="decisions")
    assert "cagexplain replay trace --episode 0, then step 40" in words(caption)


def test_what_is_missing_is_a_marked_gap() -> None:
    empty = made.audit(
        **{"findings": (), "prices": (), "bundle": None, "variations": (), "references": ()},
        **{"baseline": None, "playbook": None, "notes": ()},
    )
    document = shown(empty, why_not={"explanations": "It cannot be replayed.", "surrogate": "No."})
    gaps = [words(e) for e in document if "gap" in e.classes]
    assert len(gaps) == 9
    assert any("It cannot be replayed." in gap for gap in gaps)
    assert "baseline" not in [s.attributes["id"] for s in document.all("section")]
    assert "No check of the policy failed" in words(document)
    checks.is_in_order(document)


def test_a_trace_adds_the_machine_and_the_agents(analysis: FsmAnalysis) -> None:
    document = shown(made.audit(), analysis=analysis)
    assert "figure" in [
        e.tag for e in next(s for s in document if s.attributes.get("id") == "machine")
    ]
    cards = document.all("article", within="agents")
    assert [words(card).split(" defends")[0] for card in cards] == [
        f"Blue agent {number}" for number in range(5)
    ]
    assert "restricted zone A" in words(cards[0])
    assert "Analyse on a host with a process alert 65 %" in words(cards[0])
    checks.is_in_order(document)
    checks.every_picture_has_words(document)


def test_whatever_names_say_stays_text() -> None:
    html = audit_page(made.hostile())
    document = parse(html)
    checks.loads_nothing(html, document)
    checks.allows_its_scripts_and_nothing_else(document)
    checks.is_in_order(document)
    checks.every_picture_has_words(document)
    assert "{{ 7 * 7 }}" in html and "49" not in words(document.all("title")[0])
    own = {script.text for script in shown(made.audit()).all("script")}
    assert {script.text for script in document.all("script")} == own
    assert words(document.all("title")[0]).startswith("</script><svg onload")
    (record,) = [e for e in document.all("pre", within="provenance") if "json" in e.classes]
    assert json.loads(record.text)["policy"]["name"] == made.HOSTILE


def test_a_style_sheet_stands_on_the_page_once() -> None:
    page = audit_page(made.audit(), explanations=report(FULL), surrogate=surrogate())
    assert page.count(".checks { min-width") == 1


def test_without_a_part_that_fails_the_first_screen_says_what_to_do_first() -> None:
    warned = made.finding(verdict="WARN", whole="WARN", worst=None, price=None)
    first = shown(made.audit(findings=(warned,), practice="compliant", prices=())).all("section")[0]
    (gravest,) = [e for e in first if "gravest" in e.classes]
    assert words(gravest).startswith("! Warning In part: ")
    (answers,) = [e for e in first if "answers" in e.classes]
    assert [words(term) for term in answers.all("dt")] == ["What to do first"]
    assert words(answers.all("dd")[0])
