"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cagexplain.common.printing import visible
from reports.kit import numbers


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line."""
    return [*_lines(heads, rows, cell), ""]


def written(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of cells that are Markdown already; only their bars are escaped."""
    return "\n".join(_lines(heads, rows, lambda text: text.replace("|", "\\|")))


def _lines(
    heads: Sequence[str], rows: Iterable[Sequence[str]], show: Callable[[str], str]
) -> list[str]:
    return [f"| {' | '.join(map(show, row))} |" for row in (heads, ["---"] * len(heads), *rows)]


def cell(text: str) -> str:
    """Text that Markdown takes for nothing else, in one line."""
    flat = visible(text).replace(numbers.NBSP, " ").replace("\n", " ")
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#!" else char for char in flat)
