"""A reader finds the shape of every array that a public function takes in its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

PACKAGES: Final = ("cagexplain", "trainers", "reports")
ARRAY: Final = re.compile(r"\b(NDArray|Tensor|\w*Array)\b")
SHAPE: Final = re.compile(r"\([^()]*[,\w][^()]*\)|\[[^\[\]]+\]|scalar|any shape|same shape|shape")
"""How a shape is written: ``(n, 5)``, ``int64[n, 5]``, or in words."""


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef, str]]:
    """Public functions and methods with their names, and the docstrings that speak for them."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node, ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            about = ast.get_docstring(node) or ""
            for method in node.body:
                if not isinstance(method, ast.FunctionDef):
                    continue
                if method.name == "__init__":
                    yield f"{node.name}.__init__", method, about
                elif not method.name.startswith("_"):
                    own = ast.get_docstring(method) or ""
                    yield f"{node.name}.{method.name}", method, own


def lacking(function: ast.FunctionDef, text: str) -> list[str]:
    """Array parameters whose shape the docstring does not give."""
    if re.search(r"\bSee `", text):  # it has that of another
        return []
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [
        each.arg
        for each in named
        if each.annotation is not None
        and ARRAY.search(ast.unparse(each.annotation))
        and not _told(each.arg, text)
    ]


def _told(name: str, text: str) -> bool:
    return any(
        SHAPE.search(text[match.end() : match.end() + 160])
        for match in re.finditer(rf"\b{re.escape(name)}\b", text)
    )


def test_public_functions_give_the_shapes_of_their_arrays() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{function.lineno} {name}: {', '.join(missing)}"
        for package in PACKAGES
        for path in sorted(Path(ROOT, package).rglob("*.py"))
        for name, function, text in functions(ast.parse(path.read_text(encoding="utf-8")))
        if (missing := lacking(function, text))
    ]
    assert not found, "\n".join(found)
