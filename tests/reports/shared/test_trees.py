"""Surrogate trees in reports: what they are worth comes first, and trees are drawn as they are."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.analysis.trees.results import TreeNode
from cagexplain.cc4 import agents
from cagexplain.policies.evaluation import MeanReturn
from cagexplain.stats.shares import Ratio
from reports.shared.trees import section
from reports.shared.trees_words import doubts, overall, points, ratio
from reports.trees.page import surrogate_page
from tests.support.browser import needs_browser, probe
from tests.support.fixtures_pages import Element, parse
from tests.support.surrogates import NODES, RULES, leaf, question, share, surrogate, tree

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def page() -> str:
    return surrogate_page(surrogate())


@pytest.fixture(scope="module")
def document(page: str) -> Element:
    return parse(page)


def test_the_answer_says_size_fidelity_and_loss() -> None:
    text = overall(surrogate())
    assert "Trees of 3 leaves agree with the policy on the likeliest action in at least 94" in text
    assert "they return -346 where the policy returns -330" in text.replace("−", "-")
    assert "lose 16" in text and "5.0\u00a0% of what the policy itself loses" in text
    assert "A blind cycle of Restores returns -590" in text.replace("−", "-")
    assert "gain" not in text


@pytest.mark.parametrize(
    ("balanced", "lost", "warned"),
    [(0.94, 16.5, 0), (0.94, -40.0, 0), (0.8, 16.5, 5), (0.94, 200.0, 1), (None, 200.0, 6)],
)
def test_a_banner_warns_of_rules_that_miss_the_policy(
    balanced: float | None, lost: float, warned: int
) -> None:
    result = surrogate(balanced, lost)
    assert len(doubts(result)) == warned
    shown = parse(str(section(result).html))
    banners = [e for e in shown if "warning" in e.classes and "Do not take" in e.text]
    assert len(banners) == (warned > 0)


def test_a_policy_that_draws_is_held_against_itself(document: Element) -> None:
    assert "it takes the same action in 8.0\u00a0% to 8.0\u00a0% of decisions" in document.text
    assert "itself 8.0\u00a0%blind 2.0\u00a0%" in document.text
    greedy = parse(str(section(dataclasses.replace(surrogate(), draws=False)).html))
    assert "asked twice in one situation" not in greedy.text
    assert "Same action as both play" in document.text
    assert "Same action as both play" not in greedy.text


def test_types_of_action_are_told_apart(document: Element) -> None:
    table = next(e for e in document.all("table") if e.all("tr")[0].text.startswith("Type"))
    rows = [[cell.text for cell in row.all("td")] for row in table.all("tr")[1:]]
    assert [row[0].split("n")[0] for row in rows] == [
        "90\u00a0% (95\u00a0%)",
        "97\u00a0% (98\u00a0%)",
    ]


def test_a_trace_without_the_policy_is_told() -> None:
    result = dataclasses.replace(surrogate(), source="trace", seats=())
    assert "The policy itself was not available" in parse(str(section(result).html)).text


def test_a_policy_that_loses_nothing_has_no_part_of_its_loss() -> None:
    worth = dataclasses.replace(surrogate().team, relative=None, to_cycle=None)
    result = dataclasses.replace(surrogate(), team=worth)
    assert result.believable
    assert "not measured" in parse(str(section(result).html)).text


def test_too_little_data_is_no_number() -> None:
    assert ratio(share(None, 3)) == "not enough data: n\u00a0=\u00a03"
    assert ratio(Ratio(0.5, None, None, 10, 1)) == "50\u00a0% (no interval)"
    assert ratio(None) == "not measured"
    assert ratio(Ratio(-0.02, -0.04, 0.01, 10, 9)).endswith("(−4 to 1\u00a0%)")
    assert points(MeanReturn(3.0, None, None, None)) == "3 (no interval)"


def outline(html: Element) -> list[tuple[int, str, str]]:
    """Depth, text and weight of the rows of the first tree."""
    table = next(e for e in html.all("table") if "outline" in e.classes)
    rows = []
    for row in table.all("tr")[1:]:
        cells = row.all("td")
        depth = int(cells[0].attributes["style"].removeprefix("--depth: "))
        rows.append((depth, cells[0].text, cells[1].text))
    return rows


def test_a_tree_reads_as_nested_questions(document: Element) -> None:
    assert outline(document) == [
        (0, "if process alert now", "40"),
        (0, "otherwise", ""),
        (1, "if action is Sleep", "12"),
        (1, "otherwise", "0"),
    ]


@given(st.integers(1, 40), st.integers(0, 10**6))
def test_every_path_of_a_tree_can_be_read_off(leaves: int, seed: int) -> None:
    nodes = list(_grow(leaves, np.random.default_rng(seed)))
    grown = dataclasses.replace(tree("blue_agent_0"), nodes=tuple(nodes), leaves=leaves)
    result = dataclasses.replace(surrogate(), agents=(grown, *surrogate().agents[1:]))
    found: dict[str, list[tuple[str, bool]]] = {}
    path: list[tuple[str, bool]] = []
    for depth, text, weight in outline(parse(str(section(result).html))):
        if text == "otherwise":
            path = [*path[:depth], (path[depth][0], False)]
        elif text != "always":
            path = [*path[:depth], (text.removeprefix("if "), True)]
        if weight:
            found[weight] = list(path)
    assert found == dict(_paths(nodes, 0, []))


def _grow(leaves: int, rng: np.random.Generator) -> Iterator[TreeNode]:
    """A random tree whose leaves have the weights 1, 2 and so on."""
    nodes: list[TreeNode | None] = [None]
    open_: list[int] = [0]
    while len(open_) < leaves:
        at = open_.pop(int(rng.integers(len(open_))))
        nodes[at] = question(f"question {at}", len(nodes), len(nodes) + 1, 1.0)
        open_ += [len(nodes), len(nodes) + 1]
        nodes += [None, None]
    weights = iter(range(1, leaves + 1))
    return (node or leaf(float(next(weights)), 0.1) for node in nodes)


def _paths(
    nodes: list[TreeNode], at: int, path: list[tuple[str, bool]]
) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    node = nodes[at]
    if node.left is None or node.right is None:
        yield f"{node.weight:g}", path
        return
    yield from _paths(nodes, node.left, [*path, (node.text, False)])
    yield from _paths(nodes, node.right, [*path, (node.text, True)])


def rows_of_rules(html: Element) -> list[list[str]]:
    table = next(e for e in html.all("table") if "rules" in e.classes)
    return [[cell.text for cell in row.all("td")] for row in table.all("tr")[1:]]


def test_rules_come_with_priority_support_and_precision(document: Element) -> None:
    rows = rows_of_rules(document)
    assert rows[0][0] == RULES[0].sentence
    assert (
        rows[1][0] == f"{RULES[1].sentence} and 1 more condition, met by 80\u00a0% of such actions"
    )
    assert rows[1][1:3] == ["1", "30\u00a0%"]
    assert rows[1][4:] == ["90\u00a0%", "900"]
    assert "One more leaf leads to an action in fewer than 0.05" in document.text


def test_rules_of_trees_that_draw_have_weights() -> None:
    drawing = dataclasses.replace(surrogate(), stochastic=True)
    assert [row[1] for row in rows_of_rules(parse(str(section(drawing).html)))] == ["12", "40"]


def test_curves_are_drawn_against_the_size(document: Element) -> None:
    charts = [e for e in document.all("svg") if "chart" in e.classes and "sample" not in e.classes]
    drawn = [e.attributes["d"] for chart in charts for e in chart.all("path")]
    assert len(drawn) == len(agents.BLUE) + 1
    fidelity, loss = ([float(y) for y in re.findall(r",([\d.]+)", drawn[i])] for i in (0, -1))
    assert len(fidelity) == len(loss) == 3
    assert fidelity == sorted(fidelity, reverse=True)  # downwards from the top of the drawing
    assert loss == sorted(loss)
    assert not any("chart" in e.classes for e in _without_sizes())


def _without_sizes() -> Element:
    one = dataclasses.replace(surrogate(), sizes=surrogate().sizes[:1])
    return parse(str(section(one).html))


def test_no_trees_are_a_marked_gap() -> None:
    found = parse(str(section(None).html))
    assert any("gap" in element.classes for element in found)
    assert "cagexplain fsm-report TRACE --rules" in found.text


def test_hostile_names_stay_text() -> None:
    rules = tuple(dataclasses.replace(rule, sentence=HOSTILE) for rule in RULES)
    nodes = tuple(dataclasses.replace(node, text=HOSTILE) for node in NODES)
    evil = dataclasses.replace(tree(HOSTILE), rules=rules, nodes=nodes, features=(HOSTILE,))
    result = dataclasses.replace(
        surrogate(0.5),
        teacher={"name": HOSTILE},
        importance=HOSTILE,
        options={HOSTILE: HOSTILE},
        agents=(evil,) * 5,
    )
    html = surrogate_page(result)
    assert "<script>alert" not in html
    assert HOSTILE in parse(html).text


_PROBE = """
const bars = [...document.querySelectorAll(".rules")[0].querySelectorAll("svg.share .bar")];
return {
  wide: document.documentElement.scrollWidth,
  bars: bars.map((bar) => bar.getBoundingClientRect().width),
};
"""


@needs_browser
@pytest.mark.parametrize("width", [500, 1300])
def test_it_fits_the_window(page: str, tmp_path: Path, width: int) -> None:
    seen = probe(page, tmp_path, _PROBE, width)
    assert seen["wide"] <= width
    first, second = seen["bars"]
    assert second / first == pytest.approx(RULES[1].support / RULES[0].support, rel=0.02)
