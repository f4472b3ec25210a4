"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from cagexplain.common.printing import visible
from reports.kit import numbers


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line."""
    body = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(map(cell, row))} |" for row in body] + [""]


def cell(text: str) -> str:
    """Text that Markdown takes for nothing else, in one line."""
    flat = visible(text).replace(numbers.NBSP, " ").replace("\n", " ")
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#!" else char for char in flat)
