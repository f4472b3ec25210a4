"""What holds of every page, and reading its tables."""

import base64
import hashlib
import itertools
import re

from tests.support.fixtures_pages import Element

HOSTILE = """<script>alert("x")</script>'"><img src=x onerror=alert(1)>{{ 7 * 7 }}"""
"""A name that would do harm if it were not escaped."""


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


def loads_nothing(html: str, document: Element) -> None:
    for element in document:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            address = element.attributes.get(name, "#")
            assert address.startswith(("#", "data:")), f"<{element.tag} {name}={address[:60]}>"
        assert not [name for name in element.attributes if name.startswith("on")]
        assert element.tag not in {"link", "iframe", "img", "object", "embed", "base"}
    style = "".join(element.text for element in document.all("style"))
    assert "url(" not in style and "@import" not in style
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def allows_its_scripts_and_nothing_else(document: Element) -> None:
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


def is_in_order(document: Element) -> None:
    assert len(document.all("h1")) == 1
    assert len(document.all("title", within=None)) >= 1
    assert document.all("html")[0].attributes["lang"] == "en"
    ids = [element.attributes["id"] for element in document if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for link in document.all("a"):
        address = link.attributes.get("href") or link.attributes.get("xlink:href", "")
        if address.startswith("#"):
            assert address[1:] in ids, address
    levels = [int(h.tag[1]) for h in document.all("h1", "h2", "h3", "h4")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for label in document.all("label"):
        assert label.all("input") or label.attributes["for"] in ids


def can_be_reached_by_its_contents(document: Element) -> None:
    (nav,) = document.all("nav")
    targets = [link.attributes["href"][1:] for link in nav.all("a")]
    assert targets == [section.attributes["id"] for section in document.all("section")]


def every_picture_has_words(document: Element) -> None:
    for svg in document.all("svg"):
        described = {"aria-hidden", "aria-label", "aria-labelledby"} & set(svg.attributes)
        assert described, svg.attributes
    for table in document.all("table"):
        assert table.all("thead") and all("scope" in th.attributes for th in table.all("th"))
    for region in document:
        if "scroll" in region.classes:
            assert region.attributes["tabindex"] == "0" and region.attributes["aria-label"]


def is_complete_without_script(document: Element) -> None:
    """Panels are switched by radio buttons alone; what is hidden are controls of scripts."""
    for tabs in (element for element in document if "tabs" in element.classes):
        parts = [child for child in tabs.children if isinstance(child, Element)]
        kinds = [child.tag for child in parts]
        assert kinds == ["input", "label", "div"] * (len(kinds) // 3)
        boxes = parts[::3]
        assert ["checked" in box.attributes for box in boxes] == [True] + [False] * (len(boxes) - 1)
        assert len({box.attributes["name"] for box in boxes}) == 1
        assert all(panel.text.strip() for panel in parts[2::3])
    for element in document:
        if "hidden" in element.attributes:
            assert not element.all("table", "figure"), element.attributes
            assert not any(paragraph.text.strip() for paragraph in element.all("p"))


EVERY_PAGE = (
    allows_its_scripts_and_nothing_else,
    is_in_order,
    can_be_reached_by_its_contents,
    every_picture_has_words,
    is_complete_without_script,
)
"""What holds of a page as it is parsed; `loads_nothing` needs its text, too."""
