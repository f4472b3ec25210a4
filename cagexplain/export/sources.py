"""The part of our own source that a policy needs, as a package of another name.

So the code that plays in an exported folder is the code that plays here: it is followed along its
imports, and copied with these made relative. Nothing else of it changes, but for one module that
has a stand-in.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

OURS: Final = "cagexplain"
STAND_INS: Final = {"cagexplain.policies.jit": "cagexplain.export.uncompiled"}
"""Modules in whose place others are copied."""


def closure(entries: Iterable[str]) -> dict[str, str]:
    """The source of some modules of ours and of all that they import, by the module's name."""
    sources: dict[str, str] = {}
    ahead = list(entries)
    while ahead:
        name = ahead.pop()
        if name in sources:
            continue
        sources[name] = _file(STAND_INS.get(name, name)).read_text("utf-8")
        parent = name.rpartition(".")[0]
        ahead += [parent] if parent else []
        for statement in imports(ast.parse(sources[name])):
            ahead += _modules(statement)
    return sources


def package(sources: Mapping[str, str]) -> dict[str, str]:
    """The files of a package that holds these modules: text by path, from the package's folder."""
    files = {}
    for name in sorted(sources):
        place, is_package = Path(*name.split(".")[1:]), _is_package(name)
        path = place / "__init__.py" if is_package else place.with_suffix(".py")
        files[path.as_posix()] = _relative(name, sources[name])
    return files


def foreign(sources: Mapping[str, str]) -> set[str]:
    """The packages beyond Python's own that some modules import."""
    names = set()
    for source in sources.values():
        for statement in imports(ast.parse(source)):
            names |= {name.partition(".")[0] for name in _names(statement)}
    return names - {OURS} - set(sys.stdlib_module_names)


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports in a syntax tree that are executed: not those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from imports(node)


def _names(statement: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(statement, ast.ImportFrom):
        return [statement.module or ""]
    return [alias.name for alias in statement.names]


def _modules(statement: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules of ours that a statement imports."""
    modules = []
    for name in _names(statement):
        if name.partition(".")[0] != OURS:
            continue
        if isinstance(statement, ast.Import):
            raise ValueError(f"`import {name}` cannot be made relative")
        inside = [f"{name}.{alias.name}" for alias in statement.names]
        modules += [name, *filter(_exists, inside)]
    return modules


def _relative(name: str, source: str) -> str:
    """The source of a module with its imports of ours made relative."""
    lines = source.splitlines(keepends=True)
    level = name.count(".") + _is_package(name)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == OURS:
            assert node.module is not None
            inside = node.module.removeprefix(OURS).lstrip(".")
            at = node.lineno - 1
            lines[at] = lines[at].replace(f"from {node.module}", f"from {'.' * level}{inside}", 1)
    return "".join(lines)


def _exists(name: str) -> bool:
    return _path(name) is not None


def _is_package(name: str) -> bool:
    return _file(name).name == "__init__.py"


def _file(name: str) -> Path:
    path = _path(name)
    assert path is not None, name
    return path


def _path(name: str) -> Path | None:
    """The file of a module, which is not imported for it."""
    place = Path(__file__).parents[2].joinpath(*name.split("."))
    return next(
        (p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()),
        None,
    )
