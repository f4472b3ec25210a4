"""A reader finds the shape of every array that a public function takes in its docstring.

A method may leave it to the class that it inherits from, or to the protocol that it fulfils.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

PACKAGES: Final = ("cagexplain", "trainers", "reports")
ARRAY: Final = re.compile(r"\b(NDArray|Tensor|\w*Array)\b")
SHAPE: Final = re.compile(r"\([^()]*[,\w][^()]*\)|\[[^\[\]]+\]|scalar|any shape|length")
"""How a shape is written: ``(n, 5)``, ``int64[n, 5]``, or in words."""
NEAR: Final = 120
"""Characters before or after the name of a parameter within which its shape stands."""
ELSEWHERE: Final = re.compile(r"(see|as in|as for|those of|arguments of) `", re.I)
"""How a docstring leaves the shapes to that of another."""


@dataclass(frozen=True)
class Function:
    """A public function or method.

    Attributes:
        place: file, and the name with that of its class.
        node: its definition.
        text: the docstring that speaks for it; for ``__init__`` that of the class.
        kin: names of the classes that it belongs to and inherits from.
    """

    place: str
    node: ast.FunctionDef
    text: str
    kin: tuple[str, ...]


def functions() -> Iterator[Function]:
    """All of the packages."""
    for package in PACKAGES:
        for path in sorted(Path(ROOT, package).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                place = str(path.relative_to(ROOT))
                if isinstance(node, ast.FunctionDef):
                    yield Function(f"{place} {node.name}", node, ast.get_docstring(node) or "", ())
                if isinstance(node, ast.ClassDef):
                    bases = [re.sub(r"\[.*|.*\.", "", ast.unparse(base)) for base in node.bases]
                    for each in node.body:
                        if isinstance(each, ast.FunctionDef):
                            of_class = each.name == "__init__"
                            text = ast.get_docstring(node if of_class else each) or ""
                            yield Function(
                                f"{place} {node.name}.{each.name}", each, text, (node.name, *bases)
                            )


def is_public(function: Function) -> bool:
    """Whether others may call it."""
    hidden = function.kin[:1] and function.kin[0].startswith("_")
    return not hidden and (not function.node.name.startswith("_") or function.node.name[:2] == "__")


def arrays(function: Function) -> Iterator[str]:
    """Names of the parameters that are arrays."""
    arguments = function.node.args
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if each.annotation is not None and ARRAY.search(ast.unparse(each.annotation)):
            yield each.arg


def gives(text: str, name: str, alone: bool) -> bool:
    """Whether a docstring gives the shape of a parameter.

    Args:
        text: the docstring.
        name: of the parameter.
        alone: whether it is the only array, so that any shape is its own.
    """
    if ELSEWHERE.search(text) or (alone and SHAPE.search(text)):
        return True
    return any(
        SHAPE.search(text[max(match.start() - NEAR, 0) : match.end() + NEAR])
        for match in re.finditer(rf"\b{re.escape(name)}\b", text, re.I)
    )


EVERY: Final = list(functions())
BASES: Final = defaultdict[str, set[str]](set)  # of all classes of a name
ABOUT: Final = defaultdict[tuple[str, str], str](str)
for _each in EVERY:
    if _each.kin:
        BASES[_each.kin[0]] |= set(_each.kin[1:])
        ABOUT[_each.kin[0], _each.node.name] += f"\n{_each.text}"
PROTOCOLS: Final = [name for name, bases in BASES.items() if "Protocol" in bases]


def elders(name: str) -> set[str]:
    """Classes that a class inherits from."""
    above: set[str] = set()
    todo = [name]
    while todo:
        new = BASES.get(todo.pop(), set()) - above
        above |= new
        todo += new
    return above


def lacking(function: Function) -> list[str]:
    """Array parameters whose shape is given nowhere."""
    texts = [function.text]
    if function.kin:
        above = [*elders(function.kin[0]), *PROTOCOLS]
        texts += [ABOUT.get((each, function.node.name), "") for each in above]
    names = list(arrays(function))
    return [name for name in names if not any(gives(text, name, len(names) == 1) for text in texts)]


def test_public_functions_give_the_shapes_of_their_arrays() -> None:
    assert sum(bool([*arrays(function)]) for function in EVERY) > 300
    wanting = [
        f"{function.place}: {', '.join(names)}"
        for function in EVERY
        if is_public(function) and (names := lacking(function))
    ]
    assert not wanting, "\n".join(wanting)
