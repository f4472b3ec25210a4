"""Reading YAML files such that every complaint can name the line.

`load` gives the file as a tree of `Node`s. Its user asks a node for what should be there
(`mapping`, `sequence`, `plain`) and turns what is wrong into `node.error(...)`::

    root = yaml_lines.load("study.yaml")
    for name, entry in root.mapping().items():  # UsageError with the line if it is no mapping
        if name not in known:
            raise entry.error("there is no such entry", name, remedy="Known are ...")
        use(entry.plain())

Plain words are read by the core schema of YAML 1.2, not by PyYAML's older one: `1e-3` is a number,
`no`, `off` and `2024-01-01` are words. Whole numbers may have underscores (`2_000_000`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from cagexplain.common.documents import require_file
from cagexplain.common.errors import UsageError

LIMIT: Final = 2**20
"""Bytes of the largest file that is read; people write it."""
_LONGEST: Final = 500
"""Characters of the longest complaint."""
_HALF: Final = re.compile("[\ud800-\udfff]")
"""Half of a pair of UTF-16: no text by itself, and nothing that UTF-8 could write."""


@dataclass(frozen=True)
class Node:
    """A value of a YAML file with its place.

    Attributes:
        value: a word, number, truth value or None; a dict of Nodes by name; or a list of Nodes.
        file: the file that it comes from.
        line: where it begins, from 1; for an entry of a mapping, where its name stands.
    """

    value: Any
    file: Path
    line: int

    def mapping(self) -> dict[str, Node]:
        """Its entries; none of an empty file or entry. UsageError if it is something else."""
        entries: dict[str, Node] = self._expect(dict, "a mapping of the form `name: value`")
        return entries

    def sequence(self) -> list[Node]:
        """Its items; none of an empty entry. UsageError if it is something else."""
        items: list[Node] = self._expect(list, "a list: `[a, b]`, or one item a line after `- `")
        return items

    def plain(self) -> Any:
        """The value without places: dicts, lists, str, int, float, bool, None."""
        match self.value:
            case dict():
                return {name: node.plain() for name, node in self.value.items()}
            case list():
                return [node.plain() for node in self.value]
        return self.value

    @property
    def place(self) -> str:
        """The file and line in words."""
        return f"{self.file}, line {self.line}"

    def error(self, problem: str, field: str | None = None, *, remedy: str) -> UsageError:
        """The error to raise about this value: it begins with its place."""
        return UsageError(_short(problem), where=self.place, field=field, remedy=remedy)

    def _expect(self, kind: type[Any], form: str) -> Any:
        if self.value is None:
            return kind()
        if not isinstance(self.value, kind):
            raise self.error(f"{self.plain()!r} does not belong here", remedy=f"Write {form}")
        return self.value


def load(path: str | Path) -> Node:
    """Read a YAML file.

    Raises:
        CagexplainError: there is no such file, it is a folder, pipe or device, or larger than
            `LIMIT`.
        UsageError: with the line, for text that is no YAML, names that are not words or occur
            twice, aliases (a few lines of them can stand for more than memory holds), tags other
            than those of plain data, and what JSON cannot hold: half characters and whole numbers
            beyond 64 bits.
        OSError: the file cannot be read.
    """
    path = require_file(path, "YAML file", limit=LIMIT)
    try:
        loader = _Loader(path.read_bytes())
        root = loader.get_single_node()
        return Node(None, path, 1) if root is None else _node(loader, root, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else path
        problem = ", ".join(part for part in (error.context, error.problem) if part)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = path
        problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
    raise UsageError(
        f"the file cannot be read as YAML ({_short(problem)})", where=where, remedy="Correct it"
    )


def _short(problem: str) -> str:
    """A complaint that fits into a terminal, whatever the file holds where it is wrong."""
    return problem if len(problem) <= _LONGEST else f"{problem[:_LONGEST]} ..."


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the core schema of YAML 1.2, without aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not accepted", mark)
        return super().compose_node(parent, index)


_WORDS: Final = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9][0-9_]*)", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}
"""Kinds of plain words: pattern, characters that it can begin with."""
for _kind, (_pattern, _first) in _WORDS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first
    )
_TAGS: Final = {f"tag:yaml.org,2002:{kind}" for kind in (*_WORDS, "str", "seq", "map")}


def _node(loader: _Loader, raw: yaml.Node, path: Path) -> Node:
    line = raw.start_mark.line + 1
    if raw.tag not in _TAGS:
        raise Node(None, path, line).error(
            f"the tag {raw.tag!r} is not accepted", remedy="Write plain values"
        )
    match raw:
        case yaml.MappingNode():
            entries: dict[str, Node] = {}
            for key, content in raw.value:
                place = key.start_mark.line + 1
                here = Node(None, path, place)
                name = _plain_value(loader, key, here)
                if not isinstance(name, str):
                    raise here.error(f"{name!r} is no name", remedy="Put it in quotation marks")
                if name in entries:
                    raise here.error(
                        f"occurs already in line {entries[name].line}", name, remedy="Remove one"
                    )
                entries[name] = Node(_node(loader, content, path).value, path, place)
            return Node(entries, path, line)
        case yaml.SequenceNode():
            return Node([_node(loader, item, path) for item in raw.value], path, line)
    return Node(_plain_value(loader, raw, Node(None, path, line)), path, line)


def _plain_value(loader: _Loader, raw: yaml.Node, place: Node) -> Any:
    """The value of a word; refuses what no other file of ours could hold."""
    value = loader.construct_object(raw)
    if isinstance(value, str) and _HALF.search(value):
        raise place.error("there is half a character in this text", remedy="Write it anew")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise place.error("the number is too large", remedy="Give a smaller one")
    return value
