"""The page of decision trees that imitate a policy."""

from __future__ import annotations

from cagexplain.analysis.trees.results import Surrogate
from reports.kit.layout import Chapter, layout
from reports.kit.sections import render
from reports.shared.trees import section


def surrogate_page(result: Surrogate) -> str:
    """Make the page, one self-contained HTML document."""
    name = str(result.teacher.get("name", "unnamed"))
    return layout(
        title=f"{name}: rules it follows",
        header=render("trees/header.html.j2", name=name),
        chapters=[Chapter("Rules", [section(result)])],
        footer="",
    )
