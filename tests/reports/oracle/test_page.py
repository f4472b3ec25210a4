"""The page of a double oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cagexplain.attack.oracle.results import Blue, OracleResult, Pair, Plan, Red, Table
from cagexplain.cc4.reds import REDS
from reports.kit.numbers import interval, number
from reports.oracle.page import oracle_report
from tests.support import page_checks as checks
from tests.support.browser import barriers, needs_browser
from tests.support.fixtures_pages import Element, parse
from tests.support.page_checks import HOSTILE, rows

SEEDS = tuple(range(1_000_000, 1_000_040))
MEANS = {
    "champion": {"finite_state": -90, "greedy_live": -2200, "found_1": -2500},
    "expert": {"finite_state": -200, "greedy_live": -3700, "found_1": -1500},
    "blue_1": {"finite_state": -400, "greedy_live": -2000, "found_1": -2100},
}


def made(blue_1: str = "blue_1") -> OracleResult:
    """A result whose second round has a gap of 500."""
    keys = ("champion", "expert", blue_1)
    reds = ("finite_state", "greedy_live", "found_1")
    spread = np.arange(len(SEEDS)) % 7 - 3
    pairs = tuple(
        tuple(Pair.of((mean + spread).tolist()) for mean in row.values()) for row in MEANS.values()
    )
    points = np.array([[pair.points for pair in row] for row in pairs], np.float64)
    table = Table(keys, reds, points)
    return OracleResult(
        options={"steps": 500, "condition": "standard"},
        created="2026-11-30T12:00:00+00:00",
        version="0",
        rules="fenced",
        aim="return",
        plan=Plan(),
        seed=0,
        seeds=SEEDS,
        blues=(
            Blue("champion", {"name": "champion"}),
            Blue("expert", {"name": "expert"}),
            Blue(blue_1, {"name": "ippo"}, "champion"),
        ),
        reds=tuple(
            Red(key, f"{key} does what it does", {**REDS["greedy_live"].document(), "name": key})
            for key in reds
        ),
        pairs=pairs,
        rounds=(
            table.round({"champion": 1.0}, {"finite_state": 1.0}, ("champion", "greedy_live")),
            table.round({"champion": 1.0}, {"greedy_live": 1.0}, (blue_1, "found_1")),
        ),
        final=table.mixtures({"expert": 0.25, blue_1: 0.75}, {"greedy_live": 0.4, "found_1": 0.6}),
    )


@pytest.fixture(scope="module")
def result() -> OracleResult:
    return made()


@pytest.fixture(scope="module")
def page(result: OracleResult) -> Element:
    return parse(oracle_report(result).html)


@pytest.mark.parametrize(
    "check",
    [
        checks.allows_its_scripts_and_nothing_else,
        checks.is_in_order,
        checks.can_be_reached_by_its_contents,
        checks.every_picture_has_words,
        checks.is_complete_without_script,
    ],
)
def test_what_holds_of_every_page(check: Callable[[Element], None], page: Element) -> None:
    check(page)


def test_all_pairs_stand_in_the_table(result: OracleResult, page: Element) -> None:
    (table,) = page.all("table", within="pairs")
    heads = [th.text.strip() for th in table.all("thead")[0].all("th")]
    assert [head.replace("\u200b", "") for head in heads[2:]] == [red.key for red in result.reds]
    *cells, weights = rows(table)
    for row, blue, pairs in zip(cells, result.blues, result.pairs, strict=True):
        assert row[0].startswith(blue.key)
        for cell, pair in zip(row[2:], pairs, strict=True):
            mean = pair.mean
            assert cell == number(mean.mean) + interval(mean.low, mean.high, number)
            assert "no interval" not in cell
    assert [row[1] for row in cells] == ["–", "25\u00a0%", "75\u00a0%"]
    assert weights[2:] == ["–", "40\u00a0%", "60\u00a0%"]
    assert "trained from champion" in cells[2][0]


def test_the_worst_attacker_of_a_policy_is_bold_and_larger_losses_darker(page: Element) -> None:
    (table,) = page.all("table", within="pairs")
    body = table.all("tbody")[0].all("tr")[:-1]
    bold = [[b.text for b in row.all("b")] for row in body]
    assert bold == [["−2,500"], ["−3,700"], ["−2,100"]]
    looks = [
        [next((name for name in td.classes if name.startswith("much")), "") for td in row.all("td")]
        for row in body
    ]
    assert [row[1:] for row in looks] == [
        ["", "much3", "much3"],
        ["", "much4", "much2"],
        ["much1", "much2", "much3"],
    ]


def test_the_summary_names_the_best_and_the_value(result: OracleResult, page: Element) -> None:
    says = page.all("section", within="pairs")[0].text
    assert (
        "bears its worst attacker best is blue_1: −2,100 points per episode under found_1" in says
    )
    assert f"gets {number(result.final.value.mean)} under" in says


def test_rounds_have_answers_and_bounds(result: OracleResult, page: Element) -> None:
    (table,) = page.all("table", within="rounds")
    for row, each in zip(rows(table), result.rounds, strict=True):
        assert row[2] == each.red and row[5] == each.blue
        shown, values = [row[3], row[6], row[7]], [each.low, each.high, each.gap]
        for text, value in zip(shown, values, strict=True):
            assert text == number(value.mean) + interval(value.low, value.high, number)
    assert "At least 500 points per episode" in page.all("section", within="rounds")[0].text


def test_answers_that_gain_nothing_are_no_proof(result: OracleResult) -> None:
    table = result.table
    last = table.round({"champion": 1.0}, {"found_1": 1.0}, ("champion", "found_1"))
    document = parse(oracle_report(replace(result, rounds=(last,))).html)
    assert "no proof" in document.all("section", within="rounds")[0].text


def test_few_episodes_are_warned_of(result: OracleResult, page: Element) -> None:
    assert not [element for element in page if "warning" in element.classes]
    few = oracle_report(replace(result, seeds=SEEDS[:3])).html
    assert "Only 3 held-out episodes." in few


def test_hostile_names_stay_text() -> None:
    html = oracle_report(replace(made(HOSTILE), options={"condition": HOSTILE})).html
    document = parse(html)
    checks.loads_nothing(html, document)
    checks.allows_its_scripts_and_nothing_else(document)
    assert len(document.all("script")) == 1


@needs_browser
@pytest.mark.parametrize("width", [500, 1400], ids=["narrow", "wide"])
def test_axe_finds_no_barrier(result: OracleResult, tmp_path: Path, width: int) -> None:
    assert barriers(oracle_report(result).html, tmp_path, width) == []
