"""Names that would do harm come through every export as the plain text that they are."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cagexplain.audit.results import Audit
from reports.exports import FORMATS
from reports.exports.common import xml_text
from tests.support import audits as made

FORMULAS = ("=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1")
EVIL = st.text(
    alphabet=st.sampled_from(
        "<>&'\"{}[]()\\=+-@\x00\x08\x0b\x1b\t\r\n\x7f\x85\u2028\ud800\uffff]é%/"
    )
    | st.characters(),
    max_size=40,
)


def named(name: str) -> Audit:
    """An audit whose free texts are all the same name."""
    finding = made.finding(id=made.UNKNOWN, title=name, family=name, reason=name)
    return made.audit(
        policy={"name": name, "path": name, "sha256": name},
        command=name,
        profile={"name": name, "sha256": name},
        findings=(finding,),
    )


def strings(value: Any) -> set[str]:
    """All texts in a JSON document."""
    if isinstance(value, dict):
        return set().union(*map(strings, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(strings, value)) if value else set()
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("name", ["json", "sarif", "ocsf"])
def test_json_keeps_a_hostile_name_as_it_is(name: str) -> None:
    assert made.HOSTILE in strings(json.loads(FORMATS[name].text(made.hostile())))


def test_xml_keeps_a_hostile_name_as_it_is() -> None:
    root = etree.fromstring(FORMATS["junit"].text(made.hostile()).encode())
    (suite,) = root
    assert suite.get("name") == made.HOSTILE
    allowed = {"testsuites", "testsuite", "properties", "property", "testcase", "failure"}
    assert {element.tag for element in root.iter()} <= allowed


def test_sarif_messages_have_neither_links_nor_placeholders() -> None:
    (run,) = json.loads(FORMATS["sarif"].text(named("[click](https://evil.example) {0} \\")))[
        "runs"
    ]
    text = run["results"][0]["message"]["text"]
    assert "\\[click\\](https://evil.example) {{0}} \\\\" in text


@pytest.mark.parametrize("formula", FORMULAS)
def test_csv_holds_no_formulas(formula: str) -> None:
    rows = list(csv.reader(io.StringIO(FORMATS["csv"].text(named(formula)), newline="")))
    title = rows[1][1]
    assert title == "'" + xml_text(formula)


def test_csv_leaves_harmless_text_alone() -> None:
    rows = list(csv.reader(io.StringIO(FORMATS["csv"].text(named("a=1, 'b'")), newline="")))
    assert rows[1][1] == "a=1, 'b'"


@given(name=EVIL)
@settings(max_examples=60)
def test_any_name_gives_files_that_can_be_read(name: str) -> None:
    audit = named(name)
    texts = {key: form.text(audit).encode("utf-8") for key, form in FORMATS.items()}
    for key in ("json", "sarif", "ocsf", "navigator", "cacao"):
        json.loads(texts[key])
    root = etree.fromstring(texts["junit"])
    assert len(list(root.iter("testcase"))) == 1
    rows = list(csv.reader(io.StringIO(texts["csv"].decode("utf-8"), newline="")))
    assert len(rows) == 2 and len(rows[0]) == len(rows[1])


@pytest.mark.parametrize("name", FORMATS)
def test_numbers_that_json_lacks_are_refused_not_written(name: str) -> None:
    broken = dataclasses.replace(made.finding(), measures=(made.measured(value=float("nan")),))
    audit = made.audit(findings=(broken,))
    if name in ("json", "sarif"):
        with pytest.raises(ValueError, match="JSON compliant"):
            FORMATS[name].text(audit)
    else:
        assert FORMATS[name].text(audit)
