import functools
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cagexplain.analysis.fsm.analyse import FsmAnalysis, analyse
from cagexplain.stats.durations import MIN_EPISODES
from reports.fsm.page import Page, fsm_report
from tests.support.traces import record

Analyse = Callable[..., FsmAnalysis]

_VOID = {"meta", "br", "wbr", "input", "rect", "line", "circle", "path", "polygon", "ellipse"}


class Element:
    """An element of a parsed page."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    def __iter__(self) -> Any:
        """All elements below, in document order, this one first."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child

    def all(self, *tags: str, within: str | None = None) -> list["Element"]:
        """Elements of these kinds, perhaps only within the one with an id."""
        top = self if within is None else next(e for e in self if e.attributes.get("id") == within)
        return [element for element in top if element.tag in tags]

    @property
    def text(self) -> str:
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return "".join(parts)

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.stack = [self.root]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attributes})
        self.stack[-1].children.append(element)
        if tag not in _VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        assert self.stack[-1].tag == tag, f"</{tag}> closes <{self.stack[-1].tag}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def parse(html: str) -> Element:
    """Parse a page; elements that are not properly nested are an error."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert parser.stack == [parser.root]
    return parser.root


@pytest.fixture(scope="session")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Analyse:
    """Analyse a short recording of a policy, with enough episodes for times."""

    @functools.cache
    def make(policy: str, episodes: int = MIN_EPISODES, **options: Any) -> FsmAnalysis:
        folder = tmp_path_factory.mktemp(policy) / "trace"
        return analyse(record(folder, policy, episodes, **options))

    return make


@pytest.fixture(scope="session")
def analysis(analysed: Analyse) -> FsmAnalysis:
    return analysed("random")


@pytest.fixture(scope="session")
def page(analysis: FsmAnalysis) -> Page:
    return fsm_report(analysis)


@pytest.fixture(scope="session")
def document(page: Page) -> Element:
    return parse(page.html)


@pytest.fixture(scope="session")
def trace_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "runs" / "one"
    record(folder, "sleep", 2, steps=20)
    return folder
