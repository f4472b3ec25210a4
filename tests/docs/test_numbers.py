"""Numbers on the pages of docs/ that follow from the code are those of the code."""

from __future__ import annotations

import re
from typing import Final

import pytest

from benchmarks.sensitivity import MUTATIONS
from cagexplain.audit.checks import checks
from cagexplain.audit.verdicts import MIN_EPISODES
from cagexplain.cc4 import observations
from cagexplain.fidelity.metrics import METRICS, RETURN
from cagexplain.sim import state
from tests.docs import pages
from trainers.registry import ALGORITHMS

RECORDED: Final = len(list((pages.ROOT / "tests" / "data" / "lockstep").glob("*.npz")))
FACTS: Final = [
    ("fidelity.md", r"room for ([\d,]+) red sessions", state.SESSIONS),
    ("fidelity.md", r"red sessions, ([\d,]+) processes", state.PROCESSES),
    ("fidelity.md", r"holds (\d+) such episodes", RECORDED),
    ("fidelity.md", r"\*\*\d+ of (\d+) broken rules", len(MUTATIONS)),
    ("fidelity.md", r"and (\d+) metrics of behaviour", sum(m.group != RETURN for m in METRICS)),
    ("fidelity.md", r"`obs` \((\d+) numbers", sum(observations.SIZES)),
    ("training.md", r"instead of (\d+)\)", sum(observations.SIZES)),
    ("auditing.md", r"of (\d+) checks some fail", len(checks())),
    ("auditing.md", r"fewer than (\d+) episodes", MIN_EPISODES),
]


@pytest.mark.parametrize(("page", "says", "value"), FACTS, ids=lambda x: str(x)[:30])
def test_numbers(page: str, says: str, value: int) -> None:
    text = (pages.ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(says, " ".join(text.split()))
    assert [int(number.replace(",", "")) for number in found] == [value]


def test_the_table_of_methods_is_complete() -> None:
    text = (pages.ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"## Methods\n\n(.*?)\n\n", text, re.S)
    named = [
        name for row in table.splitlines() for name in re.findall("`(.+?)`", row.split("|")[1])
    ]
    assert named == list(ALGORITHMS)


def test_links_lead_somewhere() -> None:
    for page in pages.PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"
