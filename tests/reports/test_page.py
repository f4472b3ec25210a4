"""The page as a document: complete by itself, well formed, every number in a table."""

import base64
import dataclasses
import hashlib
import itertools
import re
from typing import Any

import pytest

from cagexplain.analysis.fsm import FsmAnalysis
from reports import words
from reports.fsm_report import Page, fsm_report
from tests.reports.conftest import Analyse, Element, parse

HOSTILE = """<script>alert("x")</script>'"><img src=x onerror=alert(1)>{{ 7 * 7 }}"""


def rows(table: Element) -> list[list[str]]:
    return [
        [cell.text.strip() for cell in row.all("td", "th")]
        for body in table.all("tbody")
        for row in body.all("tr")
    ]


def table_with(document: Element, section: str, heading: str) -> list[list[str]]:
    """The rows of the table of a section that has a column of that name."""
    for table in document.all("table", within=section):
        if heading in [cell.text.strip() for cell in table.all("thead")[0].all("th")]:
            return rows(table)
    raise AssertionError(f"no table with a column {heading}")


def test_the_page_loads_nothing(page: Page, document: Element) -> None:
    for element in document:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            address = element.attributes.get(name, "#")
            assert address.startswith(("#", "data:")), f"<{element.tag} {name}={address[:60]}>"
        assert not [name for name in element.attributes if name.startswith("on")]
        assert element.tag not in {"link", "iframe", "img", "object", "embed", "base"}
    style = "".join(element.text for element in document.all("style"))
    assert "url(" not in style and "@import" not in style
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", page.html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_the_policy_of_the_page_allows_its_scripts_and_nothing_else(document: Element) -> None:
    (policy,) = [
        meta.attributes["content"]
        for meta in document.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = re.search(r"script-src ([^;]*);", policy)
    assert allowed is not None and "default-src 'none'" in policy
    assert allowed[1].split() == [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()}'"
        for script in document.all("script")
        if "type" not in script.attributes  # data blocks do not run
    ]


