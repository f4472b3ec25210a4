import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from cagexplain.common.errors import CagexplainError, UsageError
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("where", "field", "text"),
    [
        (None, None, "too long. Shorten it."),
        (Path("a/config.toml"), None, "a/config.toml: too long. Shorten it."),
        ("config.toml", "name", "config.toml: name: too long. Shorten it."),
        (None, "name", "name: too long. Shorten it."),
    ],
)
def test_reads_as_one_message(where: str | Path | None, field: str | None, text: str) -> None:
    assert str(CagexplainError("too long", where=where, field=field, remedy="Shorten it")) == text


def test_keeps_the_punctuation_that_is_there() -> None:
    assert str(CagexplainError("Really?", remedy="Yes. ")) == "Really? Yes."


def test_wrong_usage_has_its_own_exit_code() -> None:
    assert CagexplainError("p", remedy="r").exit_code == 1
    assert UsageError("p", remedy="r").exit_code == 2


@pytest.mark.parametrize("kind", [CagexplainError, UsageError])
def test_survives_the_way_out_of_a_worker_process(kind: type[CagexplainError]) -> None:
    error = kind("bad", where=Path("x"), field="y", remedy="Fix it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) == "x: y: bad. Fix it."


def _bound(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """What a file gives each of its names."""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    values.setdefault(target.id, []).append(node.value)
    return values


def _openings(node: ast.expr, bound: dict[str, list[ast.expr]]) -> Iterator[str]:
    """How a text can begin, as far as its file says."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.IfExp):
        yield from _openings(node.body, bound)
        yield from _openings(node.orelse, bound)
    elif isinstance(node, ast.BinOp):
        yield from _openings(node.left, bound)
    elif isinstance(node, ast.FormattedValue):
        yield from _openings(node.value, bound)
    elif isinstance(node, ast.Name):
        for value in bound.get(node.id, []):
            yield from _openings(value, bound)
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            openings = list(_openings(part, bound))
            yield from filter(None, openings)
            if "" not in openings:
                break


def test_every_remedy_begins_with_a_capital() -> None:
    """It is a sentence of its own."""
    texts = 0
    for package in ("benchmarks", "cagexplain", "reports", "trainers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            bound = _bound(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.keyword) and node.arg == "remedy":
                    for text in _openings(node.value, bound):
                        assert text[0].isupper(), f"{path}:{node.value.lineno}: {text}"
                        texts += 1
    assert texts > 300
