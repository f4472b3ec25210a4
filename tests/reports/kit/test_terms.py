"""Every word of an audit has its meaning, once, and the documentation repeats it exactly."""

from typing import get_args

from cagexplain.audit import check, results
from cagexplain.audit.play import robustness
from reports.exports.checks_page import verdicts
from reports.kit import terms
from tests.support.paths import ROOT


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