def test_the_document_is_in_order(document: Element) -> None:
    assert len(document.all("h1")) == 1
    assert len(document.all("title", within=None)) >= 1
    assert document.all("html")[0].attributes["lang"] == "en"
    ids = [element.attributes["id"] for element in document if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for link in document.all("a"):
        address = link.attributes.get("href") or link.attributes.get("xlink:href", "")
        if address.startswith("#"):
            assert address[1:] in ids, address
    levels = [int(h.tag[1]) for h in document.all("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_picture_has_words(document: Element) -> None:
    for svg in document.all("svg"):
        described = {"aria-hidden", "aria-label", "aria-labelledby"} & set(svg.attributes)
        assert described, svg.attributes
    for table in document.all("table"):
        assert table.all("thead") and all("scope" in th.attributes for th in table.all("th"))
    for region in document:
        if "scroll" in region.classes:
            assert region.attributes["tabindex"] == "0" and region.attributes["aria-label"]


@pytest.mark.parametrize("view", ["targeted", "situational"])
def test_the_distributions_are_in_tables(
    analysis: FsmAnalysis, document: Element, view: str
) -> None:
    found = {(row[0], row[1]): row[2:] for row in table_with(document, view, "95 % low")}
    expected = 0
    for mix in getattr(analysis.mix, view):
        for share in mix.shares if mix.total else ():
            expected += 1
            assert found[mix.group, share.name] == [
                words.number(share.count),
                words.number(mix.total),
                str(mix.episodes),
                *(words.percent(value, 1) for value in (share.share, share.low, share.high)),
            ]
    assert len(found) == expected


def test_every_arrow_is_in_a_table(analysis: FsmAnalysis, document: Element) -> None:
    found = table_with(document, "machine", "CC4’s choice probability")
    assert len(found) == len(analysis.graph.transitions)
    for row, edge in zip(found, analysis.graph.transitions, strict=True):
        assert row[:2] == [edge.source, edge.target]
        assert row[4] == words.number(edge.count)
        if edge.action is not None:
            assert row[2].startswith(str(edge.action))


def test_every_state_and_agent_is_on_the_page(analysis: FsmAnalysis, document: Element) -> None:
    answers = [row for row in document.all("tr", within="overview") if "id" in row.attributes]
    assert [row.attributes["id"] for row in answers] == [
        f"state-{mix.group}" for mix in analysis.mix.targeted
    ]
    for row, mix in zip(answers, analysis.mix.targeted, strict=True):
        if mix.top is not None:
            assert mix.top.name in row.text and words.percent(mix.top.share) in row.text
    headings = [heading.text.split()[0] for heading in document.all("h3", within="circumstances")]
    assert headings[: len(analysis.mix_by_agent)] == list(analysis.mix_by_agent)
    combined = table_with(document, "circumstances", "Agent")
    assert {row[0] for row in combined} == set(analysis.mix_by_agent)


def test_the_legend_of_red_actions(document: Element) -> None:
    legend = table_with(document, "machine", "Steps")
    assert [(row[0], row[2]) for row in legend] == [
        (str(number), str(steps)) for number, steps in enumerate((1, 1, 3, 2, 4, 2, 2, 2, 1))
    ]
    assert legend[4][1].startswith("ExploitRemoteService")


def test_run_facts(analysis: FsmAnalysis, document: Element) -> None:
    facts = document.all("section", within="run")[0].text
    for part in ("random", "scripted", "finite_state", "7 to 14", "119 steps", "cagexplain.sim"):
        assert part in facts
    assert "cagexplain trace random --episodes 8 --seed 7" in facts
    assert words.number(analysis.returns.total.mean) in facts


def test_hostile_names_stay_text(analysis: FsmAnalysis) -> None:
    hostile: dict[str, Any] = {
        "policy": {**analysis.facts.policy, "name": HOSTILE, "path": HOSTILE, "rule": HOSTILE},
        "engine": {"name": HOSTILE, "version": HOSTILE},
        "packages": {HOSTILE: HOSTILE},
        "trace": HOSTILE,
        "created": HOSTILE,
    }
    facts = dataclasses.replace(analysis.facts, **hostile)
    page = fsm_report(dataclasses.replace(analysis, facts=facts))
    document = parse(page.html)
    assert HOSTILE not in "".join(script.text for script in document.all("script"))
    assert not document.all("img")
    assert HOSTILE in document.all("header")[0].text


def test_a_typical_page_is_small(page: Page) -> None:
    assert len(page.html.encode()) < 3_000_000


def test_one_episode_says_that_it_has_no_intervals(analysed: Analyse) -> None:
    document = parse(fsm_report(analysed("punch", 1)).html)
    assert "need two episodes" in document.all("header")[0].text
    shares = [row[-2:] for row in table_with(document, "targeted", "95 % low")]
    assert shares and all(limits == ["–", "–"] for limits in shares)
    assert "≈" not in document.all("table", within="overview")[0].text


def test_a_policy_that_never_acts_on_hosts(analysed: Analyse) -> None:
    document = parse(fsm_report(analysed("sleep", 2)).html)
    short = document.all("section", within="overview")[0].text
    assert "blue never acts on the host" in short
    assert "Restores hit" not in short
    assert "idle (Sleep or Monitor) in 100" in short


def test_an_unfinished_trace_is_called_so(analysis: FsmAnalysis) -> None:
    facts = dataclasses.replace(analysis.facts, planned=100)
    page = fsm_report(dataclasses.replace(analysis, facts=facts))
    assert "8 of 100 planned episodes" in page.html


def test_masked_sleep_is_told(analysis: FsmAnalysis) -> None:
    options = {**analysis.facts.options, "mask_sleep": True}
    facts = dataclasses.replace(analysis.facts, options=options)
    page = fsm_report(dataclasses.replace(analysis, facts=facts))
    assert "Sleep masked" in page.html and "--mask-sleep" in page.html
