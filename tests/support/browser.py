"""Opens pages in a real browser and asks them what they look like."""

import importlib.resources
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures_pages import Element, parse

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)

_AXE = """<script>
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  addEventListener("load", () => axe.run(document).then((found) => {
    document.body.dataset.axe = JSON.stringify(found.violations.map((violation) =>
      [violation.id, violation.nodes.length, violation.nodes[0].html.slice(0, 200),
       violation.nodes[0].failureSummary]));
  }));
</script></body>"""

needs_browser = pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium found")


def probe(html: str, folder: Path, body: str, width: int, *flags: str) -> dict[str, Any]:
    """Run the body of a function in a copy of a page (which itself allows no other scripts than its
    own) and hand back what it returns."""
    script = (
        '<script>addEventListener("load", () => { document.body.dataset.probe = '
        f"JSON.stringify((() => {{ {body} }})()); }});</script>"
    )
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    (found,) = opened(free.replace("</body>", f"{script}</body>"), folder, width, *flags).all(
        "body"
    )
    answer: dict[str, Any] = json.loads(found.attributes["data-probe"])
    return answer


def opened(html: str, folder: Path, width: int, *flags: str) -> Element:
    """A page as it is after its scripts have run."""
    size = f"--window-size={width},900"
    return parse(_browsed(html, folder, size, "--dump-dom", *flags))


def printed(html: str, folder: Path) -> bytes:
    """A page as a PDF."""
    pdf = folder / "page.pdf"
    _browsed(html, folder, "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    return pdf.read_bytes()


def barriers(html: str, folder: Path, width: int, *flags: str) -> list[Any]:
    """What axe finds, with all of the page open. The page's own policy would not let the foreign
    script run."""
    package = pytest.importorskip("axe_core_python")
    axe = (importlib.resources.files(package) / "axe.min.js").read_text(encoding="utf-8")
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    looked = free.replace("</body>", f"<script>{axe}</script>{_AXE}")
    # Axe answers after the page has loaded; the browser's clock waits for it.
    (body,) = opened(looked, folder, width, "--virtual-time-budget=60000", *flags).all("body")
    found: list[Any] = json.loads(body.attributes["data-axe"])
    return found


def _browsed(html: str, folder: Path, *flags: str) -> str:
    assert _CHROMIUM is not None
    page = folder / "page.html"
    page.write_text(html, encoding="utf-8")
    command = [
        *(_CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}"),
        *(*flags, page.as_uri()),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
