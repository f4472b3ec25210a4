"""The page that puts policies side by side."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from cagexplain.analysis.compare.comparison import (
    Comparison,
    Condition,
    compare_parts,
    compare_traces,
)
from reports.compare import words
from reports.compare.page import compare_report
from reports.kit import numbers
from tests.support import page_checks as checks
from tests.support.fixtures_pages import Element, parse
from tests.support.page_checks import HOSTILE, rows
from tests.support.traces import record


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("compared")
    names = ("restore_cycle", "decoy_cycle", "sleep")
    return compare_traces([record(folder / name, name, 6, steps=60) for name in names])


@pytest.fixture(scope="module")
def two(comparison: Comparison) -> Comparison:
    """The first two of them."""
    return dataclasses.replace(
        comparison, samples=comparison.samples[:2], pairs=comparison.pairs[:1]
    )


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> Element:
    return parse(compare_report(comparison).html)


def table_of(document: Element, caption: str) -> list[list[str]]:
    (found,) = (
        table
        for table in document.all("table")
        if any(child.text == caption for child in table.all("caption"))
    )
    return rows(found)


@pytest.mark.parametrize("check", checks.EVERY_PAGE)
def test_what_holds_of_every_page(check: Callable[[Element], None], page: Element) -> None:
    check(page)


def test_the_page_loads_nothing(comparison: Comparison, page: Element) -> None:
    checks.loads_nothing(compare_report(comparison).html, page)


def test_the_ranking_is_that_of_the_analysis(comparison: Comparison, page: Element) -> None:
    for pair in comparison.pairs:
        (table,) = (
            table
            for table in page.all("table", within="overview")
            if table.all("caption")[0].text == f"{pair.a} → {pair.b}"
        )
        found = rows(table)
        if not pair.most:
            assert "not enough" in found[0][0] or "No situation" in found[0][0]
            continue
        for row, place in zip(found, pair.most, strict=True):
            assert row[1].startswith(place.difference.group)
            assert numbers.percent(place.difference.distance) in row[2]
            assert row[-1].endswith("★") == place.difference.significant


def test_a_picture_like_figure_8_of_each(comparison: Comparison, page: Element) -> None:
    pictures = [svg for svg in page.all("svg", within="favourites") if "small" in svg.classes]
    assert [svg.attributes["aria-label"].rsplit(": ")[-1] for svg in pictures] == [
        sample.name for sample in comparison.samples
    ]
    for svg, sample in zip(pictures, comparison.samples, strict=True):
        for favourite in sample.favourites:
            if favourite.action is not None:
                assert f"n = {numbers.compact(favourite.total)}" in svg.text


def test_metrics_of_all_stand_side_by_side(two: Comparison) -> None:
    document = parse(compare_report(two).html)
    (table,) = document.all("table", within="metrics")
    found = rows(table)
    assert len(found) == len(two.pairs[0].metrics)
    assert found[0][0].startswith("Return"), "what counts most comes first"
    rows_by_name = {row[0].rsplit(" ↑")[0].rsplit(" ↓")[0]: row for row in found}
    for metric in two.pairs[0].metrics:
        row = rows_by_name[words.metric_name(metric.metric)]
        if metric.difference is None:
            assert row[-1].startswith("not enough data: n")
        else:
            assert row[-1].endswith("★") == metric.significant
            assert words.signed(metric.difference, metric.unit) in row[3]


def test_the_better_one_is_pointed_at(two: Comparison) -> None:
    (pair,) = two.pairs
    worse = dataclasses.replace(
        next(m for m in pair.metrics if m.metric == "return"),
        **{"value_a": -10.0, "value_b": -90.0, "difference": -80.0, "low": -99.0, "high": -60.0},
        p_adjusted=0.001,
    )
    changed = dataclasses.replace(
        two, pairs=(dataclasses.replace(pair, metrics=(worse,), most=()),)
    )
    (finding,) = words.findings(changed)
    assert finding.headline == f"{pair.a} has a better return than {pair.b}"
    assert finding.detail.startswith(f"{pair.a} −10, {pair.b} −90 per episode; 80 apart (60 to 99")
    turned = dataclasses.replace(
        worse, **{"value_a": -90.0, "value_b": -10.0, "difference": 80.0, "low": 60, "high": 99}
    )
    (other,) = words.findings(
        dataclasses.replace(two, pairs=(dataclasses.replace(pair, metrics=(turned,), most=()),))
    )
    assert other.headline == f"{pair.b} has a better return than {pair.a}"
    assert other.detail.startswith(f"{pair.b} −10, {pair.a} −90 per episode; 80 apart (60 to 99")
    assert "by itself), adjusted p" in other.detail
    (row,) = rows(parse(compare_report(changed).html).all("table", within="metrics")[0])
    assert row[3].startswith("▼ −80")
    open_ = dataclasses.replace(worse, p_adjusted=0.4)
    changed = dataclasses.replace(
        two, pairs=(dataclasses.replace(pair, metrics=(open_,), most=()),)
    )
    (finding,) = words.findings(changed)
    assert "do not differ significantly" in finding.headline


def test_the_defence_is_compared_before_the_choices_and_wins_are_not_counted(
    two: Comparison,
) -> None:
    (pair,) = two.pairs
    clean = next(m for m in pair.metrics if m.metric == "Clean hosts")
    sure = dataclasses.replace(
        clean, **{"value_a": 0.9, "value_b": 0.7, "difference": -0.2, "p_adjusted": 0.001}
    )
    metrics = tuple(sure if m is clean else m for m in pair.metrics)
    changed = dataclasses.replace(two, pairs=(dataclasses.replace(pair, metrics=metrics),))
    headlines = [finding.headline for finding in words.findings(changed)]
    better = headlines.index(f"{pair.a} is better in “Clean hosts”")
    choices = [i for i, text in enumerate(headlines) if "differ most in" in text]
    assert better > 0 and all(better < i for i in choices)
    says = parse(compare_report(changed).html).all("section", within="metrics")[0].text
    assert f"{pair.a} is surely better in" in says and "clean hosts" in says
    assert "of 4" not in says.split(".")[0], "dependent metrics are no votes"


def test_situations_with_many_decisions_come_first(comparison: Comparison) -> None:
    for pair in comparison.pairs:
        views = [place.view for place in pair.most]
        assert all(views.count(view) <= 2 for view in views)
        sure = [place.difference for place in pair.most if place.difference.significant]
        weights = [(d.low or 0) * (d.total_a + d.total_b) for d in sure]
        assert weights == sorted(weights, reverse=True)


def test_different_conditions_and_seeds_are_warned_of(comparison: Comparison) -> None:
    changed = dataclasses.replace(
        comparison,
        conditions=(Condition("red", ("finite_state", "aggressive", "finite_state")),),
        pairs=tuple(dataclasses.replace(pair, paired=False) for pair in comparison.pairs),
        left_out=("alerts in the zone: not recorded in sleep",),
    )
    document = parse(compare_report(changed).html)
    warnings = " ".join(e.text for e in document if "warning" in e.classes)
    assert "Different conditions: red." in warnings and "decoy_cycle: aggressive" in warnings
    assert "Different seeds." in warnings and "sleep has 6" in warnings
    assert "not recorded in sleep" in document.all("section", within="provenance")[0].text


def test_what_differs_in_provenance_is_marked(comparison: Comparison, page: Element) -> None:
    facts = rows(page.all("table", within="provenance")[0])
    by_name = {row[0]: row[1:] for row in facts}
    assert by_name["≠ Policy"] == [sample.name for sample in comparison.samples]
    assert "Red variant" in by_name and "≠ Red variant" not in by_name


def test_hostile_names_stay_text(two: Comparison) -> None:
    hostile: dict[str, Any] = {"name": HOSTILE}
    samples = tuple(dataclasses.replace(sample, **hostile) for sample in two.samples)
    (pair,) = two.pairs
    pairs = (dataclasses.replace(pair, a=HOSTILE, b=HOSTILE),)
    changed = dataclasses.replace(two, samples=samples, pairs=pairs, left_out=(HOSTILE,))
    document = parse(compare_report(changed).html)
    assert not document.all("img")
    assert all("alert(" not in script.text for script in document.all("script"))
    assert HOSTILE in document.all("title")[0].text


def test_the_phases_of_one_policy(tmp_path_factory: pytest.TempPathFactory) -> None:
    trace = record(tmp_path_factory.mktemp("one") / "t", "random", 6, steps=60)
    document = parse(compare_report(compare_parts(trace, "phase")).html)
    checks.is_in_order(document)
    assert document.all("h1")[0].text == "How the policy differs between mission phases"
    assert "of random" in document.all("header")[0].text
