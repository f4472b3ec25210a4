"""The page as a document: complete by itself, well formed, every number in a table."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports.fsm.page import Page, fsm_report
from reports.kit import numbers
from tests.support import page_checks as checks
from tests.support.fixtures_pages import Analyse, Element, parse
from tests.support.page_checks import HOSTILE, table_with


def test_the_page_loads_nothing(page: Page, document: Element) -> None:
    checks.loads_nothing(page.html, document)


@pytest.mark.parametrize("check", checks.EVERY_PAGE)
def test_what_holds_of_every_page(check: Callable[[Element], None], document: Element) -> None:
    check(document)


def test_every_section_says_what_it_answers(document: Element) -> None:
    silent = {"timeline", "decisions", "surrogate", "methods", "run"}
    for section in document.all("section"):
        if section.attributes["id"] not in silent:
            asks, says = (
                [e.text for e in section if name in e.classes] for name in ("asks", "says")
            )
            assert len(asks) == len(says) == 1
            assert asks[0].endswith("?") and says[0].strip().endswith(".")


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
                numbers.number(share.count),
                numbers.number(mix.total),
                str(mix.episodes),
                *(numbers.percent(value, 1) for value in (share.share, share.low, share.high)),
            ]
    assert len(found) == expected


def test_every_arrow_is_in_a_table(analysis: FsmAnalysis, document: Element) -> None:
    found = table_with(document, "machine", "CC4’s choice probability")
    assert len(found) == len(analysis.graph.transitions)
    for row, edge in zip(found, analysis.graph.transitions, strict=True):
        assert row[:2] == [edge.source, edge.target]
        assert row[4] == numbers.number(edge.count)
        if edge.action is not None:
            assert row[2].startswith(str(edge.action))


def test_every_state_and_agent_is_on_the_page(analysis: FsmAnalysis, document: Element) -> None:
    answers = [row for row in document.all("tr", within="overview") if "id" in row.attributes]
    assert [row.attributes["id"] for row in answers] == [
        f"state-{mix.group}" for mix in analysis.mix.targeted
    ]
    for row, mix in zip(answers, analysis.mix.targeted, strict=True):
        if mix.top is not None:
            assert mix.top.name in row.text and numbers.percent(mix.top.share) in row.text
    headings = [heading.text.split()[0] for heading in document.all("h3", within="circumstances")]
    assert headings[: len(analysis.mix_by_agent)] == list(analysis.mix_by_agent)
    combined = table_with(document, "circumstances", "Agent")
    assert {row[0] for row in combined} == set(analysis.mix_by_agent)


def test_the_legend_of_red_actions(document: Element) -> None:
    legend = table_with(document, "machine", "Steps")
    assert [int(row[2]) for row in legend] == [1, 1, 3, 2, 4, 2, 2, 2, 1]
    assert legend[4][0] == "exploit" and legend[4][1].startswith("4 ExploitRemoteService")


def test_run_facts(analysis: FsmAnalysis, document: Element) -> None:
    facts = document.all("section", within="run")[0].text
    for part in ("random", "scripted", "finite_state", "7 to 16", "119 steps", "cagexplain.sim"):
        assert part in facts
    assert "cagexplain trace random --episodes 10 --seed 7" in facts
    assert numbers.number(analysis.returns.total.mean) in facts


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
    assert "intervals need more" in document.all("header")[0].text
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
    assert "10 of 100 planned episodes" in page.html


def test_masked_sleep_is_told(analysis: FsmAnalysis) -> None:
    options = {**analysis.facts.options, "mask_sleep": True}
    facts = dataclasses.replace(analysis.facts, options=options)
    page = fsm_report(dataclasses.replace(analysis, facts=facts))
    assert "Sleep masked" in page.html and "--mask-sleep" in page.html
