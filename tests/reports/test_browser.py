"""The page in a real browser. Skipped where there is none."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from reports.fsm_report import Page
from tests.reports.conftest import parse

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium found")

# Runs in a copy of the page, as the page itself allows no other script than its own.
_PROBE = """
<script>
addEventListener("load", () => {
  const seen = (element) => element.getBoundingClientRect();
  const node = document.querySelector("figure.machine .hole.at-SD a");
  node.focus();
  const dimmed = document.querySelector("figure.machine svg.fsm").classList.contains("dim");
  const box = document.querySelector('input[data-hide="blue"]');
  box.click();
  const hidden = [...document.querySelectorAll("figure .edge.blue")]
    .every((edge) => getComputedStyle(edge).display === "none");
  const table = document.querySelector("#red table.data");
  const head = table.tHead.rows[0].cells[3];
  head.click();
  const column = [...table.tBodies[0].rows].map((row) => row.cells[3].textContent);
  const style = getComputedStyle(document.body);
  document.body.dataset.probe = JSON.stringify({
    width: innerWidth,
    wide: document.documentElement.scrollWidth,
    toggles: !document.querySelector(".toggles").hidden,
    dimmed, hidden, column,
    sort: head.getAttribute("aria-sort"),
    ink: style.color, paper: style.backgroundColor,
    drawing: seen(document.querySelector("figure.machine svg.fsm")).height,
    stack: seen(document.querySelector("svg.stack rect")).width,
  });
});
</script>
"""


def probe(page: Page, folder: Path, width: int, *flags: str) -> dict[str, object]:
    """Open the page in a window of a width and tell what it looks like."""
    start = page.html.index('<meta http-equiv="Content-Security-Policy"')
    end = page.html.index(">", start) + 1
    html = page.html[:start] + page.html[end:].replace("</body>", f"{_PROBE}</body>")
    (folder / "page.html").write_text(html, encoding="utf-8")
    return json.loads(_body(folder, width, *flags)["data-probe"])


def _body(folder: Path, width: int, *flags: str) -> dict[str, str]:
    assert _CHROMIUM is not None
    command = [
        *(_CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}"),
        *(f"--window-size={width},900", "--dump-dom", *flags, (folder / "page.html").as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (body,) = parse(done.stdout).all("body")
    return body.attributes | {"toggles": str("hidden" in _toggles(done.stdout))}


def _toggles(dom: str) -> dict[str, str]:
    return next(e.attributes for e in parse(dom) if "toggles" in e.classes)


@pytest.mark.parametrize("width", [500, 1400])
def test_the_page_fits_the_window_and_answers(page: Page, tmp_path: Path, width: int) -> None:
    seen = probe(page, tmp_path, width)
    assert seen["width"] == width
    assert seen["wide"] <= width  # type: ignore[operator]
    assert seen["toggles"] and seen["dimmed"] and seen["hidden"]
    numbers = [int(text.replace(",", "")) for text in seen["column"]]  # type: ignore[attr-defined]
    assert seen["sort"] == "ascending" and numbers == sorted(numbers)
    assert seen["drawing"] > 300 and seen["stack"] > 10  # type: ignore[operator]


def test_dark_and_light(page: Page, tmp_path: Path) -> None:
    def brightness(colour: object) -> float:
        return sum(map(float, str(colour)[4:-1].split(",")))

    light = probe(page, tmp_path, 1000)
    dark = probe(page, tmp_path, 1000, "--blink-settings=preferredColorScheme=0")
    assert brightness(light["ink"]) + 300 < brightness(light["paper"])
    assert brightness(dark["paper"]) + 300 < brightness(dark["ink"])


def test_the_script_runs_under_the_policy_of_the_page(page: Page, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page.html, encoding="utf-8")
    assert _body(tmp_path, 1000)["toggles"] == "False"
