"""`cagexplain compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.table import Table

from cagexplain.cli.options import FILE_TO_WRITE, JSON_OPTION, Command, Unused, output_option
from cagexplain.cli.places import RUNS, new_place
from cagexplain.common import terminal

if TYPE_CHECKING:
    from rich.console import Console

    from cagexplain.analysis.compare.comparison import Comparison, Condition, Pair
    from cagexplain.analysis.compare.differences import MetricDifference
    from cagexplain.tracing.trace import Trace

SHOWN: Final = 5
"""Groups that --full names; the page has all."""
LINES: Final = 15
"""What the terminal shows without --full."""
_UNUSED: Final = (
    Unused(
        "on the parts of one trace, which were recorded together",
        lambda options: options["by"] is not None,
        ("allow_different_conditions",),
    ),
)


@click.command("compare", cls=Command, unused=_UNUSED)
@click.argument(
    "traces", nargs=-1, required=True, metavar="TRACE...", type=click.Path(path_type=Path)
)
@output_option(
    "HTML file to write.  [default: runs/compare-POLICY-POLICY-1.html, -2, ...]", FILE_TO_WRITE
)
@JSON_OPTION
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
@click.option("--full", is_flag=True, help="Also show all metrics in the terminal.")
def command(
    traces: tuple[Path, ...],
    output: Path | None,
    json_file: Path | None,
    by: str | None,
    allow_different_conditions: bool,
    full: bool,
) -> None:
    """Show where policies differ, and whether chance explains it.

    TRACE is a folder that `cagexplain trace` has written, one of each policy. With the same seeds
    in all of them (the default of `trace`) the episodes are compared seed by seed.
    """
    from cagexplain.analysis.compare.comparison import compare_parts, compare_traces
    from cagexplain.common.errors import UsageError
    from cagexplain.common.files import write_json, write_text
    from cagexplain.tracing.trace import open_trace
    from reports.compare.page import compare_report

    opened = [open_trace(folder) for folder in traces]
    target = output or _new_file(opened, by)
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
    write_text(target, compare_report(comparison).html)
    if json_file is not None:
        write_json(json_file, comparison.to_json())
    written = [str(path) for path in (target, json_file) if path is not None]
    if full:
        _show_all(comparison, terminal.console())
    else:
        _show(_summary(comparison), LINES - len(written))
    for path in written:
        click.echo(path)


def _new_file(traces: Sequence[Trace], by: str | None) -> Path:
    """A new one below runs, named after the policies."""
    names = [str(trace.manifest.policy.get("name", trace.path.name)) for trace in traces]
    RUNS.mkdir(exist_ok=True)
    return new_place("compare", "-".join([*names, *([f"by-{by}"] if by else [])]), ".html")


def _show(lines: Sequence[str], most: int) -> None:
    if len(lines) > most:
        hidden = len(lines) - most + 1
        lines = [*lines[: most - 1], f"... {hidden} more lines: --full shows all, and the page."]
    for line in lines:
        click.echo(line)


def _summary(comparison: Comparison) -> list[str]:
    """Of each pair the return, then where most choices differ."""
    from cagexplain.analysis.compare.samples import RETURN

    lines = [_warning(condition) for condition in comparison.conditions]
    for pair in comparison.pairs:
        lines.append(f"{_heading(pair)}:")
        lines += [f"  {_metric(metric)}" for metric in pair.metrics if metric.metric == RETURN]
        lines += [f"  {line.strip()}" for line in _choices(pair, 1)]
    return lines + [f"Not compared: {line}" for line in comparison.left_out]


def _warning(condition: Condition) -> str:
    return (
        f"Different {condition.name}: {', '.join(condition.values)}. What differs below need not "
        "be the policies' doing."
    )


def _heading(pair: Pair) -> str:
    return f"{pair.a} and {pair.b}, on {'the same' if pair.paired else 'different'} seeds"


def _metric(metric: MetricDifference) -> str:
    from reports.compare.words import metric_name

    values = f"{metric_name(metric.metric)} {_number(metric.value_a)} and {_number(metric.value_b)}"
    if metric.difference is None:
        return f"{values}: not enough data, n = {min(metric.n_a, metric.n_b)}"
    interval = f"{_number(metric.low)} to {_number(metric.high)}"
    return (
        f"{values}: {_number(metric.difference)} ({interval}), adjusted p {_p(metric.p_adjusted)}"
    )


def _show_all(comparison: Comparison, console: Console) -> None:
    for condition in comparison.conditions:
        console.print(_warning(condition), style="bold")
    for pair in comparison.pairs:
        console.print(f"\n{_heading(pair)}", style="bold")
        if pair.metrics:
            console.print(_metrics(pair))
        for line in _choices(pair, SHOWN):
            console.print(line)
    for line in comparison.left_out:
        console.print(f"Not compared: {line}")


def _metrics(pair: Pair) -> Table:
    from reports.compare.words import metric_name

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in (pair.a, pair.b, "difference", "95 % interval", "p, adjusted"):
        table.add_column(heading, justify="right")
    for metric in pair.metrics:
        lacking = f"not enough data: n = {min(metric.n_a, metric.n_b)}"
        table.add_row(
            metric_name(metric.metric),
            _number(metric.value_a),
            _number(metric.value_b),
            lacking if metric.difference is None else _number(metric.difference),
            "" if metric.low is None else f"{_number(metric.low)} to {_number(metric.high)}",
            _p(metric.p_adjusted),
            style="bold" if metric.significant else None,
        )
    return table


def _choices(pair: Pair, shown: int) -> list[str]:
    from reports.kit.numbers import signed

    groups = [group for view in pair.views for group in view.groups]
    tested = [group for group in groups if group.p is not None]
    n = sum(group.significant for group in tested)
    lines = [
        f"Choices differ significantly in {n} of {len(tested)} situations"
        f" ({len(groups) - len(tested)} more lack data)."
    ]
    for place in pair.most[:shown]:
        difference = place.difference
        if not difference.significant or difference.change is None:
            continue
        lines.append(
            f"  {place.view}, {difference.group}: distance {difference.distance:.2f} "
            f"({difference.low:.2f} to {difference.high:.2f}), "
            f"{difference.action} {signed(100 * difference.change, 0)} %, "
            f"n = {difference.total_a:,} and {difference.total_b:,}, p {_p(difference.p_adjusted)}"
        )
    return lines


def _number(value: float | None) -> str:
    from reports.kit.numbers import fixed

    if value is None:
        return "–"
    return fixed(value, 1 if abs(value) >= 10 else 3)


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
