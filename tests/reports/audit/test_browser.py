"""The page of an audit in a real browser. Skipped where there is none."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cagexplain.audit.results import Audit
from reports.audit.page import audit_page
from tests.support import audits as made
from tests.support.browser import barriers, needs_browser, printed, probe
from tests.support.explained import BARE, FULL, report
from tests.support.surrogates import surrogate

pytestmark = [needs_browser, pytest.mark.slow]

_FITS = """
  const within = (element) => element.getBoundingClientRect().right <= innerWidth + 1;
  const clipped = [...document.querySelectorAll("main *")]
    .filter((element) => !element.closest(".scroll, svg, pre") && !within(element));
  return { wide: document.documentElement.scrollWidth, width: innerWidth,
           clipped: clipped.map((element) => element.outerHTML.slice(0, 80)) };
"""
_PRINTED = f"""
  const found = (() => {{ {_FITS} }})();
  const table = document.querySelector("table.checks");
  const cells = [...table.querySelectorAll("th, tr.row td")].filter((cell) => cell.offsetWidth);
  found.title = table.querySelector("td.title").offsetWidth;
  found.over = cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
    .map((cell) => cell.outerHTML.slice(0, 80));
  return found;
"""
_WORKS = """
  const table = document.querySelector("table.checks");
  const ids = () => [...table.tBodies].filter((row) => !row.hidden).map((row) => row.dataset.id);
  const select = document.querySelector('[data-filter="verdict"]');
  const before = ids();
  select.value = "FAIL";
  select.dispatchEvent(new Event("change", { bubbles: true }));
  const failed = ids();
  const said = document.querySelector(".shown").textContent;
  location.hash = "#checks-NET-01";
  dispatchEvent(new HashChangeEvent("hashchange"));
  const revealed = ids();
  const opened = document.querySelector("#checks-NET-01 details").open;
  const head = [...table.tHead.rows[0].cells].find((cell) => cell.dataset.sort === "severity");
  const button = head.querySelector("button");
  button.focus();
  const reached = document.activeElement === button;
  button.click();
  const ranks = [...table.tBodies].map((row) => Number(row.dataset.severityRank));
  const up = head.getAttribute("aria-sort");
  button.click();
  const dead = [...document.querySelectorAll("a[href^='#']")].map((link) => link.hash.slice(1))
    .filter((id) => !document.getElementById(decodeURIComponent(id)));
  return { before, failed, said, revealed, opened, reached, ranks, up, dead,
           down: head.getAttribute("aria-sort"),
           pairs: [...table.tBodies].every((row) => row.rows.length === 2),
           wrong, loaded: performance.getEntriesByType("resource").length };
"""
_LISTENER = """<script>
  const wrong = [];
  addEventListener("error", (event) => wrong.push(event.message));
  document.addEventListener("securitypolicyviolation", (event) => wrong.push(event.blockedURI));
</script></head>"""
_HARM = """
  return {
    images: document.images.length,
    sortable: document.querySelectorAll("table.checks button").length,
    handlers: [...document.querySelectorAll("*")].filter((e) => e.onload || e.onerror).length,
    wrong,
  };
"""


def long_winded() -> Audit:
    """An audit in which each thing on the first screen has much to say."""
    name = made.measured(name="share of first responses to root access that are a Restore " * 2)
    findings = [
        made.finding(id=id_, measures=(name,), worst=worst)
        for id_, worst in (("ERA-01", made.WORST), ("AAA-01", None), ("BBB-01", None))
    ]
    notes = ("Only one training seed was given, so the check of seeds could not be judged.",) * 2
    return made.audit(findings=tuple(findings), notes=notes)


@pytest.fixture(scope="module")
def page() -> str:
    explained = report(FULL, dataclasses.replace(BARE, step=FULL.step + 1))
    return audit_page(made.audit(), explanations=explained, surrogate=surrogate())


@pytest.mark.parametrize("width", [500, 900, 1400])
def test_the_page_fits_the_window(page: str, tmp_path: Path, width: int) -> None:
    seen = probe(page, tmp_path, _FITS, width)
    assert seen["clipped"] == []
    assert seen["width"] == width and seen["wide"] <= width


def test_the_page_fits_a_sheet_of_paper(page: str, tmp_path: Path) -> None:
    """A4 with the margins of the page, and what is read first there as wide as is needed."""
    seen = probe(page.replace("@media print", "@media all"), tmp_path, _PRINTED, 688)
    assert seen["clipped"] == [] and seen["wide"] <= seen["width"] == 688
    assert seen["over"] == []
    assert seen["title"] > 150


def test_the_page_is_printed(page: str, tmp_path: Path) -> None:
    pdf = printed(page, tmp_path)
    assert pdf.startswith(b"%PDF-")
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", pdf)) < 60


@pytest.mark.parametrize("audit", [made.audit, long_winded, made.bare])
def test_the_first_screen_is_one_sheet(audit: Callable[[], Audit], tmp_path: Path) -> None:
    first, end, _ = audit_page(audit()).partition("</section>")
    pdf = printed(f"{first}{end}</main></body></html>", tmp_path)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    appendix = "<section><h2>What follows</h2></section></main></body></html>"
    pdf = printed(f"{first}{end}{appendix}", tmp_path)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2


def test_what_comes_before_the_appendix_is_short_on_paper(page: str, tmp_path: Path) -> None:
    body, _, rest = page.partition('<section id="checks">')
    pdf = printed(body + rest[rest.index("</main>") :], tmp_path)
    assert 3 < len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12


def test_checks_are_filtered_sorted_and_found_without_an_error(page: str, tmp_path: Path) -> None:
    seen = probe(page.replace("</head>", _LISTENER, 1), tmp_path, _WORKS, 1400)
    findings = made.audit().findings
    assert sorted(seen["before"]) == sorted(finding.id for finding in findings)
    failed = sorted(finding.id for finding in findings if finding.verdict == "FAIL")
    assert sorted(seen["failed"]) == failed
    assert seen["said"] == f"{len(failed)} of {len(findings)} checks shown"
    assert "NET-01" in seen["revealed"] and seen["opened"]
    assert seen["reached"] and seen["pairs"]
    assert seen["ranks"] == sorted(seen["ranks"])
    assert (seen["up"], seen["down"]) == ("ascending", "descending")
    assert seen["dead"] == []
    assert seen["wrong"] == [] and seen["loaded"] == 0


def test_hostile_names_run_nothing(tmp_path: Path) -> None:
    html = audit_page(made.hostile()).replace("</head>", _LISTENER, 1)
    seen = probe(html, tmp_path, _HARM, 1000)
    assert seen["sortable"] > 0
    assert (seen["images"], seen["handlers"], seen["wrong"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("width", "flags"),
    [(1400, ()), (500, ("--blink-settings=preferredColorScheme=0",))],
    ids=["light", "dark and narrow"],
)
def test_axe_finds_no_barrier(
    page: str, tmp_path: Path, width: int, flags: tuple[str, ...]
) -> None:
    assert barriers(page, tmp_path, width, *flags) == []
