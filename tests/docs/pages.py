"""What README.md and the pages of docs/ tell a reader to type: programs and commands."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

from tests.support.paths import ROOT

PAGES: Final = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]

_PART: Final = re.compile(
    r"^#+ (?P<title>[^\n]+)$|^```(?P<kind>\w*)\n(?P<text>.*?)^```", re.M | re.S
)
_SPAN: Final = re.compile(r"(?<!`)`(?P<text>[^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_OURS: Final = ("cagexplain", "python", "make", "pip")
"""Programs whose commands are looked at."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: file name of the page.
        line: where its text begins.
        heading: above it.
        kind: word after the fence, such as ``"python"``; empty for none.
        text: between the fences.
    """

    page: str
    line: int
    heading: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command that a page names.

    Attributes:
        page, line: where.
        words: the program and its arguments, without comments.
        whole: whether it stands in a block to be copied; in a sentence, arguments may be left out.
    """

    page: str
    line: int
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {' '.join(self.words)}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    content, heading, found = page.read_text(encoding="utf-8"), "", []
    for part in _PART.finditer(content):
        if part["title"]:
            heading = part["title"]
        else:
            line = content.count("\n", 0, part.start("text")) + 1
            found.append(Block(page.name, line, heading, part["kind"], part["text"]))
    return found


def commands(page: Path) -> list[Command]:
    """The commands of a page: lines of its shell blocks, and code within its sentences."""
    found = []
    for block in blocks(page):
        if block.kind in ("sh", ""):
            for number, line in enumerate(block.text.splitlines()):
                for words in _split(line):
                    found.append(Command(page.name, block.line + number, words, True))
    content = page.read_text(encoding="utf-8")
    prose = _PART.sub(
        lambda part: part[0] if part["title"] else "\n" * part[0].count("\n"), content
    )
    return found + commands_of(page.name, prose)


def commands_of(page: str, prose: str) -> list[Command]:
    """The commands within sentences."""
    return [
        Command(page, prose.count("\n", 0, span.start()) + 1, words, False)
        for span in _SPAN.finditer(prose)
        for words in _split(span["text"].replace("\\|", "|").replace("\n", " "))
    ]


def _split(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line for a shell; none of one for something else."""
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&<>")
        lexer.commenters, lexer.whitespace_split = "#", True
        words = list(lexer)
    except ValueError:  # prose with an apostrophe
        return
    while words:
        end = next((i for i, word in enumerate(words) if set(word) <= set(";&")), len(words))
        part, words = words[:end], words[end + 1 :]
        if part[:1] == ["do"]:
            part = part[1:]
        if part[:1] == ["/usr/bin/time"]:
            part = part[2:]
        part = part[: part.index(">")] if ">" in part else part
        if part and part[0] in _OURS:
            yield tuple(part)


@contextmanager
def program(
    block: Block, folder: Path, changes: Mapping[str, str] = MappingProxyType({})
) -> Iterator[ModuleType]:
    """A Python block as an imported module.

    Args:
        block: to run.
        folder: for its file.
        changes: what is put in the place of some text, to make it smaller.
    """
    code = block.text
    for old, new in changes.items():
        assert old in code, f"{block}: there is no {old!r}"
        code = code.replace(old, new)
    name = f"page_{block.page.partition('.')[0].replace('-', '_')}_{block.line}"
    path = folder / f"{name}.py"
    path.write_text("\n" * (block.line - 1) + code, encoding="utf-8")  # failures name the line
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
