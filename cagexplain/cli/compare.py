"""`cagexplain compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from cagexplain.analysis.comparison import Comparison, Pair

SHOWN = 5
"""Groups that a summary names; the page has all."""
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("compare")
@click.argument(
    "traces", nargs=-1, required=True, metavar="TRACE...", type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--output",
    type=_FILE,
    default=Path("compare.html"),
    show_default=True,
    help="HTML file to write.",
)
@click.option("--json", "json_file", type=_FILE, help="Also write all numbers as JSON.")
@click.option(
    "--by",
    type=click.Choice(["phase", "agent"]),
    help="Compare the mission phases or the blue agents of one trace.",
)
@click.option(
    "--allow-different-conditions",
    is_flag=True,
    help="Accept other attackers or lengths of the episodes; the result says so.",
)
def command(
    traces: tuple[Path, ...],
    output: Path,
    json_file: Path | None,
    by: str | None,
    allow_different_conditions: bool,
) -> None:
    """Show where policies differ, and whether that can be chance.

    TRACE is a folder that `cagexplain trace` has written, one of each policy. With the same seeds
    in all of them (the default of `trace`) the episodes are compared seed by seed.
    """
    from cagexplain.analysis.comparison import compare_parts, compare_traces
    from cagexplain.cli.playing import require_folder
    from cagexplain.common.errors import UsageError
    from cagexplain.common.files import write_json, write_text
    from cagexplain.tracing.trace import open_trace
    from reports.compare import compare_report

    for file in (output, json_file):
        if file is not None:
            require_folder(file)
    opened = [open_trace(folder) for folder in traces]
    if by is None:
        comparison = compare_traces(opened, allow_different=allow_different_conditions)
    elif len(opened) == 1:
        comparison = compare_parts(opened[0], by)
    else:
        raise UsageError(
            f"{len(opened)} traces were given",
            where="--by",
            remedy="Give one trace to divide, or leave --by out",
        )
    write_text(output, compare_report(comparison).html)
    if json_file is not None:
        write_json(json_file, comparison.to_json())
    _show(comparison, Console())
    for path in (output, json_file):
        if path is not None:
            click.echo(path)


def _show(comparison: Comparison, console: Console) -> None:
    for condition in comparison.conditions:
        console.print(
            f"Different {condition.name}: {', '.join(condition.values)}. What differs below need "
            "not be the policies' doing.",
            style="bold",
            markup=False,
        )
    for pair in comparison.pairs:
        seeds = "the same seeds" if pair.paired else "different seeds"
        console.print(f"\n{pair.a} and {pair.b}, on {seeds}", style="bold", markup=False)
        if pair.metrics:
            console.print(_metrics(pair))
        for line in _choices(pair):
            console.print(line, markup=False)
    for line in comparison.left_out:
        console.print(f"Not compared: {line}", markup=False)


def _metrics(pair: Pair) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in (pair.a, pair.b, "difference", "95 % interval", "p, adjusted"):
        table.add_column(Text(heading), justify="right")
    for metric in pair.metrics:
        lacking = f"not enough data: n = {min(metric.n_a, metric.n_b)}"
        table.add_row(
            metric.metric,
            _number(metric.value_a),
            _number(metric.value_b),
            lacking if metric.difference is None else _number(metric.difference),
            "" if metric.low is None else f"{_number(metric.low)} to {_number(metric.high)}",
            _p(metric.p_adjusted),
            style="bold" if metric.significant else None,
        )
    return table


def _choices(pair: Pair) -> Sequence[str]:
    groups = [group for view in pair.views for group in view.groups]
    tested = [group for group in groups if group.p is not None]
    n = sum(group.significant for group in tested)
    lines = [
        f"Choices differ significantly in {n} of {len(tested)} situations"
        f" ({len(groups) - len(tested)} more lack data)."
    ]
    for place in pair.most[:SHOWN]:
        found = place.difference
        if not found.significant:
            continue
        lines.append(
            f"  {place.view}, {found.group}: distance {found.distance:.2f} "
            f"({found.low:.2f} to {found.high:.2f}), {found.action} {found.change:+.0%}, "
            f"n = {found.total_a:,} and {found.total_b:,}, p {_p(found.p_adjusted)}"
        )
    return lines


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
