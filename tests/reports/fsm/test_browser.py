"""The page in a real browser. Skipped where there is none."""

import re
from pathlib import Path

import pytest

from cagexplain.analysis.compare.comparison import compare_traces
from reports.compare.page import compare_report
from reports.fsm.page import Page
from tests.support.browser import needs_browser, opened, probe
from tests.support.traces import record

pytestmark = [needs_browser, pytest.mark.slow]

_ANSWERS = """
  const node = document.querySelector("figure.machine .hole.at-SD a");
  node.focus();
  const dimmed = document.querySelector("figure.machine svg.fsm").classList.contains("dim");
  const box = document.querySelector('input[data-hide="blue"]');
  box.click();
  const hidden = [...document.querySelectorAll("figure.machine .edge.blue")]
    .every((edge) => getComputedStyle(edge).display === "none");
  const table = document.querySelector("#red table.data");
  const head = table.tHead.rows[0].cells[3];
  head.click();
  return {
    width: innerWidth,
    wide: document.documentElement.scrollWidth,
    toggles: !document.querySelector(".toggles").hidden,
    dimmed, hidden,
    column: [...table.tBodies[0].rows].map((row) => row.cells[3].textContent),
    sort: head.getAttribute("aria-sort"),
    drawing: document.querySelector("figure.machine svg.fsm").getBoundingClientRect().height,
    stack: document.querySelector("svg.stack rect").getBoundingClientRect().width,
    contents: document.querySelector("nav.side details").open,
  };
"""

_TABS = """
  const tabs = document.querySelector("#machine .tabs");
  const shown = () => [...tabs.querySelectorAll(":scope > .panel")]
    .map((panel) => panel.getBoundingClientRect().height > 0);
  const before = shown();
  const radio = tabs.querySelectorAll(":scope > input")[2];
  radio.focus();
  const reached = document.activeElement === radio;
  radio.click();
  return { before, reached, after: shown() };
"""

_COLOURS = """
  const style = getComputedStyle(document.body);
  return { ink: style.color, paper: style.backgroundColor };
"""

_PAINT = """
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return box.height > 0 && box.width > 0;
  };
  return {
    contents: document.querySelector("nav.side details").open,
    toggles: document.querySelector(".toggles").hidden,
    sections: [...document.querySelectorAll("main > section")].every(seen),
    links: [...document.querySelectorAll("nav.side a")].filter(seen).length,
  };
"""

_PRINTED_TABS = """
  const parts = [...document.querySelectorAll(".tabs > .panel, .tabs > label")];
  return {
    panels: document.querySelectorAll(".tabs > .panel").length,
    hidden: parts.filter((part) => !part.offsetHeight).map((part) => part.textContent.slice(0, 40)),
  };
"""


@pytest.mark.parametrize("width", [500, 1400])
def test_the_page_fits_the_window_and_answers(page: Page, tmp_path: Path, width: int) -> None:
    seen = probe(page.html, tmp_path, _ANSWERS, width)
    assert seen["width"] == width and seen["wide"] <= width
    assert seen["toggles"] and seen["dimmed"] and seen["hidden"]
    numbers = [int(text.replace(",", "")) for text in seen["column"]]
    assert seen["sort"] == "ascending" and numbers == sorted(numbers)
    assert seen["drawing"] > 300 and seen["stack"] > 10
    assert seen["contents"] == (width == 1400)


def test_tabs_are_reached_by_keyboard_and_show_one_panel(page: Page, tmp_path: Path) -> None:
    seen = probe(page.html, tmp_path, _TABS, 1400)
    assert seen["reached"]
    assert [i for i, shown in enumerate(seen["before"]) if shown] == [0]
    assert [i for i, shown in enumerate(seen["after"]) if shown] == [2]


def test_print_keeps_all_tabs_and_says_which_they_are(page: Page, tmp_path: Path) -> None:
    printed = page.html.replace("@media print", "@media all")
    seen = probe(printed, tmp_path, _PRINTED_TABS, 688)
    assert seen["panels"] > 8 and seen["hidden"] == []


def test_dark_and_light(page: Page, tmp_path: Path) -> None:
    def brightness(colour: str) -> float:
        return sum(map(float, colour[4:-1].split(",")))

    light = probe(page.html, tmp_path, _COLOURS, 1000)
    dark = probe(page.html, tmp_path, _COLOURS, 1000, "--blink-settings=preferredColorScheme=0")
    assert brightness(light["ink"]) + 300 < brightness(light["paper"])
    assert brightness(dark["paper"]) + 300 < brightness(dark["ink"])


def test_without_the_scripts_all_is_there(page: Page, tmp_path: Path) -> None:
    html = re.sub(r"<script>.*?</script>", "", page.html, flags=re.DOTALL)
    seen = probe(html, tmp_path, _PAINT, 1400)
    assert seen["toggles"] and seen["contents"] and seen["sections"]
    assert seen["links"] == page.html.count("<section id=")


def test_the_scripts_run_under_the_policy_of_the_page(page: Page, tmp_path: Path) -> None:
    document = opened(page.html, tmp_path, 1000)
    (toggles,) = (element for element in document if "toggles" in element.classes)
    assert "hidden" not in toggles.attributes
    assert any("aria-sort" in head.attributes for head in document.all("th"))


def test_the_tables_of_a_comparison_can_be_sorted(tmp_path: Path) -> None:
    """An error in one of the page's scripts would stop those after it."""
    folders = [record(tmp_path / name, name, 2, steps=30) for name in ("sleep", "random")]
    html = compare_report(compare_traces(folders)).html
    document = opened(html, tmp_path, 1000)
    assert any("aria-sort" in head.attributes for head in document.all("th"))
