"""The table of metrics in the documentation."""

from cagexplain.analysis.metrics.definitions import DEFINITIONS
from reports.exports.metrics_page import markdown
from tests.support.paths import ROOT

DOCS = ROOT / "docs" / "metrics.md"


def test_the_documentation_defines_every_metric() -> None:
    # If not: paste what `python -m reports.exports.metrics_page` prints.
    assert markdown() in DOCS.read_text(encoding="utf-8")
    keys = [definition.key for definition in DEFINITIONS]
    assert len(set(keys)) == len(keys)
