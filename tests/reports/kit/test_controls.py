"""Control characters of others in pages, pictures and Markdown."""

import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

from reports.kit.pages import environment
from reports.study.page import cell

HOSTILE = "<a>\x1b[2J\u202e\x00\udc80"


def test_pages_and_pictures_show_escapes() -> None:
    made = environment().from_string("<p>{{ name }}</p>").render(name=HOSTILE)
    assert made == r"<p>&lt;a&gt;\x1b[2J\u202e\x00\udc80</p>"
    tree = SimpleNamespace(agent=HOSTILE, leaves=1, depth=0)
    picture = environment().get_template("drawings/tree.svg.j2")
    svg = picture.render(tree=tree, lines=[], width=1, height=1, bar_x=1, ink="#000000")
    ElementTree.fromstring(svg)  # XML holds no control characters, escaped or not
    assert r"\x1b[2J\u202e\x00" in svg


def test_markdown_shows_escapes() -> None:
    assert cell("a\x1b[2J\nb\u202e") == r"a\\x1b\[2J b\\u202e"
