"""The SOC metrics as a table, for `docs/metrics.md`."""

from __future__ import annotations

from cagexplain.analysis.metrics.definitions import DEFINITIONS


def markdown() -> str:
    """The definitions as a Markdown table."""
    lines = [
        "| metric | key | unit | better | formula | columns | published |",
        "|---|---|---|---|---|---|---|",
    ]
    for d in DEFINITIONS:
        values = ", ".join(f"{p.value:g}" for p in d.published) or "-"
        cells = (d.name, f"`{d.key}`", d.unit, d.better, d.formula, f"`{d.columns}`", values)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
