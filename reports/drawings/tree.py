"""A decision tree as a picture of its own: nested questions from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cagexplain.analysis.trees.results import AgentTree
from reports.kit import palette
from reports.kit.pages import environment

ROW: Final = 20
INDENT: Final = 22
_LETTER: Final = 6.4
"""About the width of a letter."""
_BAR: Final = 90


@dataclass(frozen=True)
class TreeRow:
    """A row of the picture.

    Attributes:
        x, y: of its text, in pixels.
        parent_y: of the question it answers; None for the root.
        answer: "yes" or "no"; empty for the root.
        text: question, or weight of a leaf.
        leaf: whether it is a leaf.
        bar: width that shows the share of decisions.
        share: that share.
    """

    x: float
    y: float
    parent_y: float | None
    answer: str
    text: str
    leaf: bool
    bar: float
    share: float


def svg(tree: AgentTree) -> Markup:
    """Draw an agent's tree."""
    lines = list(_lines(tree))
    width = max(line.x + 40 + _LETTER * len(line.text) for line in lines) + _BAR + 80
    template = environment().get_template("drawings/tree.svg.j2")
    return Markup(
        template.render(
            tree=tree,
            lines=lines,
            width=round(width),
            height=ROW * (len(lines) + 2),
            bar_x=round(width) - _BAR - 60,
            row=ROW,
            indent=INDENT,
            ink=palette.INK,
            bar_colour=palette.EDGES["blue"],
        )
    )


def _lines(tree: AgentTree) -> Iterator[TreeRow]:
    waiting: list[tuple[int, int, float | None, str]] = [(0, 0, None, "")]
    y = 1.5 * ROW
    while waiting:
        number, depth, parent_y, answer = waiting.pop()
        node = tree.nodes[number]
        y += ROW
        leaf = node.left is None or node.right is None
        text = node.text if leaf else f"{node.text}?"
        yield TreeRow(
            12 + INDENT * depth, y, parent_y, answer, text, leaf, _BAR * node.support, node.support
        )
        if node.left is not None and node.right is not None:
            waiting.append((node.left, depth + 1, y, "no"))
            waiting.append((node.right, depth + 1, y, "yes"))
