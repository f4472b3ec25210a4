"""How sections become a page."""

import base64
import hashlib

from markupsafe import Markup

from reports.kit.layout import Chapter, layout
from reports.kit.sections import Section, gap
from tests.support.fixtures_pages import Element, parse

HOSTILE = """</style><script>alert("x")</script>'">"""


def page(*sections: Section) -> Element:
    return parse(
        layout(
            title=HOSTILE,
            header=Markup("<h1>Head</h1>"),
            chapters=[Chapter("Empty", []), Chapter(HOSTILE, sections)],
            footer=HOSTILE,
        )
    )


ONE = Section("one", HOSTILE, Markup("<p>1</p>"), style=".a{}", script="let a = 1;")
TWO = Section("two", "Two", gap(HOSTILE, "Do so.", f"do {HOSTILE}"), ".a{}", "let a = 1;")


def test_the_contents_lead_to_all_sections() -> None:
    document = page(ONE, TWO)
    (nav,) = document.all("nav")
    links = [(link.attributes["href"], link.text) for link in nav.all("a")]
    assert links == [("#one", HOSTILE), ("#two", "Two")]
    assert [s.attributes["id"] for s in document.all("section")] == ["one", "two"]
    assert [h.text for h in document.all("h2")] == [HOSTILE, "Two"]
    assert "Empty" not in nav.text


def test_styles_and_scripts_come_once_and_only_these_may_run() -> None:
    document = page(ONE, TWO)
    assert sum(style.text == ".a{}" for style in document.all("style")) == 1
    scripts = [script.text for script in document.all("script")]
    assert scripts.count("let a = 1;") == 1 and len(scripts) == 2
    (policy,) = (
        meta.attributes["content"]
        for meta in document.all("meta")
        if "http-equiv" in meta.attributes
    )
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.count("sha256-") == 2
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_whatever_names_say_stays_text() -> None:
    document = page(ONE, TWO)
    assert document.all("title")[0].text == HOSTILE
    assert HOSTILE in document.all("footer")[0].text
    assert all("alert" not in script.text for script in document.all("script"))


def test_a_gap_says_why_and_what_fills_it() -> None:
    (mark,) = [e for e in page(TWO) if "gap" in e.classes]
    assert mark.text.split() == f"Not shown. {HOSTILE} Do so. do {HOSTILE}".split()
    assert mark.all("code")[0].text == f"do {HOSTILE}"
