"""Every Python program in README.md and on the pages of docs/ runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from cagexplain.cli.main import main
from tests.docs import pages
from tests.docs.pages import Block

pytestmark = pytest.mark.slow

PROGRAMS: Final = [block for page in pages.PAGES for block in pages.blocks(page)]
SMALLER: Final[Mapping[str, Mapping[str, str]]] = {
    "5. What is the rest worth?": {"EPISODES = 100": "EPISODES = 1", "ippo_long": "punch"},
}
"""What is put in the place of some text to make a program smaller, by the heading above it."""
ELSEWHERE: Final = {"An official submission"}
"""Headings of what needs CybORG's names: test_your_agent.py plays it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with what the pages have made before."""
    folder = tmp_path_factory.mktemp("reader")
    trace = folder / "runs" / "trace-ippo_tuned-1"
    command = ["trace", "sleep", "--episodes", "2", "--steps", "40", "-o", str(trace)]
    assert main(command) == 0
    assert main(["fsm-report", str(trace), "--graph-json", str(folder / "machine.json")]) == 0
    return folder


def test_nothing_else_passes_for_a_program() -> None:
    known = {"python", "sh", "yaml", "toml", "text", "diff", "jinja", ""}
    assert {block.kind for block in PROGRAMS} <= known


@pytest.mark.parametrize(
    "block",
    [b for b in PROGRAMS if b.kind == "python" and b.heading not in ELSEWHERE],
    ids=str,
)
def test_programs_run(
    block: Block, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    with pages.program(block, tmp_path, SMALLER.get(block.heading, {})):
        pass


def test_the_profile_of_a_page_is_one(tmp_path: Path) -> None:
    from cagexplain.audit.profiles import load_profile

    (block,) = [b for b in PROGRAMS if b.page == "auditing.md" and b.kind == "yaml"]
    (tmp_path / "own.yaml").write_text(block.text, encoding="utf-8")
    assert load_profile(str(tmp_path / "own.yaml")).name == "our contract"


def test_the_study_of_a_page_is_one(tmp_path: Path) -> None:
    from trainers.studies.definition import read_study

    (block,) = [b for b in PROGRAMS if b.page == "studies.md" and b.kind == "yaml"]
    (tmp_path / "own.yaml").write_text(block.text, encoding="utf-8")
    assert list(read_study(tmp_path / "own.yaml").methods) == ["ippo", "talk", "slow"]
