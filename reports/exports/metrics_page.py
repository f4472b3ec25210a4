"""The SOC metrics as a table, for `docs/metrics.md`."""

from __future__ import annotations

from cagexplain.analysis.metrics.definitions import DEFINITIONS, Definition
from reports.kit.markdown import written


def markdown() -> str:
    """The definitions as a Markdown table."""
    heads = ("metric", "key", "unit", "better", "formula", "columns", "published")
    return written(heads, map(_row, DEFINITIONS)) + "\n"


def _row(metric: Definition) -> tuple[str, ...]:
    published = ", ".join(f"{other.value:g}" for other in metric.published) or "-"
    return (
        *(metric.name, f"`{metric.key}`", metric.unit, metric.better),
        *(metric.formula, f"`{metric.columns}`", published),
    )


if __name__ == "__main__":
    print(markdown(), end="")
