"""The worked examples of docs/contributing do what their pages say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import jinja2
import numpy as np
import pytest

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.metrics import definitions
from cagexplain.audit.checks import checks
from cagexplain.audit.judge import Tallies
from cagexplain.audit.play.count import count
from cagexplain.audit.references import References
from cagexplain.facts.view import Facts
from cagexplain.policies.registry import load_policy
from reports.kit import sections
from reports.kit.pages import environment
from tests.docs import pages
from tests.support.fixtures_pages import parse
from tests.support.paths import ROOT
from tests.support.small import DECLARED, ENOUGH, Recorded

pytestmark = pytest.mark.slow
FOLDER = ROOT / "docs" / "contributing"


@contextmanager
def example(page: str, folder: Path) -> Iterator[ModuleType]:
    """The program of a page, imported."""
    (block,) = [each for each in pages.blocks(FOLDER / page) if each.kind == "python"]
    with pages.program(block, folder) as module:
        yield module


def test_every_example_has_a_page_and_a_line_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for page in FOLDER.glob("*.md"):
        assert f"docs/contributing/{page.name}" in text


@pytest.mark.parametrize(("policy", "verdict"), [("restore_cycle", "FAIL"), ("expert", "PASS")])
def test_the_check_judges(policy: str, verdict: str, tmp_path: Path) -> None:
    with example("check.md", tmp_path) as module:
        assert module.CHECK.id not in {check.id for check in checks()}
        tallies = Tallies((module.CHECK,), Facts(), DECLARED)
        count(load_policy(policy), np.arange(ENOUGH), [tallies])
        usual = References((), {}, {(module.CHECK.id, "value"): 2.0})
        (finding,) = tallies.findings(usual)
        assert finding.verdict == verdict


def test_the_metric_counts(tmp_path: Path) -> None:
    with example("metric.md", tmp_path) as module:
        assert module.METRIC.key not in {each.key for each in definitions.DEFINITIONS}
        play = Recorded(load_policy("expert"), 2, 300)
        every = definitions.definition("useful_recoveries").team_sums(play.view)
        some = module.METRIC.team_sums(play.view)
        assert 0 < some[:, 0].sum() < every[:, 0].sum()


def test_the_section_shows(
    analysis: FsmAnalysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (template,) = [b for b in pages.blocks(FOLDER / "section.md") if b.kind == "jinja"]
    known = environment()
    one = jinja2.DictLoader({"fsm/worlds.html.j2": template.text})
    wider = known.overlay(loader=jinja2.ChoiceLoader([one, known.loader]))
    monkeypatch.setattr(sections, "environment", lambda: wider)
    with example("section.md", tmp_path) as module:
        made = module.section(analysis)
    items = [item.text for item in parse(f"<main>{made.html}</main>").all("li")]
    assert items == [f"seed {seed}" for seed in analysis.facts.seeds]
