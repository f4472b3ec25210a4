"""Every word of an audit has its meaning, once, and the documentation repeats it exactly."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from cagexplain.audit import check, results
from cagexplain.audit.play import robustness
from reports.exports.checks_page import verdicts
from reports.kit import terms
from tests.support.paths import ROOT

REPORTS = ROOT / "reports"
AVOIDED = re.compile(r"\b(ticks?|borders?|seats?|spells?|tells?|told)\b", re.IGNORECASE)
"""Words that readers know by another name: step, threshold, agent slot, incident, show."""


def visible(path: Path) -> Iterator[str]:
    """What a file can put on a page: the text of a template, the sentences of a module."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".j2":
        for part in (text, *re.findall(r'aria-label="([^"]*)"', text)):
            yield re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}|<[^>]*>", " ", part)
        return
    tree = ast.parse(text)
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            sentence = re.sub("`[^`]*`", "", node.value)  # without names of programs and files
            if " " in sentence and sentence not in check.UNITS:
                yield sentence


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(REPORTS.rglob("*")) if path.suffix in (".py", ".j2")],
    ids=lambda path: str(path.relative_to(REPORTS)),
)
def test_pages_use_one_word_for_a_thing(path: Path) -> None:
    assert [m[0] for text in visible(path) for m in AVOIDED.finditer(text)] == []


def test_every_word_has_a_meaning() -> None:
    assert tuple(terms.VERDICTS) == results.VERDICTS, "in the order in which they ask for attention"
    assert tuple(terms.AXES) == check.AXES
    assert set(terms.KNOWLEDGE) == set(get_args(check.Knowledge))
    assert set(terms.SOURCES) == set(get_args(check.Source))
    assert {c.group for c in robustness.CONDITIONS} <= set(terms.VARIATIONS)
    assert len({term.icon for term in terms.VERDICTS.values()}) == len(terms.VERDICTS)


def test_the_documentation_has_the_same_meanings() -> None:
    text = (ROOT / "docs" / "auditing.md").read_text(encoding="utf-8")
    assert verdicts() in text
    assert terms.SEVERAL_NUMBERS in " ".join(text.split())
