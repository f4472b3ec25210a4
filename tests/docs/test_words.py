"""Catalogue, definitions, help and documentation use the words of docs/glossary.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import click
import pytest

from cagexplain.analysis.metrics.definitions import DEFINITIONS
from cagexplain.audit.checks import checks
from cagexplain.cli.main import cli
from tests.docs import pages

INSTEAD: Final = {
    r"ticks?": "step",
    r"borders?": "threshold",
    r"seats?": "agent slot",
    r"spells?": "incident",
    r"stays? of red": "incident",
    r"red's stays?": "incident",
}
"""Word that is not used -> the glossary's."""


def texts() -> Iterator[tuple[str, str]]:
    """What readers get to see, with where it stands."""
    for check in checks():
        words = (check.title, check.problem, check.why, check.remediation, check.formula)
        names = [measure.name for measure in check.measures]
        yield check.id, "\n".join([*words, check.trigger, check.absent, *names])
    for each in DEFINITIONS:
        yield each.key, f"{each.name}\n{each.formula}"
    for page in pages.PAGES:
        if page.name != "glossary.md":
            yield page.name, page.read_text(encoding="utf-8")
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        yield f"{name} --help", command.get_help(click.Context(command, info_name=name))


@pytest.mark.parametrize(("word", "better"), INSTEAD.items())
def test_one_word_per_thing(word: str, better: str) -> None:
    glossary = next(page for page in pages.PAGES if page.name == "glossary.md")
    assert better in glossary.read_text(encoding="utf-8")
    used = [
        f"{place}: {match.group()}"
        for place, text in texts()
        for match in re.finditer(rf"\b{word}\b(?!`)", text, re.I)
    ]
    assert not used, f"say {better}: {used}"
