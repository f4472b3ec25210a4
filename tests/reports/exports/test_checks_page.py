"""The catalogue in words."""

import re

import pytest

from cagexplain.audit.check import FRAMEWORKS, Check
from cagexplain.audit.checks import checks
from reports.exports.checks_page import WIDTH, markdown, text
from tests.support.paths import ROOT

DOCS = ROOT / "docs" / "checks.md"
CATALOGUE = checks()
EACH = pytest.mark.parametrize("check", CATALOGUE, ids=lambda check: check.id)


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    # If not: python -m reports.exports.checks_page > docs/checks.md
    assert DOCS.read_text(encoding="utf-8") == markdown()


def test_the_page_has_every_check_once_with_working_links() -> None:
    page = markdown()
    headings = re.findall(r"^### ([A-Z]{3}-\d\d): (.+)$", page, re.MULTILINE)
    assert headings == [(check.id, check.title) for check in CATALOGUE]
    anchors = re.findall(r'<a id="(.+?)">', page)
    assert set(re.findall(r"\]\(#(.+?)\)", page)) <= set(anchors)
    assert len(anchors) == len(CATALOGUE)


def test_the_tables_of_the_page_are_tables() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", markdown(), re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(columns) == 1, table


@EACH
def test_a_terminal_shows_all_that_is_declared(check: Check) -> None:
    shown = text(check)
    # An address that is cut in two cannot be followed, so it has a line of its own instead.
    breakable = [line for line in shown.splitlines() if not line.strip().startswith("<http")]
    assert max(map(len, breakable)) <= WIDTH
    words = " ".join(shown.split())
    declared = [check.id, check.title, check.why, check.remediation, check.formula, check.family]
    declared += [check.severity, check.trigger, check.absent, check.applies_when, *check.related]
    for measure in check.measures:
        declared += [measure.key, measure.name, measure.unit]
        declared += [f"{border:g}" for border in (measure.good, measure.bad) if border is not None]
    for ref in check.references:
        name, version, address = FRAMEWORKS[ref.framework]
        declared += [f"{name} {version}: {ref.id} {ref.title}".rstrip(), address]
    for part in declared:
        assert " ".join(part.split()) in words, part


@EACH
def test_related_checks_exist(check: Check) -> None:
    assert set(check.related) <= {other.id for other in CATALOGUE} - {check.id}
